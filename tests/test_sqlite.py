"""SQLite under an application: one database for all threads, and transactions that are real."""

import gc
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI
from sqlalchemy import orm

from tests import shop
from tests.serving import Serve
from tests.shop import Item, db, lent, names, open_shop
from tests.verbs import Verb
from tests.web.asgi import get, serving
from tests.web.clients import TestClient


@pytest.fixture(autouse=True)
def closing() -> Iterator[None]:
    """Close what the test opened of the shop."""
    yield
    shop.close()


@pytest.fixture(params=["memory", "file"])
def sqlite_url(request: pytest.FixtureRequest) -> str:
    """The address of an empty database, once for each kind of SQLite's."""
    return "sqlite://" if request.param == "memory" else request.getfixturevalue("sqlite_file_url")


class Spoilt(Exception):
    """What the tests raise."""


async def test_a_savepoint_that_comes_first_is_rolled_back_with_its_request(
    sqlite_url: str,
) -> None:
    open_shop(sqlite_url)
    app = serving(FastAPI(), db, commit_on_exit=True)

    @app.get("/def")
    def blocking() -> None:
        with db.session.begin_nested():
            db.session.add(Item(name="pen"))
        raise Spoilt

    @app.get("/async")
    async def awaited() -> None:
        async with db.async_session.begin_nested():
            db.async_session.add(Item(name="pen"))
        raise Spoilt

    for path in ("/def", "/async"):
        assert isinstance((await get(app, path)).error, Spoilt)
    assert names() == []


def test_a_savepoint_that_comes_first_is_rolled_back_with_its_block(
    sqlite_url: str, verb: Verb
) -> None:
    open_shop(sqlite_url)

    def fail() -> None:
        with verb.scope(db), verb.within(db.transaction):
            with verb.within(db.transaction):
                verb(Item, "new", name="pen")
            raise Spoilt

    with pytest.raises(Spoilt):
        fail()
    assert names() == []


def test_a_savepoint_that_is_rolled_back_leaves_what_was_written_around_it(
    sqlite_url: str, verb: Verb
) -> None:
    open_shop(sqlite_url)

    def fail() -> None:
        with verb.within(db.transaction):
            verb(Item, "new", name="dropped")
            raise Spoilt

    with verb.scope(db), verb.within(db.transaction):
        verb(Item, "new", name="before")
        with pytest.raises(Spoilt):
            fail()
        verb(Item, "new", name="after")
    assert names() == ["after", "before"]


def counting(threads: set[int]) -> FastAPI:
    """Routes of both colours that write an item, and note which thread they run in."""
    app = serving(FastAPI(), db)

    def dependency() -> orm.Session:
        threads.add(threading.get_ident())
        return db.session

    @app.get("/def/{name}")
    def blocking(name: str, session: Annotated[orm.Session, Depends(dependency)]) -> int:
        threads.add(threading.get_ident())
        assert session is db.session
        return Item.new(name=name).id

    @app.get("/async/{name}")
    async def awaited(name: str) -> int:
        threads.add(threading.get_ident())
        return (await Item.anew(name=name)).id

    return app


def test_the_threads_of_a_test_client_see_the_tables_and_the_rows(sqlite_url: str) -> None:
    db.init(sqlite_url)
    threads = {threading.get_ident()}
    with TestClient(counting(threads)) as client:
        assert client.get("/def/one").json() == 1
        assert client.get("/async/two").json() == 2
        with db():
            Item.new(name="three")
        assert names() == ["one", "three", "two"]
    assert len(threads) > 2


def test_a_test_client_without_a_lifespan_sees_the_tables_too(sqlite_url: str) -> None:
    db.init(sqlite_url)
    client = TestClient(counting(set()))
    assert [client.get(f"/{path}").json() for path in ("def/one", "async/two")] == [1, 2]


def test_many_threads_of_a_server_use_and_close_connections_in_silence(
    sqlite_url: str, serve: Serve
) -> None:
    db.init(sqlite_url, engine_args={"pool_size": 1, "max_overflow": 20})
    threads: set[int] = set()
    client = httpx.Client(base_url=serve(counting(threads)))

    def ask(number: int) -> int:
        return client.get(f"/{('def', 'async')[number % 2]}/{number}").status_code

    # What overflows the pool is closed by the thread that gives it back.
    with client, ThreadPoolExecutor(20) as clients:
        assert set(clients.map(ask, range(60))) == {200}
    assert len(threads) > 2
    assert lent() == 0
    assert len(names()) == 60
    db.dispose()
    gc.collect()  # a connection that was closed in the wrong thread complains when collected


def test_a_session_opened_by_one_thread_is_closed_by_another(sqlite_url: str) -> None:
    open_shop(sqlite_url, "pen")
    block = db()
    block.__enter__()
    session = db.session
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(session.get, Item, 1).result() is session.get(Item, 1)
        thread.submit(session.connection).result()
    block.__exit__(None, None, None)
    assert lent() == 0
