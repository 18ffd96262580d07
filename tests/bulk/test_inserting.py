"""`insert_many()`: rows of any iterable, in batches, all of them or none."""

import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import inspect

from fastapi_sqlalchemy import SQLAlchemy
from fastapi_sqlalchemy.exceptions import (
    CheckViolation,
    NotNullViolation,
    RowError,
    UniqueViolation,
    UnknownNameError,
)
from tests.bulk.conftest import Around
from tests.bulk.stock import Animal, Car, Cat, Item, Shelf, Store, Vehicle, db, rows
from tests.statements import sent, verbs_of
from tests.transactions.tools import Spoilt, spoilt
from tests.verbs import Verb

pytestmark = pytest.mark.usefixtures("stock")


def skus(*names: str) -> list[dict[str, Any]]:
    return [{"sku": name} for name in names]


def test_rows_are_inserted_and_counted(verb: Verb, around: Around) -> None:
    with around():
        assert verb(Item, "insert_many", skus("a", "b", "c")) == 3
    assert rows(Item.sku) == [("a",), ("b",), ("c",)]


def test_many_rows_are_few_statements(verb: Verb) -> None:
    with verb.scope(db), sent() as statements:
        verb(Item, "insert_many", ({"sku": f"{number:04}"} for number in range(2500)))
    assert verbs_of(statements) == ["INSERT"] * 3
    assert len(rows(Item.id)) == 2500


def test_names_are_those_of_attributes_and_defaults_apply(verb: Verb) -> None:
    with verb.scope(db):
        verb(Item, "insert_many", [{"sku": "a", "label": "x"}, {"sku": "b", "amount": 7}])
    found = rows(Item.sku, Item.label, Item.amount, Item.state, Item.revision)
    assert found == [("a", "x", 1, "new", 0), ("b", None, 7, "new", 0)]
    tokens = {token for (token,) in rows(Item.token)}
    assert len(tokens) == 2, "a function is called for each row"


@pytest.mark.parametrize("returning", [False, True])
def test_rows_of_different_names_keep_their_order(verb: Verb, *, returning: bool) -> None:
    several = [
        {"sku": "c", "label": "x"},
        {"sku": "a", "amount": 3},
        {"label": "y", "sku": "b"},
        {"sku": "d"},
    ]
    with verb.scope(db):
        result = verb(Item, "insert_many", several, returning=returning)
        if returning:
            found = [(item.sku, item.label, item.amount) for item in result]
            assert found == [("c", "x", 1), ("a", None, 3), ("b", "y", 1), ("d", None, 1)]
    assert [sku for _, sku in rows(Item.id, Item.sku)] == ["c", "a", "b", "d"]


def test_none_is_null_and_not_the_default(verb: Verb) -> None:
    with verb.scope(db), pytest.raises(NotNullViolation):
        verb(Item, "insert_many", [{"sku": "a", "amount": None}])


def test_a_key_that_is_none_is_given_by_the_database(verb: Verb) -> None:
    with verb.scope(db):
        assert verb(Item, "insert_many", [{"id": None, "sku": "a"}, {"sku": "b"}]) == 2
    assert rows(Item.id, Item.sku) == [(1, "a"), (2, "b")]


def test_records_come_in_the_order_of_the_rows_and_are_loaded(verb: Verb, around: Around) -> None:
    with around():
        items = verb(Item, "insert_many", skus("c", "a", "b"), returning=True, batch=2)
        with sent() as statements:
            assert [(item.sku, item.amount, item.state) for item in items] == [
                ("c", 1, "new"),
                ("a", 1, "new"),
                ("b", 1, "new"),
            ]
        assert statements == []
        assert verb(Item, "get", items[1].id) is items[1]


def test_records_of_more_parameters_than_a_driver_takes_are_inserted(verb: Verb) -> None:
    many = ({"sku": str(n), "label": "x", "amount": n, "serial": str(n)} for n in range(9000))
    with verb.scope(db):
        found = verb(Item, "insert_many", many, returning=True, batch=9000)
        assert [item.amount for item in found] == list(range(9000))


