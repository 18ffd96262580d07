"""`upsert()`: rows that are inserted, or update the row that has their key."""

from typing import Any

import pytest
from sqlalchemy import Index, String, func
from sqlalchemy.orm import DeclarativeBase, Mapped, joinedload, mapped_column

from fastapi_sqlalchemy import ModelBase, SQLAlchemy
from fastapi_sqlalchemy.exceptions import (
    CheckViolation,
    ConflictTargetError,
    RowError,
    SeveralTablesError,
    UnknownNameError,
    UpsertUnsupportedError,
)
from tests.bulk.conftest import Around
from tests.bulk.stock import Animal, Car, Cat, Item, Shelf, db, put, rows
from tests.statements import sent, verbs_of
from tests.transactions.tools import Spoilt, spoilt
from tests.verbs import Verb

pytestmark = pytest.mark.usefixtures("stock")


def test_a_row_is_inserted_or_updated_by_its_key(verb: Verb, around: Around) -> None:
    put(verb, 1)
    given = [{"id": 1, "sku": "a", "label": "x"}, {"id": 2, "sku": "b", "label": "y"}]
    with around():
        assert verb(Item, "upsert", given) == 2
    assert rows(Item.id, Item.sku, Item.label) == [(1, "a", "x"), (2, "b", "y")]


def test_a_row_is_found_by_another_unique_constraint(verb: Verb) -> None:
    put(verb, 1, 2)
    given = [{"sku": "b", "amount": 20}, {"sku": "c", "amount": 30}]
    with verb.scope(db):
        assert verb(Item, "upsert", given, on="sku") == 2
        assert verb(Item, "upsert", [{"sku": "a", "amount": 10}], on=(Item.sku,)) == 1
    assert rows(Item.sku, Item.amount) == [("a", 10), ("b", 20), ("c", 30)]


def test_many_rows_are_few_statements(verb: Verb) -> None:
    many = [{"sku": f"{number:04}", "amount": number} for number in range(2500)]
    with verb.scope(db):
        verb(Item, "upsert", many[::2], on="sku")
        with sent() as statements:
            verb(Item, "upsert", many, on="sku")
    assert verbs_of(statements) == ["INSERT"] * 3
    assert len(rows(Item.id)) == 2500


def test_the_key_of_a_row_that_is_there_stays(verb: Verb) -> None:
    put(verb, 1)
    with verb.scope(db):
        verb(Item, "upsert", [{"id": 77, "sku": "a", "label": "x"}], on="sku")
    assert rows(Item.id, Item.label) == [(1, "x")]


def test_a_key_of_two_columns_is_one(verb: Verb) -> None:
    given = [{"row": 1, "column": 2, "name": "x"}, {"row": 2, "column": 1, "name": "y"}]
    with verb.scope(db):
        verb(Shelf, "upsert", given)
        again = verb(Shelf, "upsert", [{**given[0], "name": "z"}], returning=True)
        assert [(shelf.row, shelf.column, shelf.name) for shelf in again] == [(1, 2, "z")]
        by_name = {"row": 9, "column": 9, "hall": "A", "name": "n"}
        verb(Shelf, "upsert", [by_name])
        verb(Shelf, "upsert", [by_name | {"row": 8}], on=("name", "hall"))
    assert rows(Shelf.row, Shelf.column, Shelf.name) == [(1, 2, "z"), (2, 1, "y"), (9, 9, "n")]


def test_only_what_is_named_is_overwritten(verb: Verb) -> None:
    put(verb, 1, label="old")
    given = [{"sku": "a", "amount": 5, "label": "new"}, {"sku": "b", "amount": 6, "label": "new"}]
    with verb.scope(db):
        verb(Item, "upsert", given, on="sku", update=["amount"])
    assert rows(Item.sku, Item.amount, Item.label) == [("a", 5, "old"), ("b", 6, "new")]


def test_nothing_is_overwritten_where_nothing_is_named(verb: Verb) -> None:
    put(verb, 1)
    with verb.scope(db):
        given = [{"sku": "a", "amount": 5}, {"sku": "b", "amount": 6}]
        found = verb(Item, "upsert", given, on="sku", update=(), returning=True)
        assert [(item.sku, item.amount, item.revision) for item in found] == [
            ("a", 1, 0),
            ("b", 6, 0),
        ]


def test_rows_of_different_names_overwrite_what_they_give(verb: Verb) -> None:
    put(verb, 1, 2, label="old")
    given = [{"sku": "a", "amount": 10}, {"sku": "b", "label": None}, {"sku": "c"}, {"sku": "a"}]
    with verb.scope(db):
        assert verb(Item, "upsert", given, on="sku") == 4
    assert rows(Item.sku, Item.amount, Item.label) == [
        ("a", 10, "old"),
        ("b", 2, None),
        ("c", 1, None),
    ]


