"""Everything at once, for a while.  A minute of it: `FAULTS_SECONDS=60 pytest -m slow tests/faults`

Fifty clients read, write, fail, give up and leave in the middle, on PostgreSQL while connections
are ended at random.  Each notes what it was told: a key it was told is stored has to be there once,
and one that it was told is not must be nowhere.
"""

import asyncio
import contextlib
import logging
import os
import random
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import httpx
import pytest
from fastapi import BackgroundTasks, FastAPI, HTTPException
from fastapi.responses import JSONResponse, StreamingResponse
from sqlalchemy import String, create_engine, exc, func, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from fastapi_sqlalchemy import DBSessionMiddleware, ModelBase, SQLAlchemy
from tests.faults.served import SLOW, Engines, Observer, until
from tests.serving import Serve

pytestmark = pytest.mark.slow

SECONDS = float(os.environ.get("FAULTS_SECONDS", "20"))
CLIENTS = 50
BETWEEN_KILLS = 0.1
GIVING_UP = 0.02
"""Seconds, on average, until an impatient client leaves."""


class JournalBase(ModelBase, DeclarativeBase):
    pass


journal = SQLAlchemy(model_class=JournalBase)


class Line(JournalBase):
    """What somebody wrote. Nothing keeps two from having the same key."""

    __tablename__ = "lines"

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(50), index=True)


class Title(JournalBase):
    """What can be there only once."""

    __tablename__ = "titles"

    name: Mapped[str] = mapped_column(String(50), primary_key=True)


Route = Callable[..., Any]


class DeliberateError(Exception):
    """What a route of this application raises."""


stored: set[str] = set()
"""Keys that a background task has stored, as it was told."""


def read() -> int:
    return len(Line.query.order_by(Line.id.desc()).limit(5).all()) + Line.query.limit(1).count()


async def aread() -> int:
    found = await Line.query.order_by(Line.id.desc()).limit(5).aall()
    return len(found) + await Line.query.limit(1).acount()


def write(key: str) -> None:
    Line.new(key=key)


async def awrite(key: str) -> None:
    await Line.anew(key=key)


def write_two(key: str) -> None:
    with journal.transaction():
        Line.new(key=key)
        Line.query.filter_by(key=key).all()
        Line.new(key=f"{key} too")


async def awrite_two(key: str) -> None:
    async with journal.transaction():
        await Line.anew(key=key)
        await Line.query.filter_by(key=key).aall()
        await Line.anew(key=f"{key} too")


def write_around_a_savepoint(key: str) -> None:
    with journal.transaction():
        Line.new(key=key)
        with contextlib.suppress(DeliberateError), journal.transaction():
            Line.new(key=f"{key} undone")
            raise DeliberateError
        Line.new(key=f"{key} too")


async def awrite_around_a_savepoint(key: str) -> None:
    async with journal.transaction():
        await Line.anew(key=key)
        with contextlib.suppress(DeliberateError):
            async with journal.transaction():
                await Line.anew(key=f"{key} undone")
                raise DeliberateError
        await Line.anew(key=f"{key} too")


def write_after_a_violation(key: str) -> None:
    with contextlib.suppress(exc.IntegrityError):
        Title.new(name="taken")
    Line.new(key=key)


async def awrite_after_a_violation(key: str) -> None:
    with contextlib.suppress(exc.IntegrityError):
        await Title.anew(name="taken")
    await Line.anew(key=key)


def write_and_raise(key: str) -> None:
    with journal.transaction():
        Line.new(key=key)
        raise DeliberateError


async def awrite_and_raise(key: str) -> None:
    async with journal.transaction():
        await Line.anew(key=key)
        raise DeliberateError


def write_and_abort(key: str) -> None:
    with journal.transaction():
        Line.new(key=key)
        raise HTTPException(400)


async def awrite_and_abort(key: str) -> None:
    async with journal.transaction():
        await Line.anew(key=key)
        raise HTTPException(400)


def write_in_a_task(key: str, background: BackgroundTasks) -> None:
    def task() -> None:
        with journal():
            Line.new(key=key)
        stored.add(key)

    background.add_task(task)


async def awrite_in_a_task(key: str, background: BackgroundTasks) -> None:
    async def task() -> None:
        async with journal(commit_on_exit=True):
            await Line.anew(key=key)
        stored.add(key)

    background.add_task(task)


