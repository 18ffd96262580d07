"""A request that is cancelled while the database works leaves nothing of it behind."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Annotated

import anyio
import pytest
from fastapi import Depends, FastAPI
from fastapi.responses import StreamingResponse
from sqlalchemy import Connection, create_engine, event, select, text, update

from fastapi_sqlalchemy import Repository
from fastapi_sqlalchemy.session import Session
from tests.shop import Item, db, lent, names, open_shop
from tests.web.asgi import Answer, SpecVersion, get, serving

# Of this database: other processes of the suite have databases on the same server.
WAITING = {
    "postgresql": """
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'
    """,
    "mysql": """
        SELECT count(*) FROM information_schema.processlist
        WHERE db = database() AND info LIKE 'UPDATE items%'
    """,
}


class Contention:
    """Another client of the database, which holds the row of the item called `contended`."""

    def __init__(self, connection: Connection, observer: Connection) -> None:
        self._connection, self._observer = connection, observer
        connection.execute(update(Item).where(Item.name == "contended").values(id=Item.id))

    def end(self) -> None:
        self._connection.rollback()

    def waiting(self) -> int:
        """How many statements wait for the row."""
        question = text(WAITING[self._observer.dialect.name])
        found = self._observer.scalar(question)
        self._observer.rollback()
        return int(found or 0)

    async def until(self, waiting: int) -> None:
        """Return when so many statements wait for the row."""
        with anyio.fail_after(5):
            while self.waiting() != waiting:  # noqa: ASYNC110 - a server has no event for this
                await asyncio.sleep(0)

    def update_free(self) -> None:
        """Change the other row, which fails at once where somebody holds it."""
        patience = {"postgresql": "lock_timeout = '1s'", "mysql": "innodb_lock_wait_timeout = 1"}
        self._observer.execute(text(f"SET {patience[self._observer.dialect.name]}"))
        self._observer.execute(update(Item).where(Item.name == "free").values(name="freed"))
        self._observer.rollback()


@contextmanager
def contention(url: str) -> Iterator[Contention]:
    engine = create_engine(url)
    with engine.connect() as connection, engine.connect() as observer:
        yield Contention(connection, observer)
    engine.dispose()


def waiting_app() -> FastAPI:
    """Routes that change the free row and then wait for the contended one."""
    app = serving(FastAPI(), db, commit_on_exit=True)

    @app.get("/async")
    async def awaited() -> None:
        free, contended = await Item.query.order_by(Item.id).aall()
        await free.aupdate(name="free, changed")
        await contended.aupdate(name="contended, changed")

    @app.get("/def")
    def blocking() -> None:
        free, contended = Item.query.order_by(Item.id)
        free.update(name="free, changed")
        contended.update(name="contended, changed")

    @app.get("/count")
    async def count() -> int:
        return await Item.query.acount()

    return app


class Items(Repository[Item]):
    """What opens the scope where there is no middleware."""


def bare_app() -> FastAPI:
    """The same without the middleware."""
    app = FastAPI()

    @app.get("/async")
    async def awaited(items: Annotated[Items, Depends()]) -> None:
        free, contended = await items.query.order_by(Item.id)
        await items.aupdate(free, name="free, changed")
        await items.aupdate(contended, name="contended, changed")

    @app.get("/count")
    async def count(items: Annotated[Items, Depends()]) -> int:
        return await items.acount()

    return app


WHOLE_OR_NOTHING = [["contended, changed", "free, changed"], ["contended", "free"]]

Cancel = Callable[[], object]
Cancelling = Callable[[Callable[[], Awaitable[Answer]]], AbstractAsyncContextManager[Cancel]]
"""Makes a request, yields what cancels it, and ends when it has ended."""


@asynccontextmanager
async def in_a_task(request: Callable[[], Awaitable[Answer]]) -> AsyncIterator[Cancel]:
    task = asyncio.ensure_future(request())
    yield task.cancel
    with pytest.raises(asyncio.CancelledError):
        await task


@asynccontextmanager
async def in_a_cancel_scope(request: Callable[[], Awaitable[Answer]]) -> AsyncIterator[Cancel]:
    scope = anyio.CancelScope()

    async def limited() -> None:
        with scope:
            await request()

    task = asyncio.create_task(limited())
    yield scope.cancel
    await task


@asynccontextmanager
async def in_a_timeout(request: Callable[[], Awaitable[Answer]]) -> AsyncIterator[Cancel]:
    timeout = asyncio.timeout(None)

    async def limited() -> None:
        with pytest.raises(TimeoutError):
            async with timeout:
                await request()

    task = asyncio.create_task(limited())
    yield lambda: timeout.reschedule(asyncio.get_running_loop().time())
    await task


CANCELLING = pytest.mark.parametrize("cancelling", [in_a_task, in_a_cancel_scope, in_a_timeout])


@CANCELLING
@pytest.mark.parametrize("make", [waiting_app, bare_app])
async def test_a_cancelled_request_gives_back_its_connection_and_its_locks(
    server_url: str, cancelling: Cancelling, make: Callable[[], FastAPI]
) -> None:
    open_shop(server_url, "free", "contended", commit_on_exit=True)
    app = make()
    with contention(server_url) as other:
        async with cancelling(lambda: get(app, "/async")) as cancel:
            await other.until(waiting=1)
            cancel()
        assert lent() == 0
        other.update_free()
    assert names() == ["contended", "free"]
    assert (await get(app, "/count")).body == b"2"


@CANCELLING
async def test_a_cancelled_statement_ends_at_the_server(
    server_url: str, cancelling: Cancelling, caplog: pytest.LogCaptureFixture
) -> None:
    open_shop(server_url, "free", "contended")
    with contention(server_url) as other:
        async with cancelling(lambda: get(waiting_app(), "/async")) as cancel:
            await other.until(waiting=1)
            cancel()
        # Told at once, but a server needs a moment to act on it, and MariaDB to show it.
        await other.until(waiting=0)
    # A driver that was cancelled once more, while it told the server, says so.
    assert caplog.records == []


@CANCELLING
async def test_a_request_that_is_cancelled_while_a_thread_waits_is_whole_or_nothing(
    server_url: str, cancelling: Cancelling
) -> None:
    open_shop(server_url, "free", "contended")
    with contention(server_url) as other:
        async with cancelling(lambda: get(waiting_app(), "/def")) as cancel:
            await other.until(waiting=1)
            cancel()
            await asyncio.sleep(0)
            other.end()  # a thread cannot be stopped: it ends when the database answers
        assert lent() == 0
        other.update_free()
    assert names() in WHOLE_OR_NOTHING


@CANCELLING
@pytest.mark.parametrize("colour", ["def", "async"])
async def test_a_request_that_is_cancelled_while_sqlite_waits_is_whole_or_nothing(
    sqlite_file_url: str, colour: str, cancelling: Cancelling
) -> None:
    open_shop(sqlite_file_url, "free", "contended")
    writes = asyncio.Event()
    loop = asyncio.get_running_loop()

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("UPDATE"):
            loop.call_soon_threadsafe(writes.set)

    other = create_engine(sqlite_file_url)
    with other.connect() as connection:
        connection.execute(text("BEGIN IMMEDIATE"))
        event.listen(db.engine, "before_cursor_execute", note)
        async with cancelling(lambda: get(waiting_app(), f"/{colour}")) as cancel:
            await writes.wait()
            cancel()
            await asyncio.sleep(0)
            connection.rollback()
    other.dispose()
    assert lent() == 0
    assert names() in WHOLE_OR_NOTHING


async def by_verb() -> None:
    await Item.query.aall()


async def by_session() -> None:
    await db.async_session.scalars(select(Item))


async def by_function() -> None:
    await db.run(lambda: db.session.scalars(select(Item)))


@pytest.mark.parametrize("ask", [by_verb, by_session, by_function])
async def test_a_thread_that_outlives_its_request_keeps_no_connection(
    sqlite_file_url: str, ask: Callable[[], Awaitable[None]]
) -> None:
    open_shop(sqlite_file_url)
    app = serving(FastAPI(), db, create_all=False)
    app.get("/")(ask)
    loop = asyncio.get_running_loop()
    asked, ended, go_on = asyncio.Event(), asyncio.Event(), threading.Event()

    def wait(_: object) -> None:
        loop.call_soon_threadsafe(asked.set)
        assert go_on.wait(5)

    def note(*_: object) -> None:
        loop.call_soon_threadsafe(ended.set)

    event.listen(Session, "do_orm_execute", wait)
    event.listen(db.engine, "checkin", note)
    try:
        request = asyncio.create_task(get(app))
        await asked.wait()
        request.cancel()
        for _ in range(10):  # turns of the loop: the cancellation is where it can get to
            await asyncio.sleep(0)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await request
        await asyncio.wait_for(ended.wait(), 5)
    finally:
        event.remove(Session, "do_orm_execute", wait)
    assert lent() == 0


@pytest.mark.parametrize("spec_version", ["2.3", "2.4"])
async def test_a_client_that_leaves_a_stream_ends_the_statement_at_the_server(
    server_url: str, spec_version: SpecVersion
) -> None:
    open_shop(server_url, "free", "contended")
    left = asyncio.Event()
    app = waiting_app()

    async def body() -> AsyncIterator[str]:
        yield "first"
        free, contended = await Item.query.order_by(Item.id).aall()
        await free.aupdate(name="free, changed")
        await contended.aupdate(name="contended, changed")

    @app.get("/body")
    async def route() -> StreamingResponse:
        return StreamingResponse(body())

    with contention(server_url) as other:
        request = asyncio.create_task(get(app, "/body", left=left))
        await other.until(waiting=1)
        left.set()
        await request
        assert (lent(), other.waiting()) == (0, 0)
        other.update_free()
    assert names() == ["contended", "free"]
    assert (await get(app, "/count")).body == b"2"


async def test_a_statement_that_the_route_cancels_leaves_the_session_usable(
    server_url: str,
) -> None:
    open_shop(server_url, "free", "contended")
    app = serving(FastAPI(), db)
    scope = anyio.CancelScope()

    @app.get("/")
    async def route() -> int:
        contended = await Item.aget(name="contended")
        assert contended is not None
        with scope:
            await contended.aupdate(name="changed")
        return await Item.query.acount()

    with contention(server_url) as other:
        request = asyncio.create_task(get(app))
        await other.until(waiting=1)
        scope.cancel()
        assert (await request).body == b"2"
        assert lent() == 0


async def test_a_transaction_is_not_committed_in_part_after_a_statement_was_cancelled(
    server_url: str,
) -> None:
    open_shop(server_url, "free", "contended")
    app = serving(FastAPI(), db, commit_on_exit=True)
    scope = anyio.CancelScope()

    @app.get("/")
    async def route() -> None:
        free, contended = await Item.query.order_by(Item.id).aall()
        await free.aupdate(name="free, changed")
        with scope:
            await contended.aupdate(name="contended, changed")
        await Item.anew(name="new")

    with contention(server_url) as other:
        request = asyncio.create_task(get(app))
        await other.until(waiting=1)
        scope.cancel()
        answer = await request
    whole = ["contended", "free, changed", "new"]
    assert (answer.status, names()) in [(500, ["contended", "free"]), (200, whole)]


WAIT_AT_COMMIT = [
    """
    CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END $$
    """,
    """
    CREATE CONSTRAINT TRIGGER late AFTER INSERT ON items DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION wait()
    """,
]


async def test_a_commit_that_has_begun_is_finished(postgres_url: str) -> None:
    open_shop(postgres_url)
    app = serving(FastAPI(), db, commit_on_exit=True)
    with db.engine.begin() as connection:
        for statement in WAIT_AT_COMMIT:
            connection.execute(text(statement))

    @app.get("/")
    async def route() -> None:
        await Item.anew(name="pen")

    other = create_engine(postgres_url)
    with other.connect() as holder, other.connect() as observer:
        holder.execute(text("SELECT pg_advisory_lock(1)"))
        request = asyncio.create_task(get(app))
        with anyio.fail_after(5):
            while not observer.scalar(text(WAITING["postgresql"])):
                observer.rollback()
                await asyncio.sleep(0)
        request.cancel()
        await asyncio.sleep(0)
        holder.execute(text("SELECT pg_advisory_unlock(1)"))
        with pytest.raises(asyncio.CancelledError):
            await request
    other.dispose()
    assert names() == ["pen"]
    assert lent() == 0