def test_a_key_that_comes_twice_has_the_later_values(verb: Verb) -> None:
    with verb.scope(db):
        given = [{"sku": "a", "amount": 1}, {"sku": "a", "amount": 2}]
        (item,) = verb(Item, "upsert", given, on="sku", returning=True)
        assert item.amount == 2


def test_defaults_and_onupdate_apply(verb: Verb) -> None:
    with verb.scope(db):
        verb(Item, "upsert", [{"sku": "a", "label": "x"}], on="sku")
        verb(Item, "upsert", [{"sku": "a", "label": "y"}], on="sku")
    assert rows(Item.amount, Item.state, Item.revision) == [(1, "new", 1)]


def test_loaded_records_have_the_new_values_and_need_no_statement_for_them(
    verb: Verb, around: Around
) -> None:
    put(verb, 1, 2)
    with around():
        a, b = verb(Item.query.order_by(Item.sku), "all")
        b.label = "to be flushed"
        verb(Item, "upsert", [{"sku": "a", "amount": 10}], on="sku")
        with sent() as statements:
            assert (a.amount, a.revision, a.state) == (10, 1, "new")
            assert (b.amount, b.label) == (2, "to be flushed")
        assert statements == []


def test_a_loaded_relationship_stays_loaded(verb: Verb) -> None:
    put(verb, 1)
    with verb.scope(db):
        item = verb(Item.query.options(joinedload(Item.store)), "one")
        verb(Item, "upsert", [{"sku": "a", "amount": 10}], on="sku", returning=True)
        with sent() as statements:
            assert (item.amount, item.store) == (10, None)
        assert statements == []


def test_records_are_returned_in_the_order_of_the_rows(verb: Verb) -> None:
    put(verb, 1, 2)
    with verb.scope(db):
        known = verb(Item.query.filter_by(sku="b"), "one")
        given = [{"sku": sku, "amount": 9} for sku in "dbca"]
        found = verb(Item, "upsert", given, on="sku", returning=True, batch=2)
        assert [(item.sku, item.amount) for item in found] == [(sku, 9) for sku in "dbca"]
        assert found[1] is known


def test_a_rollback_takes_the_new_values_out_of_loaded_records(verb: Verb) -> None:
    put(verb, 1)
    with verb.scope(db):
        item = verb(Item.query, "one")
        with verb.within(db.transaction):
            verb(Item, "new", sku="b")
            with spoilt(), verb.within(db.transaction):
                verb(Item, "upsert", [{"sku": "a", "amount": 10}], on="sku")
                assert item.amount == 10
                raise Spoilt
            assert item.__dict__.get("amount", "expired") in (1, "expired")
    assert rows(Item.amount) == [(1,), (1,)]


def test_a_refused_row_takes_all_with_it_and_leaves_the_records(verb: Verb, around: Around) -> None:
    put(verb, 1)
    with around():
        item = verb(Item.query, "one")
        given = [{"sku": "a", "amount": 10}, {"sku": "b", "amount": -1}]
        with pytest.raises(CheckViolation):
            verb(Item, "upsert", given, on="sku", batch=1)
        with sent() as statements:
            assert item.amount == 1
        assert statements == []
    assert rows(Item.sku, Item.amount) == [("a", 1)]


def test_progress_that_raises_undoes_it(verb: Verb) -> None:
    told: list[Any] = []

    def tell(done: int, total: int | None) -> None:
        told.append((done, total))
        if done == 2:
            raise Spoilt

    with verb.scope(db), spoilt():
        given = [{"sku": sku} for sku in "abc"]
        verb(Item, "upsert", given, on="sku", batch=1, progress=tell)
    assert (told, rows(Item.sku)) == ([(1, 3), (2, 3)], [])


def test_nothing_is_sent_for_no_row(verb: Verb) -> None:
    with verb.scope(db), sent() as statements:
        assert verb(Item, "upsert", []) == 0
        assert verb(Item, "upsert", [], returning=True) == []
    assert statements == []


def test_names_that_nothing_makes_unique_are_refused(verb: Verb) -> None:
    with verb.scope(db), sent() as statements:
        with pytest.raises(ConflictTargetError, match=r"It has: .*sku") as caught:
            verb(Item, "upsert", [{"label": "x"}], on="label")
        assert ("id",) in caught.value.targets
        assert ("sku",) in caught.value.targets
        with pytest.raises(ConflictTargetError):
            verb(Shelf, "upsert", [{"name": "x"}], on="name")
    assert statements == []


