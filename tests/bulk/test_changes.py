"""`update()` and `delete()` of a query: the rows it finds, in one statement."""

from typing import Any

import pytest
from sqlalchemy import func, inspect, select
from sqlalchemy.orm import aliased

from fastapi_sqlalchemy import Query
from fastapi_sqlalchemy.exceptions import (
    CheckViolation,
    ForeignKeyViolation,
    MissingCriterionError,
    SeveralTablesError,
    UnknownNameError,
    ValueOfAnotherTableError,
)
from tests.bulk.conftest import Around
from tests.bulk.stock import Animal, Car, Cat, Item, Shelf, Store, Vehicle, db, put, rows
from tests.statements import sent, verbs_of
from tests.transactions.tools import Spoilt, spoilt
from tests.verbs import Verb

pytestmark = pytest.mark.usefixtures("stock")


def test_an_update_changes_what_the_query_finds_and_counts_it(verb: Verb, around: Around) -> None:
    put(verb, 1, 2, 3)
    with around():
        assert verb(Item.query.filter(Item.amount > 1), "update", {"label": "many"}) == 2
    assert rows(Item.sku, Item.label) == [("a", None), ("b", "many"), ("c", "many")]


def test_an_update_is_one_statement(verb: Verb) -> None:
    put(verb, 1, 2)
    with verb.scope(db), sent() as statements:
        verb(Item.query.filter_by(sku="a"), "update", label="one")
    assert verbs_of(statements) == ["UPDATE"]


def test_a_row_that_has_the_value_already_is_counted(verb: Verb) -> None:
    put(verb, 1, 1)
    with verb.scope(db):
        assert verb(Item.query, "update", amount=1, all_rows=True) == 2


def test_keys_may_be_attributes_and_values_sql(verb: Verb) -> None:
    put(verb, 1, 2)
    with verb.scope(db):
        query = Item.query.filter_by(sku="a")
        verb(query, "update", {Item.amount: Item.amount + 10, Item.label: func.upper(Item.sku)})
    assert rows(Item.sku, Item.amount, Item.label) == [("a", 11, "A"), ("b", 2, None)]


def test_loaded_records_have_the_new_values_and_need_no_statement_for_them(verb: Verb) -> None:
    put(verb, 1, 2)
    with verb.scope(db):
        a, b = verb(Item.query.order_by(Item.sku), "all")
        values = {"amount": Item.amount + 10, "label": func.upper(Item.sku), "state": "old"}
        verb(Item.query.filter_by(sku="a"), "update", values)
        with sent() as statements:
            assert (a.amount, a.label, a.state, a.revision) == (11, "A", "old", 1)
            assert (b.amount, b.label, b.state, b.revision) == (2, None, "new", 0)
    assert statements == []


def test_a_loaded_record_is_computed_from_the_row_and_not_from_what_was_loaded(verb: Verb) -> None:
    put(verb, 1)
    with verb.scope(db):
        a = verb(Item.query, "one")
        with db.engine.begin() as another:
            another.exec_driver_sql("UPDATE items SET amount = 40")
        verb(Item.query.filter_by(sku="a"), "update", {"amount": Item.amount + 1})
        assert a.amount == 41


def test_what_was_to_be_flushed_goes_first(verb: Verb) -> None:
    put(verb, 1)
    with verb.scope(db, commit_on_exit=True):
        a = verb(Item.query, "one")
        a.amount = 5
        assert verb(Item.query.filter_by(amount=5), "update", label="five") == 1
        assert a.label == "five"
    assert rows(Item.amount, Item.label) == [(5, "five")]


@pytest.mark.parametrize("act", [("update", {"label": "x"}), ("delete",)])
def test_a_query_without_a_criterion_is_refused(verb: Verb, act: tuple[Any, ...]) -> None:
    put(verb, 1)
    with verb.scope(db), sent() as statements:
        outer = Item.query.join(Item.store, isouter=True)
        for query in (Item.query, Item.query.order_by(Item.id), outer):
            with pytest.raises(MissingCriterionError, match="all_rows=True"):
                verb(query, *act)
    assert statements == []


def test_every_row_can_be_meant(verb: Verb) -> None:
    put(verb, 1, 2)
    with verb.scope(db):
        assert verb(Item.query, "update", {"label": "x"}, all_rows=True) == 2
        assert verb(Item.query, "delete", all_rows=True) == 2
    assert rows(Item.id) == []


def test_an_unknown_name_is_refused_with_the_closest_one(verb: Verb) -> None:
    put(verb, 1)
    with verb.scope(db), sent() as statements:
        with pytest.raises(UnknownNameError, match="Did you mean `label`") as caught:
            verb(Item.query.filter_by(sku="a"), "update", lable="secret")
        with pytest.raises(UnknownNameError, match="`store_id`"):
            verb(Item.query.filter_by(sku="a"), "update", {Item.store: None})
    assert "secret" not in str(caught.value)
    assert statements == []


