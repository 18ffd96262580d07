"""A connection that the server ends costs the request that used it, and nobody else."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from fastapi import BackgroundTasks, WebSocket
from fastapi.responses import StreamingResponse
from sqlalchemy import exc
from websockets.sync.client import connect

from tests.faults.served import Left, Served
from tests.shop import Item, db

SERVERS = ["psycopg-def", "psycopg-async", "asyncpg-async", "mariadb-def", "mariadb-async"]

pytestmark = pytest.mark.parametrize("served", SERVERS, indirect=True)


@pytest.mark.parametrize("commit_on_exit", [True, False])
def test_a_connection_that_ended_in_the_pool_is_replaced(
    served: Served, commit_on_exit: bool
) -> None:
    def blocking() -> None:
        Item.query.all()
        served.observer.end_connections()
        Item.new(name="pen")

    async def awaited() -> None:
        await Item.query.aall()
        await asyncio.to_thread(served.observer.end_connections)
        await Item.anew(name="pen")

    served.open()
    client = served.client(served.app(blocking, awaited, commit_on_exit=commit_on_exit))
    assert client.get("/").status_code == 200
    assert served.left() == Left(("pen",))


def test_a_connection_that_ends_in_a_transaction_takes_what_was_written_with_it(
    served: Served,
) -> None:
    def blocking() -> None:
        Item.new(name="pen")
        served.observer.end_connections()
        Item.query.all()

    async def awaited() -> None:
        await Item.anew(name="pen")
        await asyncio.to_thread(served.observer.end_connections)
        await Item.query.aall()

    served.open()
    client = served.client(served.app(blocking, awaited, commit_on_exit=True))
    answer = client.get("/")
    assert (answer.status_code, answer.text) == (500, "Internal Server Error")
    assert served.left() == Left(())


def test_a_connection_that_ends_before_the_commit_is_a_server_error(served: Served) -> None:
    def blocking() -> None:
        Item.new(name="pen")
        served.observer.end_connections()

    async def awaited() -> None:
        await Item.anew(name="pen")
        await asyncio.to_thread(served.observer.end_connections)

    served.open()
    client = served.client(served.app(blocking, awaited, commit_on_exit=True))
    answer = client.get("/")
    assert (answer.status_code, answer.text) == (500, "Internal Server Error")
    assert served.left() == Left(())


def test_a_route_that_catches_the_error_does_not_answer_that_all_is_well(served: Served) -> None:
    def blocking() -> None:
        Item.new(name="pen")
        served.observer.end_connections()
        with pytest.raises(exc.DBAPIError):
            Item.query.all()

    async def awaited() -> None:
        await Item.anew(name="pen")
        await asyncio.to_thread(served.observer.end_connections)
        with pytest.raises(exc.DBAPIError):
            await Item.query.aall()

    served.open()
    client = served.client(served.app(blocking, awaited, commit_on_exit=True))
    assert client.get("/").status_code == 500
    assert served.left() == Left(())


def test_a_route_that_catches_the_error_writes_no_other_half(served: Served) -> None:
    def blocking() -> None:
        Item.new(name="pen")
        served.observer.end_connections()
        with pytest.raises(exc.DBAPIError):
            Item.query.all()
        Item.new(name="cap")

    async def awaited() -> None:
        await Item.anew(name="pen")
        await asyncio.to_thread(served.observer.end_connections)
        with pytest.raises(exc.DBAPIError):
            await Item.query.aall()
        await Item.anew(name="cap")

    served.open()
    client = served.client(served.app(blocking, awaited, commit_on_exit=True))
    assert client.get("/").status_code == 500
    assert served.left() == Left(())


def test_a_connection_that_ends_while_a_statement_runs_fails_the_request(served: Served) -> None:
    def blocking() -> None:
        Item.query.filter(served.slow()).all()

    async def awaited() -> None:
        await Item.query.filter(served.slow()).aall()

    served.open("pen")
    client = served.client(served.app(blocking, awaited))
    with ThreadPoolExecutor(1) as thread:
        asked = thread.submit(client.get, "/")
        served.observer.until_slow_ones()
        served.observer.end_connections()
        answer = asked.result()
    assert (answer.status_code, answer.text) == (500, "Internal Server Error")
    assert served.left() == Left(("pen",))


@pytest.mark.parametrize("savepoint", [True, False])
def test_a_connection_that_ends_in_a_block_fails_the_block_and_not_what_follows(
    served: Served, savepoint: bool
) -> None:
    def blocking() -> int:
        with pytest.raises(exc.DBAPIError), db.transaction():
            Item.new(name="pen")
            if savepoint:
                with db.transaction():
                    served.observer.end_connections()
                    Item.new(name="cap")
            else:
                served.observer.end_connections()
                Item.new(name="cap")
        Item.new(name="ink")
        return Item.query.count()

    async def awaited() -> int:
        with pytest.raises(exc.DBAPIError):
            async with db.transaction():
                await Item.anew(name="pen")
                if savepoint:
                    async with db.transaction():
                        await asyncio.to_thread(served.observer.end_connections)
                        await Item.anew(name="cap")
                else:
                    await asyncio.to_thread(served.observer.end_connections)
                    await Item.anew(name="cap")
        await Item.anew(name="ink")
        return await Item.query.acount()

    served.open()
    client = served.client(served.app(blocking, awaited))
    answer = client.get("/")
    assert (answer.status_code, answer.text) == (200, "1")
    assert served.left() == Left(("ink",))


def test_a_block_whose_connection_ended_raises_although_the_error_was_caught_within(
    served: Served,
) -> None:
    def blocking() -> None:
        with pytest.raises((exc.DBAPIError, exc.InvalidRequestError)), db.transaction():
            Item.new(name="pen")
            served.observer.end_connections()
            with pytest.raises(exc.DBAPIError):
                Item.query.all()

    async def awaited() -> None:
        with pytest.raises((exc.DBAPIError, exc.InvalidRequestError)):
            async with db.transaction():
                await Item.anew(name="pen")
                await asyncio.to_thread(served.observer.end_connections)
                with pytest.raises(exc.DBAPIError):
                    await Item.query.aall()

    served.open()
    client = served.client(served.app(blocking, awaited))
    assert client.get("/").status_code == 200
    assert served.left() == Left(())


def test_a_connection_that_ends_in_a_stream_cuts_it_off(served: Served) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def body() -> Iterator[str]:
        yield Item.new(name="pen").name
        begun.set()
        go_on.wait(5)
        yield Item.new(name="cap").name

    async def abody() -> AsyncIterator[str]:
        yield (await Item.anew(name="pen")).name
        begun.set()
        await asyncio.to_thread(go_on.wait, 5)
        yield (await Item.anew(name="cap")).name

    def blocking() -> StreamingResponse:
        return StreamingResponse(body())

    async def awaited() -> StreamingResponse:
        return StreamingResponse(abody())

    served.open()
    client = served.client(served.app(blocking, awaited, commit_on_exit=True))
    with client.stream("GET", "/") as answer, pytest.raises(httpx.RemoteProtocolError):
        for piece in answer.iter_text():
            assert piece == "pen"
            assert begun.wait(5)
            served.observer.end_connections()
            go_on.set()
    assert served.left() == Left(())


def test_a_connection_that_ends_in_a_background_task_leaves_the_answer_alone(
    served: Served,
) -> None:
    failed: list[type[Exception]] = []
    over = threading.Event()

    def task() -> None:
        try:
            with db.transaction():
                Item.new(name="cap")
                served.observer.end_connections()
                Item.new(name="ink")
        except exc.DBAPIError as error:
            failed.append(type(error))
            raise
        finally:
            over.set()

    async def atask() -> None:
        try:
            async with db.transaction():
                await Item.anew(name="cap")
                await asyncio.to_thread(served.observer.end_connections)
                await Item.anew(name="ink")
        except exc.DBAPIError as error:
            failed.append(type(error))
            raise
        finally:
            over.set()

    def blocking(background: BackgroundTasks) -> None:
        Item.new(name="pen")
        background.add_task(task)

    async def awaited(background: BackgroundTasks) -> None:
        await Item.anew(name="pen")
        background.add_task(atask)

    served.open()
    client = served.client(served.app(blocking, awaited, commit_on_exit=True))
    assert client.get("/").status_code == 200
    assert over.wait(5)
    assert served.left() == Left(("pen",))
    assert len(failed) == 1


def test_a_connection_that_ends_while_a_websocket_waits_is_replaced(served: Served) -> None:
    served.open("pen")
    app = served.app()

    async def by_thread() -> int:
        return await asyncio.to_thread(Item.query.count)

    ask: Callable[[], Awaitable[int]]
    ask = by_thread if served.colour == "def" else Item.query.acount

    @app.websocket("/ws")
    async def talk(websocket: WebSocket) -> None:
        await websocket.accept()
        async for _ in websocket.iter_text():
            await websocket.send_text(str(await ask()))

    client = served.client(app)
    with connect(str(client.base_url).replace("http", "ws", 1) + "/ws") as websocket:
        for _ in range(2):
            websocket.send("how many?")
            assert websocket.recv(timeout=5) == "1"
            served.observer.end_connections()
    assert served.left() == Left(("pen",))


def test_a_server_that_ends_every_connection_while_many_ask_answers_all_who_ask_later(
    served: Served,
) -> None:
    def blocking() -> int:
        return Item.query.count()

    async def awaited() -> int:
        return await Item.query.acount()

    served.open("pen")
    client = served.client(served.app(blocking, awaited))
    with ThreadPoolExecutor(8) as threads:
        for _ in range(3):
            answers = [threads.submit(client.get, "/") for _ in range(16)]
            served.observer.end_connections()
            assert {answer.result().status_code for answer in answers} <= {200, 500}
    later = [client.get("/").status_code for _ in range(8)]
    assert later == [200] * 8
    assert served.left() == Left(("pen",))


def test_a_connection_that_ends_after_a_save_keeps_what_was_saved(served: Served) -> None:
    def blocking() -> int:
        item = Item.new(name="pen")
        served.observer.end_connections()
        item.update(name="pencil")
        return item.id

    async def awaited() -> int:
        item = await Item.anew(name="pen")
        await asyncio.to_thread(served.observer.end_connections)
        await item.aupdate(name="pencil")
        return item.id

    served.open()
    client = served.client(served.app(blocking, awaited))
    assert client.get("/").text == "1"
    assert served.left() == Left(("pencil",))
