"""Errors that are HTTP answers too, so that a route need not catch what its client got wrong.

Importing this module puts them in the place of the plain ones.  Each is its plain error first, so
that an application's handler for that one is asked before Starlette's.
"""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from typing_extensions import override

from . import exceptions
from .exceptions import InvalidCursorError, InvalidPageError

__all__ = ["InvalidCursorHTTPError", "InvalidPageHTTPError"]


class _Answer(HTTPException):
    def _answer_with(self, status: int) -> None:
        # the first line: what follows it is advice for the author of the route
        HTTPException.__init__(self, status, Exception.__str__(self).partition("\n")[0])

    @override
    def __str__(self) -> str:
        return Exception.__str__(self)

    @override
    def __repr__(self) -> str:
        return Exception.__repr__(self)


class InvalidPageHTTPError(InvalidPageError, _Answer):
    """Answered with 422."""

    def __init__(self, *args: Any, **facts: Any) -> None:
        super().__init__(*args, **facts)
        self._answer_with(422)


class InvalidCursorHTTPError(InvalidCursorError, _Answer):
    """Answered with 422."""

    def __init__(self, *args: Any, **facts: Any) -> None:
        super().__init__(*args, **facts)
        self._answer_with(422)


exceptions.answer(InvalidPageError, InvalidPageHTTPError)
exceptions.answer(InvalidCursorError, InvalidCursorHTTPError)
