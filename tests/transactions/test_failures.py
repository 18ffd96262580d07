"""What fails within a block, or at its end, leaves neither half of it stored."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, SQLAlchemyError

from fastapi_sqlalchemy import SQLAlchemy
from fastapi_sqlalchemy.exceptions import ForeignKeyViolation, RolledBackError
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
from tests.statements import sent
from tests.transactions.rivals import rival
from tests.transactions.tools import Spoilt, execute, of_session, on_commit, seen, spoilt
from tests.verbs import Verb


def refused_new(verb: Verb) -> None:
    """Save an item whose name is taken."""
    with pytest.raises(IntegrityError):
        verb(Item, "new", name="taken")


def test_a_refused_save_takes_nothing_of_its_block_with_it(url: str, verb: Verb) -> None:
    open_shop(url, "taken")
    with verb.scope(db), verb.within(lambda: db.transaction()):
        refused_new(verb)
        verb(Item, "new", name="before")
        refused_new(verb)
        assert seen(verb) == ["before", "taken"]
        verb(Item, "new", name="after")
    assert names() == ["after", "before", "taken"]


def test_a_refused_save_in_an_inner_block_takes_nothing_of_it(url: str, verb: Verb) -> None:
    open_shop(url, "taken")
    with (
        verb.scope(db),
        verb.within(lambda: db.transaction()),
        verb.within(lambda: db.transaction()),
    ):
        verb(Item, "new", name="before")
        refused_new(verb)
        verb(Item, "new", name="after")
    assert names() == ["after", "before", "taken"]


def test_a_refused_save_that_leaves_an_inner_block_takes_that_block(url: str, verb: Verb) -> None:
    open_shop(url, "taken")
    with verb.scope(db), verb.within(lambda: db.transaction()):
        verb(Item, "new", name="outer")
        with suppress(IntegrityError), verb.within(lambda: db.transaction()):
            verb(Item, "new", name="inner")
            verb(Item, "new", name="taken")
        assert seen(verb) == ["outer", "taken"]
        verb(Item, "new", name="after")
    assert names() == ["after", "outer", "taken"]


def test_a_refused_save_that_comes_first_leaves_the_isolation_level(
    postgres_url: str, verb: Verb
) -> None:
    open_shop(postgres_url, "taken")
    with verb.scope(db), verb.within(lambda: db.transaction(isolation_level="SERIALIZABLE")):
        refused_new(verb)
        level = execute(verb, text("SHOW transaction_isolation")).scalar_one()
    assert level == "serializable"


def test_a_refused_save_leaves_a_view_of_the_data_that_stays(postgres_url: str, verb: Verb) -> None:
    open_shop(postgres_url, "taken")
    with verb.scope(db), verb.within(lambda: db.transaction(isolation_level="REPEATABLE READ")):
        assert seen(verb) == ["taken"]
        with db.engine.begin() as connection:
            connection.execute(text("INSERT INTO items (name) VALUES ('new')"))
        refused_new(verb)
        assert seen(verb) == ["taken"]


NONSENSE = text("SELECT nonsense")


@pytest.fixture(params=["psycopg", "asyncpg"])
def driver_url(request: pytest.FixtureRequest, postgres_url: str) -> str:
    """The address of an empty PostgreSQL database, once for each asyncio driver."""
    return postgres_url.replace("+psycopg", f"+{request.param}")


def failed_statement(verb: Verb) -> None:
    """A statement of the session that fails, which nobody hears of."""
    with pytest.raises(DBAPIError):
        execute(verb, NONSENSE)


def test_a_failed_statement_on_postgresql_does_not_let_its_block_commit(
    driver_url: str, verb: Verb
) -> None:
    open_shop(driver_url)
    ran: list[str] = []

    def block() -> None:
        with verb.within(lambda: db.transaction()):
            verb(Item, "new", name="before")
            on_commit(verb, lambda: ran.append("hook"))
            failed_statement(verb)

    with verb.scope(db):
        with pytest.raises(SQLAlchemyError):
            block()
        assert ran == []
        verb(Item, "new", name="later")
    assert names() == ["later"]


def test_a_failed_statement_on_postgresql_does_not_let_its_scope_commit(
    driver_url: str, verb: Verb
) -> None:
    open_shop(driver_url)
    ran: list[str] = []

    def scope() -> None:
        with verb.scope(db, commit_on_exit=True):
            verb(Item, "new", name="before")
            on_commit(verb, lambda: ran.append("hook"))
            failed_statement(verb)

    with pytest.raises(SQLAlchemyError):
        scope()
    assert ran == []
    assert names() == []


def test_a_failed_statement_on_postgresql_takes_the_inner_block_it_is_in(
    driver_url: str, verb: Verb
) -> None:
    open_shop(driver_url)

    def inner() -> None:
        with verb.within(lambda: db.transaction()):
            verb(Item, "new", name="inner")
            failed_statement(verb)

    with verb.scope(db), verb.within(lambda: db.transaction()):
        verb(Item, "new", name="before")
        with pytest.raises(SQLAlchemyError):
            inner()
        assert seen(verb) == ["before"]
        verb(Item, "new", name="after")
    assert names() == ["after", "before"]


def test_a_failed_statement_that_leaves_an_inner_block_leaves_the_outer_one(
    url: str, verb: Verb
) -> None:
    open_shop(url)
    with verb.scope(db), verb.within(lambda: db.transaction()):
        verb(Item, "new", name="before")
        with suppress(DBAPIError), verb.within(lambda: db.transaction()):
            verb(Item, "new", name="inner")
            execute(verb, NONSENSE)
        verb(Item, "new", name="after")
    assert names() == ["after", "before"]


@pytest.mark.parametrize("fixture", [None, "sqlite_file_url", "mysql_url"])
def test_a_failed_statement_elsewhere_leaves_its_block_as_it_is(
    fixture: str | None, verb: Verb, request: pytest.FixtureRequest
) -> None:
    open_shop("sqlite://" if fixture is None else request.getfixturevalue(fixture))
    with verb.scope(db), verb.within(lambda: db.transaction()):
        verb(Item, "new", name="before")
        failed_statement(verb)
        verb(Item, "new", name="after")
    assert names() == ["after", "before"]


def failed_flush(verb: Verb) -> None:
    """A flush of the session that fails, which nobody hears of."""
    verb.inside(lambda: db.session.add(Item(name="taken")))
    with pytest.raises(IntegrityError):
        of_session(verb, "flush")


def test_a_failed_flush_does_not_let_its_block_commit(url: str, verb: Verb) -> None:
    open_shop(url, "taken")

    def block() -> None:
        with verb.within(lambda: db.transaction()):
            verb(Item, "new", name="before")
            failed_flush(verb)

    with verb.scope(db):
        with pytest.raises(SQLAlchemyError):
            block()
        verb(Item, "new", name="later")
    assert names() == ["later", "taken"]


def test_a_failed_flush_takes_the_inner_block_it_is_in(home_url: str, verb: Verb) -> None:
    open_shop(home_url, "taken")

    def inner() -> None:
        with verb.within(lambda: db.transaction()):
            verb(Item, "new", name="inner")
            failed_flush(verb)

    with verb.scope(db), verb.within(lambda: db.transaction()):
        verb(Item, "new", name="before")
        with pytest.raises(SQLAlchemyError):
            inner()
        verb(Item, "new", name="after")
    assert names() == ["after", "before", "taken"]


def test_what_waits_and_is_refused_at_the_end_of_a_block_is_the_error_of_the_block(
    home_url: str, verb: Verb
) -> None:
    open_shop(home_url, "taken")

    def block() -> None:
        with verb.within(lambda: db.transaction()):
            verb(Item, "new", name="before")
            verb.inside(lambda: db.session.add(Item(name="taken")))

    with verb.scope(db):
        with pytest.raises(IntegrityError):
            block()
        verb(Item, "new", name="later")
    assert names() == ["later", "taken"]


def test_what_waits_and_is_refused_at_the_end_of_an_inner_block_is_its_error(
    home_url: str, verb: Verb
) -> None:
    open_shop(home_url, "taken")

    def inner() -> None:
        with verb.within(lambda: db.transaction()):
            verb(Item, "new", name="inner")
            verb.inside(lambda: db.session.add(Item(name="taken")))

    with verb.scope(db), verb.within(lambda: db.transaction()):
        verb(Item, "new", name="before")
        with pytest.raises(IntegrityError):
            inner()
        verb(Item, "new", name="after")
    assert names() == ["after", "before", "taken"]


@pytest.fixture(params=["sqlite-memory", "sqlite-file", "postgresql"])
def deferring(request: pytest.FixtureRequest) -> SQLAlchemy:
    """The ledger, on a database that can check a reference at COMMIT."""
    fixture = {"sqlite-file": "sqlite_file_url", "postgresql": "postgres_url"}.get(request.param)
    open_ledger("sqlite://" if fixture is None else request.getfixturevalue(fixture))
    return ledger


@contextmanager
def refused_at_the_end() -> Iterator[None]:
    with pytest.raises(ForeignKeyViolation):
        yield


def test_a_commit_that_fails_is_the_error_of_its_block(deferring: SQLAlchemy, verb: Verb) -> None:
    ran: list[str] = []
    with verb.scope(deferring):
        with refused_at_the_end(), verb.within(lambda: deferring.transaction()):
            verb(Entry, "new")
            verb(Entry, "new", follows=NOWHERE)
            verb.inside(lambda: deferring.on_commit(lambda: ran.append("hook")))
        assert ran == []
        assert verb.inside(lambda: lent(deferring)) == 0
    assert entries() == []


def test_the_session_is_usable_after_a_commit_that_failed(
    deferring: SQLAlchemy, verb: Verb
) -> None:
    with verb.scope(deferring):
        with refused_at_the_end(), verb.within(lambda: deferring.transaction()):
            verb(Entry, "new", follows=NOWHERE)
        assert verb(Entry.query, "count") == 0
        verb(Entry, "new")
        with verb.within(lambda: deferring.transaction()):
            verb(Entry, "new")
    assert entries() == [None, None]


def test_a_new_record_is_as_it_was_after_a_commit_that_failed(
    deferring: SQLAlchemy, verb: Verb
) -> None:
    with verb.scope(deferring):
        entry = Entry(follows=NOWHERE)
        with refused_at_the_end(), verb.within(lambda: deferring.transaction()):
            verb(entry, "save")
        assert inspect(entry).transient
        assert verb.inside(entry.to_dict) == {"id": None, "follows": NOWHERE}


def test_a_new_record_can_be_corrected_after_a_commit_that_failed(
    deferring: SQLAlchemy, verb: Verb
) -> None:
    with verb.scope(deferring):
        entry = Entry(follows=NOWHERE)
        with refused_at_the_end(), verb.within(lambda: deferring.transaction()):
            verb(entry, "save")
        with verb.within(lambda: deferring.transaction()):
            verb(entry, "update", follows=None)
    assert entries() == [None]


def test_a_changed_record_can_be_read_after_a_commit_that_failed(
    deferring: SQLAlchemy, verb: Verb
) -> None:
    with verb.scope(deferring):
        entry = verb(Entry, "new")
        with refused_at_the_end(), verb.within(lambda: deferring.transaction()):
            verb(entry, "update", follows=NOWHERE)
        assert verb(Entry.query, "one") is entry
        assert verb.inside(lambda: entry.follows) is None


@pytest.mark.xfail(strict=False, reason="a rollback expires every record, as SQLAlchemy's does")
def test_a_record_that_was_only_read_stays_loaded_after_a_commit_that_failed(
    deferring: SQLAlchemy, verb: Verb
) -> None:
    with verb.scope(deferring):
        entry = verb(Entry, "new")
        with refused_at_the_end(), verb.within(lambda: deferring.transaction()):
            verb(Entry, "new", follows=NOWHERE)
        with sent() as statements:
            assert verb.inside(lambda: entry.follows) is None
    assert statements == []


def test_an_inner_block_leaves_it_to_the_outermost_to_fail_at_commit(
    deferring: SQLAlchemy, verb: Verb
) -> None:
    with verb.scope(deferring):
        with refused_at_the_end(), verb.within(lambda: deferring.transaction()):
            with verb.within(lambda: deferring.transaction()):
                verb(Entry, "new", follows=NOWHERE)
            verb(Entry, "new")
        with verb.within(lambda: deferring.transaction()):
            with spoilt(), verb.within(lambda: deferring.transaction()):
                verb(Entry, "new", follows=NOWHERE)
                raise Spoilt
            verb(Entry, "new")
    assert entries() == [None]


@pytest.mark.parametrize("inner", [True, False], ids=["inner block", "save"])
@pytest.mark.parametrize("whole", ["block", "scope"])
def test_a_deadlock_on_mariadb_that_is_caught_does_not_let_the_rest_commit(
    mysql_url: str, verb: Verb, inner: bool, whole: str
) -> None:
    open_shop(mysql_url, "one", "two")
    ran: list[str] = []

    def lose(two: Item) -> None:
        if inner:
            with verb.within(lambda: db.transaction()):
                verb(two, "update", name="changed")
        else:
            verb(two, "update", name="changed")

    def attempt() -> None:
        block = (lambda: db(join=True)) if whole == "scope" else (lambda: db.transaction())
        with verb.scope(db, commit_on_exit=whole == "scope"), verb.within(block):
            one, two = verb(Item.query.order_by(Item.id), "all")
            verb(Item, "new", name="before")
            on_commit(verb, lambda: ran.append("hook"))
            verb(one, "update", name="one, changed")
            other.cross(held="two", wanted="one")
            with pytest.raises(OperationalError, match="1213"):  # the server rolled back it all
                lose(two)
            other.leave()
            verb(Item, "new", name="after")

    with rival(mysql_url) as other, pytest.raises(RolledBackError):
        attempt()
    assert names() == ["one", "two"]
    assert ran == []


def test_a_lock_timeout_on_mariadb_that_is_caught_leaves_the_block_as_it_is(
    mysql_url: str, verb: Verb
) -> None:
    options: dict[str, Any] = {"connect_args": {"init_command": "SET innodb_lock_wait_timeout = 1"}}
    open_shop(mysql_url, "one", "two", engine_args=options)
    with rival(mysql_url) as other, verb.scope(db), verb.within(lambda: db.transaction()):
        verb(Item, "new", name="before")
        two = verb(Item.query.filter_by(name="two"), "one")
        other.hold("two")
        with pytest.raises(OperationalError, match="1205"):  # the statement alone was given up
            verb(two, "update", name="changed")
        verb(Item, "new", name="after")
    assert names() == ["after", "before", "one", "two"]


IDENTITY = {"postgresql": "SELECT pg_backend_pid()", "mysql": "SELECT connection_id()"}
KILL = {"postgresql": "SELECT pg_terminate_backend({})", "mysql": "KILL CONNECTION {}"}


def end_connection(verb: Verb, url: str) -> None:
    """Have the server end the connection of this transaction."""
    dialect = db.engine.dialect.name
    connection_id = execute(verb, text(IDENTITY[dialect])).scalar_one()
    engine = create_engine(url)
    with engine.connect() as connection:
        connection.execute(text(KILL[dialect].format(connection_id)))
    engine.dispose()


def test_a_lost_connection_fails_its_block_and_no_other(server_url: str, verb: Verb) -> None:
    open_shop(server_url)

    def block() -> None:
        with verb.within(lambda: db.transaction()):
            verb(Item, "new", name="before")
            end_connection(verb, server_url)
            verb(Item, "new", name="after")

    with verb.scope(db):
        with pytest.raises(DBAPIError):
            block()
        assert verb.inside(lent) == 0
        with verb.within(lambda: db.transaction()):
            verb(Item, "new", name="later")
    assert names() == ["later"]


@pytest.mark.parametrize("level", ["outermost", "inner"])
def test_a_lost_connection_that_is_caught_does_not_let_the_rest_commit(
    server_url: str, verb: Verb, level: str
) -> None:
    open_shop(server_url)

    def lose() -> None:
        if level == "inner":
            with verb.within(lambda: db.transaction()):
                end_connection(verb, server_url)
                verb(Item, "new", name="lost")
        else:
            end_connection(verb, server_url)
            verb(Item, "new", name="lost")

    def block() -> None:
        with verb.within(lambda: db.transaction()):
            verb(Item, "new", name="before")
            with pytest.raises(DBAPIError):
                lose()
            verb(Item, "new", name="after")

    with verb.scope(db):
        with pytest.raises(SQLAlchemyError):
            block()
        verb(Item, "new", name="later")
    assert names() == ["later"]
