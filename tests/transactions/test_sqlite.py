"""On SQLite a block is a real transaction, whatever its first statement is."""

from collections.abc import Callable

import pytest
from sqlalchemy import inspect, text

from tests.shop import Item, db, names, open_shop
from tests.transactions.tools import Spoilt, execute, seen, spoilt
from tests.verbs import Verb


@pytest.fixture(params=["memory", "file"])
def sqlite_url(request: pytest.FixtureRequest) -> str:
    """The address of an empty database, once for each kind of SQLite's."""
    return (
        "sqlite://"
        if request.param == "memory"
        else str(request.getfixturevalue("sqlite_file_url"))
    )


def tables() -> list[str]:
    """What another connection sees."""
    return inspect(db.engine).get_table_names()


def nest(verb: Verb, *, fails: bool = False) -> None:
    """SQLAlchemy's own savepoint, and an item in it."""

    def add() -> None:
        with db.session.begin_nested():
            db.session.add(Item(name="nested"))
            db.session.flush()
            if fails:
                raise Spoilt

    async def aadd() -> None:
        async with db.async_session.begin_nested():
            db.async_session.add(Item(name="nested"))
            await db.async_session.flush()
            if fails:
                raise Spoilt

    verb.inside(add if verb.blocking else aadd)


def by_session(verb: Verb) -> None:
    nest(verb)


def by_block(verb: Verb) -> None:
    with verb.within(lambda: db.transaction()):
        verb(Item, "new", name="nested")


def by_statement(verb: Verb) -> None:
    execute(verb, text("SAVEPOINT mine"))
    verb(Item, "new", name="nested")
    execute(verb, text("RELEASE mine"))


SAVEPOINTS = pytest.mark.parametrize("savepoint", [by_session, by_block, by_statement])


@SAVEPOINTS
def test_a_savepoint_that_comes_first_goes_with_its_block(
    sqlite_url: str, verb: Verb, savepoint: Callable[[Verb], None]
) -> None:
    open_shop(sqlite_url)
    with verb.scope(db), spoilt(), verb.within(lambda: db.transaction()):
        savepoint(verb)
        raise Spoilt
    assert names() == []


@SAVEPOINTS
def test_a_savepoint_that_comes_first_is_stored_with_its_block(
    sqlite_url: str, verb: Verb, savepoint: Callable[[Verb], None]
) -> None:
    open_shop(sqlite_url)
    with verb.scope(db), verb.within(lambda: db.transaction()):
        savepoint(verb)
    assert names() == ["nested"]


@SAVEPOINTS
def test_a_savepoint_that_comes_first_goes_with_its_scope(
    sqlite_url: str, verb: Verb, savepoint: Callable[[Verb], None]
) -> None:
    open_shop(sqlite_url)
    with spoilt(), verb.scope(db, commit_on_exit=True):
        savepoint(verb)
        raise Spoilt
    assert names() == []


def test_a_savepoint_of_the_session_can_fail_alone_within_a_block(url: str, verb: Verb) -> None:
    open_shop(url)
    with verb.scope(db), verb.within(lambda: db.transaction()):
        verb(Item, "new", name="before")
        with spoilt():
            nest(verb, fails=True)
        assert seen(verb) == ["before"]
        nest(verb)
        with spoilt(), verb.within(lambda: db.transaction()):
            nest_again = Item(name="again")
            verb(nest_again, "save")
            raise Spoilt
    assert names() == ["before", "nested"]


def test_a_savepoint_of_the_session_in_an_inner_block_goes_with_it(url: str, verb: Verb) -> None:
    open_shop(url)
    with verb.scope(db), verb.within(lambda: db.transaction()):
        verb(Item, "new", name="before")
        with spoilt(), verb.within(lambda: db.transaction()):
            nest(verb)
            raise Spoilt
        assert seen(verb) == ["before"]
    assert names() == ["before"]


def test_a_table_created_in_a_block_that_fails_is_gone(sqlite_url: str, verb: Verb) -> None:
    open_shop(sqlite_url)
    with verb.scope(db):
        with spoilt(), verb.within(lambda: db.transaction()):
            execute(verb, text("CREATE TABLE notes (id INTEGER)"))
            verb(Item, "new", name="pen")
            raise Spoilt
        assert "notes" not in tables()
        with verb.within(lambda: db.transaction()):
            execute(verb, text("CREATE TABLE notes (id INTEGER)"))
    assert "notes" in tables()
    assert names() == []


def test_a_table_created_in_an_inner_block_that_fails_is_gone(sqlite_url: str, verb: Verb) -> None:
    open_shop(sqlite_url)
    with verb.scope(db), verb.within(lambda: db.transaction()):
        execute(verb, text("CREATE TABLE kept (id INTEGER)"))
        with spoilt(), verb.within(lambda: db.transaction()):
            execute(verb, text("CREATE TABLE dropped (id INTEGER)"))
            raise Spoilt
    assert "kept" in tables()
    assert "dropped" not in tables()


def test_a_table_dropped_in_a_block_that_fails_is_there_with_its_rows(
    sqlite_url: str, verb: Verb
) -> None:
    open_shop(sqlite_url, "pen")
    with verb.scope(db):
        with spoilt(), verb.within(lambda: db.transaction()):
            execute(verb, text("DROP TABLE parts"))
            execute(verb, text("DROP TABLE items"))
            raise Spoilt
        assert seen(verb) == ["pen"]
    assert "parts" in tables()


@pytest.mark.parametrize(
    "statement", ["PRAGMA user_version = 7", "CREATE INDEX by_name ON items (name)"]
)
def test_what_is_no_change_of_rows_is_part_of_the_block_too(
    sqlite_url: str, verb: Verb, statement: str
) -> None:
    open_shop(sqlite_url)
    with verb.scope(db), spoilt(), verb.within(lambda: db.transaction()):
        execute(verb, text(statement))
        raise Spoilt
    with db.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA user_version").scalar_one() == 0
    assert inspect(db.engine).get_indexes("items") == []
