"""Operations on a session that the caller gave: no scope, and its owner commits.

With a session of ours they are what they are in its scope.  One of SQLAlchemy's own is used by
SQLAlchemy's rules: everything is flushed and nothing committed, and after an error its owner
rolls it back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import exc, orm

from ._loaded import load_expired_of
from ._operations import Operation, Read, Send, Write
from ._types import R
from .exceptions import DataError, IntegrityError, SessionKindError
from .session import Session
from .violations import typed

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

__all__ = ["Given"]

S = TypeVar("S")
"""What a step returns."""


class Given:
    """Runs operations on one session, wherever the code stands.

    Args:
        session: SQLAlchemy's `Session` for blocking verbs, its `AsyncSession` for awaited ones, or
            either of a scope of ours for both.
        cursor_secret: What the cursors of pages are signed with.

    Raises:
        TypeError: It is no session.
    """

    awaited = False
    """As a place to stand: what commits here is told by the session."""

    def __init__(
        self, session: orm.Session | AsyncSession, cursor_secret: bytes | None = None
    ) -> None:
        # an AsyncSession, without importing it: that takes greenlet
        sync: Any = getattr(session, "sync_session", session)
        if not isinstance(sync, orm.Session):
            raise TypeError(
                "session expected a Session or an AsyncSession of SQLAlchemy, found "
                f"{type(session).__name__}"
            )
        self._sync: orm.Session = sync
        self._facade: Any = None if sync is session else session
        self.cursor_secret = cursor_secret

    over = False

    def check(self, session: Session) -> None:
        """Refuse nothing: who names a session says which transaction is meant."""

    def require_session(self) -> None:
        """There is one."""

    def run(self, operation: Operation[R]) -> R:
        """Have an operation done by the session.

        Raises:
            SessionKindError: It is an `AsyncSession`.
        """
        if isinstance(self._sync, Session):
            return self._sync.perform(operation, self)
        if self._facade is not None:
            raise SessionKindError(awaited=False)
        return _perform(self._sync, operation)

    async def arun(self, operation: Operation[R]) -> R:
        """Awaitable twin of `run`.

        Raises:
            SessionKindError: It is a `Session`, which would keep the event loop waiting.
        """
        if isinstance(self._sync, Session):
            return await self._sync.aperform(operation, self)
        if self._facade is None:
            raise SessionKindError(awaited=True)
        result: R = await self._facade.run_sync(_perform, operation)
        return result


def _perform(session: orm.Session, operation: Operation[R]) -> R:
    try:
        if isinstance(operation, Read):
            return operation.ask(session)
        if isinstance(operation, Write):
            result = operation.change(session)
            session.flush()
            load_expired_of(session, *operation.records)
            return result
        if isinstance(operation, Send):
            session.flush()
            return operation.send(session)
    except exc.DBAPIError as error:
        # engines of ours translate by themselves
        better = None if isinstance(error, IntegrityError | DataError) else typed(error)
        if better is None:
            raise
        raise better from error.orig

    def perform(step: Operation[S]) -> S:
        if isinstance(step, Read):
            return _perform(session, step)
        with session.begin_nested():  # so that one that is refused is undone alone
            return _perform(session, step)

    return operation.take(perform)
