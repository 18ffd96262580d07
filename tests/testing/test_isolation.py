"""Whatever is committed within `db.testing()` is seen there, and gone after it."""

import asyncio
import threading
from collections.abc import Callable

import pytest
from sqlalchemy import exc, insert, inspect, text
from sqlalchemy.ext.asyncio import create_async_engine

from fastapi_sqlalchemy.exceptions import ForeignKeyViolation, SyncInAsyncError, UniqueViolation
from tests.databases import Databases
from tests.shop import NOWHERE, Entry, Item, db, entries, ledger, lent, open_ledger, open_shop
from tests.transactions.tools import Spoilt, execute, of_session, on_commit, seen, spoilt
from tests.verbs import Verb

Stored = Callable[[], list[str]]


def save(verb: Verb) -> None:
    verb(Item(name="pen"), "save")


def commit_the_session(verb: Verb) -> None:
    execute(verb, insert(Item).values(name="pen"))
    of_session(verb, "commit")


def end_a_block(verb: Verb) -> None:
    with verb.within(db.transaction):
        verb(Item, "new", name="pen")


def end_blocks(verb: Verb) -> None:
    with verb.within(db.transaction):
        verb(Item, "new", name="pen")
        with spoilt(), verb.within(db.transaction):
            verb(Item, "new", name="ink")
            raise Spoilt


def save_after_a_failure(verb: Verb) -> None:
    verb(Item, "new", name="pen")
    with pytest.raises(UniqueViolation):
        verb(Item, "new", name="pen")
    assert seen(verb) == ["pen"]


def serve_at_another_level(verb: Verb) -> None:
    with verb.within(lambda: db.transaction(isolation_level="SERIALIZABLE")):
        verb(Item, "new", name="pen")


WAYS = [
    save,
    commit_the_session,
    end_a_block,
    end_blocks,
    save_after_a_failure,
    serve_at_another_level,
]


@pytest.mark.parametrize("write", WAYS)
def test_what_is_committed_is_seen_by_others_within_and_gone_afterwards(
    url: str, verb: Verb, write: Callable[[Verb], None], stored: Stored
) -> None:
    open_shop(url)
    with verb.within(db.testing):
        with verb.scope(db):
            write(verb)
        with verb.scope(db):
            assert seen(verb) == ["pen"]
        if url != "sqlite://":  # in memory others wait for a transaction
            assert stored() == []
    assert stored() == []
    assert lent() == 0


def test_a_scope_that_commits_late_is_isolated(url: str, verb: Verb, stored: Stored) -> None:
    open_shop(url, commit_on_exit=True)
    with verb.within(db.testing):
        with verb.scope(db):
            verb(Item, "new", name="pen")
        with spoilt(), verb.scope(db):
            verb(Item, "new", name="ink")
            raise Spoilt
        with verb.scope(db):
            assert seen(verb) == ["pen"]
    assert stored() == []


def test_a_rollback_keeps_what_was_committed_before(url: str, verb: Verb) -> None:
    open_shop(url)
    with verb.within(db.testing), verb.scope(db):
        verb(Item, "new", name="pen")
        with spoilt(), verb.within(db.transaction):
            verb(Item, "new", name="ink")
            raise Spoilt
        assert seen(verb) == ["pen"]


def test_it_works_again(url: str, verb: Verb, stored: Stored) -> None:
    open_shop(url, "old")
    for _ in range(3):
        with verb.within(db.testing), verb.scope(db):
            assert seen(verb) == ["old"]
            verb(Item, "new", name="pen")
    with verb.scope(db):
        verb(Item, "new", name="kept")
    assert stored() == ["kept", "old"]


def test_an_exception_ends_it_too(url: str, verb: Verb, stored: Stored) -> None:
    open_shop(url)
    with spoilt(), verb.within(db.testing), verb.scope(db):
        verb(Item, "new", name="pen")
        raise Spoilt
    assert stored() == []
    assert lent() == 0


def test_a_block_within_another_is_rolled_back_alone(url: str, verb: Verb, stored: Stored) -> None:
    open_shop(url)
    with verb.within(db.testing):
        with verb.scope(db):
            verb(Item, "new", name="for all tests")
        for _ in range(2):
            with verb.within(db.testing), verb.scope(db):
                verb(Item, "new", name="for one")
                verb(Item, "new", name="for one as well")
                assert len(seen(verb)) == 3
        with verb.scope(db):
            assert seen(verb) == ["for all tests"]
    assert stored() == []


def test_a_transaction_that_is_tried_again_leaves_its_last_attempt(url: str) -> None:
    open_shop(url)
    attempts: list[int] = []

    class Conflict(Exception):
        sqlstate = "40001"

    @db.transaction(retries=2)
    def add() -> None:
        attempts.append(Item.query.count())
        Item.new(name="pen")
        if len(attempts) < 3:
            raise exc.DBAPIError("UPDATE items", None, Conflict())

    with db.testing():
        add()
        assert attempts == [0, 0, 0]
        with db():
            assert Item.query.count() == 1


def test_the_engine_is_isolated_for_everybody(url: str, stored: Stored) -> None:
    open_shop(url)
    with db.testing():
        with db.engine.begin() as connection:
            connection.execute(insert(Item).values(name="pen"))
        autocommit = db.engine.execution_options(isolation_level="AUTOCOMMIT")
        with autocommit.connect() as connection:
            connection.execute(insert(Item).values(name="ink"))
        with db.engine.connect() as connection:
            connection.execute(insert(Item).values(name="forgotten"))
        with db():
            assert [item.name for item in Item.query.order_by(Item.name)] == ["ink", "pen"]
    assert stored() == []


