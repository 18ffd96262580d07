"""What a request does once its response has started: bodies, background tasks, websockets."""

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from fastapi import BackgroundTasks, WebSocket
from fastapi.responses import StreamingResponse
from websockets.sync.client import ClientConnection, connect

from fastapi_sqlalchemy.exceptions import SessionClosedError
from tests.faults.served import Left, Served
from tests.shop import Item, db


@pytest.mark.parametrize("commit_on_exit", [True, False])
def test_a_body_reads_and_writes(served: Served, commit_on_exit: bool) -> None:
    def body() -> Iterator[str]:
        for item in Item.query.order_by(Item.id):
            yield item.name
        yield Item.new(name="of the body").name

    async def abody() -> AsyncIterator[str]:
        for item in await Item.query.order_by(Item.id):
            yield item.name
        yield (await Item.anew(name="of the body")).name

    def blocking() -> StreamingResponse:
        Item.new(name="of the route")
        return StreamingResponse(body())

    async def awaited() -> StreamingResponse:
        await Item.anew(name="of the route")
        return StreamingResponse(abody())

    served.open()
    client = served.client(served.app(blocking, awaited, commit_on_exit=commit_on_exit))
    assert client.get("/").text == "of the routeof the body"
    assert served.left() == Left(("of the body", "of the route"))


def test_a_body_holds_no_connection_while_the_client_is_slow(served: Served) -> None:
    go_on = threading.Event()

    def body() -> Iterator[str]:
        yield str(Item.query.count())
        assert go_on.wait(5)
        yield str(Item.query.count())

    async def abody() -> AsyncIterator[str]:
        yield str(await Item.query.acount())
        assert await asyncio.to_thread(go_on.wait, 5)
        yield str(await Item.query.acount())

    def blocking() -> StreamingResponse:
        return StreamingResponse(body())

    async def awaited() -> StreamingResponse:
        return StreamingResponse(abody())

    served.open("pen")
    client = served.client(served.app(blocking, awaited, commit_on_exit=True))
    with client.stream("GET", "/") as answer:
        pieces = answer.iter_text()
        assert next(pieces) == "1"
        assert (served.engines.lent(), served.observer.at_the_server()) == (0, (0, 0))
        go_on.set()
        assert list(pieces) == ["1"]
    assert served.left() == Left(("pen",))


@pytest.mark.parametrize(
    "served", ["psycopg-async", "asyncpg-async", "mariadb-async", "sqlite-async"], indirect=True
)
@pytest.mark.parametrize("wrote", [True, False], ids=["wrote", "read"])
def test_a_client_that_leaves_ends_the_statement_of_the_body(served: Served, wrote: bool) -> None:
    async def body() -> AsyncIterator[str]:
        if wrote:
            await Item.anew(name="cap")
        yield "first"
        await Item.query.filter(served.slow()).aall()

    async def route() -> StreamingResponse:
        return StreamingResponse(body())

    served.open("pen")
    client = served.client(served.app(awaited=route, commit_on_exit=True))
    with client.stream("GET", "/") as answer:
        pieces = answer.iter_text()
        assert next(pieces) == "first"
        served.observer.until_slow_ones()
    assert served.left() == Left(("pen",))


def test_a_client_that_leaves_between_two_pieces_rolls_the_body_back(served: Served) -> None:
    over = threading.Event()
    pieces = "x" * 1_000_000

    def body() -> Iterator[str]:
        try:
            Item.new(name="of the body")
            yield "first"
            while True:
                Item.query.all()
                yield pieces
        finally:
            over.set()

    async def abody() -> AsyncIterator[str]:
        try:
            await Item.anew(name="of the body")
            yield "first"
            while True:
                await Item.query.aall()
                yield pieces
        finally:
            over.set()

    def blocking() -> StreamingResponse:
        Item.new(name="of the route")
        return StreamingResponse(body())

    async def awaited() -> StreamingResponse:
        await Item.anew(name="of the route")
        return StreamingResponse(abody())

    served.open()
    client = served.client(served.app(blocking, awaited, commit_on_exit=True))
    with client.stream("GET", "/") as answer:
        assert next(answer.iter_text()).startswith("first")
    if served.colour == "async":  # a thread's iterator is collected some time or other
        assert over.wait(5)
    assert served.left() == Left(("of the route",))


