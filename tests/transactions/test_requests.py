"""Blocks and hooks in requests: a response starts when what it tells of is stored."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from fastapi import Depends, FastAPI, HTTPException
from starlette.types import Message, Receive, Scope, Send

from fastapi_sqlalchemy import DBSessionMiddleware
from tests.shop import (
    NOWHERE,
    Entry,
    Item,
    db,
    entries,
    ledger,
    lent,
    names,
    open_ledger,
    open_shop,
)
from tests.transactions.tools import Spoilt, spoilt
from tests.web.asgi import get, serving

COLOURS = pytest.mark.parametrize("colour", ["def", "async"])


class Log:
    """What happened in a request, in order."""

    def __init__(self) -> None:
        self.events: list[object] = []

    def look(self, message: Message) -> None:
        """What the client gets."""
        self.events.append(message["type"].removeprefix("http.response."))

    def hook(self) -> None:
        """What a hook sees stored."""
        self.events.append(names())

    async def ahook(self) -> None:
        """The same, awaited."""
        self.hook()


@pytest.fixture
def log() -> Log:
    return Log()


def shop_app(hook: Callable[[], object], *, commit_on_exit: bool = True) -> FastAPI:
    """Routes that save an item, register a hook and end in several ways."""
    app = serving(FastAPI(), db, commit_on_exit=commit_on_exit)

    def end(how: str) -> None:
        if how == "raise":
            raise Spoilt
        if how == "abort":
            raise HTTPException(400)

    @app.get("/def/{how}")
    def blocking(how: str) -> None:
        Item.new(name="pen")
        db.on_commit(hook)
        end(how)

    @app.get("/async/{how}")
    async def awaited(how: str) -> None:
        await Item.anew(name="pen")
        db.on_commit(hook)
        end(how)

    @app.get("/def/block/{how}")
    def blocking_block(how: str) -> None:
        with db.transaction():
            Item.new(name="pen")
            db.on_commit(hook)
            end(how)

    @app.get("/async/block/{how}")
    async def awaited_block(how: str) -> None:
        async with db.transaction():
            await Item.anew(name="pen")
            db.on_commit(hook)
            end(how)

    return app


@COLOURS
@pytest.mark.parametrize("hook", ["hook", "ahook"])
@pytest.mark.parametrize("path", ["return", "block/return"])
async def test_hooks_run_after_the_commit_and_before_the_response_starts(
    url: str, colour: str, hook: str, path: str, log: Log
) -> None:
    open_shop(url)
    await get(shop_app(getattr(log, hook)), f"/{colour}/{path}", look=log.look)
    assert log.events == [["pen"], "start", "body"]


@COLOURS
@pytest.mark.parametrize("path", ["raise", "abort", "block/raise", "block/abort"])
async def test_hooks_of_a_request_that_fails_are_dropped(
    home_url: str, colour: str, path: str, log: Log
) -> None:
    open_shop(home_url)
    await get(shop_app(log.ahook), f"/{colour}/{path}", look=log.look)
    assert log.events == ["start", "body"]
    assert names() == []


@COLOURS
async def test_without_the_option_the_hooks_of_a_block_run_at_its_end(
    home_url: str, colour: str, log: Log
) -> None:
    open_shop(home_url)
    app = shop_app(log.hook, commit_on_exit=False)
    await get(app, f"/{colour}/block/return", look=log.look)
    assert log.events == [["pen"], "start", "body"]


@pytest.mark.parametrize("how", ["return", "abort", "raise"])
async def test_without_the_option_a_coroutine_function_runs_although_the_request_fails(
    home_url: str, how: str, log: Log
) -> None:
    open_shop(home_url)
    await get(shop_app(log.ahook, commit_on_exit=False), f"/async/{how}")
    assert log.events == [["pen"]]


@COLOURS
async def test_a_hook_that_fails_does_not_fail_the_request(
    home_url: str, colour: str, caplog: pytest.LogCaptureFixture
) -> None:
    open_shop(home_url)

    def fail() -> None:
        raise Spoilt

    answer = await get(shop_app(fail), f"/{colour}/return")
    assert (answer.status, answer.error) == (200, None)
    assert "A hook failed" in caplog.text
    assert names() == ["pen"]


@COLOURS
async def test_a_hook_of_a_request_may_write(url: str, colour: str) -> None:
    open_shop(url)

    async def write() -> None:
        await Item.anew(name="by a hook")

    answer = await get(shop_app(write), f"/{colour}/return")
    assert (answer.status, answer.error) == (200, None)
    assert names() == ["by a hook", "pen"]
    assert lent() == 0


@COLOURS
async def test_what_a_hook_wrote_is_stored_before_the_response_starts(
    server_url: str, colour: str
) -> None:
    open_shop(server_url)
    seen: list[tuple[str, list[str]]] = []

    def write() -> None:
        Item.new(name="by a hook")

    await get(
        shop_app(write), f"/{colour}/return", look=lambda m: seen.append((m["type"], names()))
    )
    assert seen[0] == ("http.response.start", ["by a hook", "pen"])


@COLOURS
async def test_hooks_of_a_request_whose_commit_fails_are_dropped(
    postgres_url: str, colour: str
) -> None:
    open_ledger(postgres_url)
    app = serving(FastAPI(), ledger, commit_on_exit=True)
    ran: list[str] = []

    @app.get("/def")
    def blocking() -> None:
        Entry.new(follows=NOWHERE)
        ledger.on_commit(lambda: ran.append("hook"))

    @app.get("/async")
    async def awaited() -> None:
        await Entry.anew(follows=NOWHERE)
        ledger.on_commit(lambda: ran.append("hook"))

    assert (await get(app, f"/{colour}")).status == 500
    assert (ran, entries()) == ([], [])


async def test_hooks_run_before_a_response_of_raw_asgi_starts(home_url: str, log: Log) -> None:
    open_shop(home_url)

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await Item.anew(name="pen")
        db.on_commit(log.hook)
        db.on_commit(log.ahook)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    await get(DBSessionMiddleware(app, db=db, commit_on_exit=True), look=log.look)
    assert log.events == [["pen"], ["pen"], "start", "body"]


@COLOURS
@pytest.mark.parametrize("commit_on_exit", [True, False])
async def test_a_block_of_a_route_can_fail_alone(
    url: str, colour: str, commit_on_exit: bool
) -> None:
    open_shop(url)
    app = serving(FastAPI(), db, commit_on_exit=commit_on_exit)

    @app.get("/def")
    def blocking() -> None:
        Item.new(name="before")
        with spoilt(), db.transaction():
            Item.new(name="within")
            raise Spoilt
        Item.new(name="after")

    @app.get("/async")
    async def awaited() -> None:
        await Item.anew(name="before")
        with spoilt():
            async with db.transaction():
                await Item.anew(name="within")
                raise Spoilt
        await Item.anew(name="after")

    assert (await get(app, f"/{colour}")).status == 200
    assert names() == ["after", "before"]


@COLOURS
async def test_a_failed_block_without_a_savepoint_fails_its_request(
    home_url: str, colour: str
) -> None:
    open_shop(home_url)
    app = serving(FastAPI(), db, commit_on_exit=True)

    @app.get("/def")
    def blocking() -> None:
        with spoilt(), db.transaction(savepoint=False):
            Item.new(name="within")
            raise Spoilt

    @app.get("/async")
    async def awaited() -> None:
        with spoilt():
            async with db.transaction(savepoint=False):
                await Item.anew(name="within")
                raise Spoilt

    answer = await get(app, f"/{colour}")
    assert (answer.kinds, answer.status) == (["start", "body"], 500)
    assert names() == []


def application(ends: str) -> FastAPI:
    """Routes that read or write within the block of a dependency."""

    async def transaction() -> AsyncIterator[None]:
        async with db.transaction():
            yield

    scope: Any = ends
    within = [Depends(transaction, scope=scope)]
    app = serving(FastAPI(), db)

    @app.get("/def/read", dependencies=within)
    def read() -> int:
        return Item.query.count()

    @app.get("/async/read", dependencies=within)
    async def aread() -> int:
        return await Item.query.acount()

    @app.get("/def/write", dependencies=within)
    def write(fails: bool = False) -> int:
        return Item.new(name="pen").id // (not fails)

    @app.get("/async/write", dependencies=within)
    async def awrite(fails: bool = False) -> int:
        return (await Item.anew(name="pen")).id // (not fails)

    return app


@COLOURS
async def test_a_dependency_may_open_a_block_for_its_route(url: str, colour: str) -> None:
    open_shop(url)
    app = application("function")
    failed = await get(app, f"/{colour}/write", query="fails=true")
    assert isinstance(failed.error, ZeroDivisionError)
    assert names() == []
    answer = await get(app, f"/{colour}/write")
    assert (answer.status, answer.error, names()) == (200, None, ["pen"])
    assert lent() == 0


@COLOURS
@pytest.mark.filterwarnings("ignore::fastapi_sqlalchemy.exceptions.LateCommitWarning")
@pytest.mark.parametrize("how", ["read", "write"])
async def test_the_block_of_a_dependency_may_end_after_the_response(
    home_url: str, colour: str, how: str
) -> None:
    open_shop(home_url)
    answer = await get(application("request"), f"/{colour}/{how}")
    assert (answer.status, answer.error) == (200, None)
    assert names() == ([] if how == "read" else ["pen"])
    assert lent() == 0