def test_threads_loops_and_the_test_see_the_same(url: str, stored: Stored) -> None:
    open_shop(url)

    async def add() -> None:
        async with db():
            await Item.anew(name="from a loop")

    def add_in_a_thread() -> None:
        with db():
            Item.new(name="from a thread")

    with db.testing():
        asyncio.run(add())
        thread = threading.Thread(target=add_in_a_thread)
        thread.start()
        thread.join()
        with db():
            assert Item.query.count() == 2
        asyncio.run(add_another_after_reading())
    assert stored() == []


async def add_another_after_reading() -> None:
    async with db(), asyncio.TaskGroup() as tasks:
        assert await Item.query.acount() == 2
        for name in "abc":
            tasks.create_task(add_in_a_scope(name))


async def add_in_a_scope(name: str) -> None:
    async with db():
        await Item.anew(name=name)


def test_tables_created_within_are_gone_unless_the_database_commits_them(url: str) -> None:
    db.init(url)
    with db.testing():
        db.create_all()
        with db():
            Item.new(name="pen")
            assert Item.query.count() == 1
    tables = inspect(db.engine).get_table_names()
    if url.startswith("mysql"):
        with db():
            assert Item.query.count() == 0
    else:
        assert tables == []


def test_a_hook_runs_once_its_transaction_is_committed(url: str, verb: Verb) -> None:
    open_shop(url)
    ran: list[str] = []
    with verb.within(db.testing), verb.scope(db):
        with verb.within(db.transaction):
            verb(Item, "new", name="pen")
            on_commit(verb, lambda: ran.append("stored"))
            assert ran == []
        assert ran == ["stored"]
        with spoilt(), verb.within(db.transaction):
            on_commit(verb, lambda: ran.append("never"))
            raise Spoilt
    assert ran == ["stored"]


@pytest.mark.parametrize("kind", ["sqlite_file_url", "postgres_url"])
def test_a_constraint_that_is_checked_late_fails_the_commit(
    kind: str, verb: Verb, request: pytest.FixtureRequest
) -> None:
    open_ledger(request.getfixturevalue(kind))
    with verb.within(ledger.testing), verb.scope(ledger):
        with pytest.raises(ForeignKeyViolation):
            verb(Entry, "new", follows=NOWHERE)
        assert verb(Entry.query, "count") == 0
        verb(Entry, "new", id=3)
        with verb.within(ledger.transaction):  # it is still checked late
            verb(Entry, "new", id=1, follows=2)
            verb(Entry, "new", id=2, follows=1)
        assert verb(Entry.query, "count") == 3
    assert entries() == []


def test_a_failed_read_takes_nothing_with_it(url: str, verb: Verb) -> None:
    open_shop(url)
    with verb.within(db.testing):
        with verb.scope(db):
            verb(Item, "new", name="pen")
            with pytest.raises(Exception, match=r"nowhere"):
                execute(verb, text("SELECT nothing FROM nowhere"))
        with verb.scope(db):
            assert seen(verb) == ["pen"]


def test_a_read_that_fails_in_a_transaction_does_not_undo_it_unseen(url: str) -> None:
    open_shop(url)
    with db.testing(), db():
        with db.engine.begin() as connection:
            connection.execute(insert(Item).values(name="pen"))
            with pytest.raises(Exception, match=r"nowhere"), connection.begin_nested():
                connection.execute(text("SELECT nothing FROM nowhere"))
        assert Item.query.count() == 1


def test_a_transaction_that_only_reads_refuses_changes(url: str, verb: Verb) -> None:
    open_shop(url)
    with verb.within(db.testing), verb.scope(db):
        with (
            pytest.raises(Exception, match=r"(?i)read.?only"),
            verb.within(lambda: db.transaction(read_only=True)),
        ):
            verb(Item, "new", name="pen")
        verb(Item, "new", name="ink")
        assert seen(verb) == ["ink"]


@pytest.mark.parametrize("level", ["SERIALIZABLE", "AUTOCOMMIT"])
def test_an_engine_with_a_level_of_its_own_is_isolated(
    server_url: str, level: str, stored: Stored
) -> None:
    open_shop(server_url, engine_args={"isolation_level": level})
    with db.testing():
        with db():
            assert Item.query.count() == 0
            Item.new(name="pen")
        with db():
            assert Item.query.count() == 1
        assert stored() == []
    assert stored() == []


def test_a_url_of_asyncpg_is_served_by_psycopg(postgres_url: str, stored: Stored) -> None:
    db.init(postgres_url.replace("+psycopg", "+asyncpg"))
    db.create_all()

    async def add() -> int:
        async with db.testing(), db():
            await Item.anew(name="pen")
            return await Item.query.acount()

    assert asyncio.run(add()) == 1
    assert stored() == []


def test_an_asyncio_engine_of_the_caller_is_isolated(postgres_url: str, stored: Stored) -> None:
    async def main() -> None:
        engine = create_async_engine(postgres_url)
        db.init(async_engine=engine)
        await db.acreate_all()
        async with db.testing(), db():
            await Item.anew(name="pen")
            assert await Item.query.acount() == 1
        assert stored() == []
        await engine.dispose()

    asyncio.run(main())


def test_a_blocking_verb_where_the_loop_is_the_home_is_refused_as_ever(postgres_url: str) -> None:
    open_shop(postgres_url)

    async def main() -> None:
        async with db.testing(), db():
            await Item.anew(name="pen")
            with pytest.raises(SyncInAsyncError):
                Item.query.count()

    asyncio.run(main())


def test_no_connection_is_left_at_the_server(server_url: str, connections: Databases) -> None:
    open_shop(server_url)
    with db.testing(), db():
        Item.new(name="pen")
        assert connections.settle(server_url, open=1, idle_in_transaction=1).open == 1
    db.dispose()
    assert connections.settle(server_url) == (0, 0)
