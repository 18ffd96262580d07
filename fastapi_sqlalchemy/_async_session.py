"""The scope's session for those who want SQLAlchemy's own asyncio API.  Needs greenlet."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import TYPE_CHECKING, Any

from sqlalchemy.ext.asyncio import AsyncSession

from ._home import LoopHome
from ._shield import uninterrupted
from ._types import R
from .session import Session

__all__ = ["over"]


class _Over(AsyncSession):
    """An `AsyncSession` whose operations, once cancelled, let the driver clean up."""

    ours: Session


def over(session: Session) -> AsyncSession:
    """An `AsyncSession` over a session of ours; what runs through either is one unit of work."""

    def make(**_: Any) -> Session:
        return session

    # SQLAlchemy only calls it, with arguments for a session that is there already
    facade = _Over(sync_session_class=make)  # type: ignore[arg-type]
    facade.ours = session
    return facade


def _gentle(method: Callable[..., Coroutine[Any, Any, R]]) -> Callable[..., Coroutine[Any, Any, R]]:
    @wraps(method)
    async def operation(self: _Over, *args: Any, **kwargs: Any) -> R:
        operating, home = method(self, *args, **kwargs), self.ours.home
        # in a thread's home the call itself waits for what it began
        result = await (home.gently(operating) if isinstance(home, LoopHome) else operating)
        if self.ours.committed:
            await uninterrupted(self.ours.committed.arun())
        return result

    return operation


if not TYPE_CHECKING:  # their signatures and overloads are SQLAlchemy's
    for _name in (
        "commit",
        "connection",
        "delete",
        "execute",
        "flush",
        "get",
        "get_one",
        "merge",
        "refresh",
        "rollback",
        "run_sync",
        "scalar",
        "scalars",
        "stream",
        "stream_scalars",
    ):
        setattr(_Over, _name, _gentle(getattr(AsyncSession, _name)))