def stream() -> StreamingResponse:
    def body() -> Iterator[str]:
        for _ in range(5):
            yield f"{read()}\n" * 1000

    return StreamingResponse(body())


async def astream() -> StreamingResponse:
    async def body() -> AsyncIterator[str]:
        for _ in range(5):
            yield f"{await aread()}\n" * 1000

    return StreamingResponse(body())


async def awrite_within_a_limit(key: str, seconds: float, kind: str) -> None:
    slow = text(SLOW[journal.engine.dialect.name])
    limit = asyncio.timeout(seconds) if kind == "asyncio" else _fail_after(seconds)
    try:
        async with journal.transaction():
            await Line.anew(key=key)
            async with limit:
                await Line.query.filter(slow).limit(1).aall()
    except TimeoutError:
        raise HTTPException(504) from None


@contextlib.asynccontextmanager
async def _fail_after(seconds: float) -> AsyncIterator[None]:
    with anyio.fail_after(seconds):
        yield


async def agather(key: str) -> None:
    await asyncio.gather(aread(), Line.anew(key=key), aread())


async def aread_within_a_limit(seconds: float) -> int:
    slow = text(SLOW[journal.engine.dialect.name])
    with anyio.move_on_after(seconds):
        await Line.query.filter(slow).limit(1).aall()
    return await aread()


# those of requests that are one transaction, which their status decides
def write_and_fail(key: str) -> None:
    Line.new(key=key)
    Line.new(key=f"{key} too")
    raise DeliberateError


async def awrite_and_fail(key: str) -> None:
    await Line.anew(key=key)
    await Line.anew(key=f"{key} too")
    raise DeliberateError


def write_and_answer_400(key: str) -> JSONResponse:
    Line.new(key=key)
    return JSONResponse({}, status_code=400)


async def awrite_and_answer_400(key: str) -> JSONResponse:
    await Line.anew(key=key)
    return JSONResponse({}, status_code=400)


def write_in_a_body(key: str) -> StreamingResponse:
    def body() -> Iterator[str]:
        yield "x" * 1000
        Line.new(key=key)
        yield "x" * 1000
        Line.new(key=f"{key} too")

    return StreamingResponse(body())


async def awrite_in_a_body(key: str) -> StreamingResponse:
    async def body() -> AsyncIterator[str]:
        yield "x" * 1000
        await Line.anew(key=key)
        yield "x" * 1000
        await Line.anew(key=f"{key} too")

    return StreamingResponse(body())


READING: list[Route] = [read, aread, stream, astream, aread_within_a_limit]

WRITING: list[Route] = [
    write,
    awrite,
    write_two,
    awrite_two,
    write_around_a_savepoint,
    awrite_around_a_savepoint,
    write_after_a_violation,
    awrite_after_a_violation,
    write_and_raise,
    awrite_and_raise,
    write_and_abort,
    awrite_and_abort,
    write_in_a_task,
    awrite_in_a_task,
    awrite_within_a_limit,
]

IN_COMMIT_MODE: list[Route] = [
    write_and_fail,
    awrite_and_fail,
    write_and_answer_400,
    awrite_and_answer_400,
    write_in_a_body,
    awrite_in_a_body,
    agather,
]

IN_PAIRS = ("write_two", "write_around_a_savepoint", "write_and_fail", "write_in_a_body")
"""Routes that write two lines, both or none."""

PATHS = [
    f"/{mode}/{route.__name__}"
    for mode, routes in [
        ("save", READING + WRITING),
        ("commit", READING + WRITING + IN_COMMIT_MODE),
    ]
    for route in routes
]


