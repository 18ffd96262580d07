"""`sum`, `min`, `max` and `avg`: over the rows of a query, typed as the column is."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func

from fastapi_sqlalchemy import SQLAlchemy
from tests.blog import created
from tests.catalogue import Book, Film, Person, Writer, catalogue, fill
from tests.statements import sent
from tests.verbs import Verb


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "mariadb"])
def db(request: pytest.FixtureRequest) -> Iterator[SQLAlchemy]:
    """Filled once for all: nothing here writes."""
    fixture = {"postgresql": "postgres_database", "mariadb": "mysql_database"}.get(request.param)
    url = "sqlite://" if fixture is None else request.getfixturevalue(fixture).empty_url()
    with created(catalogue, url):
        fill()
        yield catalogue


by_pages = Book.query.order_by(Book.pages, Book.id)


@pytest.mark.parametrize(
    ("query", "terminal", "column", "expected"),
    [
        pytest.param(Book.query, "sum", Book.pages, 820, id="sum"),
        pytest.param(Book.query, "sum", Book.price, Decimal("54.00"), id="sum of decimals"),
        pytest.param(Book.query, "sum", Book.pages * 2, 1640, id="sum of an expression"),
        pytest.param(Person.query, "sum", Person.age, 130, id="sum without nulls"),
        pytest.param(Book.query.filter_by(id=9), "sum", Book.pages, None, id="sum of none"),
        pytest.param(Book.query, "min", Book.pages, 60, id="min"),
        pytest.param(Book.query, "max", Book.title, "Notes", id="max of strings"),
        pytest.param(Book.query, "min", Book.price, Decimal("9.50"), id="min of decimals"),
        pytest.param(Book.query.filter_by(id=9), "max", Book.pages, None, id="max of none"),
        pytest.param(Book.query, "avg", Book.pages, 205.0, id="avg"),
        pytest.param(Book.query, "avg", Book.price, Decimal("13.5"), id="avg of decimals"),
        pytest.param(Book.query.filter_by(id=9), "avg", Book.pages, None, id="avg of none"),
        pytest.param(by_pages.limit(2), "sum", Book.pages, 260, id="limit"),
        pytest.param(by_pages.offset(2).limit(9), "sum", Book.pages, 560, id="offset"),
        pytest.param(by_pages.limit(1), "max", Book.pages, 60, id="max of a limit"),
        pytest.param(Writer.query.join(Writer.books), "sum", Writer.age, 178, id="join"),
        pytest.param(
            Writer.query.join(Writer.books).distinct(), "sum", Writer.age, 89, id="distinct"
        ),
        pytest.param(
            Writer.query.join(Writer.books).distinct(),
            "sum",
            Writer.age * 0 + 1,
            2,
            id="distinct records of one value",
        ),
        pytest.param(Writer.query.join(Writer.books), "sum", Book.pages, 820, id="joined column"),
        pytest.param(
            Book.query.with_entities(Book.pages).distinct(), "sum", Book.pages, 540, id="rows"
        ),
        pytest.param(Writer.query, "sum", Writer.age, 130, id="joined inheritance"),
        pytest.param(Film.query, "sum", Film.id, 2, id="single table"),
        pytest.param(
            Book.query.filter_by(id=1).union(Book.query.filter_by(id=2)),
            "sum",
            Book.pages,
            260,
            id="union",
        ),
    ],
)
def test_an_aggregate_is_over_the_rows_of_the_query(
    verb: Verb, db: SQLAlchemy, query: Any, terminal: str, column: Any, expected: Any
) -> None:
    with verb.scope(db):
        found = verb(query, terminal, column)
    assert found == expected
    assert type(found) is type(expected)


def test_an_aggregate_sends_one_statement_and_no_order(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db), sent() as statements:
        verb(by_pages, "sum", Book.pages)
    assert statements == ["SELECT sum(books.pages) AS sum_1 FROM books"]


def test_groups_are_aggregated_after_they_are_made(verb: Verb, db: SQLAlchemy) -> None:
    per_writer = Book.query.group_by(Book.writer_id)
    with verb.scope(db):
        assert verb(per_writer, "max", func.sum(Book.pages)) == 560
        assert verb(per_writer.having(func.max(Book.pages) < 250), "sum", Book.writer_id) == 1
