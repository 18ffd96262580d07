"""Comparisons of columns: each made after the first of its kind, and like SQLAlchemy's own."""

import copy
import operator
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import BinaryExpression, ForeignKey, Select, String, Uuid, and_, not_, orm, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext import serializer
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql import visitors
from sqlalchemy.types import JSON, TypeDecorator

from fastapi_sqlalchemy import SQLAlchemy
from fastapi_sqlalchemy._plans import private
from fastapi_sqlalchemy._plans.comparisons import Comparing, comparison_of
from fastapi_sqlalchemy._plans.steps import Clauses

POSTGRESQL: Any = postgresql.dialect  # it has no types

database = SQLAlchemy("sqlite://")


class Lower(TypeDecorator[str]):
    """A type of somebody else's, which has a say in what it is compared with."""

    impl = String
    cache_ok = True

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        return self if value.islower() else String()


class Thing(database.Base):
    __tablename__ = "compared_things"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))
    weight: Mapped[float]
    price: Mapped[Decimal]
    raw: Mapped[bytes]
    born: Mapped[date]
    at: Mapped[datetime]
    hour: Mapped[time]
    lasts: Mapped[timedelta]
    code: Mapped[uuid.UUID] = mapped_column(Uuid())
    odd_name: Mapped[int] = mapped_column("an (odd) 100%: $name.[x]")
    small: Mapped[str] = mapped_column(Lower())
    data: Mapped[dict[str, Any]] = mapped_column(JSON())
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("compared_things.id"))


orm.configure_mappers()

OPERATORS = (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge)
VALUES: dict[str, tuple[Any, Any]] = {
    "id": (1, 2**40),
    "name": ("Ada", "Żółw"),
    "weight": (1.5, float("inf")),
    "price": (Decimal("1.5"), Decimal("2.50")),
    "raw": (b"a", b""),
    "born": (date(2020, 1, 1), date(1, 1, 1)),
    "at": (datetime(2020, 1, 1), datetime(2020, 1, 1, tzinfo=UTC)),  # noqa: DTZ001 - both kinds
    "hour": (time(1), time(2, 3)),
    "lasts": (timedelta(1), timedelta(seconds=1)),
    "code": (uuid.UUID(int=1), uuid.UUID(int=2)),
    "odd_name": (1, 2),
    "parent_id": (1, -1),
}


def plain(attribute: Any, op: Callable[..., Any], value: Any) -> Any:
    """The comparison as SQLAlchemy makes it."""
    return op(attribute.comparator.__clause_element__(), value)


def shown(expression: Any) -> dict[str, Any]:
    """All that an expression has, beside what is its own."""
    right = expression.right
    assert right.key == right._identifying_key == f"%({right._anon_map_key})s"
    assert right._anon_map_key.startswith(f"{id(right)} ")
    assert (type(right.key), right.key.quote) == (
        type(plain(Thing.id, operator.eq, 1).right.key),
        None,
    )
    assert expression._orig == (hash(expression.left), hash(right))
    own = {
        key: value
        for key, value in vars(right).items()
        if key not in ("key", "_identifying_key", "_anon_map_key", "_cloned_set")
    }
    parts = {
        key: value
        for key, value in vars(expression).items()
        if key not in ("_orig", "right") and not key.startswith("_fastapi")
    }
    return {
        "types": (type(expression), type(right)),
        "parts": parts,
        "right": own,
        "name": right._anon_map_key.removeprefix(str(id(right))),
        "sql": (str(expression), str(expression.compile(dialect=POSTGRESQL()))),
        "key": expression._generate_cache_key().key,
        "bound": [each.value for each in expression._generate_cache_key().bindparams],
        "not": str(~expression),
        "params": expression.compile().params,
    }


