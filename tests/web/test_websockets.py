"""A websocket has a session for as long as it lives, and a connection only while it asks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from fastapi import FastAPI, WebSocket
from sqlalchemy import select
from starlette.websockets import WebSocketDisconnect
from websockets.asyncio.client import ClientConnection, connect

from fastapi_sqlalchemy.exceptions import SessionClosedError
from tests.databases import Databases
from tests.serving import Serve
from tests.shop import Item, db, lent, names, open_shop
from tests.web.asgi import serving
from tests.web.clients import TestClient

SMALL_POOL = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 20}


def sockets() -> FastAPI:
    """Routes that answer each message from the database, in every way to ask it."""
    app = serving(FastAPI(), db, commit_on_exit=True)

    @app.websocket("/verb")
    async def verb(websocket: WebSocket) -> None:
        await websocket.accept()
        async for name in websocket.iter_text():
            found = await Item.query.filter_by(name=name).afirst()
            await websocket.send_text(found.name if found is not None else "none")

    @app.websocket("/session")
    async def session(websocket: WebSocket) -> None:
        await websocket.accept()
        async for name in websocket.iter_text():
            found = await db.async_session.scalar(select(Item.name).where(Item.name == name))
            await websocket.send_text(found or "none")

    @app.websocket("/write")
    async def write(websocket: WebSocket) -> None:
        await websocket.accept()
        async for name in websocket.iter_text():
            await Item.anew(name=name)
            await websocket.send_text("written")

    return app


ASKING = pytest.mark.parametrize("path", ["/verb", "/session"])


@ASKING
def test_a_websocket_can_query(url: str, path: str) -> None:
    open_shop(url, "pen")
    with TestClient(sockets()) as client, client.websocket_connect(path) as socket:
        for _ in range(2):
            socket.send_text("pen")
            assert socket.receive_text() == "pen"


def test_what_a_websocket_saves_is_committed_at_once(url: str) -> None:
    open_shop(url)
    with TestClient(sockets()) as client, client.websocket_connect("/write") as socket:
        socket.send_text("pen")
        assert socket.receive_text() == "written"
        assert names() == ["pen"]


@ASKING
def test_sockets_that_wait_hold_no_connection(url: str, path: str) -> None:
    open_shop(url, "pen", engine_args=SMALL_POOL)
    with (
        TestClient(sockets()) as client,
        client.websocket_connect(path) as first,
        client.websocket_connect(path) as second,
    ):
        for socket in (first, second, first):
            socket.send_text("pen")
            assert socket.receive_text() == "pen"


@ASKING
async def test_a_hundred_idle_sockets_hold_no_connection(
    postgres_url: str, path: str, serve: Serve, connections: Databases
) -> None:
    open_shop(postgres_url, "pen", engine_args=SMALL_POOL)
    address = serve(sockets()).replace("http", "ws", 1) + path

    async def ask(socket: ClientConnection) -> str | bytes:
        await socket.send("pen")
        return await socket.recv()

    async with AsyncExitStack() as open_sockets:
        idle = await asyncio.gather(
            *(open_sockets.enter_async_context(connect(address)) for _ in range(100))
        )
        assert await asyncio.gather(*map(ask, idle)) == ["pen"] * 100
        # One of blocking calls, from opening the shop, and one of the server's event loop.
        assert connections.settle(postgres_url, open=2) == (2, 0)


def test_a_socket_that_leaves_gives_its_connection_back(url: str) -> None:
    open_shop(url, "pen")
    left: list[int] = []
    app = serving(FastAPI(), db)

    @app.websocket("/")
    async def route(websocket: WebSocket) -> None:
        await websocket.accept()
        await db.async_session.scalars(select(Item).with_for_update())
        await websocket.send_text("locked")
        with pytest.raises(WebSocketDisconnect):
            await websocket.receive_text()

    @app.get("/")
    async def count() -> int:
        return lent()

    with TestClient(app) as client:
        with client.websocket_connect("/") as socket:
            assert socket.receive_text() == "locked"
        left.append(client.get("/").json())
    assert left == [0]


async def test_a_task_that_outlives_its_socket_is_told_so(sqlite_file_url: str) -> None:
    open_shop(sqlite_file_url, "pen")
    app = serving(FastAPI(), db)
    tasks: list[asyncio.Task[int]] = []
    released = asyncio.Event()

    async def late() -> int:
        await released.wait()
        return await Item.query.acount()

    @app.websocket("/")
    async def route(websocket: WebSocket) -> None:
        await websocket.accept()
        tasks.append(asyncio.create_task(late()))

    async def messages() -> AsyncIterator[dict[str, str]]:
        yield {"type": "websocket.connect"}

    received = messages()

    async def receive() -> dict[str, str]:
        return await anext(received)

    async def send(_message: object) -> None: ...

    scope = {"type": "websocket", "path": "/", "headers": [], "query_string": b""}
    await app(scope, receive, send)
    released.set()
    with pytest.raises(SessionClosedError):
        await tasks[0]
