"""From a URL to engines: which driver serves whom, and when connections are made and dropped.

An engine is made at first use, never at import.  Blocking access has one per process; awaited
access has one per event loop, because a connection cannot cross loops, and it goes with its loop.
After a fork the child drops what it inherited: those connections are the parent's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import weakref
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    URL,
    AsyncAdaptedQueuePool,
    Connection,
    Engine,
    NullPool,
    QueuePool,
    create_engine,
    exc,
    make_url,
)
from sqlalchemy.pool import ManagesConnection

from . import _ping, autocommit, drivers, sqlite, violations
from ._one_connection import refuse_connections
from ._plans.plans import Plans
from ._types import Options
from .exceptions import IsolationError, SessionNotInitialisedError
from .isolation import Isolation
from .pool import LendingPool

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["Binds", "Engines"]

_ONE_VIEW: Final = frozenset({"REPEATABLE READ", "SERIALIZABLE", "SNAPSHOT"})
"""Isolation levels under which two reads are one view of the data, so that none may go alone."""


@dataclass(frozen=True, slots=True)
class Binds:
    """One engine, or one connection, in the ways a session uses it."""

    plain: Engine | Connection
    """As it is."""

    reading: Engine | Connection
    """For a lone read: in the driver's autocommit where that saves BEGIN and ROLLBACK."""

    transaction: Engine | Connection
    """For a transaction block: on SQLite it takes the write lock before it reads."""

    one_view: bool = False
    """Whether the reads of a scope are one transaction, because they are one view of the data."""

    plans: Plans | None = None
    """How ordinary queries are sent past SQLAlchemy's execution; None is not at all."""

    likenesses: dict[Any, Any] = field(init=False, compare=False, repr=False, default_factory=dict)
    """What the sessions on them are like, by their options."""

    @classmethod
    def of(cls, engine: Engine, *, autocommit_reads: bool = True, plans: bool = True) -> Binds:
        """The ways for this engine, by its dialect and isolation level.

        Args:
            engine: The engine.
            autocommit_reads: Whether a lone read may do without a transaction.
            plans: Whether to have any.
        """
        binds = cls._of(engine)
        if not autocommit_reads:
            alone = None if binds.plans is None else Plans.of(engine, alone=False)
            binds = replace(binds, reading=engine, plans=alone)
        return binds if plans else replace(binds, plans=None)

    @classmethod
    def _of(cls, engine: Engine) -> Binds:
        if engine.dialect.name == "sqlite":
            writing = engine.execution_options(**{sqlite.IMMEDIATE: True})
            return cls(engine, engine, writing, plans=Plans.of(engine, alone=True))
        options = engine.get_execution_options()
        level = options.get("isolation_level") or getattr(
            engine.dialect, "_on_connect_isolation_level", None
        )
        if level in _ONE_VIEW or level == "AUTOCOMMIT":
            plans = Plans.of(engine, alone=False)
            return cls(engine, engine, engine, one_view=level in _ONE_VIEW, plans=plans)
        if autocommit.EXPLICIT in options:
            reading = engine.execution_options(**{autocommit.LONE: True})
            return cls(engine, reading, engine, plans=Plans.of(engine, alone=True))
        # asyncpg begins none by itself, SQLAlchemy does
        plans = Plans.of(engine, alone=level is None and engine.dialect.driver == "asyncpg")
        if engine.dialect.name != "postgresql":  # to switch costs more trips than it saves
            return cls(engine, engine, engine, plans=plans)
        reading = engine.execution_options(isolation_level="AUTOCOMMIT")
        return cls(engine, reading, engine, plans=plans)


