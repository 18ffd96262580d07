"""What is not installed is missed only by those who use it, and then by name."""

import sys
from collections.abc import Iterator

import pytest
from fastapi import FastAPI

from fastapi_sqlalchemy import SQLAlchemy
from fastapi_sqlalchemy.exceptions import MissingDriverError
from tests import shop
from tests.interpreter import Python
from tests.shop import Item, db, open_shop
from tests.verbs import Verb
from tests.web.asgi import serving
from tests.web.clients import TestClient


@pytest.fixture(autouse=True)
def closing() -> Iterator[None]:
    """Close what the test opened of the shop."""
    yield
    shop.close()


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """The name of a package that cannot be imported while the test runs."""
    for module in list(sys.modules):
        if module.partition(".")[0] == request.param:
            monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, request.param, None)
    return str(request.param)


DRIVERS = pytest.mark.parametrize(
    ("without", "url", "extra"),
    [
        ("psycopg", "postgresql://nowhere/db", "postgresql"),
        ("psycopg", "postgresql+psycopg://nowhere/db", "postgresql"),
        ("psycopg2", "postgresql+psycopg2://nowhere/db", None),
        ("pymysql", "mysql+pymysql://nowhere/db", "mysql"),
        ("pymysql", "mariadb+pymysql://nowhere/db", "mysql"),
    ],
    indirect=["without"],
)


@DRIVERS
def test_a_missing_driver_is_named_with_the_extra_that_brings_it(
    without: str, url: str, extra: str | None, verb: Verb
) -> None:
    db.init(url)

    def ask() -> None:
        with verb.scope(db):
            verb(Item.query, "all")

    with pytest.raises(MissingDriverError) as caught:
        ask()
    assert (caught.value.package, caught.value.extra) == (without, extra)
    assert f"`pip install {without}`" in str(caught.value)
    assert extra is None or f"`pip install 'fastapi-sqlalchemy[{extra}]'`" in str(caught.value)


AWAITED = pytest.mark.parametrize(
    ("without", "url", "extra"),
    [
        ("psycopg", "postgresql+psycopg_async://nowhere/db", "postgresql"),
        ("asyncpg", "postgresql+asyncpg://nowhere/db", None),
        ("aiomysql", "mysql+aiomysql://nowhere/db", "mysql"),
    ],
    indirect=["without"],
)


@AWAITED
async def test_a_missing_asyncio_driver_that_was_asked_for_is_named_with_its_extra(
    without: str, url: str, extra: str | None
) -> None:
    db.init(url)
    async with db():
        with pytest.raises(MissingDriverError) as caught:
            await Item.query.aall()
    assert (caught.value.package, caught.value.extra) == (without, extra)
    with pytest.raises(MissingDriverError):
        _ = db.async_engine


@pytest.mark.parametrize("without", ["aiomysql"], indirect=True)
async def test_a_missing_asyncio_driver_that_nobody_asked_for_is_not_missed(
    without: str, mysql_url: str
) -> None:
    open_shop(mysql_url, "pen")
    async with db():
        assert await Item.query.acount() == 1
        assert await db.async_session.get(Item, 1) is await Item.aget(1)


def test_a_missing_driver_is_an_import_error_with_its_facts() -> None:
    error = MissingDriverError("awaited access", package="greenlet", extra="asyncio")
    assert isinstance(error, ImportError)
    assert str(error).startswith("awaited access needs the package `greenlet`")


@pytest.mark.parametrize("without", ["psycopg"], indirect=True)
def test_an_application_whose_driver_is_missing_does_not_start(without: str) -> None:
    db.init("postgresql://nowhere/db")
    app = serving(FastAPI(), db)
    with pytest.raises(MissingDriverError, match=without), TestClient(app):
        pass


@pytest.mark.parametrize("without", ["psycopg"], indirect=True)
def test_a_driver_is_not_missed_before_it_is_used(without: str) -> None:
    idle = SQLAlchemy("postgresql://nowhere/db")
    with idle():
        pass
    assert without in str(SQLAlchemy("postgresql+psycopg://nowhere/db").url)


BLOCKED = """
import sys
for name in {names!r}:
    sys.modules[name] = None

from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from fastapi_sqlalchemy import DBSessionMiddleware, ModelBase, SQLAlchemy
from fastapi_sqlalchemy.exceptions import MissingDriverError

class Base(ModelBase, DeclarativeBase):
    pass

db = SQLAlchemy(sys.argv[1], model_class=Base)

class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
"""

OPTIONAL = ["greenlet", "psycopg", "psycopg2", "asyncpg", "pymysql", "aiomysql", "fastapi"]

BLOCKING = """
db.create_all()
with db(commit_on_exit=True):
    User.new()
    db.session.add(User())
with db():
    with db.transaction():
        User.new()
    print(User.query.count())
"""

AWAITING = """
import asyncio

async def main():
    await db.acreate_all()
    async with db(commit_on_exit=True):
        await User.anew()
        await db.run(lambda: db.session.add(User()))
    async with db():
        async with db.transaction():
            await User.anew()
        print(await User.query.acount())
    await db.adispose()

asyncio.run(main())
"""

SERVING = """
import asyncio
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

def blocking(request):
    User.new()
    return PlainTextResponse(str(User.query.count()))

async def awaited(request):
    await User.anew()
    return PlainTextResponse(str(await User.query.acount()))

app = Starlette(routes=[Route("/def", blocking), Route("/async", awaited)])
app.add_middleware(DBSessionMiddleware, db=db, commit_on_exit=True)

async def get(path):
    async def receive():
        return {"type": "http.request", "body": b""}

    async def send(message):
        if message["type"] == "http.response.body":
            print(message["body"].decode(), end="")

    scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b""}
    await app(scope, receive, send)

async def main():
    await get("/def")
    await get("/async")
    await db.adispose()

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("use", "told"),
    [(BLOCKING, "3\n"), (AWAITING, "3\n"), (SERVING, "12")],
    ids=["blocking", "awaiting", "serving"],
)
def test_sqlite_needs_nothing_that_is_optional(
    python: Python, sqlite_file_url: str, use: str, told: str
) -> None:
    code = BLOCKED.format(names=OPTIONAL) + use
    assert python(code, sqlite_file_url).stdout == told


def test_a_blocking_driver_needs_no_greenlet(python: Python, server_url: str) -> None:
    code = BLOCKED.format(names=["greenlet", "fastapi"]) + BLOCKING
    assert python(code, server_url).stdout == "3\n"


NEEDING_GREENLET = """
import asyncio

async def main():
    async with db():
        for access in (lambda: db.async_session, lambda: db.async_engine):
            try:
                access()
            except MissingDriverError as error:
                print(error.package, error.extra)

asyncio.run(main())
"""


def test_a_missing_greenlet_is_named_with_its_extra(python: Python, postgres_url: str) -> None:
    code = BLOCKED.format(names=["greenlet"]) + NEEDING_GREENLET
    assert python(code, postgres_url).stdout == "greenlet asyncio\n" * 2


def test_a_missing_greenlet_is_named_where_an_asyncio_driver_was_asked_for(
    python: Python, postgres_url: str
) -> None:
    use = """
import asyncio

async def main():
    async with db():
        try:
            await User.query.aall()
        except MissingDriverError as error:
            print(error.package, error.extra)

asyncio.run(main())
"""
    code = BLOCKED.format(names=["greenlet"]) + use
    url = postgres_url.replace("+psycopg", "+asyncpg")
    assert python(code, url).stdout == "greenlet asyncio\n"
