"""Loaded records follow what a statement found in the database, not what they hold themselves."""

from typing import Any

import pytest
from sqlalchemy import inspect

from fastapi_sqlalchemy.exceptions import CheckViolation
from tests.bulk.stock import Item, Shelf, db, put, rows
from tests.statements import sent, verbs_of
from tests.verbs import Verb

pytestmark = pytest.mark.usefixtures("stock")


def meanwhile(statement: str) -> None:
    """What somebody else does to the rows."""
    with db.engine.begin() as another:
        another.exec_driver_sql(statement)


def test_who_loses_a_claim_does_not_look_like_the_winner(verb: Verb) -> None:
    put(verb, 1, state="open")
    with verb.scope(db):
        item = verb(Item.query, "one")
        meanwhile("UPDATE items SET state = 'taken'")
        claim = Item.query.filter_by(id=item.id, state="open")
        assert verb(claim, "update", state="mine") == 0
        assert item.state == "open"
    assert rows(Item.state) == [("taken",)]


@pytest.mark.parametrize("limited", [False, True])
def test_a_record_follows_although_it_held_what_is_not_looked_for(
    verb: Verb, *, limited: bool
) -> None:
    put(verb, 1, 2)
    with verb.scope(db):
        a, b = verb(Item.query.order_by(Item.sku), "all")
        meanwhile("UPDATE items SET amount = 60 WHERE sku = 'a'")
        query = Item.query.filter_by(amount=60)
        query = query.order_by(Item.id).limit(1) if limited else query
        assert verb(query, "update", label="many") == 1
        assert (a.amount, a.label) == (60, "many")
        assert (b.amount, b.label) == (2, None)


def test_a_row_that_is_not_deleted_keeps_its_record(verb: Verb) -> None:
    put(verb, 2)
    with verb.scope(db):
        item = verb(Item.query, "one")
        meanwhile("UPDATE items SET amount = 3")
        assert verb(Item.query.filter_by(amount=2), "delete") == 0
        assert verb(item, "update", label="kept").label == "kept"
    assert rows(Item.amount, Item.label) == [(3, "kept")]


def test_a_row_that_is_deleted_takes_its_record_along(verb: Verb) -> None:
    put(verb, 2)
    with verb.scope(db):
        item = verb(Item.query, "one")
        meanwhile("UPDATE items SET amount = 3")
        assert verb(Item.query.filter_by(amount=3), "delete") == 1
        assert not inspect(item).persistent
        assert verb(Item.query, "get", item.id) is None


def test_names_are_compared_as_the_database_does(verb: Verb) -> None:
    put(verb, 1, 2, label="Dan")
    like = {"mysql": Item.label == "dan", "sqlite": Item.label.startswith("da")}
    criterion = like.get(db.engine.dialect.name, Item.label.icontains("da"))
    with verb.scope(db):
        a, b = verb(Item.query.order_by(Item.sku), "all")
        assert verb(Item.query.filter(criterion, Item.sku == "a"), "update", amount=7) == 1
        assert (a.amount, b.amount) == (7, 2)
        assert verb(Item.query.filter(criterion), "delete") == 2
        assert verb(Item.query, "get", a.id) is None


def test_all_of_a_changed_row_is_loaded(verb: Verb) -> None:
    put(verb, 1)
    with verb.scope(db):
        item = verb(Item.query, "one")
        meanwhile("UPDATE items SET label = 'theirs'".replace("label", "item_label"))
        verb(Item.query.filter_by(sku="a"), "update", amount=5)
        with sent() as statements:
            assert (item.amount, item.label, item.revision) == (5, "theirs", 1)
    assert statements == []


def test_a_key_of_two_columns_is_known_again(verb: Verb) -> None:
    with verb.scope(db):
        one, two = (verb(Shelf, "new", row=1, column=column) for column in (1, 2))
        meanwhile("UPDATE shelves SET hall = 'x' WHERE col = 2")
        assert verb(Shelf.query.filter_by(hall="x"), "update", name="top") == 1
        assert (one.name, two.name) == (None, "top")


@pytest.mark.parametrize("act", [("update", {"label": "x"}), ("delete",)])
def test_where_nothing_is_loaded_nothing_is_asked(verb: Verb, act: tuple[Any, ...]) -> None:
    put(verb, 1, 2)
    with verb.scope(db), sent() as statements:
        assert verb(Item.query.filter(Item.amount > 0), *act) == 2
    assert verbs_of(statements) == [act[0].upper()]
    assert "RETURNING" not in statements[0]


def test_what_could_not_be_saved_is_kept(verb: Verb) -> None:
    put(verb, 1)
    with verb.scope(db):
        item = verb(Item.query, "one")
        item.amount = -1
        with pytest.raises(CheckViolation):
            verb(item, "save")
        verb(Item.query.filter_by(sku="a"), "update", label="x")
        assert (item.amount, item.label) == (-1, "x")
        item.amount = 4
        verb(item, "save")
    assert rows(Item.amount, Item.label) == [(4, "x")]