@pytest.mark.parametrize("commit_on_exit", [True, False])
def test_background_tasks_write_and_do_not_disturb_each_other(
    served: Served, commit_on_exit: bool
) -> None:
    over = threading.Event()

    def task(name: str) -> None:
        Item.new(name=name)

    def failing_task() -> None:
        db.session.add(Item(name="undone"))
        db.session.flush()
        over.set()
        raise LookupError

    async def atask(name: str) -> None:
        await Item.anew(name=name)

    async def afailing_task() -> None:
        db.async_session.add(Item(name="undone"))
        await db.async_session.flush()
        over.set()
        raise LookupError

    def blocking(background: BackgroundTasks) -> None:
        Item.new(name="of the route")
        background.add_task(task, "of the first task")
        background.add_task(task, "of the second task")
        background.add_task(failing_task)

    async def awaited(background: BackgroundTasks) -> None:
        await Item.anew(name="of the route")
        background.add_task(atask, "of the first task")
        background.add_task(atask, "of the second task")
        background.add_task(afailing_task)

    served.open(commit_on_exit=commit_on_exit)
    client = served.client(served.app(blocking, awaited))
    assert client.get("/").status_code == 200
    assert over.wait(5)
    assert served.left() == Left(("of the first task", "of the route", "of the second task"))


@pytest.mark.parametrize("commit_on_exit", [True, False])
def test_a_background_task_that_waits_holds_nothing_of_the_one_before(
    served: Served, commit_on_exit: bool
) -> None:
    waits, go_on = threading.Event(), threading.Event()

    def task() -> None:
        Item.new(name="of the task")

    def waiting_task() -> None:
        waits.set()
        assert go_on.wait(5)

    async def atask() -> None:
        await Item.anew(name="of the task")

    async def awaiting_task() -> None:
        waits.set()
        assert await asyncio.to_thread(go_on.wait, 5)

    def blocking(background: BackgroundTasks) -> None:
        background.add_task(task)
        background.add_task(waiting_task)

    async def awaited(background: BackgroundTasks) -> None:
        background.add_task(atask)
        background.add_task(awaiting_task)

    served.open(commit_on_exit=commit_on_exit)
    client = served.client(served.app(blocking, awaited))
    assert client.get("/").status_code == 200
    assert waits.wait(5)
    held = served.engines.lent()
    go_on.set()
    assert served.left() == Left(("of the task",))
    assert held == 0


def test_a_background_task_works_while_others_are_served(served: Served) -> None:
    go_on, over = threading.Event(), threading.Event()

    def task() -> None:
        assert go_on.wait(5)
        Item.new(name="of the task")
        over.set()

    async def atask() -> None:
        assert await asyncio.to_thread(go_on.wait, 5)
        await Item.anew(name="of the task")
        over.set()

    def blocking(background: BackgroundTasks) -> None:
        Item.new(name="of the route")
        background.add_task(task)

    async def awaited(background: BackgroundTasks) -> None:
        await Item.anew(name="of the route")
        background.add_task(atask)

    served.open(commit_on_exit=True, engine_args={"pool_size": 1, "max_overflow": 0})
    client = served.client(served.app(blocking, awaited))
    assert client.get("/").status_code == 200
    assert served.left() == Left(("of the route",))
    go_on.set()
    assert over.wait(5)
    assert served.left() == Left(("of the route", "of the task"))


def at(served: Served, path: str) -> ClientConnection:
    return connect(served.address.replace("http", "ws", 1) + path)