@pytest.mark.parametrize("op", OPERATORS)
@pytest.mark.parametrize("name", VALUES)
def test_a_comparison_is_like_sqlalchemys_own(name: str, op: Callable[..., Any]) -> None:
    attribute = getattr(Thing, name)
    for value in (*VALUES[name], VALUES[name][0]):
        made = op(attribute, value)
        assert shown(made) == shown(plain(attribute, op, value))
    assert comparison_of(op(attribute, VALUES[name][0])) is not None


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        (Thing.id, None),
        (Thing.id, True),
        (Thing.id, "1"),
        (Thing.id, 1.5),
        (Thing.small, "ada"),
        (Thing.small, "Ada"),
        (Thing.data, "ada"),
        (Thing.id, Thing.parent_id),
        (Thing.id, select(Thing.id).scalar_subquery()),
        (orm.aliased(Thing).id, 1),
        (Thing.__table__.c.id, 1),
    ],
)
@pytest.mark.parametrize("op", [operator.eq, operator.ne])
def test_another_comparison_is_made_by_sqlalchemy(
    op: Callable[..., Any], attribute: Any, value: Any
) -> None:
    for _ in range(3):
        made = op(attribute, value)
        assert comparison_of(made) is None
        expected = op(attribute.__clause_element__(), value)
        assert str(made) == str(expected)
        assert made.compile().params == expected.compile().params


def above(value: int) -> Any:
    """A comparison that is not the first of its kind."""
    return [Thing.id > value for _ in range(2)][1]


def test_a_type_that_compares_its_own_way_is_asked_about_every_value() -> None:
    kinds = [type((Thing.small == value).right.type) for value in ("ada", "ADA", "ada", "ADA")]
    assert kinds == [Lower, String, Lower, String]


def test_an_attribute_with_a_comparator_of_its_own_keeps_it(sqlite_file_url: str) -> None:
    db = SQLAlchemy(sqlite_file_url)

    class Loud(orm.ColumnProperty.Comparator[str]):
        def operate(self, op: Any, *other: Any, **kwargs: Any) -> Any:
            return super().operate(op, *(each.upper() for each in other), **kwargs)

    class Word(db.Base):
        __tablename__ = "words"
        id: Mapped[int] = mapped_column(primary_key=True)
        word: Mapped[str] = orm.column_property(
            mapped_column(String),
            comparator_factory=Loud,
        )

    orm.configure_mappers()
    assert [(Word.word == "a").right.value for _ in range(2)] == ["A", "A"]
    assert type(Word.word.comparator) is Loud


def test_nothing_is_kept_of_a_value() -> None:
    secret = "not to be kept"
    made = Thing.name == secret
    comparator: Any = Thing.name.comparator
    pattern = comparator._known[operator.eq, str]
    assert made.right.value == secret
    assert secret not in repr([pattern._expression, pattern._parameter])


def test_each_has_a_parameter_and_modifiers_of_its_own() -> None:
    one, other = [Thing.id == 1 for _ in range(3)][1:]
    assert one.right is not other.right
    assert one.right.key != other.right.key
    assert bool(one) is False
    one.modifiers["x"] = 1
    assert other.modifiers == {}
    assert comparison_of(one) is None
    both = select(Thing.id).where(Thing.id > 1, Thing.id < 5, Thing.id != 3)
    assert both.compile().params == {"id_1": 1, "id_2": 5, "id_3": 3}


def test_what_is_done_with_one_is_as_ever() -> None:
    made = above(5)
    own = plain(Thing.id, operator.gt, 5)
    uses: tuple[Callable[[Any], Any], ...] = (
        lambda e: ~e,
        not_,
        lambda e: and_(e, e),
        lambda e: e.label("x"),
        lambda e: select(e).where(e),
        lambda e: visitors.cloned_traverse(e, {}, {}),
        lambda e: e._annotate({"x": 1}),
        lambda e: select(e).params(id=7),
        copy.copy,
    )
    for use in uses:
        one: Any = use(made)
        other: Any = use(own)
        assert str(one) == str(other)
        assert one._generate_cache_key().key == other._generate_cache_key().key
        assert one.compile().params == other.compile().params
    assert made.compare(own)
    assert own.compare(made)
    assert not made.compare(Thing.id > 6)


