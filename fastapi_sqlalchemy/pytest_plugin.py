"""Fixtures for pytest: a test whose writes are rolled back, however they are committed.

pytest loads this module wherever the package is installed.  A fixture of the same name in the
`conftest.py` of a project takes the place of the one here.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import wraps
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

import pytest

from .database import SQLAlchemy
from .scope import Scope, leave
from .session import Session

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession  # needs greenlet

__all__ = ["async_db_session", "database", "db_session", "db_transaction"]

_SCOPE = pytest.StashKey[tuple[SQLAlchemy, Scope]]()

_WAY_OUT = (
    "Put a fixture into conftest.py:\n\n"
    "    @pytest.fixture(scope='session')\n"
    "    def database():\n"
    "        return db  # your SQLAlchemy object, with the URL of a database for tests"
)


@pytest.fixture
def database() -> SQLAlchemy:
    """The `SQLAlchemy` object of the other fixtures; a project's own fixture says which."""
    raise pytest.UsageError(
        f"expected a fixture `database` that returns a SQLAlchemy object, found none\n\n{_WAY_OUT}"
    )


@pytest.fixture
def db_transaction(database: Any) -> Iterator[SQLAlchemy]:
    """The database within `db.testing()`: all that is written is rolled back."""
    if not isinstance(database, SQLAlchemy):
        raise pytest.UsageError(
            "expected the fixture `database` to return a SQLAlchemy object of fastapi_sqlalchemy, "
            f"found {type(database).__name__}\n\n{_WAY_OUT}"
        )
    with database.testing():
        yield database


@pytest.fixture
def _db_scope(db_transaction: SQLAlchemy, request: pytest.FixtureRequest) -> Iterator[Scope]:
    """A scope around the test, whose verbs commit at once so that the application sees the rows."""
    awaited = _is_awaited(request.node)
    scope = db_transaction.new_scope(commit_on_exit=False, awaited=awaited)
    if awaited:  # the task of the test has a context of its own, and ends the scope
        request.node.stash[_SCOPE] = db_transaction, scope
    token = db_transaction.scopes.enter(scope)
    try:
        yield scope
    finally:
        leave(token)
        scope.close()


@pytest.fixture
def db_session(_db_scope: Scope) -> Session:
    """The session of a scope around the test, in which verbs such as `User.new()` work."""
    return _db_scope.open(awaited=_db_scope.awaited)


@pytest.fixture
def async_db_session(_db_scope: Scope) -> AsyncSession:
    """The same, as SQLAlchemy's `AsyncSession`, for `async def` tests."""
    return _db_scope.open_async()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Let a test that is awaited stand in its scope, whichever plugin runs it."""
    if _SCOPE not in item.stash:
        return (yield)
    database, scope = item.stash[_SCOPE]
    function: Any = item.obj  # type: ignore[attr-defined]  # of a Function, the only awaited item

    @wraps(function)
    async def within_the_scope(*args: Any, **kwargs: Any) -> Any:
        token = database.scopes.enter(scope)
        try:
            return await function(*args, **kwargs)
        finally:
            leave(token)
            await scope.aclose()

    item.obj = within_the_scope  # type: ignore[attr-defined]
    try:
        return (yield)
    finally:
        item.obj = function  # type: ignore[attr-defined]


def _is_awaited(item: pytest.Item) -> bool:
    return iscoroutinefunction(getattr(item, "obj", None))
