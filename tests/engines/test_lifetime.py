"""When engines and connections are made, shared and closed."""

import asyncio
import gc
import sys
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, QueuePool, create_engine, event, make_url, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import create_async_engine

from fastapi_sqlalchemy import SQLAlchemy
from tests.blog import User
from tests.blog import created_at as created
from tests.blog import db as blog
from tests.databases import Connections, Databases
from tests.interpreter import Python
from tests.verbs import Verb

THREADS = 20


def test_a_database_imports_no_driver_before_it_is_used(python: Python) -> None:
    told = python(
        """
import sys
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from fastapi_sqlalchemy import ModelBase, SQLAlchemy

class Base(ModelBase, DeclarativeBase):
    pass

db = SQLAlchemy("postgresql://nowhere/db", model_class=Base)

class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)

with db():
    User.query.filter_by(id=1)
    User()
print("psycopg" in sys.modules)
"""
    ).stdout
    assert told == "False\n"


def test_a_database_connects_to_nothing_before_it_is_used(
    postgres_url: str, connections: Databases
) -> None:
    blog.init(postgres_url)
    try:
        with blog():
            str(User.query)
            assert blog.engine is blog.engine
            assert blog.session is blog.session
        assert connections(postgres_url).open == 0
    finally:
        blog.init()


def test_threads_that_come_at_once_share_one_engine(sqlite_file_url: str) -> None:
    db = SQLAlchemy(sqlite_file_url)
    together = threading.Barrier(THREADS)

    def engine() -> int:
        together.wait()
        return id(db.engine)

    with ThreadPoolExecutor(THREADS) as threads:
        found = {future.result() for future in [threads.submit(engine) for _ in range(THREADS)]}
    assert len(found) == 1
    db.init()


async def twice() -> list[object]:
    return [blog.async_engine, blog.async_engine]


def test_an_event_loop_has_one_asyncio_engine(postgres_url: str) -> None:
    blog.init(postgres_url)
    one, other = asyncio.run(twice())
    assert one is other
    blog.init()


def test_each_event_loop_has_an_asyncio_engine_of_its_own(postgres_url: str) -> None:
    blog.init(postgres_url)
    assert asyncio.run(twice())[0] is not asyncio.run(twice())[0]
    blog.init()


def test_event_loops_of_many_threads_come_and_go_at_once() -> None:
    db = SQLAlchemy("postgresql://nowhere/db")
    together = threading.Barrier(THREADS)

    async def use() -> None:
        assert db.async_engine is db.async_engine

    def come_and_go() -> None:
        together.wait()
        for _ in range(50):
            asyncio.run(use())

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(THREADS) as threads:
            for future in [threads.submit(come_and_go) for _ in range(THREADS)]:
                future.result()
    finally:
        sys.setswitchinterval(interval)


async def save(email: str) -> None:
    async with blog():
        await User.anew(email=email)


def with_driver(url: str, driver: str) -> str:
    asked = make_url(url).set(drivername=driver)
    return asked.render_as_string(hide_password=False)


def test_the_asyncio_engine_of_a_loop_that_is_gone_is_not_kept(postgres_url: str) -> None:
    def used() -> weakref.ref[object]:
        async def main() -> weakref.ref[object]:
            await save(f"{uuid4()}@x")
            return weakref.ref(blog.async_engine)

        return asyncio.run(main())

    with created(blog, postgres_url):
        engines = [used() for _ in range(3)]
        gc.collect()
        assert [engine() for engine in engines[:2]] == [None, None]


@pytest.mark.parametrize("driver", ["postgresql+psycopg", "postgresql+asyncpg"])
def test_the_connections_of_a_loop_are_closed_with_it(
    postgres_url: str, connections: Databases, driver: str
) -> None:
    async def main(email: str) -> int:
        await save(email)
        return connections(postgres_url).open

    with created(blog, with_driver(postgres_url, driver)):
        blog.dispose()
        for email in ("ada@x", "bob@x"):
            assert asyncio.run(main(email)) == 1
            assert connections.settle(postgres_url).open == 0


def test_the_connections_of_a_loop_of_mariadb_are_closed_with_it(
    mysql_url: str, connections: Databases
) -> None:
    with created(blog, mysql_url):
        blog.dispose()
        for email in ("ada@x", "bob@x"):
            asyncio.run(save(email))
            assert connections.settle(mysql_url).open == 0


