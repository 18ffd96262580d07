"""Models, data and chains made up: a plan and SQLAlchemy's own path cannot be told apart."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Date,
    DateTime,
    Float,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    PickleType,
    String,
    Time,
    Uuid,
)
from sqlalchemy import Enum as EnumType
from sqlalchemy.types import TypeDecorator, TypeEngine
from typing_extensions import override

from fastapi_sqlalchemy import SQLAlchemy, UTCDateTime
from tests.plans.both import SOME_EXAMPLES, assert_equal_on_both_paths


class Colour(Enum):
    RED = "r"
    BLUE = "b"


class Reversed(TypeDecorator[str]):
    """Text that is stored back to front; what has no text is stored as such."""

    impl = String
    cache_ok = True

    @override
    def process_bind_param(self, value: Any, dialect: Any) -> str | None:
        return None if value is None else str(value)[::-1]

    @override
    def process_result_value(self, value: Any, dialect: Any) -> str | None:
        return "nothing" if value is None else str(value)[::-1]


_TEXT = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=5)
_MOMENTS = st.datetimes().map(lambda each: each.replace(year=2000 + each.year % 30, day=1))

KINDS: dict[str, tuple[TypeEngine[Any], st.SearchStrategy[Any]]] = {
    "integer": (Integer(), st.integers(-5, 5)),
    "text": (String(50), _TEXT),
    "float": (Float(), st.sampled_from([0.0, 1.5, -2.25])),
    "truth": (Boolean(), st.booleans()),
    "number": (Numeric(10, 2), st.sampled_from([Decimal("1.50"), Decimal("-3.00")])),
    "moment": (DateTime(), _MOMENTS),
    "zoned": (UTCDateTime(), _MOMENTS.map(lambda each: each.replace(tzinfo=UTC))),
    "day": (Date(), st.dates(date(1990, 1, 1), date(2030, 1, 1))),
    "hour": (Time(), st.times(time(1), time(23))),
    "span": (Interval(), st.sampled_from([timedelta(1), timedelta(seconds=5)])),
    "bytes": (LargeBinary(), st.binary(max_size=4)),
    "uuid": (Uuid(), st.sampled_from([UUID(int=1), UUID(int=2**100)])),
    "colour": (EnumType(Colour), st.sampled_from(Colour)),
    "document": (JSON(), st.sampled_from([{"a": 1}, [1, None], "text"])),
    "reversed": (Reversed(), _TEXT),
    "pickled": (PickleType(), st.sampled_from([{1, 2}, (3,)])),
}
KEYS = ("integer", "text", "uuid", "reversed")


@st.composite
def models(draw: st.DrawFn) -> tuple[list[str], list[str]]:
    """The kinds of the columns of a key, and those of others."""
    key = draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=2))
    return key, draw(st.lists(st.sampled_from(sorted(KINDS)), max_size=5))


@contextmanager
def model_of(url: str, key: list[str], others: list[str]) -> Iterator[tuple[SQLAlchemy, Any]]:
    db = SQLAlchemy(url)
    columns = {
        f"k{n}_{kind}": Column(KINDS[kind][0], primary_key=True) for n, kind in enumerate(key)
    }
    columns |= {f"c{n}_{kind}": Column(KINDS[kind][0]) for n, kind in enumerate(others)}
    members = {"__tablename__": "things", **columns}
    model: Any = type("Thing", (db.Base,), members)
    db.create_all()
    try:
        yield db, model
    finally:
        db.metadata.drop_all(db.engine)
        db.dispose()


def rows_of(names: list[str], *, key: bool) -> st.SearchStrategy[dict[str, Any]]:
    values = {name: KINDS[name.partition("_")[2]][1] for name in names}
    return st.fixed_dictionaries(
        {name: each if key else st.none() | each for name, each in values.items()}
    )


@st.composite
def chains(draw: st.DrawFn, names: list[str], rows: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    """Calls of a chain, by name, with what they take."""
    some = draw(st.sampled_from(rows)) if rows else {}
    wanted = draw(st.lists(st.sampled_from(names), max_size=2, unique=True))
    calls: list[tuple[str, Any]] = [("filter_by", {name: some.get(name) for name in wanted})]
    calls += draw(
        st.lists(
            st.one_of(
                st.tuples(st.just("order_by"), st.sampled_from(names)),
                st.tuples(st.just("descending"), st.sampled_from(names)),
                st.tuples(st.just("limit"), st.integers(0, 3)),
                st.tuples(st.just("offset"), st.integers(0, 2)),
                st.tuples(st.just("differs"), st.sampled_from(names)),
            ),
            max_size=3,
        )
    )
    return calls


def refine(model: Any, calls: list[tuple[str, Any]], some: dict[str, Any]) -> Any:
    query = model.query
    for verb, given_to in calls:
        match verb:
            case "filter_by":
                query = query.filter_by(**given_to)
            case "order_by":
                query = query.order_by(getattr(model, given_to))
            case "descending":
                query = query.order_by(getattr(model, given_to).desc())
            case "differs":
                query = query.filter(getattr(model, given_to) != some.get(given_to))
            case _:
                query = getattr(query, verb)(given_to)
    return query


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def address(request: pytest.FixtureRequest) -> str:
    """An empty database; on a server the same takes three times as long."""
    return "sqlite://" if request.param == "sqlite" else request.getfixturevalue("postgres_url")


@SOME_EXAMPLES
@given(data=st.data())
def test_a_chain_finds_the_same_on_both_paths(address: str, data: st.DataObject) -> None:
    key, others = data.draw(models())
    with model_of(address, key, others) as (db, model):
        names = [*model.__table__.columns.keys()]
        keys = names[: len(key)]
        rows = data.draw(
            st.lists(
                st.tuples(rows_of(keys, key=True), rows_of(names[len(key) :], key=False)),
                max_size=4,
                unique_by=lambda row: repr(sorted(row[0].items())),
            )
        )
        values = [{**identity, **rest} for identity, rest in rows]
        with db():
            model.insert_many(values)
        calls = data.draw(chains(names, values))
        some = values[0] if values else {}
        for terminal in ("all", "first", "one", "one_or_none", "count", "exists"):

            def ask(terminal: str = terminal) -> Any:
                return getattr(refine(model, calls, some), terminal)()

            assert_equal_on_both_paths(db, ask)
        some_columns = [getattr(model, name) for name in names[:3]]
        for terminal in ("rows", "dicts"):

            def ask_rows(terminal: str = terminal) -> Any:
                return getattr(refine(model, calls, some), terminal)(*some_columns)

            assert_equal_on_both_paths(db, ask_rows)
        assert_equal_on_both_paths(db, lambda: refine(model, calls, some).pluck(some_columns[0]))
        page = model.query.order_by(some_columns[0])
        assert_equal_on_both_paths(db, lambda: page.paginate(2, 1).items)
        assert_equal_on_both_paths(db, lambda: page.paginate(1, 2).total)
        ident = tuple(values[0][name] for name in keys) if values else (0,) * len(keys)
        assert_equal_on_both_paths(db, lambda: model.query.get(ident))
        assert_equal_on_both_paths(db, lambda: model.get(ident[0] if len(ident) == 1 else ident))
