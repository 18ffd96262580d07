"""A shop that a real server serves, and what is left of it when a scenario is over.

What is left is counted where it would be missed: connections in the pools that lent them, and
transactions and statements at the server, which knows of those that everybody else forgot.
"""

import asyncio
import threading
import time
import weakref
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import anyio
import httpx
from fastapi import FastAPI
from sqlalchemy import (
    Connection,
    Engine,
    ExceptionContext,
    QueuePool,
    TextClause,
    create_engine,
    event,
    make_url,
    text,
)
from sqlalchemy.exc import OperationalError
from starlette.types import ASGIApp, Receive, Scope, Send

from fastapi_sqlalchemy import DBSessionMiddleware, SQLAlchemy
from tests.serving import ThreadServer
from tests.shop import Item, db, ledger, names, open_shop

T = TypeVar("T")
Route = Callable[..., Any]

SETTLE_TIMEOUT = 10.0

THREADS_OF_A_SERVER = 40
"""anyio's worker threads, which is how many `def` routes run at once."""

BLOCKING = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql", "sqlite": "sqlite"}

AT_THE_SERVER = {
    "postgresql": """
        SELECT count(*) FILTER (WHERE state LIKE 'idle in transaction%'),
               count(*) FILTER (WHERE state = 'active')
        FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()
          AND backend_type = 'client backend'
    """,
    "mysql": """
        SELECT coalesce(sum(p.command = 'Sleep' AND t.trx_id IS NOT NULL), 0),
               coalesce(sum(p.command <> 'Sleep'), 0)
        FROM information_schema.processlist AS p
        LEFT JOIN information_schema.innodb_trx AS t ON t.trx_mysql_thread_id = p.id
        WHERE p.db = database() AND p.id <> connection_id()
    """,
}

OTHERS = {
    "postgresql": """
        SELECT pid FROM pg_stat_activity WHERE datname = current_database()
        AND backend_type = 'client backend' AND pid <> pg_backend_pid()
    """,
    "mysql": """
        SELECT id FROM information_schema.processlist
        WHERE db = database() AND id <> connection_id()
    """,
}

SLOW = {
    "postgresql": "pg_sleep(60) IS NULL",
    "mysql": "sleep(60) = 1",
    "sqlite": """
        (WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted LIMIT 60000000)
         SELECT count(*) FROM counted) = 0
    """,
}

RUNNING_SLOWLY = {
    "postgresql": """
        SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%'
        AND state = 'active' AND datname = current_database() AND pid <> pg_backend_pid()
    """,
    "mysql": """
        SELECT count(*) FROM information_schema.processlist WHERE info LIKE '%sleep(60)%'
        AND db = database() AND id <> connection_id()
    """,
}

END = {"postgresql": "SELECT pg_terminate_backend({})", "mysql": "KILL CONNECTION {}"}


def until(ask: Callable[[], T], wanted: Callable[[T], object], *, every: float = 0.005) -> T:
    """What is found as soon as it is as wanted, or after some seconds: nothing tells of it."""
    deadline = time.monotonic() + SETTLE_TIMEOUT
    while not wanted(found := ask()) and time.monotonic() < deadline:
        threading.Event().wait(every)
    return found


@dataclass(frozen=True)
class Left:
    """What a scenario leaves: rows, and nothing else."""

    rows: tuple[str, ...]
    """The names of the items, in order."""

    lent: int = 0
    """Connections that are out of their pools."""

    idle: int = 0
    """Transactions at the server that wait for their client."""

    running: int = 0
    """Statements that the server still runs."""