def test_a_loop_that_was_closed_without_ceremony_does_not_disturb_the_next(
    python: Python, postgres_url: str
) -> None:
    told = python(
        """
import asyncio, gc, sys, warnings
from tests.blog import User, db

async def main():
    async with db():
        await User.anew(email=f"{id(asyncio.get_running_loop())}@x")
        return await User.query.acount()

db.init(sys.argv[1])
db.create_all()
with warnings.catch_warnings():
    warnings.simplefilter("ignore", ResourceWarning)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    loop.close()
    del loop
    print(asyncio.run(main()))
    gc.collect()
db.init()
""",
        postgres_url,
    ).stdout
    assert told == "2\n"


def test_two_loops_at_once_have_connections_of_their_own(postgres_url: str) -> None:
    together = threading.Barrier(2)

    async def main(email: str) -> int:
        async with blog():
            await User.anew(email=email)
            await asyncio.to_thread(together.wait)
            return await User.query.acount()

    with created(blog, postgres_url), ThreadPoolExecutor(2) as threads:
        counts = list(threads.map(lambda email: asyncio.run(main(email)), ["ada@x", "bob@x"]))
    assert counts == [2, 2]


def test_init_closes_the_connections_of_the_engine_there_was(
    server_url: str, connections: Databases
) -> None:
    with created(blog, server_url):
        assert connections.settle(server_url, open=1).open == 1
        blog.init("sqlite://")
        assert connections.settle(server_url).open == 0


def test_init_again_leads_to_the_new_place(verb: Verb) -> None:
    with created(blog, "sqlite://"), verb.scope(blog):
        verb(User, "new", email="ada@x")
    with created(blog, "sqlite://"), verb.scope(blog):
        assert verb(User.query, "count") == 0


def test_dispose_closes_the_connections_and_the_database_goes_on(
    server_url: str, connections: Databases
) -> None:
    with created(blog, server_url):
        blog.dispose()
        assert connections.settle(server_url).open == 0
        with blog():
            User.new(email="ada@x")
            assert User.query.count() == 1


def test_adispose_closes_the_connections_of_both_kinds_and_the_database_goes_on(
    postgres_url: str, connections: Databases
) -> None:
    async def main() -> tuple[Connections, Connections, int]:
        await save("ada@x")
        before = connections(postgres_url)
        await blog.adispose()
        after = connections.settle(postgres_url)
        async with blog():
            return before, after, await User.query.acount()

    with created(blog, postgres_url):
        before, after, count = asyncio.run(main())
    assert (before.open, after.open, count) == (2, 0, 1)


@pytest.mark.parametrize("close", [SQLAlchemy.dispose, SQLAlchemy.init])
def test_an_engine_of_the_callers_is_the_callers_to_dispose(
    postgres_url: str, connections: Databases, close: Callable[[SQLAlchemy], None]
) -> None:
    engine = create_engine(postgres_url)
    db = SQLAlchemy(engine=engine)
    with db():
        db.session.scalar(text("SELECT 1"))
    close(db)
    assert connections(postgres_url).open == 1
    engine.dispose()


def test_an_asyncio_engine_of_the_callers_is_the_callers_to_dispose(
    postgres_url: str, connections: Databases
) -> None:
    async def main() -> int:
        engine = create_async_engine(postgres_url)
        try:
            db = SQLAlchemy(async_engine=engine)
            async with db():
                await db.async_session.scalar(text("SELECT 1"))
            await db.adispose()
            return connections(postgres_url).open
        finally:
            await engine.dispose()

    assert asyncio.run(main()) == 1


def test_an_asyncio_engine_of_the_callers_serves_awaited_verbs(postgres_url: str) -> None:
    async def main() -> bool:
        engine = create_async_engine(postgres_url)
        try:
            db = SQLAlchemy(async_engine=engine)
            async with db():
                await db.async_session.scalar(text("SELECT 1"))
            return db.async_engine is engine
        finally:
            await engine.dispose()

    assert asyncio.run(main())


def end_all(url: str) -> None:
    """End every other connection to a database, as a restart of the server does."""
    engine = create_engine(url)
    with engine.connect() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    engine.dispose()


def test_a_connection_that_the_server_has_ended_is_replaced(verb: Verb, postgres_url: str) -> None:
    with created(blog, postgres_url), verb.scope(blog):
        verb(User, "new", email="ada@x")
        end_all(postgres_url)
        assert verb(User.query, "count") == 1


