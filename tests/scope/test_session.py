"""`db.session` outside a transaction block is SQLAlchemy's session: its transaction lasts."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, func, select, text
from sqlalchemy.exc import DBAPIError

from fastapi_sqlalchemy import SQLAlchemy
from tests.blog import User, created
from tests.blog import db as blog


@pytest.fixture
def db(server_url: str) -> Iterator[SQLAlchemy]:
    with created(blog, server_url) as database, database():
        User.new(email="ada@x", name="Ada")
        yield database


@contextmanager
def another(db: SQLAlchemy) -> Iterator[Engine]:
    engine = create_engine(db.engine.url)
    yield engine
    engine.dispose()


def is_locked(db: SQLAlchemy) -> bool:
    with another(db) as engine, engine.connect() as connection:
        try:
            connection.execute(select(User.id).with_for_update(nowait=True)).all()
        except DBAPIError:
            return True
    return False


LOCKING: dict[str, Callable[[SQLAlchemy], object]] = {
    "execute": lambda db: db.session.execute(select(User).with_for_update()).all(),
    "query": lambda db: db.session.query(User).with_for_update().one(),
    "get": lambda db: db.session.get(User, 1, with_for_update=True, populate_existing=True),
    "refresh": lambda db: db.session.refresh(db.session.get_one(User, 1), with_for_update=True),
    "get and refresh": lambda db: db.session.refresh(User.get(1), with_for_update=True),
}


@pytest.mark.parametrize("way", LOCKING)
def test_a_row_that_is_read_for_update_is_locked_until_the_end(db: SQLAlchemy, way: str) -> None:
    with db():
        LOCKING[way](db)
        assert is_locked(db)
        db.session.rollback()
        assert not is_locked(db)


async def test_an_awaited_row_that_is_read_for_update_is_locked_until_the_end(
    db: SQLAlchemy,
) -> None:
    async with db():
        await db.async_session.get(User, 1, with_for_update=True, populate_existing=True)
        assert is_locked(db)
        await db.async_session.rollback()
        assert not is_locked(db)


def test_what_a_function_did_in_a_query_is_rolled_back(postgres_url: str) -> None:
    setting = func.current_setting("app.tenant", True)
    with created(blog, postgres_url) as db, db():
        db.session.query(func.set_config("app.tenant", "7", True)).scalar()
        assert db.session.scalar(select(setting)) == "7"
        db.session.rollback()
        assert not db.session.scalar(select(setting))


def test_rows_are_streamed_in_portions(db: SQLAlchemy) -> None:
    with db():
        for name in "bcdef":
            db.session.add(User(email=f"{name}@x"))
        db.session.commit()
        found = db.session.query(User).order_by(User.id).yield_per(2)
        assert [user.id for user in found] == [1, 2, 3, 4, 5, 6]


READING: dict[str, Callable[[SQLAlchemy], Any]] = {
    "the session": lambda db: db.session.scalar(select(func.count(User.id))),
    "its query": lambda db: db.session.query(User).count(),
    "a verb": lambda db: User.query.count(),
}


@pytest.mark.parametrize("first", READING)
@pytest.mark.parametrize("second", READING)
@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_two_reads_are_one_view_of_the_data_under_a_level_that_promises_it(
    postgres_url: str, level: str, first: str, second: str
) -> None:
    with created(blog, postgres_url, engine_args={"isolation_level": level}) as db:
        with db():
            assert READING[first](db) == 0
            with another(db) as engine, engine.begin() as connection:
                connection.execute(text("INSERT INTO users (email) VALUES ('eve@x')"))
            assert READING[second](db) == 0
            with db.transaction():
                assert READING[second](db) == 0
        with db():
            assert READING[second](db) == 1


def test_reads_are_alone_under_other_levels(db: SQLAlchemy) -> None:
    with db():
        assert User.query.count() == 1
        with another(db) as engine, engine.begin() as connection:
            connection.execute(text("INSERT INTO users (email) VALUES ('eve@x')"))
        assert User.query.count() == 2
