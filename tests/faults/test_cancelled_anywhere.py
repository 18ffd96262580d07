"""A cancellation may come wherever a request waits: it is tried at every single place."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar

import anyio
import pytest
from fastapi import BackgroundTasks, FastAPI
from fastapi.responses import StreamingResponse
from sqlalchemy import make_url, select

from tests.faults.conftest import DRIVERS
from tests.faults.served import Engines, Observer, until
from tests.shop import Item, db, names, open_shop
from tests.web.asgi import Answer, get, serving

T = TypeVar("T")

MANY = 300
"""More places than any of these requests waits at."""


class CancelledAt(Generic[T]):
    """Awaits something, and cancels it when it waits for the nth time."""

    def __init__(
        self, coroutine: Coroutine[Any, Any, T], place: int, cancel: Callable[[], object]
    ) -> None:
        self._coroutine, self._place, self._cancel = coroutine, place, cancel
        self.places = 0

    def __await__(self) -> Generator[Any, Any, T]:
        steps = self._coroutine.__await__()
        error: BaseException | None = None
        try:
            while True:
                waiting = steps.send(None) if error is None else steps.throw(error)
                error = None
                self.places += 1
                if self.places == self._place:
                    self._cancel()
                try:
                    yield waiting
                except BaseException as thrown:
                    error = thrown
        except StopIteration as end:
            result: T = end.value
            return result


async def by_task(coroutine: Coroutine[Any, Any, Answer], place: int) -> bool:
    """Whether there was such a place."""
    running = CancelledAt(coroutine, place, lambda: task.cancel())

    async def run() -> None:
        await running

    task = asyncio.create_task(run())
    await asyncio.wait([task])
    return running.places >= place


async def by_scope(coroutine: Coroutine[Any, Any, Answer], place: int) -> bool:
    scope = anyio.CancelScope()
    running = CancelledAt(coroutine, place, scope.cancel)

    async def run() -> None:
        with scope:
            await running

    await asyncio.wait([asyncio.create_task(run())])
    return running.places >= place


async def by_both(coroutine: Coroutine[Any, Any, Answer], place: int) -> bool:
    """A scope, whose task is cancelled too while it cleans up."""
    scope = anyio.CancelScope()

    def cancel() -> None:
        scope.cancel()
        asyncio.get_running_loop().call_soon(task.cancel)

    running = CancelledAt(coroutine, place, cancel)

    async def run() -> None:
        with scope:
            await running

    task = asyncio.create_task(run())
    await asyncio.wait([task])
    return running.places >= place


async def read(name: str) -> None:
    await Item.query.aall()
    await Item.query.acount()


async def write(name: str) -> None:
    await Item.query.aall()
    await Item.anew(name=name)
    await Item.anew(name=f"{name} too")


def write_in_a_thread(name: str) -> None:
    Item.query.all()
    Item.new(name=name)
    Item.new(name=f"{name} too")


async def transact(name: str) -> None:
    async with db.transaction():
        await Item.anew(name=name)
        async with db.transaction():
            await Item.anew(name=f"{name} too")


async def open_a_block(name: str) -> None:
    async with db(commit_on_exit=True):
        await Item.query.aall()
        await Item.anew(name=name)
        await Item.anew(name=f"{name} too")


async def use_the_session(name: str) -> None:
    session = db.async_session
    (await session.scalars(select(Item))).all()
    session.add(Item(name=name))
    await session.flush()
    session.add(Item(name=f"{name} too"))
    await session.commit()


async def run_a_function(name: str) -> None:
    await db.run(write_in_a_thread, name)


async def gather(name: str) -> None:
    async with db.transaction():
        await Item.anew(name=name)
        await Item.anew(name=f"{name} too")
    await asyncio.gather(Item.query.aall(), Item.query.acount())


async def read_and_release(name: str) -> None:
    (await db.async_session.scalars(select(Item))).all()
    await db.arelease()
    await Item.query.acount()


async def stream(name: str) -> StreamingResponse:
    async def body() -> AsyncIterator[str]:
        await Item.query.aall()
        yield (await Item.anew(name=name)).name
        yield (await Item.anew(name=f"{name} too")).name

    return StreamingResponse(body())


async def do_later(name: str, background: BackgroundTasks) -> None:
    background.add_task(open_a_block, name)
    await Item.query.aall()


ROUTES: list[Callable[..., Any]] = [
    read,
    write,
    write_in_a_thread,
    transact,
    open_a_block,
    use_the_session,
    run_a_function,
    gather,
    read_and_release,
    stream,
    do_later,
]

Way = Callable[[Coroutine[Any, Any, Answer], int], Awaitable[bool]]


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("way", [by_task, by_scope, by_both])
async def test_a_cancellation_leaves_nothing_behind_wherever_it_comes(
    driver: str,
    way: Way,
    request: pytest.FixtureRequest,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # psycopg lets others have their turn, which is a place to be cancelled at, on a busy loop only
    monkeypatch.setattr("psycopg.waiting.MAX_BUSY_TIME", 0)
    fixture, awaited = DRIVERS[driver]
    url = str(request.getfixturevalue(fixture))
    if awaited is not None:
        url = make_url(url).set(drivername=awaited).render_as_string(hide_password=False)
    # a connection that is lost is missed by the next request
    open_shop(url, engine_args={"pool_size": 1, "max_overflow": 0, "pool_timeout": 2})
    app = serving(FastAPI(), db, commit_on_exit=True)
    for route in ROUTES:
        app.get(f"/{route.__name__}", response_model=None)(route)  # a tuple of two kinds
    engines = Engines()
    observer = Observer(url, engines)
    caplog.set_level(logging.WARNING, "sqlalchemy.pool")
    try:
        with engines.watched():
            for route in ROUTES:
                await try_every_place(app, route.__name__, way, engines)
            left = until(observer.at_the_server, lambda found: found == (0, 0))
        rows = set(names(observer.engine))
    finally:
        observer.engine.dispose()
    gc.collect()
    logged = [record.getMessage() for record in caplog.records]
    halves = [name for name in rows if not name.endswith(" too") and f"{name} too" not in rows]
    assert (logged, halves, left) == ([], [], (0, 0))


async def try_every_place(app: FastAPI, route: str, way: Way, engines: Engines) -> None:
    for place in range(1, MANY):
        name = f"{route} {place}"
        request = get(app, f"/{route}", query=f"name={name}", spec_version="2.4")
        found = await way(request, place)
        assert engines.lent() == 0, f"{name}: a connection is out"
        assert (await get(app, "/read", query="name=")).status == 200, f"{name}: the next one fails"
        if not found:
            return
    raise AssertionError(f"{route} waits at more than {MANY} places")