def test_websockets_that_wait_hold_no_connection(served: Served) -> None:
    served.open("pen", engine_args={"pool_size": 1, "max_overflow": 0, "pool_timeout": 5})
    app = served.app(commit_on_exit=True)

    async def acount() -> int:
        return await Item.query.acount()

    async def count_in_a_thread() -> int:
        return await asyncio.to_thread(Item.query.count)

    count = count_in_a_thread if served.colour == "def" else acount

    @app.websocket("/ws")
    async def talk(websocket: WebSocket) -> None:
        await websocket.accept()
        async for name in websocket.iter_text():
            if name:
                await Item.anew(name=name)
            await websocket.send_text(str(await count()))

    served.client(app)
    with ExitStack() as open_ones:
        sockets = [open_ones.enter_context(at(served, "/ws")) for _ in range(10)]
        for number, socket in enumerate(sockets):
            socket.send("")
            assert socket.recv(timeout=5) == str(number + 1)
            socket.send(f"of socket {number}")
            assert socket.recv(timeout=5) == str(number + 2)
        assert served.engines.lent() == 0
    assert served.left() == Left((*(f"of socket {n}" for n in range(10)), "pen"))


@pytest.mark.parametrize(
    "served", ["psycopg-async", "asyncpg-async", "mariadb-async", "sqlite-async"], indirect=True
)
def test_a_websocket_whose_client_leaves_gives_back_what_it_holds(served: Served) -> None:
    served.open("pen")
    app = served.app()
    over = threading.Event()

    @app.websocket("/ws")
    async def talk(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            async with db.transaction():
                await Item.anew(name="cap")
                await websocket.send_text("written")
                await websocket.receive_text()
        finally:
            over.set()

    served.client(app)
    with at(served, "/ws") as socket:
        assert socket.recv(timeout=5) == "written"
    assert over.wait(5)
    assert served.left() == Left(("pen",))


Job = Callable[[], Awaitable[object]]


async def by_verb() -> object:
    return await Item.query.acount()


async def by_block() -> object:
    async with db():
        return await Item.anew(name="of the task")


async def by_transaction() -> object:
    async with db.transaction():
        return await Item.anew(name="of the task")


@pytest.mark.parametrize(
    ("job", "outcome", "rows"),
    [
        (by_verb, SessionClosedError, ("of the route",)),
        (by_transaction, SessionClosedError, ("of the route",)),
        (by_block, Item, ("of the route", "of the task")),
    ],
    ids=["verb", "transaction", "block"],
)
@pytest.mark.parametrize(
    "served", ["psycopg-async", "asyncpg-async", "mariadb-async", "sqlite-async"], indirect=True
)
def test_a_task_that_outlives_its_request_has_a_block_of_its_own_or_an_error(
    served: Served, job: Job, outcome: type, rows: tuple[str, ...]
) -> None:
    go_on, over = threading.Event(), threading.Event()
    outcomes: list[Any] = []
    tasks: list[asyncio.Task[None]] = []

    async def outlive() -> None:
        await asyncio.to_thread(go_on.wait, 5)
        try:
            outcomes.append(await job())
        except Exception as error:
            outcomes.append(error)
        over.set()

    async def route() -> None:
        await Item.anew(name="of the route")
        tasks.append(asyncio.create_task(outlive()))

    served.open()
    client = served.client(served.app(awaited=route, commit_on_exit=True))
    assert client.get("/").status_code == 200
    assert served.left() == Left(("of the route",))
    go_on.set()
    assert over.wait(5)
    assert [type(each) for each in outcomes] == [outcome]
    assert served.left() == Left(rows)


@pytest.mark.parametrize("served", ["psycopg-def", "sqlite-def"], indirect=True)
def test_a_thread_that_outlives_its_request_has_a_block_of_its_own_or_an_error(
    served: Served,
) -> None:
    go_on = threading.Event()
    outcomes: list[Any] = []
    threads: list[threading.Thread] = []

    def outlive() -> None:
        assert go_on.wait(5)
        try:
            outcomes.append(Item.query.count())
        except Exception as error:
            outcomes.append(type(error))
        with db():
            Item.new(name="of the thread")

    def route() -> None:
        Item.new(name="of the route")
        context = contextvars.copy_context()
        threads.append(threading.Thread(target=context.run, args=[outlive]))
        threads[0].start()

    served.open()
    client = served.client(served.app(route, commit_on_exit=True))
    assert client.get("/").status_code == 200
    assert served.left() == Left(("of the route",))
    go_on.set()
    threads[0].join(5)
    assert outcomes == [SessionClosedError]
    assert served.left() == Left(("of the route", "of the thread"))
