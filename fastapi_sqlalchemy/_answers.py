"""Errors that are HTTP answers too, so that a route need not catch what its client got wrong.

Importing this module puts them in the place of the plain ones.  Each is its plain error first, so
that an application's handler for that one is asked before Starlette's.
"""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from typing_extensions import override

from .exceptions import InvalidCursorError, InvalidPageError, answer

__all__ = ["InvalidCursorHTTPError", "InvalidPageHTTPError"]


class _Answer(HTTPException):
    """Between an error and `HTTPException`, whose constructor wants a status, not a message."""

    headers = None

    def __init__(self, *args: Any) -> None:
        Exception.__init__(self, *args)

    @override
    def __str__(self) -> str:
        return Exception.__str__(self)

    @override
    def __repr__(self) -> str:
        return Exception.__repr__(self)


class InvalidPageHTTPError(InvalidPageError, _Answer):
    """422: what was expected and found, without the advice for the author of the route."""

    status_code = 422

    def __init__(self, *args: Any, **facts: Any) -> None:
        super().__init__(*args, **facts)
        self.detail = str(self).partition("\n")[0]


class InvalidCursorHTTPError(InvalidCursorError, _Answer):
    """422: what is wrong with the cursor."""

    status_code = 422

    def __init__(self, *args: Any, **facts: Any) -> None:
        super().__init__(*args, **facts)
        self.detail = str(self).partition("\n")[0]


answer(InvalidPageError, InvalidPageHTTPError)
answer(InvalidCursorError, InvalidCursorHTTPError)