def test_the_check_of_connections_may_be_switched_off(verb: Verb, postgres_url: str) -> None:
    options = {"engine_args": {"pool_pre_ping": False}}
    with created(blog, postgres_url, **options), verb.scope(blog):
        verb(User, "new", email="ada@x")
        end_all(postgres_url)
        with pytest.raises(OperationalError):
            verb(User.query, "count")


def test_a_pool_of_threads_serves_awaited_calls_in_its_asyncio_form(
    verb: Verb, postgres_url: str
) -> None:
    options = {"engine_args": {"poolclass": QueuePool, "pool_size": 1, "max_overflow": 0}}
    with created(blog, postgres_url, **options), verb.scope(blog):
        user = verb(User, "new", email="ada@x")
        assert verb(User.query, "all") == [user]


def test_the_level_of_isolation_is_that_of_both_engines(verb: Verb, server_url: str) -> None:
    levels: list[str] = []

    def note(connection: Any, *_: Any) -> None:
        levels.append(connection.get_isolation_level())

    options = {"engine_args": {"isolation_level": "SERIALIZABLE"}}
    with created(blog, server_url, **options), verb.scope(blog):
        verb(User, "new", email="ada@x")
        event.listen(Engine, "before_cursor_execute", note)
        try:
            verb(User.query, "count")
            verb(User, "new", email="bob@x")
        finally:
            event.remove(Engine, "before_cursor_execute", note)
    assert set(levels) == {"SERIALIZABLE"}


def test_autocommit_keeps_what_was_written_before_an_error(verb: Verb, url: str) -> None:
    options = {"engine_args": {"isolation_level": "AUTOCOMMIT"}}
    with created(blog, url, **options):
        with suppress(ZeroDivisionError), verb.scope(blog, commit_on_exit=True):
            verb(User, "new", email="ada@x")
            raise ZeroDivisionError
        with verb.scope(blog):
            assert verb(User.query, "count") == 1


FORK = """
import os, sys
from sqlalchemy import text
from tests.blog import User, db

def process():
    return db.session.scalar(text("SELECT pg_backend_pid()"))

db.init(sys.argv[1])
db.create_all()
with db():
    User.new(email="parent@x")
with db():
    before = process()
readable, writable = os.pipe()
child = os.fork()
if child == 0:
    try:
        with db():
            User.new(email="child@x")
            os.write(writable, f"{process()} {User.query.count()}".encode())
        db.dispose()
    finally:
        os._exit(0)
os.waitpid(child, 0)
os.close(writable)
with os.fdopen(readable) as answer:
    in_child, count = answer.read().split()
with db():
    print(int(in_child) != before, count, process() == before, User.query.count())
db.dispose()
"""


def test_a_forked_child_has_connections_of_its_own_and_leaves_those_of_its_parent(
    python: Python, postgres_url: str
) -> None:
    assert python(FORK, postgres_url).stdout == "True 2 True 2\n"


FORK_WITHIN_A_LOOP = """
import asyncio, os, sys
from tests.blog import User, db

async def count():
    async with db():
        return await User.query.acount()

async def main():
    async with db():
        await User.anew(email="parent@x")
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with db():
                blocking = User.query.count()
            db.dispose()
            os.write(writable, f"{blocking} {asyncio.run(count())}".encode())
        finally:
            os._exit(0)
    await asyncio.to_thread(os.waitpid, child, 0)
    os.close(writable)
    with os.fdopen(readable) as answer:
        print(answer.read(), await count())

db.init(sys.argv[1], blocking="allow")
db.create_all()
asyncio.run(main())
db.dispose()
"""


def test_a_child_forked_within_a_loop_leaves_the_connections_of_the_loop(
    python: Python, postgres_url: str
) -> None:
    assert python(FORK_WITHIN_A_LOOP, postgres_url).stdout == "1 1 1\n"


def test_a_forked_child_reads_and_writes_an_sqlite_file_of_its_parent(
    python: Python, sqlite_file_url: str
) -> None:
    told = python(
        """
import os, sys
from tests.blog import User, db

db.init(sys.argv[1])
db.create_all()
with db():
    User.new(email="parent@x")
child = os.fork()
if child == 0:
    try:
        with db():
            User.new(email="child@x")
        db.dispose()
    finally:
        os._exit(0)
os.waitpid(child, 0)
with db():
    print([user.email for user in User.query.order_by(User.id)])
db.dispose()
""",
        sqlite_file_url,
    ).stdout
    assert told == "['parent@x', 'child@x']\n"
