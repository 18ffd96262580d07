"""What fails within a block, or at its end, leaves neither half of it stored."""

from contextlib import suppress

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from tests.shop import (
    Item,
    db,
    names,
    open_shop,
)
from tests.transactions.tools import execute, of_session, on_commit, seen
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
