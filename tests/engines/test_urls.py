"""From one URL to two drivers: the blocking one and the asyncio one beside it."""

import asyncio
import sys
from typing import Any

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import InvalidRequestError

from fastapi_sqlalchemy import SQLAlchemy
from fastapi_sqlalchemy.exceptions import MissingDriverError, SessionNotInitialisedError
from tests.blog import User, created
from tests.blog import db as blog
from tests.interpreter import Python
from tests.verbs import Verb


def drivers(db: SQLAlchemy) -> tuple[str, str]:
    """Those of the blocking and of the asyncio engine."""

    async def asyncio_driver() -> str:
        dialect = db.async_engine.dialect
        assert dialect.is_async
        return dialect.driver

    return db.engine.dialect.driver, asyncio.run(asyncio_driver())


@pytest.mark.parametrize(
    ("name", "blocking", "awaited"),
    [
        ("postgresql", "psycopg", "psycopg"),
        ("postgresql+psycopg", "psycopg", "psycopg"),
        ("postgresql+psycopg_async", "psycopg", "psycopg"),
        ("postgresql+asyncpg", "psycopg", "asyncpg"),
        ("mysql+pymysql", "pymysql", "aiomysql"),
        ("mysql+aiomysql", "pymysql", "aiomysql"),
        ("mariadb+pymysql", "pymysql", "aiomysql"),
        ("mariadb+aiomysql", "pymysql", "aiomysql"),
    ],
)
def test_a_url_with_either_driver_stands_for_both(name: str, blocking: str, awaited: str) -> None:
    assert drivers(SQLAlchemy(f"{name}://user:secret@nowhere/db")) == (blocking, awaited)


@pytest.mark.parametrize("name", ["postgresql+psycopg", "postgresql+asyncpg", "mysql+aiomysql"])
def test_both_engines_go_to_the_same_place(name: str) -> None:
    async def main() -> None:
        for url in (db.engine.url, db.async_engine.url):
            assert url.set(drivername="x") == asked.set(drivername="x")

    asked = make_url(f"{name}://user:secret@nowhere:1234/db?application_name=a")
    if name.startswith("mysql"):
        asked = asked.set(query={"charset": "utf8mb4"})
    db = SQLAlchemy(asked)
    asyncio.run(main())


def test_an_async_url_stands_beside_the_url() -> None:
    db = SQLAlchemy("postgresql+psycopg://nowhere/a", async_url="postgresql+asyncpg://nowhere/b")
    assert drivers(db) == ("psycopg", "asyncpg")
    assert db.engine.url.database == "a"


def test_an_async_url_alone_stands_for_both() -> None:
    db = SQLAlchemy(async_url="postgresql+asyncpg://nowhere/db")
    assert drivers(db) == ("psycopg", "asyncpg")
    assert db.url == make_url("postgresql+asyncpg://nowhere/db")


@pytest.mark.parametrize("mode", ["require", "disable", "verify-full"])
def test_the_tls_parameter_of_asyncpg_becomes_that_of_psycopg(mode: str) -> None:
    db = SQLAlchemy(f"postgresql+asyncpg://nowhere/db?ssl={mode}")
    assert db.engine.url.query == {"sslmode": mode}


@pytest.mark.parametrize("mode", ["require", "disable", "verify-full"])
def test_the_tls_parameter_of_psycopg_becomes_that_of_asyncpg(mode: str) -> None:
    async def query() -> Any:
        return db.async_engine.url.query

    db = SQLAlchemy(
        f"postgresql+psycopg://nowhere/db?sslmode={mode}",
        async_url=f"postgresql+asyncpg://nowhere/db?sslmode={mode}",
    )
    assert asyncio.run(query()) == {"ssl": mode}
    assert db.engine.url.query == {"sslmode": mode}


def test_the_tls_parameter_stays_where_the_driver_knows_it() -> None:
    async def query() -> Any:
        return db.async_engine.url.query

    db = SQLAlchemy("postgresql+asyncpg://nowhere/db?ssl=require")
    assert asyncio.run(query()) == {"ssl": "require"}


@pytest.mark.parametrize("given", ["postgresql+psycopg", "postgresql+asyncpg"])
def test_either_driver_of_postgresql_serves_the_verbs(
    verb: Verb, postgres_url: str, given: str
) -> None:
    url = make_url(postgres_url).set(drivername=given).render_as_string(hide_password=False)
    with created(blog, url) as db, verb.scope(db):
        user = verb(User, "new", email="ada@x")
        assert verb(User.query, "all") == [user]


@pytest.mark.parametrize("given", ["mysql+pymysql", "mysql+aiomysql", "mariadb+aiomysql"])
def test_either_driver_of_mariadb_serves_the_verbs(verb: Verb, mysql_url: str, given: str) -> None:
    url = make_url(mysql_url).set(drivername=given).render_as_string(hide_password=False)
    with created(blog, url) as db, verb.scope(db):
        user = verb(User, "new", email="ada@x")
        assert verb(User.query, "all") == [user]