def test_nothing_to_set_is_refused(verb: Verb) -> None:
    with verb.scope(db), pytest.raises(TypeError, match="found none"):
        verb(Item.query.filter_by(sku="a"), "update", {})


def test_a_refused_update_changes_nothing_and_leaves_the_records(
    verb: Verb, around: Around
) -> None:
    put(verb, 5, 2)
    with around():
        a, b = verb(Item.query.order_by(Item.sku), "all")
        with pytest.raises(CheckViolation):
            verb(Item.query, "update", {"amount": Item.amount - 3}, all_rows=True)
        with sent() as statements:
            assert (a.amount, b.amount) == (5, 2)
        assert statements == []
        verb(b, "update", label="after")
    assert rows(Item.amount, Item.label) == [(2, "after"), (5, None)]


def test_an_update_that_is_rolled_back_leaves_no_new_value_in_a_record(verb: Verb) -> None:
    put(verb, 1)
    with verb.scope(db):
        a = verb(Item.query, "one")
        with verb.within(db.transaction):
            verb(Store, "new", city="Oslo")
            with spoilt(), verb.within(db.transaction):
                verb(Item.query.filter_by(sku="a"), "update", {"amount": Item.amount + 1})
                assert a.amount == 2
                raise Spoilt
            assert inspect(a).dict.get("amount", "expired") in (1, "expired")


def stores(verb: Verb) -> None:
    """Oslo with items a and b, Rome with c."""
    with verb.scope(db):
        oslo = verb(Store, "new", city="Oslo")
        rome = verb(Store, "new", city="Rome")
        for sku, store in (("a", oslo), ("b", oslo), ("c", rome)):
            verb(Item, "new", sku=sku, store_id=store.id)


def test_a_joined_query_updates_each_of_its_records_once(verb: Verb) -> None:
    stores(verb)
    with verb.scope(db):
        query = Item.query.join(Item.store).filter_by(city="Oslo")
        assert verb(query, "update", {"amount": Item.amount + 1}) == 2
        several = Store.query.join(Store.items).where(Item.amount > 1)
        assert verb(several, "update", {"city": Store.city + "!"}) == 1
    assert rows(Item.sku, Item.amount) == [("a", 2), ("b", 2), ("c", 1)]
    assert rows(Store.city) == [("Oslo!",), ("Rome",)]


def test_a_joined_query_deletes_its_records(verb: Verb) -> None:
    stores(verb)
    with verb.scope(db):
        loaded = verb(Item.query.filter_by(sku="a"), "one")
        assert verb(Item.query.join(Item.store).filter_by(city="Oslo"), "delete") == 2
        assert inspect(loaded).was_deleted or inspect(loaded).deleted or inspect(loaded).detached
    assert rows(Item.sku) == [("c",)]


def test_a_second_table_in_the_criterion_is_as_good_as_a_join(verb: Verb) -> None:
    stores(verb)
    with verb.scope(db):
        query = Item.query.where(Item.store_id == Store.id, Store.city == "Oslo")
        assert verb(query, "delete") == 2
    assert rows(Item.sku) == [("c",)]


def test_a_limit_with_an_order_says_which_rows(verb: Verb) -> None:
    put(verb, 3, 1, 2)
    with verb.scope(db):
        lowest = Item.query.order_by(Item.amount).limit(2)
        assert verb(lowest, "update", label="low") == 2
        assert verb(Item.query.order_by(Item.amount.desc()).limit(1), "delete") == 1
    assert rows(Item.amount, Item.label) == [(1, "low"), (2, "low")]


def test_a_distinct_query_is_changed_as_it_is_found(verb: Verb) -> None:
    stores(verb)
    with verb.scope(db):
        query = Store.query.join(Store.items).where(Item.sku < "c").distinct()
        assert verb(query, "update", city="Bergen") == 1
    assert rows(Store.city) == [("Bergen",), ("Rome",)]


def test_an_alias_is_changed_as_its_model(verb: Verb) -> None:
    put(verb, 1, 2)
    other = aliased(Item)
    with verb.scope(db):
        assert verb(Query(other).where(other.amount > 1), "update", label="most") == 1
        assert verb(Query(other).where(other.amount < 2), "delete") == 1
    assert rows(Item.sku, Item.label) == [("b", "most")]


def test_a_key_of_two_columns_is_found_by_both(verb: Verb) -> None:
    with verb.scope(db):
        for row, column in ((1, 1), (1, 2), (2, 1)):
            verb(Shelf, "new", row=row, column=column)
        top = Shelf.query.order_by(Shelf.row, Shelf.column.desc()).limit(1)
        assert verb(top, "update", name="first") == 1
        assert verb(Shelf.query.order_by(Shelf.row.desc()).limit(1), "delete") == 1
    assert rows(Shelf.row, Shelf.column, Shelf.name) == [(1, 1, None), (1, 2, "first")]


