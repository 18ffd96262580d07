"""The scope's session for those who want SQLAlchemy's own asyncio API.  Needs greenlet."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import TYPE_CHECKING, Any

from sqlalchemy import orm
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from typing_extensions import override

from ._home import LoopHome
from ._sessions import MakeSession, merged, session_class
from ._shield import uninterrupted
from ._types import Options, R
from .session import Session

__all__ = ["AsyncSessionMaker", "over"]


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


class AsyncSessionMaker(async_sessionmaker[AsyncSession]):
    """SQLAlchemy's, for sessions of ours.

    Args:
        make: Makes one.
        options: Keyword arguments of `sqlalchemy.ext.asyncio.async_sessionmaker`, or `class_` for
            the class of the session that it wraps.
    """

    def __init__(self, make: MakeSession, options: Options) -> None:
        options = {"expire_on_commit": False, **options}
        self._kind = session_class(options.pop("class_", orm.Session))
        super().__init__(class_=_Over, **options)
        self._make = make

    @override
    def __call__(self, **local_kw: Any) -> AsyncSession:
        return over(self._make(self._kind, merged(self.kw, local_kw), awaited=True))


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
        "close",
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