def test_both_drivers_see_the_same_rows(postgres_url: str) -> None:
    async def read() -> list[str]:
        async with db():
            return [user.email for user in await User.query.aall()]

    url = make_url(postgres_url).set(drivername="postgresql+asyncpg")
    with created(blog, url.render_as_string(hide_password=False)) as db:
        with db():
            User.new(email="ada@x")
        assert asyncio.run(read()) == ["ada@x"]


def test_a_read_through_asyncpg_sends_no_begin(postgres_url: str) -> None:
    # Its log has what it runs at once, not what it prepares first: BEGIN and not SELECT.
    sent: list[str] = []

    async def main() -> tuple[int, list[str], list[str]]:
        async with db():
            async with db.async_engine.connect() as connection:
                raw = (await connection.get_raw_connection()).driver_connection
            assert raw is not None
            raw.add_query_logger(lambda record: sent.append(record.query.strip(";").split()[0]))
            count = await User.query.acount()
            while_reading = list(sent)
            async with db.transaction():
                await User.anew(email="ada@x")
            return count, while_reading, sent

    url = make_url(postgres_url).set(drivername="postgresql+asyncpg")
    unchecked = {"pool_pre_ping": False}
    with created(blog, url.render_as_string(hide_password=False), engine_args=unchecked) as db:
        assert asyncio.run(main()) == (0, [], ["BEGIN", "COMMIT"])


def test_the_url_of_aiosqlite_is_served_by_threads(verb: Verb, sqlite_file_url: str) -> None:
    url = sqlite_file_url.replace("sqlite:", "sqlite+aiosqlite:")
    with created(blog, url) as db, verb.scope(db):
        user = verb(User, "new", email="ada@x")
        assert verb(User.query, "all") == [user]
        assert db.engine.dialect.driver == "pysqlite"


@pytest.mark.parametrize("name", ["sqlite", "sqlite+pysqlite", "sqlite+aiosqlite"])
def test_sqlite_has_no_asyncio_engine(name: str) -> None:
    async def main() -> None:
        with pytest.raises(InvalidRequestError, match="awaited calls run in threads"):
            _ = db.async_engine

    db = SQLAlchemy(f"{name}://")
    asyncio.run(main())


@pytest.mark.parametrize(
    ("name", "module", "package"),
    [
        ("postgresql", "psycopg", "psycopg"),
        ("postgresql+psycopg2", "psycopg2", "psycopg2"),
        ("mysql", "MySQLdb", "mysqlclient"),
        ("mysql+pymysql", "pymysql", "pymysql"),
        ("oracle+oracledb", "oracledb", "oracledb"),
    ],
)
def test_a_missing_driver_is_named_with_its_package(
    monkeypatch: pytest.MonkeyPatch, name: str, module: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    db = SQLAlchemy(f"{name}://nowhere/db")
    with pytest.raises(MissingDriverError, match=f"pip install {package}") as caught:
        _ = db.engine
    assert caught.value.package == package


def test_a_missing_asyncio_driver_that_was_asked_for_is_named_with_its_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        async with db():
            with pytest.raises(MissingDriverError, match="pip install asyncmy"):
                await User.query.aall()

    monkeypatch.setitem(sys.modules, "asyncmy", None)
    db = blog
    db.init("mysql+asyncmy://nowhere/db")
    try:
        asyncio.run(main())
    finally:
        db.init()


def test_a_missing_extra_is_named(python: Python) -> None:
    told = python(
        """
import sys
sys.modules["psycopg"] = None
from fastapi_sqlalchemy import SQLAlchemy
from fastapi_sqlalchemy.exceptions import MissingDriverError
try:
    SQLAlchemy("postgresql://nowhere/db").engine
except MissingDriverError as error:
    print(error)
"""
    ).stdout
    assert "pip install 'fastapi-sqlalchemy[postgresql]'" in told


def test_awaited_calls_run_in_threads_where_greenlet_is_missing(
    python: Python, postgres_url: str
) -> None:
    told = python(
        """
import asyncio, sys
sys.modules["greenlet"] = None
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from fastapi_sqlalchemy import ModelBase, SQLAlchemy

class Base(ModelBase, DeclarativeBase):
    pass

db = SQLAlchemy(sys.argv[1], model_class=Base)

class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)

async def main():
    await db.acreate_all()
    async with db():
        await User.anew()
        print(await User.query.acount())
    await db.adispose()

asyncio.run(main())
""",
        postgres_url,
    ).stdout
    assert told == "1\n"


def test_a_database_without_a_url_says_where_to_give_it() -> None:
    with pytest.raises(SessionNotInitialisedError, match=r"db\.init\(url="):
        _ = SQLAlchemy().engine


def test_the_repr_of_a_database_hides_the_password() -> None:
    db = SQLAlchemy("postgresql://user:secret@nowhere/db")
    assert repr(db) == "<SQLAlchemy postgresql://user:***@nowhere/db>"


def test_the_url_of_a_database_is_the_one_that_was_given() -> None:
    assert str(SQLAlchemy("sqlite://").url) == "sqlite://"


def test_a_url_may_be_an_object() -> None:
    url = make_url("sqlite://")
    db = SQLAlchemy(url)
    with db.engine.connect() as connection:
        assert connection.scalar(text("SELECT 1")) == 1
    db.init()