class Engines:
    """The engines of one database.

    Args:
        url: Where it is, with either kind of driver.
        async_url: The same for awaited access, where it cannot be told from `url`.
        engine: An engine made by the caller, used as it is.
        async_engine: An asyncio engine made by the caller, for the loop it is used on.
        options: Keyword arguments of `create_engine()`, over our defaults.
        autocommit_reads: Whether a lone read may do without a transaction.
        plans: Whether ordinary queries may go past SQLAlchemy's execution.
    """

    url: URL | None

    def __init__(
        self,
        url: str | URL | None = None,
        *,
        async_url: str | URL | None = None,
        engine: Engine | None = None,
        async_engine: AsyncEngine | None = None,
        options: Options | None = None,
        autocommit_reads: bool = True,
        plans: bool = True,
    ) -> None:
        self._options = dict(options or {})
        self._binds_of = partial(Binds.of, autocommit_reads=autocommit_reads, plans=plans)
        self._given, self._given_async = engine, async_engine
        if engine is not None:  # what awaited calls need cannot be told from it
            url = None
        elif url is None and async_engine is not None:
            url = async_engine.url
        asked = make_url(url) if url is not None else engine.url if engine is not None else None
        self.url = asked if asked is not None else (async_url and make_url(async_url)) or None
        self._explicit = async_url is not None or (
            asked is not None and asked.get_dialect().is_async
        )
        if async_url is not None:
            self._async_url: URL | None = drivers.translate(make_url(async_url))
        else:
            self._async_url = drivers.awaitable(asked) if asked and url is not None else None
        blocking = drivers.blocking(self.url) if self.url is not None else None
        self._url = sqlite.shared_memory(blocking) if blocking is not None else None
        self._engine: Engine | None = None
        self._binds: Binds | None = None
        self._async: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Awaited] = (
            weakref.WeakKeyDictionary()
        )
        self._lock = threading.Lock()
        self.isolation: Isolation | None = None
        """That of `db.testing()`, while there is a block."""
        self._refusing: list[Callable[[], None]] = []
        _all.add(self)

    @property
    def engine(self) -> Engine:
        """The engine for blocking access, made at first use.

        Raises:
            SessionNotInitialisedError: There is no URL.
            MissingDriverError: The driver is not installed.
        """
        if self._engine is None:
            with self._lock:
                if self._engine is None:
                    self._engine = self._make()
        return self._engine

    @property
    def blocking(self) -> Binds:
        """The same, in the ways a session uses it."""
        if self._binds is None:
            self._binds = self._binds_of(self.engine)
        return self._binds

    def _make(self) -> Engine:
        if self._given is not None:
            if self._given.dialect.name == "sqlite":
                sqlite.begin_for_real(self._given)
            violations.translate(self._given)
            return self._given
        if self._url is None:
            raise SessionNotInitialisedError
        drivers.require(self._url)
        arguments = {"poolclass": LendingPool} | self._arguments(self._url)
        engine = create_engine(self._url, **arguments)
        violations.translate(engine)
        if autocommit.applies(self._url, self._options):
            autocommit.begin_explicitly(engine)
        if engine.dialect.driver == "psycopg":
            _ping.ask_seldom(engine)
        if engine.dialect.name == "sqlite":
            sqlite.configure(engine)
            sqlite.begin_for_real(engine)
            if engine.url.query.get("vfs") == "memdb":
                sqlite.keep_memory(engine)
        return engine

    def _arguments(self, url: URL) -> dict[str, Any]:
        if url.get_backend_name() != "sqlite":
            # a server may have dropped a connection that waited in the pool
            defaults: dict[str, Any] = {"pool_pre_ping": True}
            if url.get_backend_name() == "postgresql":
                defaults["skip_autocommit_rollback"] = True
            if autocommit.applies(url, self._options):
                connect_args = dict(self._options.get("connect_args") or {})
                defaults |= self._options
                return defaults | {"connect_args": connect_args | {"autocommit": True}}
            return defaults | self._options
        connect_args = {"timeout": sqlite.BUSY_TIMEOUT, "check_same_thread": False}
        return self._options | {
            "connect_args": connect_args | dict(self._options.get("connect_args") or {})
        }

    @property
    def awaits(self) -> bool:
        """Whether awaited access has a driver of its own now; threads serve it otherwise.

        Raises:
            MissingDriverError: One was asked for by name and is not installed.
        """
        return self.isolation is None and self.usually_awaits

    @cached_property
    def usually_awaits(self) -> bool:
        """The same outside `db.testing()`, which has one connection, of the blocking driver."""
        if self._given_async is not None:
            return True
        if self._async_url is None:
            return False
        if self._explicit:
            drivers.require_greenlet(f"awaited access through {self._async_url.drivername}")
            drivers.require(self._async_url)
            return True
        return drivers.installed("greenlet") and drivers.has_driver(self._async_url)

    def of_running_loop(self) -> tuple[AsyncEngine, Binds]:
        """The asyncio engine of the running event loop, made at first use.

        Raises:
            InvalidRequestError: The database has no asyncio driver.
            MissingDriverError: The driver is not installed.
        """
        if self.isolation is not None:
            raise IsolationError(
                "expected no asyncio engine within `db.testing()`, whose one connection is of the "
                "blocking driver, found one asked for\n\n"
                "Await the verbs or `db.async_session`, which run in threads there."
            )
        loop = asyncio.get_running_loop()
        awaited = self._async.get(loop)
        if awaited is None:
            self._drop_closed_loops()
            engine = self._make_async()
            awaited = _Awaited(
                engine,
                self._binds_of(engine.sync_engine),
                _dispose_with_the_loop(engine) if engine is not self._given_async else None,
            )
            with self._lock:
                self._async[loop] = awaited
        return awaited.engine, awaited.binds

    def _make_async(self) -> AsyncEngine:
        if self.url is None:
            raise SessionNotInitialisedError
        drivers.require_greenlet("An asyncio engine")
        from sqlalchemy.ext.asyncio import create_async_engine  # needs greenlet

        if self._given_async is not None:
            violations.translate(self._given_async.sync_engine)
            return self._given_async
        if self._async_url is None:
            raise exc.InvalidRequestError(
                f"{self.url.drivername} has no asyncio engine here: awaited calls run in threads. "
                "Give `SQLAlchemy(async_url=...)` if you want an asyncio driver of your own."
            )
        drivers.require(self._async_url)
        arguments = self._arguments(self._async_url)
        if arguments.get("poolclass") is QueuePool:  # its asyncio form; SQLAlchemy refuses this one
            arguments["poolclass"] = AsyncAdaptedQueuePool
        engine = create_async_engine(self._async_url, **arguments)
        violations.translate(engine.sync_engine)
        if engine.dialect.driver == "asyncpg":
            drivers.name_connect_errors(engine.sync_engine)
        if autocommit.applies(self._async_url, self._options):
            autocommit.begin_explicitly(engine.sync_engine)
        if engine.dialect.driver in ("asyncpg", "psycopg"):
            _ping.ask_seldom(engine.sync_engine)
        return engine

    def _drop_closed_loops(self) -> None:
        with self._lock:  # loops of other threads come and go
            closed = [loop for loop in self._async if loop.is_closed()]
            gone = [self._async.pop(loop) for loop in closed]
        for awaited in gone:
            awaited.engine.sync_engine.dispose(close=False)

    def have(self, connection: Connection) -> bool:
        """Whether a connection is of one of these engines, with whatever options."""
        engines = [each.engine.sync_engine for each in list(self._async.values())]
        if self._engine is not None:
            engines.append(self._engine)
        # an engine with options is another object, over the same dialect
        return any(connection.dialect is engine.dialect for engine in engines)

    def isolate(self, timeout: float) -> None:
        """Have one connection for everybody, until `end_isolation` rolls it back.

        Raises:
            IsolationError: A connection is in use, which would go on beside it.
        """
        if self.isolation is not None:
            self.isolation.begin()
            return
        pool = self.engine.pool
        if isinstance(pool, QueuePool) and pool.checkedout():
            raise IsolationError(
                "expected every connection to be in the pool when `db.testing()` begins, found "
                f"{pool.checkedout()} in use\n\nEnd the transaction, or the block, that holds it."
            )
        self.isolation = Isolation(self.engine, timeout)
        awaited = {each.engine for each in self._async.values()}
        if self._given_async is not None:
            awaited.add(self._given_async)
        self._refusing = [refuse_connections(engine.sync_engine) for engine in awaited]

    def end_isolation(self) -> None:
        """Roll back what was written since the last `isolate`."""
        if self.isolation is not None and self.isolation.end():
            self.isolation = None
            while self._refusing:
                self._refusing.pop()()

    def stop(self, connection: ManagesConnection) -> None:
        """End the statement that runs on a connection, from another thread."""
        if self.isolation is not None:
            self.isolation.stop(connection, self._stop)
        else:
            self._stop(connection.driver_connection)

    def _stop(self, driver_connection: Any) -> None:
        # sqlite3 and psycopg can be told directly; MySQL is told over a second connection
        if hasattr(driver_connection, "interrupt"):
            driver_connection.interrupt()
        elif hasattr(driver_connection, "cancel"):
            driver_connection.cancel()
        elif hasattr(driver_connection, "thread_id"):
            connect_args = self._options.get("connect_args") or {}
            engine = create_engine(
                self.engine.url, poolclass=NullPool, connect_args=dict(connect_args)
            )
            with engine.connect() as connection:
                connection.exec_driver_sql(f"KILL QUERY {int(driver_connection.thread_id())}")

    def dispose(self) -> None:
        """Close the pooled connections of blocking access; the engine can be used again.

        An engine that the caller made is the caller's to dispose.
        """
        if self._engine is not None and self._given is None:
            self._engine.dispose()

    async def adispose(self) -> None:
        """Close the pooled connections of blocking access and of the running loop."""
        awaited = self._async.pop(asyncio.get_running_loop(), None)
        try:
            if awaited is not None and awaited.guard is not None:
                await awaited.guard.aclose()
        finally:
            self.dispose()

    def forget(self) -> None:
        """Drop every connection without closing it: after a fork they belong to the parent."""
        self._lock = threading.Lock()  # another thread of the parent may have held it
        if self._engine is not None:
            self._engine.dispose(close=False)
        for awaited in self._async.values():
            awaited.engine.sync_engine.dispose(close=False)
        self._async.clear()


_all: weakref.WeakSet[Engines] = weakref.WeakSet()


def _after_fork() -> None:
    for engines in list(_all):
        engines.forget()


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_after_fork)


@dataclass(frozen=True, slots=True)
class _Awaited:
    """What one event loop has."""

    engine: AsyncEngine
    binds: Binds
    guard: AsyncGenerator[None] | None
    """Disposes the engine; None for one of the caller's, who does."""


def _dispose_with_the_loop(engine: AsyncEngine) -> AsyncGenerator[None]:
    """Dispose an engine with its loop.

    `asyncio.run()`, uvicorn, anyio and pytest plugins close a loop's asynchronous generators
    before the loop: one that has started hears of the end, and so does one that is collected.
    """

    async def guard() -> AsyncGenerator[None]:
        try:
            yield
        finally:
            await engine.dispose()

    generator = guard()
    with contextlib.suppress(StopIteration):  # it runs to its yield, which registers it
        generator.__anext__().send(None)
    return generator
