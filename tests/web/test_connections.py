"""A request takes a connection when it asks the database something, and always gives it back."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from fastapi import BackgroundTasks, FastAPI, HTTPException
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel
from sqlalchemy import event, exc, orm, select, text
from sqlalchemy.pool import ConnectionPoolEntry, Pool

from tests.databases import Databases
from tests.shop import Item, db, lent, open_shop
from tests.web.asgi import get, serving


class Counting(orm.Session):
    """Counts how many sessions were made."""

    made = 0

    def __init__(self, **options: Any) -> None:
        Counting.made += 1
        super().__init__(**options)


@pytest.fixture
def checkouts() -> Iterator[list[object]]:
    """Every time that a connection leaves a pool."""
    noted: list[object] = []

    def note(_: object, entry: ConnectionPoolEntry, __: object) -> None:
        noted.append(entry)

    event.listen(Pool, "checkout", note)
    yield noted
    event.remove(Pool, "checkout", note)


@pytest.mark.parametrize("commit_on_exit", [True, False])
async def test_a_route_without_sql_opens_no_session_and_takes_no_connection(
    url: str, commit_on_exit: bool, checkouts: list[object]
) -> None:
    open_shop(url, session_args={"class_": Counting})
    app = serving(FastAPI(), db, commit_on_exit=commit_on_exit, create_all=False)

    @app.get("/def")
    def blocking() -> None: ...

    @app.get("/async")
    async def awaited() -> None: ...

    @app.get("/count")
    async def count() -> int:
        return await Item.query.acount()

    made = Counting.made
    checkouts.clear()
    assert (await get(app, "/def")).status == (await get(app, "/async")).status == 200
    assert (Counting.made, checkouts) == (made, [])
    await get(app, "/count")
    assert (Counting.made, len(checkouts)) == (made + 1, 1)


async def test_a_route_that_reads_holds_nothing_while_it_goes_on(url: str) -> None:
    open_shop(url, "pen")
    app = serving(FastAPI(), db, commit_on_exit=True)
    held: list[tuple[int, bool]] = []

    @app.get("/def")
    def blocking() -> None:
        Item.query.all()
        held.append((lent(), db.session.in_transaction()))

    @app.get("/async")
    async def awaited() -> None:
        await Item.query.aall()
        held.append((lent(), db.session.in_transaction()))

    await get(app, "/def")
    await get(app, "/async")
    assert held == [(0, False), (0, False)]


async def test_a_route_that_reads_leaves_no_transaction_at_the_server(
    server_url: str, connections: Databases
) -> None:
    open_shop(server_url, "pen")
    app = serving(FastAPI(), db)
    seen: list[int] = []

    @app.get("/")
    async def route() -> None:
        await Item.query.aall()
        seen.append(connections.settle(server_url, open=2).idle_in_transaction)

    await get(app)
    assert seen == [0]


def every_kind_of_request() -> FastAPI:
    """Routes of both colours that end in every way, most of them in a transaction."""
    app = serving(FastAPI(), db)

    def body() -> Iterator[str]:
        yield str(Item.query.count())

    async def abody() -> AsyncIterator[str]:
        yield str(len((await db.async_session.scalars(select(Item))).all()))

    def touch() -> None:
        db.session.add(Item(name="new"))
        db.session.flush()

    async def atouch() -> None:
        db.async_session.add(Item(name="new"))
        await db.async_session.flush()

    @app.get("/def/{how}", response_model=None)
    def blocking(how: str, background: BackgroundTasks) -> object:
        match how:
            case "read":
                return Item.query.count()
            case "session":
                return len(db.session.scalars(select(Item)).all())
            case "body":
                return StreamingResponse(body())
            case "task":
                background.add_task(touch)
                return None
        touch()
        if how == "clash":
            touch()
        return end(how)

    @app.get("/async/{how}", response_model=None)
    async def awaited(how: str, background: BackgroundTasks) -> object:
        match how:
            case "read":
                return await Item.query.acount()
            case "session":
                return len((await db.async_session.scalars(select(Item))).all())
            case "body":
                return StreamingResponse(abody())
            case "task":
                background.add_task(atouch)
                return None
        await atouch()
        if how == "clash":
            await atouch()
        return end(how)

    def end(how: str) -> object:
        match how:
            case "raise":
                raise LookupError
            case "abort":
                raise HTTPException(400)
            case "400":
                return JSONResponse({}, status_code=400)
        return None

    return app


ENDS = ["read", "session", "body", "task", "write", "clash", "raise", "abort", "400"]


@pytest.mark.parametrize("commit_on_exit", [True, False])
@pytest.mark.parametrize("colour", ["def", "async"])
async def test_no_connection_is_out_after_a_request_of_any_kind(
    url: str, colour: str, commit_on_exit: bool
) -> None:
    open_shop(url, "pen", commit_on_exit=commit_on_exit)
    app = every_kind_of_request()
    left: dict[str, int] = {}
    for how in ENDS:
        await get(app, f"/{colour}/{how}")
        left[how] = lent()
    assert left == dict.fromkeys(ENDS, 0)


class ItemOut(BaseModel):
    model_config = {"from_attributes": True}
    name: str


@pytest.mark.parametrize("colour", ["def", "async"])
async def test_many_requests_at_once_share_a_small_pool(url: str, colour: str) -> None:
    open_shop(url, "pen", engine_args={"pool_size": 2, "max_overflow": 0, "pool_timeout": 5})
    app = serving(FastAPI(), db)

    @app.get("/def", response_model=list[ItemOut])
    def blocking() -> list[Item]:
        return Item.query.all()

    @app.get("/async", response_model=list[ItemOut])
    async def awaited() -> list[Item]:
        return await Item.query.aall()

    answers = await asyncio.gather(*(get(app, f"/{colour}") for _ in range(120)))
    assert {(answer.status, answer.body) for answer in answers} == {(200, b'[{"name":"pen"}]')}


async def test_a_hundred_requests_that_read_and_then_wait_share_a_small_pool(url: str) -> None:
    open_shop(url, "pen", engine_args={"pool_size": 5, "max_overflow": 0, "pool_timeout": 5})
    app = serving(FastAPI(), db)
    everybody_has_read = asyncio.Barrier(100)

    @app.get("/")
    async def route() -> int:
        found = await Item.query.acount()
        await everybody_has_read.wait()
        return found

    answers = await asyncio.gather(*(get(app) for _ in range(100)))
    assert {answer.body for answer in answers} == {b"1"}


@pytest.mark.parametrize("colour", ["def", "async"])
async def test_many_requests_that_write_share_a_small_pool(url: str, colour: str) -> None:
    open_shop(url, engine_args={"pool_size": 2, "max_overflow": 0, "pool_timeout": 20})
    app = serving(FastAPI(), db, commit_on_exit=True)

    @app.get("/def/{name}")
    def blocking(name: str) -> None:
        Item.new(name=name)

    @app.get("/async/{name}")
    async def awaited(name: str) -> None:
        await Item.anew(name=name)

    answers = await asyncio.gather(*(get(app, f"/{colour}/{n}") for n in range(60)))
    assert {answer.status for answer in answers} == {200}
    async with db():
        assert await Item.query.acount() == 60


async def test_a_connection_that_the_server_ended_fails_one_request_only(
    postgres_url: str,
) -> None:
    open_shop(postgres_url, "pen")
    app = serving(FastAPI(), db, commit_on_exit=True)

    @app.get("/killed")
    async def killed() -> None:
        await Item.anew(name="lost")
        me = await db.async_session.scalar(text("SELECT pg_backend_pid()"))
        with db.engine.connect() as other:
            other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": me})
        await Item.query.acount()

    @app.get("/")
    async def count() -> int:
        return await Item.query.acount()

    answer = await get(app, "/killed")
    assert answer.kinds == ["start", "body"]
    assert answer.status == 500
    assert isinstance(answer.error, exc.OperationalError)
    assert lent() == 0
    assert (await get(app)).body == b"1"