class Engines:
    """Every engine that has lent a connection while it was watched."""

    def __init__(self) -> None:
        self._pools: weakref.WeakSet[QueuePool] = weakref.WeakSet()
        self._running: dict[int, str] = {}
        self.observer: Engine | None = None
        self.lendings = 0
        """How often a connection was asked for."""
        self.peak = 0
        """The greatest number of connections that were out at once."""

    def lent(self) -> int:
        """How many connections are out, of all pools."""
        return sum(pool.checkedout() for pool in list(self._pools))

    def running(self, word: str = "") -> int:
        """How many statements that contain a word this process waits for."""
        return sum(word in statement for statement in list(self._running.values()))

    @contextmanager
    def watched(self) -> Iterator[None]:
        def connected(connection: Connection) -> None:
            pool = connection.engine.pool
            if isinstance(pool, QueuePool) and connection.engine is not self.observer:
                self.lendings += 1
                self._pools.add(pool)
                self.peak = max(self.peak, self.lent())

        def before(_connection: object, cursor: object, statement: str, *_: object) -> None:
            self._running[id(cursor)] = statement

        def after(_connection: object, cursor: object, *_: object) -> None:
            self._running.pop(id(cursor), None)

        def failed(context: ExceptionContext) -> None:
            self._running.pop(id(getattr(context.execution_context, "cursor", None)), None)

        listeners: dict[str, Callable[..., Any]] = {
            "engine_connect": connected,
            "before_cursor_execute": before,
            "after_cursor_execute": after,
            "handle_error": failed,
        }
        for name, listener in listeners.items():
            event.listen(Engine, name, listener)
        try:
            yield
        finally:
            for name, listener in listeners.items():
                event.remove(Engine, name, listener)


class Observer:
    """Another client of the database, which holds nothing between two questions."""

    def __init__(self, url: str, engines: Engines) -> None:
        given = make_url(url)
        self._engines = engines
        self.kind = given.get_backend_name()
        patience: dict[str, Any] = {"timeout": 0} if self.kind == "sqlite" else {}
        self.engine = create_engine(
            given.set(drivername=BLOCKING[self.kind]),
            isolation_level="AUTOCOMMIT",
            pool_pre_ping=True,
            connect_args=patience,
        )
        engines.observer = self.engine

    def ask(self, question: str) -> Any:
        """The first value that a statement returns, if it returns any."""
        with self.engine.connect() as connection:
            result = connection.execute(text(question))
            return result.scalar() if result.returns_rows else None

    def at_the_server(self) -> tuple[int, int]:
        """Transactions of others that wait for their client, and statements that run."""
        if self.kind in AT_THE_SERVER:
            with self.engine.connect() as connection:
                idle, running = connection.execute(text(AT_THE_SERVER[self.kind])).one()
                return int(idle), int(running)
        # a file has no server to ask: who writes holds its only lock
        running = self._engines.running()
        with self.engine.connect() as connection:
            try:
                connection.execute(text("BEGIN IMMEDIATE"))
                connection.execute(text("ROLLBACK"))
            except OperationalError:
                return 1, running
            return 0, running

    def slow_ones(self) -> int:
        """How many statements run that use `SLOW`."""
        if self.kind in RUNNING_SLOWLY:
            return int(self.ask(RUNNING_SLOWLY[self.kind]))
        return self._engines.running("counted")

    def until_slow_ones(self, number: int = 1) -> None:
        """Return when so many statements run that use `SLOW`."""
        assert until(self.slow_ones, lambda found: found == number) == number

    @property
    def patience(self) -> float:
        """Seconds between two questions."""
        # MariaDB answers from a cache until nobody has asked for a tenth of a second:
        # https://mariadb.com/kb/en/information-schema-innodb_trx-table/
        return 0.11 if self.kind == "mysql" else 0.005

    def end_connections(self) -> None:
        """End every connection of others, as an administrator or a restart does."""
        with self.engine.connect() as connection:

            def others() -> set[int]:
                return set(connection.scalars(text(OTHERS[self.kind])))

            ended = others()
            for process in ended:
                with suppress(OperationalError):  # it ended by itself in the meantime
                    connection.execute(text(END[self.kind].format(process)))
            assert not until(lambda: ended & others(), lambda found: not found, every=self.patience)


