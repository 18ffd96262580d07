"""Errors that are HTTP answers too: what a route raises without catching anything.

Each one stays the error it is for whoever catches it, and is a Starlette `HTTPException`, so that
an application that knows nothing of this package answers it with its own handlers.
"""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException

from .exceptions import RecordNotFoundError, answer

__all__ = ["RecordNotFoundHTTPError"]


class _Answer(HTTPException):
    """Between an error and `HTTPException`, whose constructor wants a status, not a message."""

    headers = None

    def __init__(self, *args: Any) -> None:
        Exception.__init__(self, *args)


class RecordNotFoundHTTPError(RecordNotFoundError, _Answer):
    """404: the model and the words of the caller, never the SQL."""

    status_code = 404

    def __init__(self, model: str, statement: str, **facts: Any) -> None:
        super().__init__(model, statement, **facts)
        self.detail = self.description


answer(RecordNotFoundError, RecordNotFoundHTTPError)