class Server:
    """The application, and what went wrong in it that was not meant to."""

    def __init__(self, *, kills: bool) -> None:
        self._kills = kills
        self.unexpected: list[str] = []
        self.expected = Counter[str]()
        apps = []
        for mode, routes in [
            ("save", READING + WRITING),
            ("commit", READING + WRITING + IN_COMMIT_MODE),
        ]:
            app = FastAPI()
            app.add_middleware(
                DBSessionMiddleware, db=journal, commit_on_exit=mode == "commit", create_all=False
            )
            for route in routes:
                app.get(f"/{route.__name__}", response_model=None)(route)  # a tuple of two kinds
            apps.append(Mount(f"/{mode}", app))
        self._app = Starlette(routes=apps, lifespan=self._lifespan)

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        def note(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            self.unexpected.append(f"the loop: {context}")

        asyncio.get_running_loop().set_exception_handler(note)
        yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except BaseException as error:
            self._note(error, str(scope.get("path")))
            raise

    def _note(self, error: BaseException, path: str) -> None:
        if isinstance(error, BaseExceptionGroup):
            for each in error.exceptions:
                self._note(each, path)
        elif self._is_meant(error):
            self.expected[type(error).__name__] += 1
        else:
            self.unexpected.append(f"{path}: {error!r}")

    def _is_meant(self, error: BaseException) -> bool:
        if isinstance(error, DeliberateError):
            return True
        lost = isinstance(error, exc.DBAPIError) and error.connection_invalidated
        # lost while a block went back to its savepoint, whose own error was on its way
        later = isinstance(error, exc.PendingRollbackError)
        return self._kills and (lost or later)


class Killer(threading.Thread):
    """Ends a connection now and then."""

    def __init__(self, url: str, seed: int) -> None:
        super().__init__(daemon=True)
        self._engine = create_engine(url, isolation_level="AUTOCOMMIT")
        self._random = random.Random(seed)
        self._over = threading.Event()
        self.kills = 0

    def run(self) -> None:
        others = text(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        with self._engine.connect() as connection:
            while not self._over.wait(self._random.expovariate(1 / BETWEEN_KILLS)):
                found = list(connection.scalars(others))
                if found:
                    victim = self._random.choice(found)
                    killed = connection.scalar(select(func.pg_terminate_backend(victim)))
                    self.kills += bool(killed)

    def stop(self) -> None:
        self._over.set()
        if self.is_alive():
            self.join(10)
        self._engine.dispose()


class Told:
    """What the clients were told, by key."""

    def __init__(self) -> None:
        self.requests = Counter[str]()
        self.stored: set[str] = set()
        self.undone: set[str] = set()
        self.pairs: set[str] = set()
        self.unexpected: list[str] = []

    def note(self, path: str, key: str, status: int | None, *, kills: bool) -> None:
        """Note an answer; None is for one that the client did not get, or not wholly."""
        route = path.rpartition("/")[2].removeprefix("a")
        self.requests[str(status or "left")] += 1
        pair = {key, f"{key} too"} if route in IN_PAIRS else {key}
        if route in IN_PAIRS:
            self.pairs.add(key)
        if route.startswith("write_around"):
            self.undone.add(f"{key} undone")
        if route in (
            "write_and_raise",
            "write_and_fail",
            "write_and_abort",
            "write_and_answer_400",
        ):
            self.undone |= pair  # these never commit, whatever the client heard of it
        elif status == 504:
            self.undone |= pair
        elif status == 200 and (route.startswith("write") or route == "gather"):  # noqa: SIM102
            if route != "write_in_a_task":
                self.stored |= pair
        expected = {
            "write_and_raise": 500,
            "write_and_fail": 500,
            "write_and_abort": 400,
            "write_and_answer_400": 400,
            "write_within_a_limit": 504,
        }.get(route, 200)
        if status not in (None, expected) and not (kills and status == 500):
            self.unexpected.append(f"{path}: {status}")


class Clients:
    """Fifty of them, who do as they like until the time is over."""

    def __init__(self, address: str, seed: int, *, kills: bool) -> None:
        self._address, self._seed, self._kills = address, seed, kills
        self.told = Told()

    async def run(self) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        async with httpx.AsyncClient(
            base_url=self._address, limits=limits, timeout=60, verify=False, trust_env=False
        ) as http:
            over = time.monotonic() + SECONDS
            async with asyncio.TaskGroup() as clients:
                for number in range(CLIENTS):
                    clients.create_task(self._client(http, number, over))

    async def _client(self, http: httpx.AsyncClient, number: int, over: float) -> None:
        choose = random.Random(f"{self._seed} {number}")
        wrote = 0
        while time.monotonic() < over:
            wrote += 1
            path, key = choose.choice(PATHS), f"{number}-{wrote}"
            given = {
                "key": key,
                "seconds": f"{choose.uniform(0, 0.05):.3f}",
                "kind": choose.choice(["asyncio", "anyio"]),
            }
            patience = choose.expovariate(1 / GIVING_UP) if choose.random() < 0.15 else 60
            leaves = choose.random() < 0.3
            status = None
            with contextlib.suppress(TimeoutError, httpx.RemoteProtocolError, httpx.ReadError):
                async with asyncio.timeout(patience):
                    status = await self._ask(http, path, given, leaves=leaves)
            self.told.note(path, key, status, kills=self._kills)

    async def _ask(
        self, http: httpx.AsyncClient, path: str, given: dict[str, str], *, leaves: bool
    ) -> int | None:
        async with http.stream("GET", path, params=given) as answer:
            if leaves and ("stream" in path or "body" in path):
                async for _ in answer.aiter_raw():
                    return None
            await answer.aread()
            return answer.status_code


def keys() -> Counter[str]:
    """How often each key is stored."""
    with journal.engine.connect() as connection:
        rows = connection.execute(select(Line.key, func.count()).group_by(Line.key))
        return Counter({key: number for key, number in rows})  # noqa: C416 - rows are no pairs to a type checker


Report = Callable[[dict[str, object]], None]


@pytest.fixture
def report(
    request: pytest.FixtureRequest,
    record_property: Callable[[str, object], None],
    capsys: pytest.CaptureFixture[str],
) -> Report:
    """Tells the figures of a run, in the report and in the terminal."""

    def tell(figures: dict[str, object]) -> None:
        for name, value in figures.items():
            record_property(name, value)
        terminal = request.config.pluginmanager.get_plugin("terminalreporter")
        if terminal is not None:  # there is none in a process of xdist
            line = ", ".join(f"{name} {value}" for name, value in figures.items())
            with capsys.disabled():
                terminal.write_line(f"\n{request.node.name}: {line}")

    return tell


@pytest.fixture
def closing() -> Iterator[None]:
    stored.clear()
    yield
    journal.dispose()
    journal.init()


@pytest.mark.parametrize("place", ["postgres_url", "sqlite_file_url"])
def test_nothing_is_lost_and_nothing_is_left(
    place: str,
    request: pytest.FixtureRequest,
    closing: None,
    serve: Serve,
    report: Report,
    caplog: pytest.LogCaptureFixture,
) -> None:
    url = str(request.getfixturevalue(place))
    kills = place == "postgres_url"
    seed = random.randrange(1_000_000)
    engine_args = {"pool_size": 5, "max_overflow": 5, "pool_timeout": 30}
    journal.init(url, engine_args=engine_args)
    journal.create_all()
    with journal():
        Title.new(name="taken")
    engines = Engines()
    observer = Observer(url, engines)
    server, killer = Server(kills=kills), Killer(url, seed)
    with engines.watched(), caplog.at_level(logging.WARNING, "sqlalchemy.pool"):
        clients = Clients(serve(server, log_level="critical"), seed, kills=kills)
        if kills:
            killer.start()
        try:
            asyncio.run(clients.run())
        finally:
            killer.stop()
        left = until(
            lambda: (engines.lent(), *observer.at_the_server()), lambda found: found == (0, 0, 0)
        )
    observer.engine.dispose()
    found, told = keys(), clients.told
    promised = told.stored | stored
    lost = sorted(key for key in promised if found[key] == 0)
    twice = sorted(key for key, number in found.items() if number > 1)
    undead = sorted(key for key in told.undone if found[key])
    halves = sorted(key for key in told.pairs if found[key] != found[f"{key} too"])
    forgotten = [r.getMessage() for r in caplog.records if "non-checked-in" in r.getMessage()]
    report(
        {
            "seed": seed,
            "seconds": SECONDS,
            "requests": told.requests.total(),
            "answers": dict(told.requests.most_common()),
            "acknowledged": len(promised),
            "lost": len(lost),
            "undone": len(told.undone),
            "undead": len(undead),
            "kills": killer.kills,
            "leaked": left,
            "errors": dict(server.expected),
            "unexpected": len(server.unexpected) + len(told.unexpected),
        }
    )
    assert server.unexpected[:5] == []
    assert told.unexpected[:5] == []
    assert (lost, twice, undead, halves, forgotten) == ([], [], [], [], [])
    assert left == (0, 0, 0)
    assert len(promised) > 0
    assert killer.kills > 0 or not kills