class Switch:
    """An application that is another one in each test: a server takes 0.2 s to come and go."""

    def __init__(self) -> None:
        self.app: ASGIApp | None = None
        self._requests = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server = ThreadServer(self)
        self._server.start()
        self.url = self._server.url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            self._loop = asyncio.get_running_loop()
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        assert self.app is not None
        self._requests += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self._requests -= 1

    def reset(self, *databases: SQLAlchemy) -> None:
        """Wait for what is still being served, and close its connections as a server does."""
        unfinished = until(lambda: self._requests, lambda requests: requests == 0)
        self.app = None
        lent_threads = self._run(self._close(databases))
        assert (unfinished, lent_threads) == (0, 0)

    async def _close(self, databases: Sequence[SQLAlchemy]) -> float:
        for database in databases:
            await database.adispose()
        limiter = anyio.to_thread.current_default_thread_limiter()
        return limiter.total_tokens - THREADS_OF_A_SERVER + limiter.borrowed_tokens

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(SETTLE_TIMEOUT)

    def stop(self) -> None:
        self._server.stop()


class Served:
    """The shop at one place: a database, a driver, and the colour of the routes.

    Args:
        url: the database, with the driver of awaited calls where it is not the first choice.
        colour: "def" or "async".
        switch: what a server serves.
    """

    def __init__(self, url: str, colour: str, switch: Switch) -> None:
        self.url, self.colour = url, colour
        self.engines = Engines()
        self.observer = Observer(url, self.engines)
        self.address = switch.url
        self._switch = switch
        self._client: httpx.Client | None = None

    def open(self, *items: str, **options: Any) -> None:
        """Open the shop, with one item for each name."""
        open_shop(self.url, *items, **options)

    def app(
        self,
        blocking: Route | None = None,
        awaited: Route | None = None,
        *,
        databases: Sequence[SQLAlchemy] = (db,),
        **options: Any,
    ) -> FastAPI:
        """An application whose route `/` is the function of the right colour.

        Args:
            blocking: the `def` function.
            awaited: the `async def` function.
            databases: the shop, and what else it uses.
            options: those of the middleware.
        """
        app = FastAPI()
        app.add_middleware(DBSessionMiddleware, db=databases, create_all=False, **options)

        async def acount() -> int:
            return await Item.query.acount()

        self.route(app, "/count", lambda: Item.query.count(), acount)
        if blocking is not None or awaited is not None:
            self.route(app, "/", blocking, awaited)
        return app

    def route(self, app: FastAPI, path: str, blocking: Route | None, awaited: Route | None) -> None:
        """Give an application the function of the right colour as a route."""
        function = blocking if self.colour == "def" else awaited
        assert function is not None, f"this scenario has no {self.colour} route"
        app.get(path, response_model=None)(function)

    def client(self, app: ASGIApp) -> httpx.Client:
        """A client of the application in a real server."""
        assert self._client is None, "one application a scenario"
        self._switch.app = app
        self._client = httpx.Client(
            base_url=self.address,
            timeout=30,
            # uvicorn closes a connection after an error, perhaps while the next request arrives
            limits=httpx.Limits(max_keepalive_connections=0),
            # the certificates of the system take longer to read than most tests
            verify=False,
            trust_env=False,
        )
        return self._client

    def slow(self) -> TextClause:
        """A criterion that takes much longer to decide than any test waits."""
        return text(SLOW[self.observer.kind])

    @staticmethod
    def thread() -> ThreadPoolExecutor:
        """A thread for a client that does not wait for its answer."""
        return ThreadPoolExecutor(1)

    def left(self) -> Left:
        """What is left as soon as it is nothing but rows, or after some seconds.

        A client may have its answer before the server has put everything away.  The next request
        has to work, and to see these rows.
        """

        def now() -> tuple[int, int, int]:
            return (self.engines.lent(), *self.observer.at_the_server())

        found = until(now, lambda found: found == (0, 0, 0), every=self.observer.patience)
        rows = tuple(names(self.observer.engine))
        if self._client is not None:
            following = self._client.get("/count")
            assert (following.status_code, following.text) == (200, str(len(rows)))
        return Left(rows, *found)

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
        self.observer.engine.dispose()
        self._switch.reset(db, ledger)


async def crowd(client: httpx.Client, paths: Iterable[str]) -> list[int]:
    """The statuses of requests to a client's server that are made at once."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    async with httpx.AsyncClient(
        base_url=client.base_url, limits=limits, timeout=60, verify=False, trust_env=False
    ) as together:
        answers = await asyncio.gather(*map(together.get, paths))
    return [answer.status_code for answer in answers]
