"""Counting what a block sends, and naming the lines it came from."""

import asyncio
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import select, text

from fastapi_sqlalchemy import DBSessionMiddleware
from fastapi_sqlalchemy.exceptions import QueryCountError
from fastapi_sqlalchemy.testing import assert_queries, max_queries
from tests.shop import Entry, Item, db, ledger, open_ledger, open_shop
from tests.verbs import Verb
from tests.web.clients import TestClient

HERE = Path(__file__).name


def test_the_expected_number_passes(url: str, verb: Verb) -> None:
    open_shop(url)
    with verb.scope(db):
        with assert_queries(2) as sent:
            verb(Item.query, "count")
            verb(Item.query, "all")
        assert [each.statement.split()[0] for each in sent] == ["SELECT", "SELECT"]
        with max_queries(2), max_queries(3), assert_queries(2):
            verb(Item.query, "count")
            verb(Item.query, "all")


@pytest.mark.parametrize("counter", [assert_queries, max_queries])
def test_too_many_are_listed_with_their_lines(
    url: str, verb: Verb, counter: type[assert_queries | max_queries]
) -> None:
    open_shop(url)
    with verb.scope(db), pytest.raises(QueryCountError) as caught, counter(0):
        verb(Item.query.filter_by(name="secret"), "first")
    message = str(caught.value)
    most = "at most " if counter is max_queries else ""
    assert message.startswith(f"expected {most}0 statements, found 1\n\n1. ")
    assert f"{Path(__file__).parent.parent / 'verbs.py'}:" in message
    assert "FROM items" in message
    assert "secret" not in message


@pytest.mark.parametrize("kind", ["sqlite_file_url", "postgres_url"])
def test_the_line_of_an_awaited_verb_is_named(kind: str, request: pytest.FixtureRequest) -> None:
    open_shop(request.getfixturevalue(kind))

    async def ask() -> None:
        await Item.query.acount()
        await db.async_session.scalars(select(Item))
        await db.run(ask_blocking)
        await asyncio.to_thread(ask_blocking)

    def ask_blocking() -> None:
        Item.query.all()

    async def main() -> list[str]:
        async with db(), assert_queries(4) as sent:
            await ask()
        return [each.place for each in sent]

    places = asyncio.run(main())
    assert [place.rpartition(".")[2] for place in places] == [
        "ask",
        "ask",
        "ask_blocking",
        "ask_blocking",
    ]
    assert all(HERE in place for place in places)


def test_the_lines_of_a_request_are_those_of_its_routes(url: str) -> None:
    open_shop(url, "pen")
    app = FastAPI()
    app.add_middleware(DBSessionMiddleware, db=db)

    @app.get("/")
    def show() -> int:
        return Item.query.count()

    @app.get("/awaited")
    async def show_awaited() -> int:
        return await Item.query.acount()

    with TestClient(app) as client, assert_queries(2, db) as sent:
        client.get("/")
        client.get("/awaited")
    assert [each.place.rpartition(".")[2] for each in sent] == ["show", "show_awaited"]


def test_a_statement_that_a_loop_repeats_is_explained(url: str) -> None:
    open_shop(url, "pen", "ink")
    with db():
        items = Item.query.all()
        with pytest.raises(QueryCountError, match="selectinload") as caught, assert_queries(1):
            assert [item.parts for item in items] == [[], []]
    assert len(caught.value.statements) == 2


def test_too_few_fail_too() -> None:
    with (
        pytest.raises(QueryCountError, match=r"^expected 1 statement, found 0$"),
        assert_queries(1),
    ):
        pass


def test_transaction_control_does_not_count(url: str, verb: Verb) -> None:
    open_shop(url)
    with (
        verb.within(db.testing),
        verb.scope(db),
        assert_queries(2),
        verb.within(db.transaction),
    ):
        verb(Item, "new", name="pen")
        with verb.within(db.transaction):
            verb(Item, "new", name="ink")


def test_one_database_is_told_from_others(url: str, verb: Verb) -> None:
    open_shop(url)
    open_ledger("sqlite://")
    counters = assert_queries(1, db), assert_queries(2, ledger), assert_queries(3)
    with verb.scope(db), verb.scope(ledger), counters[0], counters[1], counters[2]:
        verb(Item.query, "count")
        verb(Entry.query, "count")
        verb(Entry.query, "count")


def test_the_error_of_the_block_is_not_hidden() -> None:
    with pytest.raises(LookupError), assert_queries(1):
        raise LookupError


def test_nothing_is_counted_after_the_block() -> None:
    open_shop("sqlite://")
    with db():
        with assert_queries(0) as sent:
            pass
        db.session.execute(text("SELECT 1"))
    assert sent == []
