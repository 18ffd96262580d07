"""What `db.transaction()` can be asked for, and where it refuses."""

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import Pool, create_engine, event, insert, select, text
from sqlalchemy.exc import ArgumentError, DBAPIError

from fastapi_sqlalchemy.exceptions import TransactionOptionError
from tests.shop import Item, db, lent, names, open_shop
from tests.transactions.tools import Spoilt, execute, seen, spoilt
from tests.verbs import Verb

ONE_CONNECTION = {"engine_args": {"pool_size": 1, "max_overflow": 0}}
"""Every transaction of a colour on the same one, so that what one of them set the next one has."""


OUTERMOST: list[dict[str, Any]] = [
    {"durable": True},
    {"isolation_level": "SERIALIZABLE"},
    {"read_only": True},
]


@pytest.mark.parametrize("options", OUTERMOST, ids=lambda options: next(iter(options)))
@pytest.mark.parametrize("around", ["block", "scope"])
def test_what_only_an_outermost_block_can_be_is_refused_within(
    home_url: str, verb: Verb, options: dict[str, Any], around: str
) -> None:
    open_shop(home_url)
    with verb.scope(db, commit_on_exit=around == "scope"):
        outer = (lambda: db(join=True)) if around == "scope" else (lambda: db.transaction())
        with verb.within(outer):
            verb(Item, "new", name="before")
            with (
                pytest.raises(TransactionOptionError, match="outermost") as caught,
                verb.within(lambda: db.transaction(**options)),
            ):
                pass
            verb(Item, "new", name="after")
    assert caught.value.option == next(iter(options))
    assert names() == ["after", "before"]


def test_a_durable_block_commits_and_may_have_others_within_it(home_url: str, verb: Verb) -> None:
    open_shop(home_url)
    with (
        verb.scope(db),
        verb.within(lambda: db.transaction(durable=True)),
        verb.within(lambda: db.transaction()),
    ):
        verb(Item, "new", name="pen")
    assert names() == ["pen"]


@pytest.mark.parametrize("retries", [1, 3])
def test_a_block_that_is_no_function_cannot_run_again(verb: Verb, retries: int) -> None:
    open_shop("sqlite://")
    with verb.scope(db):
        with (
            pytest.raises(TransactionOptionError, match="decorated function") as caught,
            verb.within(lambda: db.transaction(retries=retries)),
        ):
            pass
        verb(Item, "new", name="pen")
    assert caught.value.option == "retries"
    assert names() == ["pen"]


LEVEL = {"postgresql": "SHOW transaction_isolation", "mysql": "SELECT @@tx_isolation"}


def level(verb: Verb) -> str:
    """The isolation level of this transaction, in the words of the server."""
    question = text(LEVEL[db.engine.dialect.name])
    return str(execute(verb, question).scalar_one()).upper().replace("-", " ")


@pytest.mark.parametrize("wanted", ["SERIALIZABLE", "READ COMMITTED"])
def test_the_server_has_the_isolation_level_for_that_block_alone(
    server_url: str, verb: Verb, wanted: str
) -> None:
    open_shop(server_url, **ONE_CONNECTION)
    with verb.scope(db):
        with verb.within(lambda: db.transaction()):
            usual = level(verb)
        with verb.within(lambda: db.transaction(isolation_level=wanted)):
            verb(Item, "new", name="pen")
            assert level(verb) == wanted
        with verb.within(lambda: db.transaction()):
            assert level(verb) == usual
        with spoilt(), verb.within(lambda: db.transaction(isolation_level=wanted)):
            assert level(verb) == wanted
            raise Spoilt
        with verb.within(lambda: db.transaction()):
            assert level(verb) == usual
    assert names() == ["pen"]


def test_an_isolation_level_does_not_weaken_a_block_on_sqlite(sqlite_file_url: str) -> None:
    open_shop(sqlite_file_url, "0")
    together = threading.Barrier(8)

    def add_one(_: int) -> None:
        together.wait()
        with db(), db.transaction(isolation_level="SERIALIZABLE"):
            item = Item.query.one()
            item.update(name=f"{int(item.name) + 1}")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(add_one, range(8)))
    assert names() == ["8"]


def test_an_unknown_isolation_level_leaves_the_session_as_it_was(url: str, verb: Verb) -> None:
    open_shop(url)
    with verb.scope(db):
        with (
            pytest.raises(ArgumentError, match="NONSENSE"),
            verb.within(lambda: db.transaction(isolation_level="NONSENSE")),
        ):
            pass
        assert not verb.inside(lambda: db.session.in_transaction())
        assert verb.inside(lent) == 0
        verb(Item, "new", name="pen")
    assert names() == ["pen"]


@pytest.mark.parametrize("options", OUTERMOST[1:], ids=lambda options: next(iter(options)))
def test_what_a_transaction_begins_with_is_refused_where_changes_wait(
    home_url: str, verb: Verb, options: dict[str, Any]
) -> None:
    open_shop(home_url)
    with verb.scope(db):
        verb(Item(name="waiting"), "save", commit=False)
        with (
            pytest.raises(TransactionOptionError, match="changes are waiting") as caught,
            verb.within(lambda: db.transaction(**options)),
        ):
            pass
        verb(Item, "new", name="pen")
    assert caught.value.option == next(iter(options))
    assert names() == ["pen", "waiting"]


def test_what_was_only_read_before_is_no_obstacle_to_an_isolation_level(
    server_url: str, verb: Verb
) -> None:
    open_shop(server_url, "pen")
    with verb.scope(db):
        execute(verb, select(Item.name))
        assert seen(verb) == ["pen"]
        with verb.within(lambda: db.transaction(isolation_level="SERIALIZABLE")):
            assert level(verb) == "SERIALIZABLE"


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