def test_unknown_names_are_refused_with_the_closest_one(verb: Verb) -> None:
    with verb.scope(db), sent() as statements:
        for options in ({"on": "skku"}, {"on": "sku", "update": ["skku"]}):
            with pytest.raises(UnknownNameError, match="Did you mean `sku`"):
                verb(Item, "upsert", [{"sku": "a"}], **options)
        with pytest.raises(UnknownNameError, match="in row 1") as caught:
            verb(Item, "upsert", [{"sku": "a"}, {"skku": "secret"}], on="sku")
    assert "secret" not in str(caught.value)
    assert statements == []


@pytest.mark.parametrize("row", [{"label": "x"}, {"sku": None}, "sku"])
def test_a_row_without_its_key_is_refused(verb: Verb, row: Any) -> None:
    with verb.scope(db), pytest.raises(RowError, match="in row 1"):
        verb(Item, "upsert", [{"sku": "a"}, row], on="sku")
    assert rows(Item.sku) == []


def test_inheritance_in_one_table_is_marked_and_in_several_refused(verb: Verb) -> None:
    with verb.scope(db):
        verb(Cat, "upsert", [{"name": "Tom", "lives": 8}], on="name")
        verb(Cat, "upsert", [{"name": "Tom", "lives": 9}], on="name")
        assert [cat.lives for cat in verb(Cat.query, "all")] == [9]
        with pytest.raises(SeveralTablesError, match="cars, vehicles"):
            verb(Car, "upsert", [{"id": 1, "wheels": 4, "seats": 5}])
    assert rows(Animal.kind) == [("cat",)]


def test_another_database_is_refused_by_name(
    verb: Verb, stock: SQLAlchemy, monkeypatch: pytest.MonkeyPatch
) -> None:
    with verb.scope(db):
        where = "session" if verb.blocking else "async_session"
        dialect = verb.inside(lambda: getattr(db, where).get_bind()).dialect
        monkeypatch.setattr(dialect, "name", "oracle")
        with pytest.raises(UpsertUnsupportedError, match="`oracle`"):
            verb(Item, "upsert", [{"sku": "a"}], on="sku")
        monkeypatch.undo()


class OtherBase(ModelBase, DeclarativeBase):
    pass


other = SQLAlchemy(model_class=OtherBase)


class Seat(OtherBase):
    """What only some databases have: an index of some rows, and `onupdate` of every kind."""

    __tablename__ = "seats"

    id: Mapped[int] = mapped_column(primary_key=True)
    place: Mapped[str] = mapped_column("where", String(20))
    free: Mapped[bool] = mapped_column(default=True)
    guest: Mapped[str | None] = mapped_column(String(20))
    mark: Mapped[str | None] = mapped_column(String(20), onupdate="it's 100% changed")
    made: Mapped[str | None] = mapped_column(String(20), onupdate=lambda: "by a function")


Index(
    "one_free_place",
    Seat.place,
    unique=True,
    postgresql_where=Seat.free.is_(True),
    sqlite_where=Seat.free.is_(True),
)


def test_an_index_of_some_rows_and_onupdate_of_every_kind(verb: Verb, url: str) -> None:
    other.init(url)
    try:
        other.create_all()
        with verb.scope(other):
            for guest in ("Ada", "Grace", "Mary"):
                given = [{"place": "left", "guest": guest}, {"place": guest, "guest": guest}]
                verb(Seat, "upsert", given, on="place")
            left = verb(Seat.query.filter_by(place="left"), "one")
            assert (left.guest, left.mark, left.made) == (
                "Mary",
                "it's 100% changed",
                "by a function",
            )
            assert verb(Seat.query.where(func.lower(Seat.place) == "left"), "count") == 1
    finally:
        other.dispose()
        other.init()


def test_the_key_may_be_an_attribute(verb: Verb) -> None:
    with verb.scope(db):
        verb(Item, "upsert", [{"sku": "a", "label": "x"}], on=Item.sku)
        verb(Item, "upsert", [{"sku": "a", "label": "y"}], on=Item.sku)
    assert rows(Item.label) == [("y",)]


@pytest.mark.parametrize("value", [func.upper("secret"), Item.label], ids=["function", "attribute"])
def test_sql_is_no_value_of_a_row(verb: Verb, value: Any) -> None:
    for name in ("upsert", "insert_many"):
        options = {"on": "sku"} if name == "upsert" else {}
        with verb.scope(db), pytest.raises(RowError, match="SQL expression in row 0"):
            verb(Item, name, [{"sku": value}], **options)
    assert rows(Item.sku) == []
