"""Errors that are HTTP answers too: what a route raises without catching anything.

Each one stays the error it is for whoever catches it, and is a Starlette `HTTPException`, so that
an application that knows nothing of this package answers it with its own handlers.
"""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from typing_extensions import override

from .exceptions import InvalidCursorError, InvalidPageError, RecordNotFoundError, answer

__all__ = ["InvalidCursorHTTPError", "InvalidPageHTTPError", "RecordNotFoundHTTPError"]


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


class RecordNotFoundHTTPError(RecordNotFoundError, _Answer):
    """404: the model and the words of the caller, never the SQL."""

    status_code = 404

    def __init__(self, model: str, statement: str, **facts: Any) -> None:
        super().__init__(model, statement, **facts)
        self.detail = self.description


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
answer(RecordNotFoundError, RecordNotFoundHTTPError)
