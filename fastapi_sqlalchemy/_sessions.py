"""The sessions of one database: those that scopes open, and those that other libraries make.

A library that asks for a sessionmaker opens, commits and closes sessions by itself.  These are of
the same class as those of scopes, so that hidden records stay hidden and the methods of a record's
life are called, and their engine is looked up when one is made.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, Final, Protocol, cast

from sqlalchemy import Engine, orm
from typing_extensions import override

from ._home import Home, LoopHome, LoopsStandIn, ThreadHome
from ._likeness import Likeness
from ._types import Blocking, Options
from .engines import Binds, Engines
from .session import Session

__all__ = ["MakeSession", "SessionMaker", "Sessions", "session_class"]

_ALIKE: Final = frozenset({"autoflush", "expire_on_commit"})
"""Those with which one session is like another."""

_KNOWN_TO_PLANS: Final = frozenset({"autoflush", "expire_on_commit", "info"})
"""Keyword arguments of a session that leave its statements as they are."""


class MakeSession(Protocol):
    """Makes a session that its maker commits and closes."""

    def __call__(self, kind: type[Session], options: Options, *, awaited: bool) -> Session: ...


class Sessions:
    """Makes sessions on the engines of a database.

    Args:
        engines: Its engines.
        hold_warning: Seconds after which a connection was held for too long.
    """

    __slots__ = ("_engines", "_hold_warning")

    def __init__(self, engines: Engines, *, hold_warning: float | None) -> None:
        self._engines, self._hold_warning = engines, hold_warning

    def make(
        self, kind: type[Session], options: Options, *, awaited: bool, blocking: Blocking
    ) -> Session:
        """A session whose home is the running loop, or the threads.

        Args:
            kind: Its class.
            options: Keyword arguments of `sqlalchemy.orm.Session`.
            awaited: Whether those who use it await.
            blocking: What to do about a blocking call on a running event loop.
        """
        home: Home
        if awaited and self._engines.awaits:
            binds = self._engines.of_running_loop()[1]
            home = LoopHome(asyncio.get_running_loop())
        else:
            binds = self._engines.blocking
            stands_in = awaited and self._engines.usually_awaits
            home = LoopsStandIn() if stands_in else ThreadHome(blocking)
        if kind is not Session or (options and not options.keys() <= _ALIKE):
            session = self._construct(kind, binds, home, options)
        elif (likeness := binds.likenesses.get(alike := (*options.items(),))) is not None:
            session = likeness.make(home)
        else:
            session = self._construct(kind, binds, home, options)
            binds.likenesses[alike] = Likeness.of(session)
        session.stop, home.tenant = self._engines.stop, session
        return session

    def _construct(
        self, kind: type[Session], binds: Binds, home: Home, options: Options
    ) -> Session:
        options = dict(options)
        if (bind := options.pop("bind", None)) is not None:
            own = isinstance(bind, Engine)
            binds = Binds.of(bind, plans=False) if own else Binds(bind, bind, bind)
        if kind is not Session or not options.keys() <= _KNOWN_TO_PLANS:
            binds = replace(binds, plans=None)
        options["bind"] = binds.plain
        return kind(binds, home, hold_warning=self._hold_warning, **options)


class SessionMaker(orm.sessionmaker[orm.Session]):
    """SQLAlchemy's, for sessions of ours.

    Args:
        make: Makes one.
        options: Keyword arguments of `sqlalchemy.orm.sessionmaker`.
    """

    def __init__(self, make: MakeSession, options: Options) -> None:
        kind = session_class(options.get("class_", orm.Session))
        super().__init__(**{"expire_on_commit": False, **options, "class_": kind})
        self._make = make

    @override
    def __call__(self, **local_kw: Any) -> orm.Session:
        kind = cast("type[Session]", self.class_)  # one of its own, for the listeners of events
        return self._make(kind, merged(self.kw, local_kw), awaited=False)


def merged(options: Options, local: Options) -> dict[str, Any]:
    """The options of a maker with those of a call over them, as SQLAlchemy lays them."""
    info = {**(options.get("info") or {}), **(local.get("info") or {})}
    return {**options, **local} | ({"info": info} if info else {})


def session_class(wanted: type[orm.Session]) -> type[Session]:
    """Ours, with what a session class of the user's adds."""
    if issubclass(Session, wanted):
        return Session
    return type(wanted.__name__, (Session, wanted), {})
