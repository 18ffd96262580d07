"""An awaited read over psycopg: the driver is awaited by itself, without a greenlet."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import exc, func, inspect, literal
from sqlalchemy.util.concurrency import greenlet_spawn

from fastapi_sqlalchemy import SQLAlchemy, _home
from fastapi_sqlalchemy._plans import running
from tests import blog
from tests.blog import User


@pytest.fixture
def db(postgres_url: str) -> Iterator[SQLAlchemy]:
    with blog.created(blog.db, postgres_url) as database:
        with database():
            User.new(email="ada@x", name="Ada")
        yield database


@pytest.fixture
def spawned(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The calls that went into a greenlet."""
    calls: list[Any] = []
    spawn = greenlet_spawn

    def counting(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        calls.append(call)
        return spawn(call, *args, **kwargs)

    monkeypatch.setattr(_home, "greenlet_spawn", counting)
    return calls


READS: dict[str, Callable[[], Any]] = {
    "aget": lambda: User.aget(1),
    "afirst": lambda: User.query.filter_by(name="Ada").afirst(),
    "aone": lambda: User.query.filter_by(name="Ada").aone(),
    "aall": lambda: User.query.aall(),
    "acount": lambda: User.query.acount(),
    "aexists": lambda: User.query.aexists(),
    "adicts": lambda: User.query.adicts(User.name),
    "apluck": lambda: User.query.apluck(User.name),
}


@pytest.mark.parametrize("read", READS)
async def test_a_lone_read_needs_no_greenlet(db: SQLAlchemy, spawned: list[Any], read: str) -> None:
    plain = None
    for _ in range(2):  # connects, and then makes sure of the connection, in a greenlet
        async with db():
            plain = await READS[read]()
    spawned.clear()
    async with db():
        found = await READS[read]()
        assert repr(found) == repr(plain)
        if read == "aget":
            state = inspect(found)
            assert (state.persistent, state.session) == (True, db.session)
    assert spawned == []


async def test_what_waits_to_be_flushed_is_flushed_first(
    db: SQLAlchemy, spawned: list[Any]
) -> None:
    async with db():
        ada = await User.query.aone()
        ada.name = "Lovelace"
        assert await User.query.filter_by(name="Lovelace").aexists()


async def test_tasks_of_a_scope_take_turns(db: SQLAlchemy) -> None:
    async with db():
        await User.query.aall()
        counts = await asyncio.gather(*(User.query.acount() for _ in range(5)))
    assert counts == [1] * 5


async def test_an_error_is_sqlalchemys_and_the_connection_comes_back(db: SQLAlchemy) -> None:
    async with db():
        await User.query.aall()
        odd = User.query.filter(literal(1) / (User.id - 1) > 0)
        assert await odd.aexplain_plan() == "a plan"
        for _ in range(2):
            with pytest.raises(exc.DBAPIError) as refused:
                await odd.aall()
            assert "division by zero" in str(refused.value)
        pool: Any = db.async_engine.pool
        assert pool.checkedout() == 0
        assert await User.query.acount() == 1


async def test_a_cancelled_read_gives_its_connection_back(db: SQLAlchemy) -> None:
    async with db():
        await User.query.aall()
        slow = User.query.filter(func.pg_sleep(30).is_not(None))
        assert await slow.aexplain_plan() == "a plan"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await slow.aall()
        pool: Any = db.async_engine.pool
        assert pool.checkedout() == 0
        assert await User.query.acount() == 1


async def test_a_connection_that_the_server_ended_is_replaced(db: SQLAlchemy) -> None:
    async with db():
        pid = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        await User.query.aall()
        with db.engine.begin() as connection:
            connection.exec_driver_sql(f"{pid} AND datname = current_database()")
        assert await User.query.acount() == 1


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
async def test_both_drivers_find_what_sqlalchemy_finds(postgres_url: str, driver: str) -> None:
    url = postgres_url.replace("+psycopg", f"+{driver}")
    found: list[list[Any]] = []
    for plans in (False, True):
        with blog.created(blog.db, url, plans=plans) as db:
            async with db():
                if not await User.query.acount():
                    for name in ("Ada", "Grace", None):
                        await User.anew(email=f"{name}@x", name=name)
                for _ in range(2):
                    await User.query.aall()
                if plans:
                    assert await User.query.filter_by(name="Ada").aexplain_plan() == "a plan"
                later = User.query.filter(User.id > 1).order_by(User.id.desc())
                found.append(
                    [
                        await User.query.filter_by(name="Ada").adicts(User.id, User.name),
                        await User.query.filter_by(name=None).acount(),
                        await later.apluck(User.id),
                        repr(await User.query.order_by(User.id).limit(1).offset(1).aone()),
                        repr(await User.aget(2)),
                        [tuple(row) for row in await User.query.order_by(User.id).arows()],
                        await User.query.filter_by(name="Eve").aexists(),
                        (await User.query.order_by(User.id).apaginate(2, 1)).total,
                    ]
                )
    assert found[0] == found[1]


async def test_a_cancelled_task_ends_cancelled_and_gives_its_connection_back(
    db: SQLAlchemy,
) -> None:
    async with db():
        pool: Any = db.async_engine.pool
        slow = User.query.filter(func.pg_sleep(30).is_not(None))
        asked = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%%pg_sleep%%'"
        active = f"{asked} AND state = 'active' AND pid <> pg_backend_pid()"
        for _ in range(3):
            for _ in range(2):  # connects, and then makes sure of the connection
                await User.query.aall()
            task = asyncio.create_task(slow.aall())
            with db.engine.connect() as connection:
                while not connection.exec_driver_sql(active).scalar():
                    connection.rollback()
                    await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                connection.rollback()
                assert connection.exec_driver_sql(active).scalar() == 0
            assert pool.checkedout() == 0
        assert await User.query.acount() == 1


async def test_a_connection_comes_back_from_a_check_that_was_cancelled(
    db: SQLAlchemy, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cancelled(*_: Any, **__: Any) -> bool:
        raise asyncio.CancelledError

    async with db():
        await User.query.aall()
        pool: Any = db.async_engine.pool
        with monkeypatch.context() as patched:
            patched.setattr(running, "is_trusted", lambda *_: False)
            patched.setattr(pool._dialect, "_do_ping_w_event", cancelled)
            with pytest.raises(asyncio.CancelledError):
                await User.query.aall()
        assert pool.checkedout() == 0
        assert await User.query.acount() == 1
