"""A read-only block is one that the database lets change nothing."""

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import Pool, create_engine, event, insert
from sqlalchemy.exc import DBAPIError

from tests.shop import Item, db, names, open_shop
from tests.transactions.tools import ONE_CONNECTION, Spoilt, execute, seen
from tests.verbs import Verb


def new(verb: Verb) -> None:
    verb(Item, "new", name="refused")


def update(verb: Verb) -> None:
    verb(verb(Item.query, "one"), "update", name="refused")


def by_statement(verb: Verb) -> None:
    execute(verb, insert(Item).values(name="refused"))


@pytest.mark.parametrize("write", [new, update, by_statement])
def test_a_write_in_a_read_only_block_is_refused_by_the_database(
    url: str, verb: Verb, write: Callable[[Verb], None]
) -> None:
    open_shop(url, "pen")
    with verb.scope(db):
        with (
            pytest.raises(DBAPIError, match=r"(?i)read-?\s?only"),
            verb.within(lambda: db.transaction(read_only=True)),
        ):
            write(verb)
        assert seen(verb) == ["pen"]
    assert names() == ["pen"]


def test_a_read_only_block_reads(url: str, verb: Verb) -> None:
    open_shop(url, "ink", "pen")
    with verb.scope(db), verb.within(lambda: db.transaction(read_only=True)):
        assert seen(verb) == ["ink", "pen"]
        assert verb(Item.query, "count") == 2


@pytest.mark.parametrize("how", ["empty", "read", "refused", "failed"])
def test_the_transaction_after_a_read_only_one_can_write(url: str, verb: Verb, how: str) -> None:
    open_shop(url, "pen", **ONE_CONNECTION)
    with verb.scope(db):
        with (
            suppress(Spoilt, DBAPIError),
            verb.within(lambda: db.transaction(read_only=True)),
        ):
            match how:
                case "read":
                    seen(verb)
                case "refused":
                    new(verb)
                case "failed":
                    raise Spoilt
        with verb.within(lambda: db.transaction()):
            verb(Item, "new", name="in a block")
        verb(Item, "new", name="at once")
    assert names() == ["at once", "in a block", "pen"]


def test_a_refused_write_leaves_a_read_only_block_readable(url: str, verb: Verb) -> None:
    open_shop(url, "pen")
    with verb.scope(db), verb.within(lambda: db.transaction(read_only=True)):
        with pytest.raises(DBAPIError):
            new(verb)
        assert seen(verb) == ["pen"]


@pytest.mark.parametrize("kind", ["sqlite-file", "postgresql"])
def test_a_read_only_block_can_be_one_view_of_the_data(
    kind: str, verb: Verb, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue({"sqlite-file": "sqlite_file_url"}.get(kind, "postgres_url"))
    # SQLite knows no other views; PostgreSQL gives one to those who ask for it
    options: dict[str, Any] = (
        {} if kind == "sqlite-file" else {"isolation_level": "REPEATABLE READ"}
    )
    open_shop(url, "pen")
    other = create_engine(url)
    with verb.scope(db):
        with verb.within(lambda: db.transaction(read_only=True, **options)):
            assert seen(verb) == ["pen"]
            with other.begin() as connection:  # a writer is not kept waiting
                connection.execute(insert(Item).values(name="ink"))
            assert seen(verb) == ["pen"]
        assert seen(verb) == ["ink", "pen"]
    other.dispose()


def test_a_read_only_block_takes_no_write_lock_on_sqlite(sqlite_file_url: str, verb: Verb) -> None:
    open_shop(sqlite_file_url, "pen")
    begun: list[str] = []

    def trace(connection: sqlite3.Connection, *_: Any) -> None:
        connection.set_trace_callback(begun.append)

    event.listen(Pool, "checkout", trace)
    try:
        with verb.scope(db), verb.within(lambda: db.transaction(read_only=True)):
            seen(verb)
    finally:
        event.remove(Pool, "checkout", trace)
    assert not any("IMMEDIATE" in statement for statement in begun)
