"""Generators that hold a block open around their `yield`: `def` dependencies and streams.

FastAPI and Starlette run each part of them in a worker thread, in a copy of the request's context.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import pytest
from anyio import to_thread
from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.responses import StreamingResponse

from fastapi_sqlalchemy.exceptions import ConcurrencyError, LateCommitWarning
from tests.shop import Item, db, lent, names, open_shop
from tests.transactions.tools import Spoilt, spoilt
from tests.web.asgi import get, serving

COLOURS = ["def", "async"]


def transaction() -> Iterator[None]:
    with db.transaction():
        yield


@contextmanager
def unit_of_work() -> Iterator[None]:
    with db.transaction():
        yield


def through_a_helper() -> Iterator[None]:
    with unit_of_work():
        yield


def serve(dependency: Callable[..., Any], body: Callable[[], None]) -> FastAPI:
    app = FastAPI()
    depends = [Depends(dependency, scope="function")]

    @app.get("/def", dependencies=depends)
    def blocking() -> None:
        Item.new(name="pen")
        body()

    @app.get("/async", dependencies=depends)
    async def awaited() -> None:
        await Item.anew(name="pen")
        body()

    return serving(app, db)


def nothing() -> None:
    pass


def fail() -> None:
    raise HTTPException(418)


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("dependency", [transaction, through_a_helper])
async def test_the_route_is_within_the_block(
    url: str, colour: str, dependency: Callable[..., Any]
) -> None:
    open_shop(url)
    open_after_the_save: list[bool] = []

    def look() -> None:
        open_after_the_save.append(db.session.in_transaction())

    answer = await get(serve(dependency, look), f"/{colour}")
    assert (answer.error, answer.status) == (None, 200)
    assert open_after_the_save == [True]
    assert names() == ["pen"]
    assert lent() == 0


@pytest.mark.parametrize("colour", COLOURS)
async def test_an_exception_of_the_route_rolls_back(url: str, colour: str) -> None:
    open_shop(url)
    answer = await get(serve(transaction, fail), f"/{colour}")
    assert answer.status == 418
    assert names() == []
    assert lent() == 0


async def test_a_block_of_the_route_is_a_savepoint(url: str) -> None:
    open_shop(url)

    def body() -> None:
        with spoilt(), db.transaction():
            Item.new(name="ink")
            raise Spoilt

    answer = await get(serve(transaction, body), "/def")
    assert answer.status == 200
    assert names() == ["pen"]


async def test_hooks_wait_for_the_dependency_to_commit(url: str) -> None:
    open_shop(url)
    seen: list[list[str]] = []

    def body() -> None:
        db.on_commit(lambda: seen.append(names()))
        assert seen == []

    answer = await get(serve(transaction, body), "/def")
    assert answer.status == 200
    assert seen == [["pen"]]


async def test_one_dependency_within_another_is_a_savepoint(url: str) -> None:
    open_shop(url)

    def inner(_: Annotated[None, Depends(transaction, scope="function")]) -> Iterator[None]:
        with db.transaction():
            yield
            Item.new(name="ink")

    def after(_: Annotated[None, Depends(inner, scope="function")]) -> None:
        assert db.scopes.here is not db.scopes.here.scope

    answer = await get(serve(after, nothing), "/def")
    assert answer.status == 200
    assert sorted(names()) == ["ink", "pen"]


async def test_the_block_of_a_thread_that_is_no_dependency_is_its_own(url: str) -> None:
    open_shop(url)
    entered, leave = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def work() -> None:
        with db.transaction():
            loop.call_soon_threadsafe(entered.set)
            asyncio.run_coroutine_threadsafe(leave.wait(), loop).result()

    async with db():
        working = asyncio.create_task(asyncio.to_thread(work))
        await entered.wait()
        with pytest.raises(ConcurrencyError):
            await Item.anew(name="pen")
        leave.set()
        await working
    assert names() == []


async def test_a_block_that_is_entered_in_a_worker_thread_by_hand_spans_too(url: str) -> None:
    open_shop(url)
    async with db():
        block = db.transaction()
        await to_thread.run_sync(block.__enter__)
        await Item.anew(name="pen")
        await to_thread.run_sync(block.__exit__, None, None, None)
    assert names() == ["pen"]


async def test_a_block_that_ends_after_the_response_is_warned_of(url: str) -> None:
    open_shop(url)
    app = FastAPI()

    @app.get("/", dependencies=[Depends(transaction)])
    def route(tasks: BackgroundTasks) -> None:
        Item.new(name="pen")

    with pytest.warns(LateCommitWarning, match="transaction"):
        answer = await get(serving(app, db))
    assert answer.status == 200
    assert names() == ["pen"]
    assert lent() == 0


@pytest.mark.parametrize("colour", COLOURS)
async def test_the_scope_of_a_dependency_is_that_of_the_route(url: str, colour: str) -> None:
    open_shop(url)
    app = FastAPI()

    def session() -> Iterator[Session]:
        with db(commit_on_exit=True):
            yield db.session

    Here = Annotated[Session, Depends(session, scope="function")]  # noqa: N806 - a type

    @app.get("/def")
    def blocking(session: Here) -> None:
        Item.new(name="pen")
        assert session.scalars(select(Item.name)).all() == ["pen"]
        assert session.in_transaction()

    @app.get("/async")
    async def awaited(session: Here) -> None:
        await Item.anew(name="pen")
        assert db.scopes.here.scope.session is session
        assert session.in_transaction()

    answer = await get(serving(app, db), f"/{colour}")
    assert (answer.error, answer.status) == (None, 200)
    assert names() == ["pen"]
    assert lent() == 0


@pytest.mark.parametrize("block", [db, db.transaction])
async def test_a_stream_may_hold_a_block_open(url: str, block: Callable[[], Any]) -> None:
    open_shop(url)
    app = FastAPI()

    def stream() -> Iterator[str]:
        with block():
            for name in ("pen", "ink"):
                yield Item.new(name=name).name
            yield f" {Item.query.count()}"

    @app.get("/")
    def route() -> StreamingResponse:
        return StreamingResponse(stream())

    answer = await get(serving(app, db))
    assert (answer.error, answer.body) == (None, b"penink 2")
    assert sorted(names()) == ["ink", "pen"]
    assert lent() == 0
