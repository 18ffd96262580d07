"""A pool that is smaller than the crowd is shared: nobody waits for a connection that idles."""

import asyncio
import threading
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from fastapi import Depends
from pydantic import BaseModel

from tests.faults.served import THREADS_OF_A_SERVER, Left, Served, crowd
from tests.shop import Item, db


class ItemOut(BaseModel):
    model_config = {"from_attributes": True}
    name: str


@pytest.mark.parametrize("write", [False, True], ids=["read", "write"])
async def test_a_crowd_of_requests_shares_a_pool_of_two(served: Served, write: bool) -> None:
    def blocking(name: str) -> list[Item]:
        found = Item.query.all()
        if write:
            Item.new(name=name)
        return found + Item.query.filter_by(name="pen").all()

    async def awaited(name: str) -> list[Item]:
        found = await Item.query.aall()
        if write:
            await Item.anew(name=name)
        return found + await Item.query.filter_by(name="pen").aall()

    served.open("pen", engine_args={"pool_size": 2, "max_overflow": 0, "pool_timeout": 30})
    app = served.app(commit_on_exit=True)
    function: Callable[..., object] = blocking if served.colour == "def" else awaited
    app.get("/", response_model=list[ItemOut])(function)
    client = served.client(app)
    guests = [f"guest {number:03}" for number in range(120)]
    statuses = await crowd(client, [f"/?name={name}" for name in guests])
    assert statuses == [200] * 120
    assert served.engines.peak <= 2
    assert served.left() == Left((*guests, "pen") if write else ("pen",))


async def test_a_crowd_whose_dependencies_write_shares_a_pool_of_two(served: Served) -> None:
    def dependency(name: str) -> Item:
        return Item.new(name=name)

    async def adependency(name: str) -> Item:
        return await Item.anew(name=name)

    def blocking(item: Annotated[Any, Depends(dependency)]) -> None:
        item.update(name=f"{item.name}, served")

    async def awaited(item: Annotated[Any, Depends(adependency)]) -> None:
        await item.aupdate(name=f"{item.name}, served")

    served.open(engine_args={"pool_size": 2, "max_overflow": 0, "pool_timeout": 30})
    client = served.client(served.app(blocking, awaited, commit_on_exit=True))
    guests = [f"guest {number:03}" for number in range(120)]
    statuses = await crowd(client, [f"/?name={name}" for name in guests])
    assert statuses == [200] * 120
    assert served.left() == Left(tuple(f"{name}, served" for name in guests))


async def test_requests_that_read_and_then_wait_hold_no_connection_meanwhile(
    served: Served,
) -> None:
    number = THREADS_OF_A_SERVER if served.colour == "def" else 100
    all_have_read = threading.Barrier(number, timeout=20)
    all_are_here = asyncio.Barrier(number)

    def blocking() -> int:
        found = Item.query.count()
        all_have_read.wait()
        return found + Item.query.count()

    async def awaited() -> int:
        found = await Item.query.acount()
        await asyncio.wait_for(all_are_here.wait(), 20)
        return found + await Item.query.acount()

    served.open("pen", engine_args={"pool_size": 5, "max_overflow": 0, "pool_timeout": 30})
    client = served.client(served.app(blocking, awaited))
    assert await crowd(client, ["/"] * number) == [200] * number
    assert served.engines.peak <= 5
    assert served.left() == Left(("pen",))


async def test_the_time_that_requests_wait_for_something_else_passes_for_all_at_once(
    served: Served,
) -> None:
    """A hundred who each wait a fifth of a second: one after the other they would take 20 s."""

    def blocking() -> None:
        Item.query.all()
        threading.Event().wait(0.2)

    async def awaited() -> None:
        await Item.query.aall()
        await asyncio.sleep(0.2)

    served.open("pen", engine_args={"pool_size": 5, "max_overflow": 0, "pool_timeout": 30})
    client = served.client(served.app(blocking, awaited))
    async with asyncio.timeout(10):
        assert await crowd(client, ["/"] * 100) == [200] * 100
    assert served.engines.peak <= 5
    assert served.left() == Left(("pen",))


async def test_requests_in_a_transaction_wait_for_a_connection_and_not_for_each_other(
    served: Served,
) -> None:
    """Those who hold a connection go on although all who wait for one hold a thread."""

    def blocking(name: str) -> None:
        with db.transaction():
            Item.new(name=name)
            Item.query.all()

    async def awaited(name: str) -> None:
        async with db.transaction():
            await Item.anew(name=name)
            await Item.query.aall()

    served.open(engine_args={"pool_size": 1, "max_overflow": 0, "pool_timeout": 30})
    client = served.client(served.app(blocking, awaited))
    guests = [f"guest {number:03}" for number in range(60)]
    statuses = await crowd(client, [f"/?name={name}" for name in guests])
    assert statuses == [200] * 60
    assert served.left() == Left(tuple(guests))


@pytest.mark.parametrize("served", ["psycopg-def", "sqlite-def"], indirect=True)
async def test_def_and_async_routes_share_what_there_is(served: Served) -> None:
    """A blocking driver and an asyncio one have a pool each."""

    async def awaited(name: str) -> None:
        await Item.anew(name=name)

    def blocking(name: str) -> None:
        Item.new(name=name)

    served.open(engine_args={"pool_size": 1, "max_overflow": 0, "pool_timeout": 30})
    app = served.app(commit_on_exit=True)
    app.get("/def")(blocking)
    app.get("/async")(awaited)
    client = served.client(app)
    paths = [f"/{('def', 'async')[n % 2]}?name={n:03}" for n in range(80)]
    assert await crowd(client, paths) == [200] * 80
    assert served.left() == Left(tuple(f"{n:03}" for n in range(80)))


async def test_a_request_that_waits_in_vain_for_a_connection_fails_alone(
    served: Served,
) -> None:
    holds, go_on = threading.Event(), threading.Event()

    def blocking() -> None:
        with db.transaction():
            Item.new(name="pen")
            holds.set()
            assert go_on.wait(20)

    async def awaited() -> None:
        async with db.transaction():
            await Item.anew(name="pen")
            holds.set()
            assert await asyncio.to_thread(go_on.wait, 20)

    served.open(engine_args={"pool_size": 1, "max_overflow": 0, "pool_timeout": 0.2})
    client = served.client(served.app(blocking, awaited))
    holder = asyncio.create_task(crowd(client, ["/"]))
    await asyncio.to_thread(holds.wait, 20)
    assert await crowd(client, ["/count"]) == [500]
    go_on.set()
    assert await holder == [200]
    assert served.left() == Left(("pen",))
