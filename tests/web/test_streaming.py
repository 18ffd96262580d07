"""A body that is sent piece by piece has a session, and a transaction of its own."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from sqlalchemy import exc, select
from starlette.types import Message

from fastapi_sqlalchemy import SQLAlchemy
from tests.databases import Databases
from tests.serving import Serve
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
from tests.web.asgi import SpecVersion, get, serving

Body = Callable[[], Iterator[str] | AsyncIterator[str]]

LEAVING = pytest.mark.parametrize("spec_version", ["2.3", "2.4"])


def streaming(
    body: Body, database: SQLAlchemy = db, *, commit_on_exit: bool = False, before: str = ""
) -> FastAPI:
    """An application with one route, which may write an item before its body is sent."""
    app = serving(FastAPI(), database, commit_on_exit=commit_on_exit)

    @app.get("/")
    async def route() -> StreamingResponse:
        if before:
            await Item.anew(name=before)
        return StreamingResponse(body())

    return app


def read() -> Iterator[str]:
    for key in (1, 2, 3):
        item = Item.get(key)
        assert item is not None
        yield item.name


async def aread() -> AsyncIterator[str]:
    for key in (1, 2, 3):
        item = await Item.aget(key)
        assert item is not None
        yield item.name


def read_at_length() -> Iterator[str]:
    """Keeps a transaction, and with it a connection, open between the pieces."""
    yield from db.session.scalars(select(Item.name).order_by(Item.id))


async def aread_at_length() -> AsyncIterator[str]:
    for name in await db.async_session.scalars(select(Item.name).order_by(Item.id)):
        yield name


READING = pytest.mark.parametrize("body", [read, aread, read_at_length, aread_at_length])


def write() -> Iterator[str]:
    for name in ("one", "two"):
        yield Item.new(name=name).name


async def awrite() -> AsyncIterator[str]:
    for name in ("one", "two"):
        yield (await Item.anew(name=name)).name


WRITING = pytest.mark.parametrize("body", [write, awrite])


@READING
async def test_a_body_can_query(url: str, body: Body) -> None:
    open_shop(url, "a", "b", "c")
    answer = await get(streaming(body))
    assert (answer.body, answer.error) == (b"abc", None)
    assert lent() == 0


@pytest.mark.parametrize("body", [read, aread])
async def test_no_connection_is_held_between_two_pieces(url: str, body: Body) -> None:
    open_shop(url, "a", "b", "c")
    held: list[int] = []

    await get(streaming(body), look=lambda _: held.append(lent()))
    assert held == [0] * 5


@LEAVING
@READING
async def test_no_connection_is_held_once_the_client_left(
    url: str, body: Body, spec_version: SpecVersion
) -> None:
    open_shop(url, "a", "b", "c")
    app = streaming(body)
    answer = await get(app, leave_after=1, spec_version=spec_version)
    assert answer.body == b"a"
    assert lent() == 0
    assert (await get(app)).body == b"abc"


@WRITING
async def test_what_a_body_wrote_is_committed_before_the_last_piece_is_sent(
    url: str, body: Body
) -> None:
    open_shop(url)
    seen: list[list[str]] = []

    def look(message: Message) -> None:
        if message["type"] == "http.response.body" and not message["more_body"]:
            seen.append(names())

    answer = await get(streaming(body, commit_on_exit=True), look=look)
    assert answer.body == b"onetwo"
    assert seen == [["one", "two"]]


@LEAVING
@WRITING
async def test_what_a_body_wrote_is_rolled_back_where_the_client_left(
    url: str, body: Body, spec_version: SpecVersion
) -> None:
    open_shop(url)
    app = streaming(body, commit_on_exit=True, before="before")
    await get(app, leave_after=1, spec_version=spec_version)
    assert names() == ["before"]
    assert lent() == 0


def fail() -> Iterator[str]:
    yield Item.new(name="one").name
    raise LookupError("in the middle of the body")


async def afail() -> AsyncIterator[str]:
    yield (await Item.anew(name="one")).name
    raise LookupError("in the middle of the body")


@pytest.mark.parametrize("body", [fail, afail])
async def test_what_a_body_wrote_is_rolled_back_where_it_fails(url: str, body: Body) -> None:
    open_shop(url)
    answer = await get(streaming(body, commit_on_exit=True, before="before"))
    assert isinstance(answer.error, LookupError)
    assert names() == ["before"]
    assert lent() == 0


def write_to_nowhere() -> Iterator[str]:
    Entry.new(follows=NOWHERE)
    yield "written"


async def awrite_to_nowhere() -> AsyncIterator[str]:
    await Entry.anew(follows=NOWHERE)
    yield "written"


@pytest.mark.parametrize("body", [write_to_nowhere, awrite_to_nowhere])
@pytest.mark.parametrize("server", ["sqlite_file_url", "postgres_url"])
async def test_a_body_whose_commit_fails_is_never_complete(
    server: str, body: Body, request: pytest.FixtureRequest
) -> None:
    open_ledger(request.getfixturevalue(server))
    answer = await get(streaming(body, ledger, commit_on_exit=True))
    assert [message.get("more_body") for message in answer.messages] == [None, True]
    assert isinstance(answer.error, exc.IntegrityError)
    assert entries() == []
    assert lent(ledger) == 0


def test_a_client_that_leaves_a_real_server_gives_the_connection_back(
    server_url: str, serve: Serve, connections: Databases
) -> None:
    open_shop(server_url, "a")
    begun, ended = threading.Event(), threading.Event()

    async def endless() -> AsyncIterator[str]:
        try:
            for name in await db.async_session.scalars(select(Item.name).with_for_update()):
                yield name
            begun.set()
            await asyncio.Event().wait()
        finally:
            ended.set()

    with httpx.stream("GET", serve(streaming(endless))) as response:
        pieces = response.iter_text()  # closes the response when it is collected
        assert next(pieces) == "a"
        assert begun.wait(5)
        assert connections.settle(server_url, open=2, idle_in_transaction=1) == (2, 1)
    assert ended.wait(5)
    assert connections.settle(server_url, open=2) == (2, 0)
