"""Our errors as HTTP responses: problem details, without SQL and without values.

`register_exception_handlers(app)` answers those that a client can cause.  What only the author of
the application can cause stays an error of the server.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy.orm.exc import StaleDataError
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse

from .exceptions import (
    CheckViolation,
    DataError,
    ForeignKeyViolation,
    IntegrityError,
    InvalidCursorError,
    InvalidPageError,
    NotNullViolation,
    RecordNotFoundError,
    UniqueViolation,
    UnknownNameError,
)

__all__ = ["problem_responses", "register_exception_handlers"]

MEDIA_TYPE: Final = "application/problem+json"
"""https://www.rfc-editor.org/rfc/rfc9457"""

_TITLES: Final = {404: "Not Found", 409: "Conflict", 422: "Unprocessable Content"}
"""https://www.rfc-editor.org/rfc/rfc9110; older Pythons have an older phrase for 422."""

_ANSWERS: Final[Mapping[type[Exception], tuple[int, str, str]]] = {
    RecordNotFoundError: (404, "record_not_found", "Not found"),
    UniqueViolation: (409, "unique_violation", "There is one with these values already"),
    ForeignKeyViolation: (
        409,
        "foreign_key_violation",
        "This refers to something that is not there, or something refers to this",
    ),
    IntegrityError: (409, "integrity_violation", "This contradicts what is there"),
    StaleDataError: (409, "stale_record", "This was changed or deleted by somebody else"),
    # of one request alone: the same would be refused whatever else is there
    NotNullViolation: (422, "not_null_violation", "A value is missing"),
    CheckViolation: (422, "check_violation", "A value is not allowed"),
    DataError: (422, "invalid_value", "A value is too long, too large or of another kind"),
    InvalidPageError: (422, "invalid_page", "There can be no such page"),
    InvalidCursorError: (422, "invalid_cursor", "There is no such cursor"),
    UnknownNameError: (422, "invalid_order", "There is nothing of that name to sort by"),
}
"""The status of each error, its `code`, and what to tell where the error does not know better."""


def register_exception_handlers(app: Starlette) -> None:
    """Answer what a client can cause with problem details (RFC 9457), as JSON.

    | error | status | `code` |
    |---|---|---|
    | `RecordNotFoundError` | 404 | `record_not_found` |
    | `UniqueViolation` | 409 | `unique_violation` |
    | `ForeignKeyViolation` | 409 | `foreign_key_violation` |
    | another `IntegrityError` | 409 | `integrity_violation` |
    | `StaleRecordError`, SQLAlchemy's `StaleDataError` | 409 | `stale_record` |
    | `NotNullViolation` | 422 | `not_null_violation` |
    | `CheckViolation` | 422 | `check_violation` |
    | `DataError` | 422 | `invalid_value` |
    | `InvalidPageError` | 422 | `invalid_page` |
    | `InvalidCursorError` | 422 | `invalid_cursor` |
    | `UnknownNameError` of `order_by()` | 422 | `invalid_order` |

    They answer a commit that fails before the response too. A handler that the application adds
    for one of these classes afterwards takes its place.

    Args:
        app: Of FastAPI or Starlette. An application that it mounts has handlers of its own.
    """
    for kind in _ANSWERS:
        app.add_exception_handler(kind, _answer)


async def _answer(connection: HTTPConnection, error: Exception) -> JSONResponse:
    if connection.scope["type"] != "http":
        raise error  # a websocket is closed by its server then
    if isinstance(error, UnknownNameError) and error.verb != "order_by":
        raise error  # the only place for names that a client gives
    status, code, detail = next(_ANSWERS[kind] for kind in type(error).__mro__ if kind in _ANSWERS)
    problem = {
        "type": "about:blank",
        "title": _TITLES[status],
        "status": status,
        "detail": _told(error) or detail,
        "code": code,
    }
    if isinstance(error, IntegrityError) and error.columns:
        problem["columns"] = list(error.columns)
    return JSONResponse(problem, status, media_type=MEDIA_TYPE)


def _told(error: Exception) -> str | None:
    """What an error has for a client."""
    if isinstance(error, RecordNotFoundError):
        return error.description
    if isinstance(error, InvalidPageError | InvalidCursorError):
        return str(error).partition("\n")[0]
    return None


_SCHEMA: Final[Mapping[str, Any]] = {
    "title": "Problem",
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "default": "about:blank"},
        "title": {"type": "string", "description": "The phrase of the status."},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong, for people."},
        "code": {"type": "string", "description": "What is wrong, for programs."},
        "columns": {
            "type": "array",
            "items": {"type": "string"},
            "description": "The columns of a constraint, as far as the database tells them.",
        },
    },
}


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI is to say of them: `responses=` of a FastAPI application, router or route.

    >>> from fastapi_sqlalchemy.handlers import problem_responses
    >>> list(problem_responses(404, 409))
    [404, 409]

    Args:
        statuses: Of 404, 409 and 422; 404 and 409 unless given. FastAPI documents 422 by itself,
            as what it answers to parameters that it refuses.

    Raises:
        ValueError: No handler answers with such a status.
    """
    codes = {
        status: sorted(code for each, code, _ in _ANSWERS.values() if each == status)
        for status in statuses or (404, 409)
    }
    if unknown := [status for status, found in codes.items() if not found]:
        raise ValueError(f"problem_responses() expected 404, 409 or 422, found {unknown[0]}")
    return {status: _response(status, found) for status, found in codes.items()}


def _response(status: int, codes: list[str]) -> dict[str, Any]:
    properties = _SCHEMA["properties"]
    own = {"status": properties["status"] | {"const": status}}
    own["code"] = properties["code"] | {"enum": codes}
    schema = {**_SCHEMA, "properties": properties | own}
    return {
        "description": _TITLES[status],
        "content": {MEDIA_TYPE: {"schema": schema}},
    }