def test_loaded_records_that_are_deleted_leave_the_session(verb: Verb) -> None:
    put(verb, 1, 2)
    with verb.scope(db):
        a, b = verb(Item.query.order_by(Item.sku), "all")
        assert verb(Item.query.filter_by(sku="a"), "delete") == 1
        assert verb(Item, "get", a.id) is None
        assert verb(Item, "get", b.id) is b


def test_a_refused_delete_deletes_nothing(verb: Verb, around: Around) -> None:
    stores(verb)
    with around():
        oslo = verb(Store.query.filter_by(city="Oslo"), "one")
        with pytest.raises(ForeignKeyViolation):
            verb(Store.query.filter_by(city="Oslo"), "delete")
        assert verb(Store, "get", oslo.id) is oslo
        assert oslo.city == "Oslo"
    assert rows(Store.city) == [("Oslo",), ("Rome",)]


def test_a_subclass_in_the_same_table_changes_only_its_own(verb: Verb) -> None:
    with verb.scope(db):
        verb(Animal, "new", name="Rex")
        tom = verb(Cat, "new", name="Tom")
        assert verb(Cat.query, "update", name="Thomas", all_rows=True) == 1
        assert tom.name == "Thomas"
        assert verb(Cat.query, "delete", all_rows=True) == 1
    assert rows(Animal.name) == [("Rex",)]


def test_a_table_for_each_class_is_updated_where_the_columns_are(verb: Verb) -> None:
    with verb.scope(db):
        verb(Vehicle, "new", wheels=2)
        car = verb(Car, "new", wheels=4, seats=5)
        assert verb(Car.query.filter(Car.seats > 4), "update", wheels=6) == 1
        assert verb(Car.query.filter(Car.wheels > 4), "update", seats=9) == 1
        assert (car.wheels, car.seats) == (6, 9)
        assert verb(Vehicle.query.filter_by(wheels=6), "update", wheels=3) == 1
        assert car.wheels == 3
    assert rows(Vehicle.kind, Vehicle.wheels) == [("car", 3), ("vehicle", 2)]


def test_what_stands_in_several_tables_is_refused_by_name(verb: Verb) -> None:
    with verb.scope(db), sent() as statements:
        with pytest.raises(SeveralTablesError, match="cars, vehicles"):
            verb(Car.query, "update", wheels=4, seats=4, all_rows=True)
        for model in (Car, Vehicle):
            with pytest.raises(SeveralTablesError, match="cars, vehicles"):
                verb(model.query, "delete", all_rows=True)
    assert statements == []


def test_a_value_of_another_table_is_refused_by_name(verb: Verb) -> None:
    stores(verb)
    joined = Item.query.join(Item.store).filter_by(city="Oslo")
    with verb.scope(db), sent() as statements:
        for value in (Store.id, Store.id + Item.amount, func.length(Store.city)):
            with pytest.raises(ValueOfAnotherTableError) as caught:
                verb(joined, "update", {Item.amount: value})
            error = caught.value
            assert (error.model, error.name, error.table) == ("Item", "amount", "stores")
    assert statements == []
    with verb.scope(db), pytest.raises(ValueOfAnotherTableError, match="vehicles"):
        verb(Car.query, "update", {"seats": Car.wheels + 1}, all_rows=True)


def test_a_value_may_ask_another_table_in_a_subquery(verb: Verb) -> None:
    stores(verb)
    city = select(Store.city).where(Store.id == Item.store_id).scalar_subquery()
    with verb.scope(db):
        query = Item.query.join(Item.store).filter_by(city="Oslo")
        assert verb(query, "update", {Item.label: city}) == 2
    assert rows(Item.sku, Item.label) == [("a", "Oslo"), ("b", "Oslo"), ("c", None)]


def test_an_attribute_of_another_model_is_no_column_of_this_one(verb: Verb) -> None:
    stores(verb)
    with verb.scope(db), pytest.raises(UnknownNameError, match=r"`Store\.id`"):
        verb(Item.query.join(Item.store).filter_by(city="Oslo"), "update", {Store.id: 5})


def test_a_column_that_is_an_expression_cannot_be_set(verb: Verb) -> None:
    with verb.scope(db), pytest.raises(UnknownNameError, match="`shout`"):
        verb(Store.query, "update", shout="X", all_rows=True)


@pytest.mark.parametrize("act", [("update", {"label": "x"}), ("delete",)])
def test_a_limit_that_is_none_is_no_limit(verb: Verb, act: tuple[Any, ...]) -> None:
    put(verb, 1)
    query = Item.query
    with verb.scope(db):
        for whole in (query.limit(None), query.offset(None), query.offset(0), query.limit(3)[0:]):
            with pytest.raises(MissingCriterionError):
                verb(whole.limit(None), *act)
        assert verb(query.limit(3).offset(0), *act) == 1
