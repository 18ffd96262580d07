"""Requests are isolated too, whoever sends them and wherever their code runs."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import BackgroundTasks, FastAPI, HTTPException
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from fastapi_sqlalchemy import DBSessionMiddleware
from tests.shop import Item, db, lent, open_shop
from tests.web.clients import TestClient

Stored = Callable[[], list[str]]


def application(**options: Any) -> FastAPI:
    app = FastAPI()
    app.add_middleware(DBSessionMiddleware, db=db, **options)

    @app.post("/blocking/{name}")
    def add(name: str) -> str:
        Item.new(name=name)
        return name

    @app.post("/awaited/{name}")
    async def add_awaited(name: str) -> str:
        await Item.anew(name=name)
        return name

    @app.post("/refused/{name}")
    def refuse(name: str) -> None:
        with db.transaction():
            Item.new(name=name)
            raise HTTPException(400)

    @app.post("/session/{name}")
    async def commit_the_session(name: str) -> str:
        db.async_session.add(Item(name=name))
        await db.async_session.commit()
        return name

    @app.post("/later/{name}")
    def add_later(name: str, tasks: BackgroundTasks) -> str:
        tasks.add_task(lambda: Item.new(name=name))
        return name

    @app.post("/stream/{name}")
    def add_while_streaming(name: str) -> StreamingResponse:
        def body() -> Any:
            Item.new(name=name)
            yield name

        return StreamingResponse(body())

    @app.post("/own/{name}")
    def add_in_a_block(name: str) -> str:
        with db():
            Item.new(name=name)
        return name

    @app.get("/names")
    async def names() -> list[str]:
        return [item.name for item in await Item.query.order_by(Item.name).aall()]

    return app


KINDS = ["blocking", "awaited", "session", "later", "stream", "own"]


@pytest.mark.parametrize("options", [{}, {"commit_on_exit": True}], ids=["at once", "late"])
def test_requests_of_the_test_client_are_isolated(
    url: str, stored: Stored, options: dict[str, Any]
) -> None:
    open_shop(url)
    with db.testing(timeout=30):
        with TestClient(application(**options)) as client:
            for kind in KINDS:
                assert client.post(f"/{kind}/{kind}").status_code == 200, kind
            assert client.post("/refused/x").status_code == 400
            assert client.get("/names").json() == sorted(KINDS)
        with db():  # the application has shut down, and the test goes on
            assert Item.query.count() == len(KINDS)
    assert stored() == []
    assert lent() == 0


def test_concurrent_requests_of_httpx_are_isolated(url: str, stored: Stored) -> None:
    open_shop(url)

    async def main() -> None:
        transport = httpx.ASGITransport(application())
        async with (
            db.testing(timeout=30),
            httpx.AsyncClient(transport=transport, base_url="http://test") as client,
        ):
            wanted = [f"/{kind}/{kind} {n}" for kind in KINDS for n in range(10)]
            answers = await asyncio.gather(*map(client.post, wanted))
            assert {answer.status_code for answer in answers} == {200}
            assert len((await client.get("/names")).json()) == len(wanted)
            async with db():
                assert await Item.query.acount() == len(wanted)

    asyncio.run(main())
    assert stored() == []
    assert lent() == 0


def test_a_crowd_that_waits_leaves_threads_for_who_is_waited_for(postgres_url: str) -> None:
    open_shop(postgres_url)
    app = application(create_all=False)
    waiting = 0
    wrote, all_wait = asyncio.Event(), asyncio.Event()

    @app.post("/holds")
    async def hold() -> int:
        async with db.transaction():
            await Item.anew(name="held")
            wrote.set()
            await all_wait.wait()
            return await run_in_threadpool(lambda: 1)

    @app.post("/waits/{name}")
    async def wait(name: str) -> None:
        nonlocal waiting
        waiting += 1
        if waiting == 50:  # more than the threads that FastAPI has
            all_wait.set()
        await run_in_threadpool(lambda: Item.new(name=name))

    async def main() -> None:
        transport = httpx.ASGITransport(app)
        async with (
            db.testing(timeout=10),
            httpx.AsyncClient(transport=transport, base_url="http://test") as client,
        ):
            held = asyncio.ensure_future(client.post("/holds"))
            await wrote.wait()
            answers = await asyncio.gather(*(client.post(f"/waits/{n}") for n in range(50)))
            assert {answer.status_code for answer in (await held, *answers)} == {200}

    asyncio.run(main())


def test_tables_that_the_start_up_creates_are_there(url: str) -> None:
    db.init(url)
    with db.testing(), TestClient(application()) as client:
        assert client.post("/blocking/pen").status_code == 200
        assert client.get("/names").json() == ["pen"]


def test_what_a_test_has_saved_is_there_for_a_request(url: str, stored: Stored) -> None:
    open_shop(url)
    with db.testing(), db(), TestClient(application()) as client:
        pen = Item.new(name="pen")
        assert client.get("/names").json() == ["pen"]
        pen.update(name="ink")
        assert client.get("/names").json() == ["ink"]
    assert stored() == []