def test_a_database_without_returning_gives_the_records_too(
    verb: Verb, stock: SQLAlchemy, monkeypatch: pytest.MonkeyPatch
) -> None:
    with verb.scope(db):
        dialect = verb.inside(lambda: db.session.get_bind().dialect) if verb.blocking else None
        if dialect is None:
            engine = verb.inside(lambda: db.async_session.get_bind())
            dialect = engine.dialect
        monkeypatch.setattr(dialect, "insert_returning", False)
        items = verb(Item, "insert_many", skus("b", "a"), returning=True)
        with sent() as statements:
            assert [(item.sku, item.state) for item in items] == [("b", "new"), ("a", "new")]
        assert statements == []


def test_unsaved_records_are_saved(verb: Verb, around: Around) -> None:
    oslo = Store(city="Oslo")
    items = [Item(sku="a", store=oslo), Item(sku="b", store=oslo, amount=4)]
    with around():
        assert verb(Item, "insert_many", items) == 2
        with sent() as statements:
            assert [(item.id, item.amount, item.state) for item in items] == [
                (1, 1, "new"),
                (2, 4, "new"),
            ]
        assert statements == []
    assert rows(Store.city) == [("Oslo",)]


def test_records_and_mappings_may_be_mixed(verb: Verb) -> None:
    record = Item(sku="b")
    with verb.scope(db):
        found = verb(Item, "insert_many", [{"sku": "a"}, record, {"sku": "c"}], returning=True)
        assert [item.sku for item in found] == ["a", "b", "c"]
        assert found[1] is record


def test_nothing_is_sent_for_no_row(verb: Verb) -> None:
    called: list[Any] = []
    with verb.scope(db), sent() as statements:
        assert verb(Item, "insert_many", []) == 0
        assert verb(Item, "insert_many", iter(()), returning=True) == []
        verb(Item, "insert_many", [], progress=lambda *given: called.append(given))
    assert (statements, called) == ([], [])


def test_an_unknown_name_tells_the_row_and_the_closest_name_but_no_value(verb: Verb) -> None:
    with verb.scope(db), pytest.raises(UnknownNameError, match=r"(?s)in row 2.*`sku`") as caught:
        verb(Item, "insert_many", [*skus("a", "b"), {"skku": "secret"}], batch=1)
    assert (caught.value.row, caught.value.closest) == (2, "sku")
    assert "secret" not in str(caught.value)
    assert rows(Item.sku) == []


@pytest.mark.parametrize("name", ["item_label", "is_rare", "store", "query"])
def test_what_is_no_column_is_refused(verb: Verb, name: str) -> None:
    with verb.scope(db), pytest.raises(UnknownNameError, match=f"`{name}`, which is none"):
        verb(Item, "insert_many", [{"sku": "a", name: None}])


@pytest.mark.parametrize("row", [Store(city="secret"), ["secret"], "secret", None])
def test_what_is_no_row_is_refused_by_its_kind(verb: Verb, row: Any) -> None:
    with (
        verb.scope(db),
        pytest.raises(RowError, match=f"a {type(row).__name__} in row 1") as caught,
    ):
        verb(Item, "insert_many", [{"sku": "a"}, row])
    assert "secret" not in str(caught.value)
    assert rows(Item.sku) == []


def test_a_batch_of_nothing_is_refused(verb: Verb) -> None:
    with verb.scope(db), pytest.raises(ValueError, match="batch of 1 row"):
        verb(Item, "insert_many", skus("a"), batch=0)


@pytest.mark.parametrize("returning", [False, True])
def test_a_row_that_is_refused_in_a_late_batch_takes_all_with_it(
    verb: Verb, around: Around, *, returning: bool
) -> None:
    with around():
        verb(Item, "new", sku="before")
        with pytest.raises(UniqueViolation):
            verb(Item, "insert_many", skus("a", "b", "c", "a"), batch=2, returning=returning)
        with pytest.raises(CheckViolation):
            verb(Item, "insert_many", [{"sku": "d"}, {"sku": "e", "amount": -1}], batch=1)
        verb(Item, "new", sku="after")
    assert rows(Item.sku) == [("after",), ("before",)]


def test_records_that_were_refused_are_as_before_and_can_be_saved(
    verb: Verb, around: Around
) -> None:
    items = [Item(sku=sku) for sku in ("a", "b", "a")]
    with around():
        with pytest.raises(UniqueViolation):
            verb(Item, "insert_many", items, batch=1)
        assert [inspect(item).transient for item in items] == [True] * 3
        assert [item.id for item in items] == [None] * 3
        items[2].sku = "c"
        assert verb(Item, "insert_many", items) == 3
    assert rows(Item.sku) == [("a",), ("b",), ("c",)]