def test_a_copy_is_looked_at_again() -> None:
    made = above(5)
    assert comparison_of(made) is not None
    assert comparison_of(visitors.cloned_traverse(made, {}, {})) is None
    assert comparison_of(made._annotate({"x": 1})) is None
    assert comparison_of(~made) is None
    made.left = Thing.__table__.c.parent_id
    assert comparison_of(made) is None


def test_one_is_pickled_without_its_pattern() -> None:
    made = above(5)
    pickles: Any = serializer  # it has no types
    again = pickles.loads(pickles.dumps(made), database.Base.metadata)
    assert isinstance(again, BinaryExpression)
    assert (str(again), again.right.value) == (str(made), 5)
    assert comparison_of(again) is None


def test_a_value_that_is_given_later_counts() -> None:
    made = above(5)
    step = Clauses(Select.where, (made,))
    made.right.value = 7
    assert step.values == (7,)


def keys_of(*filters: tuple[Any, ...]) -> Any:
    steps: tuple[Clauses, ...] = ()
    for criteria in filters:
        steps += (Clauses(Select.where, criteria, steps),)
    return tuple(step.key for step in steps)


def test_chains_of_one_shape_have_one_key() -> None:
    first = [Thing.id > 0, Thing.id < 0, Thing.parent_id > 0]  # SQLAlchemy makes these
    assert len(first) == 3
    assert keys_of((Thing.id > 1, Thing.id < 2)) == keys_of((Thing.id > 3, Thing.id < 4))
    assert keys_of((Thing.id > 1,), (Thing.id < 2,)) == keys_of((Thing.id > 3,), (Thing.id < 4,))
    assert keys_of((Thing.id > 1, Thing.id < 2)) != keys_of((Thing.id < 1, Thing.id > 2))
    assert keys_of((Thing.id > 1,)) != keys_of((Thing.parent_id > 1,))
    assert keys_of((Thing.id > 1,)) != keys_of((Thing.id > 1, Thing.id > 1))


def test_a_value_that_is_given_twice_is_another_shape() -> None:
    twice, other = [Thing.id > 1 for _ in range(3)][1:]
    distinct = keys_of((twice, other))
    assert keys_of((twice, twice)) != distinct
    assert keys_of((twice,), (twice,)) != keys_of((twice,), (other,))
    assert keys_of((and_(twice, other),), (twice,)) != keys_of(
        (and_(twice, other),), (Thing.id > 1,)
    )


def test_on_an_untested_release_sqlalchemy_compares(
    monkeypatch: pytest.MonkeyPatch, sqlite_file_url: str
) -> None:
    monkeypatch.setattr(private, "TESTED", frozenset({(1, 4)}))
    db = SQLAlchemy(sqlite_file_url)

    class Word(db.Base):
        __tablename__ = "words"
        id: Mapped[int] = mapped_column(primary_key=True)

    orm.configure_mappers()
    assert type(Word.id.comparator) is orm.ColumnProperty.Comparator
    assert type(Thing.id.comparator) is Comparing


def test_answers_are_the_same(sqlite_file_url: str) -> None:
    db = SQLAlchemy(sqlite_file_url)

    class Word(db.Base):
        __tablename__ = "words"
        id: Mapped[int] = mapped_column(primary_key=True)
        size: Mapped[int]

    db.create_all()
    with db():
        Word.insert_many([{"size": number} for number in range(20)])
        twice = [Word.size > 3 for _ in range(2)][1]
        for low, high in ((3, 9), (5, 6), (30, 2)):
            chain = Word.query.filter(Word.size >= low, Word.size < high)
            expected = [number for number in range(20) if low <= number < high]
            assert sorted(each.size for each in chain.all()) == expected
            assert chain.count() == len(expected)
            assert Word.query.filter(twice, twice, Word.size != low).count() == (
                16 - (low > 3 and low < 20)
            )
        assert Word.query.filter(Word.size > 17).update({"size": 0}) == 2
        assert Word.query.filter(Word.size > 17).exists() is False
