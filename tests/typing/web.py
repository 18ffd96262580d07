"""Middleware and answers."""

from typing import Any, assert_type

from starlette.applications import Starlette
from starlette.middleware import Middleware

from fastapi_sqlalchemy import (
    DBSessionMiddleware,
    SQLAlchemy,
    problem_responses,
    register_exception_handlers,
)
from fastapi_sqlalchemy.exceptions import RecordNotFoundError, UniqueViolation, UnknownNameError

db = SQLAlchemy("sqlite://")


def application() -> None:
    """`app.add_middleware(DBSessionMiddleware, ...)` and its options"""
    app = Starlette(middleware=[Middleware(DBSessionMiddleware, db=[db], commit_on_exit=True)])
    app.add_middleware(DBSessionMiddleware, db_url="sqlite://")
    app.add_middleware(DBSessionMiddleware, db=db, rollback_on=lambda status: status > 499)
    register_exception_handlers(app)
    assert_type(problem_responses(404, 409), dict[int | str, dict[str, Any]])
    app.add_middleware(DBSessionMiddleware, db=1)  # type: ignore[arg-type]
    app.add_middleware(DBSessionMiddleware, commit=True)  # type: ignore[call-arg]
    register_exception_handlers(db)  # type: ignore[arg-type]
    problem_responses("404")  # type: ignore[arg-type]


def errors() -> None:
    """what an error knows"""
    try:
        db.create_all()
    except UniqueViolation as refused:
        assert_type(refused.columns, tuple[str, ...])
        assert_type(refused.constraint, str | None)
    except UnknownNameError as unknown:
        assert_type(unknown.closest, str | None)
    except RecordNotFoundError as missing:
        assert_type(missing.model, str)
        missing.table  # type: ignore[attr-defined] # noqa: B018
