"""What the server gave up is not committed in part: after a deadlock, or a lost connection."""

from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from fastapi_sqlalchemy.exceptions import RolledBackError
from tests.shop import (
    Item,
    db,
    lent,
    names,
    open_shop,
)
from tests.transactions.rivals import rival
from tests.transactions.tools import execute, on_commit
from tests.verbs import Verb


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
