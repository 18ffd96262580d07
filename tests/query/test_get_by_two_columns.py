"""`Query.get` with a primary key of two columns."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import String
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fastapi_sqlalchemy import ModelBase, SQLAlchemy
from tests.blog import created
from tests.verbs import Verb


class Base(ModelBase, DeclarativeBase):
    pass


theatre = SQLAlchemy(model_class=Base)


class Seat(Base):
    __tablename__ = "seats"

    row: Mapped[str] = mapped_column(String(2), primary_key=True)
    number: Mapped[int] = mapped_column("no", primary_key=True, autoincrement=False)
    guest: Mapped[str | None] = mapped_column(String(100))


@pytest.fixture(params=["sqlite", "postgresql"])
def seats(request: pytest.FixtureRequest) -> Iterator[SQLAlchemy]:
    url = "sqlite://" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    with created(theatre, url) as db:
        with db(commit_on_exit=True):
            for row, number in (("A", 1), ("A", 2), ("B", 1)):
                Seat.new(row=row, number=number, guest=f"{row}{number}")
        yield db


@pytest.mark.parametrize("key", [("A", 2), ["A", 2], {"row": "A", "number": 2}], ids=str)
@pytest.mark.parametrize(
    "query", [Seat.query, Seat.query.filter(Seat.guest != "x")], ids=["all", "some"]
)
def test_a_key_of_two_columns_finds_its_record(
    verb: Verb, seats: SQLAlchemy, query: object, key: Any
) -> None:
    with verb.scope(seats):
        assert verb(query, "get", key).guest == "A2"


@pytest.mark.parametrize("key", [(None, None), {"row": None, "number": None}])
def test_a_key_of_two_columns_that_are_none_is_none(
    verb: Verb, seats: SQLAlchemy, key: Any
) -> None:
    with verb.scope(seats):
        assert verb(Seat.query, "get", key) is None


def test_a_key_of_which_one_column_is_none_is_none(verb: Verb, seats: SQLAlchemy) -> None:
    with verb.scope(seats):
        assert verb(Seat.query, "get", ("A", None)) is None


@pytest.mark.parametrize("key", ["A", ("A",), ("A", 1, 2), {"row": "A"}], ids=str)
def test_half_a_key_is_refused(verb: Verb, seats: SQLAlchemy, key: Any) -> None:
    with verb.scope(seats), pytest.raises(InvalidRequestError):
        verb(Seat.query, "get", key)


def test_half_a_key_of_a_query_with_criteria_is_refused_by_name(
    verb: Verb, seats: SQLAlchemy
) -> None:
    expected = r"primary key of 2 columns \(row, number\) for Seat, found 1"
    with verb.scope(seats), pytest.raises(InvalidRequestError, match=expected):
        verb(Seat.query.filter_by(guest="A1"), "get", "A")
