"""SQLite keeps its promises: real transactions, foreign keys, memory that threads share."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Pool, create_engine, event, inspect, text
from sqlalchemy.exc import IntegrityError, OperationalError

from fastapi_sqlalchemy import SQLAlchemy
from tests.blog import Post, User, created
from tests.blog import db as blog
from tests.verbs import Verb

THREADS = 30


@pytest.fixture(params=["memory", "file"])
def sqlite_url(request: pytest.FixtureRequest) -> str:
    return "sqlite://" if request.param == "memory" else request.getfixturevalue("sqlite_file_url")


@pytest.fixture
def db(sqlite_url: str) -> Iterator[SQLAlchemy]:
    with created(blog, sqlite_url) as database:
        yield database


def pragma(db: SQLAlchemy, name: str) -> object:
    with db():
        return db.session.scalar(text(f"PRAGMA {name}"))


def all_at_once(work: Callable[[int], object]) -> list[BaseException | None]:
    """What each of thirty threads failed with, that began together."""
    together = threading.Barrier(THREADS)

    def one(number: int) -> None:
        together.wait()
        work(number)

    with ThreadPoolExecutor(THREADS) as threads:
        return [f.exception() for f in [threads.submit(one, n) for n in range(THREADS)]]


@contextmanager
def driven() -> Iterator[list[str]]:
    """What the driver runs meanwhile on connections that it makes, BEGIN and COMMIT included."""
    statements: list[str] = []

    def trace(connection: sqlite3.Connection, *_: Any) -> None:
        connection.set_trace_callback(lambda statement: statements.append(statement.split()[0]))

    event.listen(Pool, "checkout", trace)
    try:
        yield statements
    finally:
        event.remove(Pool, "checkout", trace)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite+pysqlite://"])
def test_memory_is_shared_by_threads(url: str) -> None:
    with created(blog, url) as db:

        def save(number: int) -> None:
            with db():
                User.new(email=f"{number}@x")

        assert set(all_at_once(save)) == {None}
        with db():
            assert User.query.count() == THREADS


def test_memory_is_shared_by_blocking_and_awaited_calls() -> None:
    async def main() -> int:
        async with blog():
            await User.anew(email="bob@x")
            return await User.query.acount()

    with created(blog, "sqlite://") as db:
        with db():
            User.new(email="ada@x")
        assert asyncio.run(main()) == 2
        with db():
            assert User.query.count() == 2


def test_two_databases_in_memory_are_two() -> None:
    one, other = SQLAlchemy("sqlite://"), SQLAlchemy("sqlite://")
    for db, names in ((one, ["t"]), (other, [])):
        if names:
            with db.engine.begin() as connection:
                connection.execute(text("CREATE TABLE t (id INTEGER)"))
        assert inspect(db.engine).get_table_names() == names
    one.init()
    other.init()


def test_memory_outlives_the_connections_of_the_pool() -> None:
    with created(blog, "sqlite://") as db:
        with db():
            User.new(email="ada@x")
        db.dispose()
        with db():
            assert User.query.count() == 1


def test_foreign_keys_are_checked(verb: Verb, db: SQLAlchemy) -> None:
    assert pragma(db, "foreign_keys") == 1
    with verb.scope(db), pytest.raises(IntegrityError):
        verb(Post, "new", title="On engines", author_id=404)


def test_a_file_is_written_ahead(sqlite_file_url: str) -> None:
    with created(blog, sqlite_file_url) as db:
        assert pragma(db, "journal_mode") == "wal"


def test_a_busy_database_is_waited_for(db: SQLAlchemy) -> None:
    assert pragma(db, "busy_timeout") == 30_000


def test_the_time_to_wait_may_be_chosen(sqlite_url: str) -> None:
    arguments = {"connect_args": {"timeout": 1.5}}
    with created(blog, sqlite_url, engine_args=arguments) as db:
        assert pragma(db, "busy_timeout") == 1500


def test_a_read_begins_nothing(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db), driven() as statements:
        verb(User.query, "all")
        verb(User.query, "count")
    assert statements == ["SELECT", "SELECT"]


def test_a_save_begins_and_commits(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db), driven() as statements:
        verb(User, "new", email="ada@x")
    assert statements == ["BEGIN", "INSERT", "COMMIT"]


def test_a_writer_begins_with_the_lock_for_writing(sqlite_file_url: str) -> None:
    with created(blog, sqlite_file_url) as db, db():
        db.session.execute(text("UPDATE users SET name = 'nobody' WHERE id = 0"))
        other = sqlite3.connect(sqlite_file_url.removeprefix("sqlite:///"), timeout=0)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.close()


def test_readers_do_not_wait_for_the_writer_of_a_file(sqlite_file_url: str) -> None:
    arguments = {"connect_args": {"timeout": 0}}
    with created(blog, sqlite_file_url, engine_args=arguments) as db, db(commit_on_exit=True):
        User.new(email="ada@x")
        with db():
            assert User.query.count() == 0
        assert User.query.count() == 1


def test_writers_wait_in_line(db: SQLAlchemy) -> None:
    with db():
        User.new(email="ada@x", name="")

    def append(_: int) -> None:
        with db(commit_on_exit=True):
            db.session.execute(text("UPDATE users SET name = name || '.'"))
            db.session.scalar(text("SELECT name FROM users"))

    assert set(all_at_once(append)) == {None}
    with db():
        assert User.query.one().name == "." * THREADS


def test_who_reads_before_it_writes_waits_in_line_too(db: SQLAlchemy) -> None:
    with db():
        User.new(email="ada@x", name="")

    def append(number: int) -> None:
        with db(commit_on_exit=True):
            user = User.query.filter_by(email="ada@x").one()
            user.update(name=f"{number}")
            User.new(email=f"{number}@x")

    assert set(all_at_once(append)) == {None}
    with db():
        assert User.query.count() == THREADS + 1


def test_who_reads_with_the_session_before_it_writes_waits_in_line_too(db: SQLAlchemy) -> None:
    with db():
        User.new(email="ada@x", name="")

    def append(number: int) -> None:
        with db(commit_on_exit=True):
            db.session.scalar(text("SELECT name FROM users"))
            db.session.execute(text("UPDATE users SET name = name || '.'"))

    assert set(all_at_once(append)) == {None}
    with db():
        assert User.query.one().name == "." * THREADS


def test_a_transaction_that_reads_before_it_writes_loses_no_update(db: SQLAlchemy) -> None:
    with db():
        User.new(email="ada@x", name="")

    def append(_: int) -> None:
        with db(), db.transaction():
            user = User.query.one()
            user.update(name=f"{user.name}.")

    assert set(all_at_once(append)) == {None}
    with db():
        assert User.query.one().name == "." * THREADS


def test_awaited_writers_wait_in_line(db: SQLAlchemy) -> None:
    async def save(number: int) -> None:
        async with db(commit_on_exit=True):
            await User.query.acount()
            await User.anew(email=f"{number}@x")

    async def main() -> int:
        await asyncio.gather(*(save(number) for number in range(THREADS)))
        async with db():
            return await User.query.acount()

    assert asyncio.run(main()) == THREADS


def test_a_table_that_was_created_is_rolled_back(db: SQLAlchemy) -> None:
    with suppress(ZeroDivisionError), db(commit_on_exit=True):
        db.session.execute(text("CREATE TABLE t (id INTEGER)"))
        raise ZeroDivisionError
    assert "t" not in inspect(db.engine).get_table_names()


def test_a_table_that_was_dropped_is_rolled_back_with_its_rows(db: SQLAlchemy) -> None:
    with db():
        User.new(email="ada@x")
    with suppress(ZeroDivisionError), db(commit_on_exit=True):
        db.session.execute(text("DROP TABLE posts"))
        db.session.execute(text("DROP TABLE users"))
        raise ZeroDivisionError
    with db():
        assert User.query.count() == 1


def test_a_savepoint_that_came_first_is_rolled_back_with_the_rest(db: SQLAlchemy) -> None:
    with db():
        with db.session.begin_nested():
            db.session.add(User(email="ada@x"))
        db.session.rollback()
        assert User.query.count() == 0


def test_a_savepoint_keeps_what_was_written_before_it(db: SQLAlchemy) -> None:
    with db(commit_on_exit=True):
        User.new(email="ada@x")
        with suppress(ZeroDivisionError), db.session.begin_nested():
            db.session.add(User(email="bob@x"))
            db.session.flush()
            raise ZeroDivisionError
    with db():
        assert [user.email for user in User.query] == ["ada@x"]


def test_an_engine_of_the_callers_has_savepoints_that_roll_back(sqlite_file_url: str) -> None:
    engine = create_engine(sqlite_file_url)
    with created(blog, sqlite_file_url):
        blog.init(engine=engine)
        with blog():
            with blog.session.begin_nested():
                blog.session.add(User(email="ada@x"))
            blog.session.rollback()
            assert User.query.count() == 0
    engine.dispose()


def test_a_core_transaction_of_the_engine_rolls_back_for_real(db: SQLAlchemy) -> None:
    with suppress(ZeroDivisionError), db.engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (id INTEGER)"))
        with connection.begin_nested():
            connection.execute(text("INSERT INTO t VALUES (1)"))
        raise ZeroDivisionError
    assert "t" not in inspect(db.engine).get_table_names()


@pytest.fixture(params=["wal", "delete"])
def read_only(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SQLAlchemy]:
    path = tmp_path / "written once.db"
    with created(blog, f"sqlite:///{path}") as db, db():
        User.new(email="ada@x")
    plain = sqlite3.connect(path)
    plain.execute(f"PRAGMA journal_mode = {request.param}")
    plain.close()
    blog.init(f"sqlite:///file:{path}?mode=ro&uri=true")
    yield blog
    blog.init()


def test_a_file_that_may_only_be_read_is_read(verb: Verb, read_only: SQLAlchemy) -> None:
    with verb.scope(read_only):
        assert verb(User.query, "one").email == "ada@x"


def test_a_file_that_may_only_be_read_is_not_written(verb: Verb, read_only: SQLAlchemy) -> None:
    with verb.scope(read_only):
        with pytest.raises(OperationalError, match="readonly"):
            verb(User, "new", email="bob@x")
        assert verb(User.query, "count") == 1


def test_a_transaction_on_a_file_that_may_only_be_read_reads(read_only: SQLAlchemy) -> None:
    with read_only(), read_only.transaction():
        assert User.query.count() == 1


def test_autocommit_begins_nothing(verb: Verb, sqlite_url: str) -> None:
    arguments = {"isolation_level": "AUTOCOMMIT"}
    with (
        created(blog, sqlite_url, engine_args=arguments) as db,
        verb.scope(db),
        driven() as statements,
    ):
        verb(User, "new", email="ada@x")
    assert statements == ["INSERT"]