def test_loaded_records_keep_their_values_over_a_refused_insertion(verb: Verb) -> None:
    with verb.scope(db):
        item = verb(Item, "new", sku="a")
        with pytest.raises(UniqueViolation):
            verb(Item, "insert_many", skus("b", "a"))
        with sent() as statements:
            assert (item.sku, item.state) == ("a", "new")
        assert statements == []


def test_progress_is_told_after_each_batch(verb: Verb) -> None:
    told: list[Any] = []

    def tell(done: int, total: int | None) -> None:
        told.append((done, total))

    with verb.scope(db):
        verb(Item, "insert_many", skus(*"abcde"), batch=2, progress=tell)
        verb(Item, "insert_many", iter(skus(*"fg")), batch=2, progress=tell)
    assert told == [(2, 5), (4, 5), (5, 5), (2, None)]


def test_progress_that_raises_undoes_the_insertion(verb: Verb, around: Around) -> None:
    def spoil(done: int, total: int | None) -> None:
        if done == 4:
            raise Spoilt

    with around():
        with spoilt():
            verb(Item, "insert_many", skus(*"abcdef"), batch=2, progress=spoil)
        verb(Item, "new", sku="after")
    assert rows(Item.sku) == [("after",)]


def test_rows_that_raise_undo_the_insertion(verb: Verb) -> None:
    def some() -> Iterator[dict[str, Any]]:
        yield from skus("a", "b")
        raise Spoilt

    with verb.scope(db), spoilt():
        verb(Item, "insert_many", some(), batch=1)
    assert rows(Item.sku) == []


class Row(dict[str, Any]):
    """One that can be watched."""


def test_rows_are_read_a_batch_ahead_and_not_kept(verb: Verb) -> None:
    alive: weakref.WeakSet[Row] = weakref.WeakSet()
    most = 0

    class ByIdentity(Row):
        __hash__ = object.__hash__  # type: ignore[assignment]  # what a WeakSet needs of a dict
        __eq__ = object.__eq__

    def many() -> Iterator[Row]:
        nonlocal most
        for number in range(500):
            row = ByIdentity(sku=str(number))
            alive.add(row)
            most = max(most, len(alive))
            yield row

    with verb.scope(db):
        assert verb(Item, "insert_many", many(), batch=10) == 500
    assert most <= 11


def test_a_table_for_each_class_has_its_part_of_a_row(verb: Verb) -> None:
    with verb.scope(db):
        cars = [{"wheels": 4, "seats": 5}, {"wheels": 3, "seats": 2}]
        assert verb(Car, "insert_many", cars) == 2
        found = verb(Car, "insert_many", cars, returning=True)
        assert [(car.wheels, car.seats) for car in found] == [(4, 5), (3, 2)]
    assert rows(Vehicle.kind) == [("car",)] * 4


def test_a_subclass_in_the_same_table_is_marked_as_such(verb: Verb) -> None:
    with verb.scope(db):
        verb(Cat, "insert_many", [{"name": "Tom", "lives": 9}])
        assert verb(Cat.query, "one").lives == 9
    assert rows(Animal.kind) == [("cat",)]


def test_a_key_of_two_columns_is_given_by_the_rows(verb: Verb) -> None:
    with verb.scope(db):
        shelves = [{"row": 2, "column": 1}, {"row": 1, "column": 2}]
        found = verb(Shelf, "insert_many", shelves, returning=True)
        assert [(shelf.row, shelf.column) for shelf in found] == [(2, 1), (1, 2)]


@pytest.mark.parametrize("nested", [False, True])
def test_what_is_rolled_back_later_is_gone(verb: Verb, *, nested: bool) -> None:
    with verb.scope(db, commit_on_exit=nested):
        with spoilt(), verb.within(db.transaction):
            verb(Item, "insert_many", skus("a"))
            (item,) = verb(Item, "insert_many", skus("b"), returning=True)
            raise Spoilt
        assert inspect(item).transient
        assert (item.id, item.sku) == (None, "b")
        verb(item, "save")
    assert rows(Item.sku) == [("b",)]
