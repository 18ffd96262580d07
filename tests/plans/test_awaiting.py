"""An awaited lone statement: the driver is awaited by itself, without a greenlet."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import event, exc, func, inspect, literal, select, text, update
from sqlalchemy.util.concurrency import greenlet_spawn

from fastapi_sqlalchemy import Repository, SQLAlchemy, _home, _ping
from tests import blog
from tests.blog import User

DRIVERS = ["psycopg", "asyncpg"]


@pytest.fixture(params=DRIVERS)
def db(postgres_url: str, request: pytest.FixtureRequest) -> Iterator[SQLAlchemy]:
    url = postgres_url.replace("+psycopg", f"+{request.param}")
    with blog.created(blog.db, url) as database:
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


async def set_and_save(user: User) -> User:
    user.name = "Lovelace"
    return await user.asave()


WRITES: dict[str, Callable[[User], Any]] = {
    "anew": lambda _: User.anew(email="grace@x", name="Grace"),
    "asave": lambda _: User(email="grace@x").asave(),
    "asave of what was set": set_and_save,
    "aupdate": lambda user: user.aupdate(name="Lovelace"),
    "adelete": lambda user: user.adelete(),
    "aadd": lambda _: Repository(User).aadd(User(email="grace@x")),
}


async def test_a_read_that_outlives_its_scope_leaves_its_record_to_others(db: SQLAlchemy) -> None:
    for _ in range(2):
        async with db():
            await User.query.filter_by(name="Ada").afirst()
    with db.engine.begin() as connection:
        connection.execute(text("LOCK TABLE users IN ACCESS EXCLUSIVE MODE"))
        async with db():
            asked = asyncio.ensure_future(User.query.filter_by(name="Ada").afirst())
            locks = "SELECT count(*) FROM pg_locks WHERE relation = 'users'::regclass"
            while not connection.execute(text(f"{locks} AND NOT granted")).scalar():  # noqa: ASYNC110 - the server sets no event
                await asyncio.sleep(0)
            ended = db.session
    ada = await asked
    assert ada is not None
    assert inspect(ada).detached
    assert len(ended.identity_map) == 0
    async with db():
        db.session.add(ada)
        assert inspect(ada).session is db.session


CHANGES: dict[str, Callable[[], Any]] = {
    "aupdate": lambda: User.query.filter_by(name="Ada").aupdate({"name": "Lovelace"}),
    "adelete": lambda: User.query.filter(User.id > 0).adelete(),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_lone_change_by_filter_needs_no_greenlet(
    db: SQLAlchemy, spawned: list[Any], change: str
) -> None:
    async with db():
        for _ in range(2):  # connects, and then makes sure of the connection, in a greenlet
            await User.query.filter_by(id=0).adelete()
        spawned.clear()
        assert await CHANGES[change]() == 1
        assert spawned == []
        pool: Any = db.async_engine.pool
        assert (pool.checkedout(), db.session.in_transaction()) == (0, False)
    async with db():
        left = {"aupdate": ["Lovelace"], "adelete": []}
        assert await User.query.apluck(User.name) == left[change]


async def test_a_cancelled_change_by_filter_changes_nothing(db: SQLAlchemy) -> None:
    async with db():
        await User.query.aone()
        pool: Any = db.async_engine.pool
        with db.engine.begin() as connection:
            connection.execute(update(User).values(name="Augusta"))
            for change in CHANGES.values():
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.2):
                        await change()
                assert pool.checkedout() == 0
            connection.rollback()
        assert await User.query.apluck(User.name) == ["Ada"]


async def test_a_change_by_filter_keeps_to_the_transaction_around_it(db: SQLAlchemy) -> None:
    async with db():
        await User.query.aone()
        with suppress(LookupError):
            async with db.transaction():
                await User.query.adelete(all_rows=True)
                raise LookupError
        assert await User.query.acount() == 1
    async with db(commit_on_exit=True):
        await User.query.adelete(all_rows=True)
        with db.engine.begin() as connection:
            assert connection.execute(select(func.count(User.id))).scalar() == 1
    async with db():
        assert await User.query.acount() == 0


@pytest.mark.parametrize("write", WRITES)
async def test_a_lone_write_needs_no_greenlet(
    db: SQLAlchemy, spawned: list[Any], write: str
) -> None:
    async with db():
        await User.query.aone()  # connects, and what follows makes sure of it, in a greenlet
        ada = await User.query.aone()
        spawned.clear()
        stored = await WRITES[write](ada)
        assert spawned == []
        if write == "adelete":
            assert inspect(ada).deleted
        else:
            assert inspect(stored).persistent
            assert not inspect(stored).modified
        pool: Any = db.async_engine.pool
        assert (pool.checkedout(), db.session.in_transaction()) == (0, False)
    async with db():
        names = sorted(str(name) for name in await User.query.apluck(User.name))
        found = {"anew": ["Ada", "Grace"], "asave": ["Ada", "None"], "adelete": []}
        assert names == found.get(write, names)


async def test_a_refused_write_leaves_its_record_as_it_was(db: SQLAlchemy) -> None:
    async with db():
        await User.query.aone()
        ada = await User.query.aone()
        grace = User(email="ada@x")
        for _ in range(2):
            with pytest.raises(exc.IntegrityError):
                await grace.asave()
            assert inspect(grace).transient
        grace.email = "grace@x"
        assert (await grace.asave()).id is not None
        with pytest.raises(exc.IntegrityError):
            await ada.aupdate(email="grace@x")
        assert (ada.email, inspect(ada).modified) == ("ada@x", False)
        pool: Any = db.async_engine.pool
        assert pool.checkedout() == 0


async def test_a_cancelled_write_leaves_no_row_and_no_lock(db: SQLAlchemy) -> None:
    async with db():
        await User.query.aone()
        ada = await User.query.aone()
        pool: Any = db.async_engine.pool
        with db.engine.begin() as connection:
            connection.execute(update(User).values(name="Augusta"))
            for change in (ada.aupdate(name="Lovelace"), ada.adelete(), set_and_save(ada)):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.2):
                        await change
                assert pool.checkedout() == 0
                assert inspect(ada).persistent
        assert await User.query.apluck(User.name) == ["Augusta"]
        await ada.aupdate(name="Lovelace")
        assert await User.query.apluck(User.name) == ["Lovelace"]


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


@pytest.mark.parametrize("driver", DRIVERS)
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
        others = "pid <> pg_backend_pid() AND datname = current_database()"
        active = f"{asked} AND state = 'active' AND {others}"
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
            patched.setattr(_ping, "TRUSTED", 0)
            patched.setattr(pool._dialect, "_do_ping_w_event", cancelled)
            with pytest.raises(asyncio.CancelledError):
                await User.query.aall()
        assert pool.checkedout() == 0
        assert await User.query.acount() == 1


async def test_a_connection_that_the_pool_has_no_place_for_is_closed(
    db: SQLAlchemy, caplog: pytest.LogCaptureFixture
) -> None:
    url = db.async_engine.url.render_as_string(hide_password=False)
    with blog.created_at(db, url, engine_args={"pool_size": 1, "max_overflow": 1}):
        async with db():
            for _ in range(2):
                await User.query.aall()
            pool: Any = db.async_engine.pool

            async def slowly() -> None:
                async with db():
                    await User.query.filter(func.pg_sleep(0.3).is_(None)).aall()

            async def while_that() -> None:
                async with db():
                    await User.query.acount()  # over another connection, which the pool then keeps

            await asyncio.gather(slowly(), while_that())
            assert (pool.checkedin(), pool.checkedout(), caplog.messages) == (1, 0, [])


@pytest.mark.parametrize("plans", [False, True])
async def test_a_statement_that_a_change_of_its_table_made_void_is_prepared_again(
    postgres_url: str, plans: bool
) -> None:
    url = postgres_url.replace("+psycopg", "+asyncpg")
    one: dict[str, Any] = {"pool_size": 1, "max_overflow": 0}
    with blog.created_at(blog.db, url, plans=plans, engine_args=one) as db:
        ways: dict[str, Callable[[], Any]] = {"alone": db, "in a transaction": db.transaction}
        outcomes: dict[str, list[Any]] = {}
        async with db():
            for name, way in ways.items():
                outcomes[name] = []
                for kind in ("TEXT", "VARCHAR(100)"):
                    for _ in range(2):
                        async with way():
                            await User.query.aall()
                    with db.engine.begin() as connection:
                        connection.exec_driver_sql(f"ALTER TABLE users ALTER name TYPE {kind}")
                    for _ in range(3):
                        try:
                            async with way():
                                outcomes[name].append(await User.query.aall())
                        except exc.DBAPIError as error:
                            outcomes[name].append(type(error.orig).__name__)
        once = ["InvalidCachedStatementError", [], []]  # as SQLAlchemy says itself
        assert outcomes == dict.fromkeys(ways, once * 2)


@pytest.mark.parametrize("name", ["before_cursor_execute", "after_cursor_execute", "do_execute"])
async def test_a_listener_hears_of_awaited_statements(db: SQLAlchemy, name: str) -> None:
    heard: list[Any] = []

    def listener(*args: Any) -> None:
        heard.append(args)

    async with db():
        for _ in range(2):
            await User.query.aall()
        engine = db.async_engine.sync_engine
        event.listen(engine, name, listener)
        try:
            await User.query.aall()
            grace = await User.anew(email="grace@x")
            await grace.aupdate(name="Grace")
            await grace.adelete()
        finally:
            event.remove(engine, name, listener)
        assert len(heard) == 4


@pytest.mark.parametrize("name", ["checkout", "checkin"])
async def test_a_listener_hears_of_connections_for_awaited_statements(
    db: SQLAlchemy, name: str
) -> None:
    heard: list[Any] = []

    def listener(*args: Any) -> None:
        heard.append(args)

    async with db():
        for _ in range(2):
            await User.query.aall()
        event.listen(db.async_engine.sync_engine, name, listener)
        await User.query.aall()
        await User.anew(email="grace@x")
        assert len(heard) == 2
