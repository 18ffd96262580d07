"""The end of a server is the end of its connections."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Scope

from fastapi_sqlalchemy import DBSessionMiddleware
from tests.databases import Databases
from tests.serving import ThreadServer
from tests.shop import Item, db, open_shop


class Lifespan:
    """A server that only starts and ends an application."""

    def __init__(self, app: ASGIApp, look: Callable[[Message], object]) -> None:
        self._app, self._look = app, look
        self._asked: asyncio.Queue[Message] = asyncio.Queue()
        self._answered: asyncio.Queue[Message] = asyncio.Queue()

    async def _send(self, message: Message) -> None:
        self._look(message)
        await self._answered.put(message)

    async def __aenter__(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
        self._task = asyncio.create_task(self._run(scope))
        await self._say("lifespan.startup")

    async def _run(self, scope: Scope) -> None:
        await self._app(scope, self._asked.get, self._send)

    async def __aexit__(self, *_: object) -> None:
        await self._say("lifespan.shutdown")
        await self._task

    async def _say(self, kind: str) -> None:
        await self._asked.put({"type": kind})
        async with asyncio.timeout(5):
            answer = await self._answered.get()
        assert answer["type"] == f"{kind}.complete"


async def ask(app: ASGIApp) -> list[int]:
    statuses: list[int] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "method": "GET",
        "path": "/",
        "query_string": b"",
        "headers": [],
    }
    await app(scope, receive, send)
    return statuses


def application() -> FastAPI:
    app = FastAPI()
    app.add_middleware(DBSessionMiddleware, db=db)

    @app.get("/")
    async def route() -> int:
        return await Item.query.acount() + await asyncio.to_thread(Item.query.count)

    return app


async def test_connections_are_closed_before_the_server_hears_that_all_is_over(
    server_url: str, connections: Databases
) -> None:
    open_shop(server_url, "pen")
    seen: list[int] = []

    def look(message: Message) -> None:
        if "shutdown" in message["type"]:
            seen.append(connections.settle(server_url).open)

    app = application()
    async with Lifespan(app, look):
        assert await ask(app) == [200]
        assert connections(server_url).open > 0
    assert seen == [0]


async def test_the_application_can_query_to_its_very_end(postgres_url: str) -> None:
    open_shop(postgres_url, "pen")
    found: list[int] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        async with db():
            found.append(await Item.query.acount())

    app = FastAPI(lifespan=lifespan)
    app.add_middleware(DBSessionMiddleware, db=db)
    async with Lifespan(app, lambda _: None):
        pass
    assert found == [1]


async def test_a_database_can_be_used_again_after_a_server_ended(postgres_url: str) -> None:
    open_shop(postgres_url, "pen")
    for _ in range(2):
        app = application()
        async with Lifespan(app, lambda _: None):
            assert await ask(app) == [200]
    async with db():
        assert await Item.query.acount() == 1


@pytest.mark.parametrize("path", ["/def", "/async", "/both"])
def test_no_connection_outlives_a_real_server(
    server_url: str, connections: Databases, path: str
) -> None:
    open_shop(server_url, "pen")
    app = application()
    app.get("/def")(lambda: Item.query.count())

    @app.get("/async")
    async def awaited() -> int:
        return await Item.query.acount()

    @app.get("/both")
    async def both() -> int:
        return await asyncio.to_thread(Item.query.count) + await Item.query.acount()

    server = ThreadServer(app)
    server.start()
    assert httpx.get(f"{server.url}{path}").status_code == 200
    assert connections(server_url).open > 0
    server.stop()
    assert connections.settle(server_url).open == 0
