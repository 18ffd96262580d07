"""`get_or_create()` and `update_or_create()`: what they make, change, refuse and send."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import insert

from fastapi_sqlalchemy.exceptions import (
    CheckViolation,
    MultipleRecordsFoundError,
    NotNullViolation,
    UniqueViolation,
    UnknownNameError,
)
from tests.bulk.conftest import Around
from tests.bulk.stock import Item, Store, db, put, rows
from tests.statements import sent, verbs_of
from tests.transactions.tools import Spoilt, spoilt
from tests.verbs import Verb

BOTH = pytest.mark.parametrize("name", ["get_or_create", "update_or_create"])


@BOTH
@pytest.mark.usefixtures("stock")
def test_a_record_is_made_of_what_is_looked_for_and_the_defaults(
    verb: Verb, around: Around, name: str
) -> None:
    with around():
        item, created = verb(Item, name, sku="a", defaults={"amount": 7, "label": str})
        assert created
        with sent() as statements:
            assert (item.sku, item.amount, item.label, item.state) == ("a", 7, "", "new")
        assert statements == []
        assert verb(Item, "get", item.id) is item
    assert rows(Item.sku, Item.amount) == [("a", 7)]


@pytest.mark.usefixtures("stock")
def test_a_record_that_is_there_is_returned_and_no_default_is_made(
    verb: Verb, around: Around
) -> None:
    def unwanted() -> Any:
        raise AssertionError

    put(verb, 1)
    with around(), sent() as statements:
        item, created = verb(Item, "get_or_create", sku="a", defaults={"label": unwanted})
        assert (item.amount, created) == (1, False)
    assert verbs_of(statements) == ["SELECT"]


@pytest.mark.usefixtures("stock")
def test_a_record_that_is_there_is_changed(verb: Verb, around: Around) -> None:
    put(verb, 1)
    with around():
        defaults = {"amount": 5, "label": lambda: "made"}
        item, created = verb(Item, "update_or_create", sku="a", defaults=defaults)
        with sent() as statements:
            assert (item.amount, item.label, item.revision, created) == (5, "made", 1, False)
        assert statements == []
    assert rows(Item.amount, Item.label, Item.revision) == [(5, "made", 1)]


@pytest.mark.usefixtures("stock")
def test_an_updated_record_is_what_the_row_has_and_not_what_was_loaded(verb: Verb) -> None:
    put(verb, 1, label="old")
    with verb.scope(db):
        loaded = verb(Item.query, "one")
        with db.engine.begin() as another:
            another.exec_driver_sql("UPDATE items SET item_label = 'new', amount = 8")
        item, _ = verb(Item, "update_or_create", sku="a", defaults={"amount": 1})
        assert item is loaded
        assert (item.label, item.amount) == ("new", 1)
    assert rows(Item.label, Item.amount) == [("new", 1)], "the value it was loaded with is sent too"


@BOTH
@pytest.mark.usefixtures("stock")
def test_an_error_about_something_else_is_that_error(verb: Verb, around: Around, name: str) -> None:
    put(verb, 1, serial="taken")
    with around():
        with pytest.raises(UniqueViolation):
            verb(Item, name, sku="b", defaults={"serial": "taken"})
        with pytest.raises(CheckViolation):
            verb(Item, name, sku="b", defaults={"amount": -1})
        with pytest.raises(NotNullViolation):
            verb(Store, name, id=1)
        verb(Item, "new", sku="after")
    assert rows(Item.sku) == [("a",), ("after",)]


@pytest.mark.usefixtures("stock")
def test_a_refused_update_leaves_row_and_record(verb: Verb, around: Around) -> None:
    put(verb, 1)
    with around():
        item = verb(Item.query, "one")
        with pytest.raises(CheckViolation):
            verb(Item, "update_or_create", sku="a", defaults={"amount": -1})
        with sent() as statements:
            assert item.amount == 1
        assert statements == []
    assert rows(Item.amount) == [(1,)]


@BOTH
@pytest.mark.usefixtures("stock")
def test_misspelt_names_are_refused_before_anything_is_sent(verb: Verb, name: str) -> None:
    with verb.scope(db), sent() as statements:
        with pytest.raises(UnknownNameError, match="Did you mean `sku`"):
            verb(Item, name, skku="a")
        with pytest.raises(UnknownNameError, match="Did you mean `label`"):
            verb(Item, name, sku="a", defaults={"lable": "secret"})
        with pytest.raises(TypeError, match="found nothing"):
            verb(Item, name, defaults={"sku": "a"})
    assert statements == []


@BOTH
@pytest.mark.usefixtures("stock")
def test_several_that_are_there_are_refused(verb: Verb, name: str) -> None:
    put(verb, 1, 1)
    with verb.scope(db), pytest.raises(MultipleRecordsFoundError):
        verb(Item, name, amount=1, defaults={"label": "x"})


@BOTH
@pytest.mark.usefixtures("stock")
def test_a_record_is_looked_for_and_made_by_a_relationship(verb: Verb, name: str) -> None:
    with verb.scope(db):
        oslo = verb(Store, "new", city="Oslo")
        first, created = verb(Item, name, sku="a", store=oslo)
        assert created
        assert verb(Item, name, sku="a", store=oslo) == (first, False)


@BOTH
@pytest.mark.usefixtures("stock")
def test_what_is_made_in_a_transaction_goes_with_it(verb: Verb, name: str) -> None:
    with verb.scope(db), spoilt(), verb.within(db.transaction):
        verb(Item, name, sku="a")
        raise Spoilt
    assert rows(Item.sku) == []


def quicker(model: Any, values: dict[str, Any]) -> Callable[[], str]:
    """A default that is made after the look and before the INSERT: then somebody is quicker."""

    def make() -> str:
        with db.engine.begin() as another:
            another.execute(insert(model).values(values))
        return "mine"

    return make


def opened(url: str) -> Iterator[None]:
    db.init(url)
    try:
        db.create_all()
        yield
    finally:
        db.dispose()
        db.init()


@pytest.fixture
def served_stock(server_url: str) -> Iterator[None]:
    yield from opened(server_url)


@pytest.mark.usefixtures("served_stock")
def test_who_is_not_the_first_has_the_record_of_the_first(verb: Verb, around: Around) -> None:
    with around():
        verb(Item, "new", sku="before")
        assert verb(Item.query, "count") == 1
        label = quicker(Item, {"sku": "a", "label": "theirs"})
        item, created = verb(Item, "get_or_create", sku="a", defaults={"label": label})
        assert (item.label, created) == ("theirs", False)
    assert rows(Item.sku, Item.label) == [("a", "theirs"), ("before", None)]


@BOTH
@pytest.mark.usefixtures("served_stock")
def test_the_record_of_who_was_not_the_first_waits_for_no_flush(verb: Verb, name: str) -> None:
    with verb.scope(db):
        oslo = verb(Store, "new", city="Oslo", items=[])
        defaults = {"label": quicker(Item, {"sku": "a"}), "store": lambda: oslo}
        _, created = verb(Item, name, sku="a", defaults=defaults)
        assert not created
        verb(oslo, "update", city="Bergen")
    assert rows(Item.sku) == [("a",)]


@pytest.fixture
def isolated_stock(postgres_url: str) -> Iterator[None]:
    yield from opened(postgres_url)


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
@pytest.mark.usefixtures("isolated_stock")
def test_postgresql_refuses_a_record_that_the_isolation_level_hides(verb: Verb, level: str) -> None:
    defaults = {"label": quicker(Item, {"sku": "a"})}
    with verb.scope(db), spoilt(), verb.within(lambda: db.transaction(isolation_level=level)):
        assert verb(Item.query.filter_by(sku="a"), "first") is None
        with pytest.raises(UniqueViolation):
            verb(Item, "get_or_create", sku="a", defaults=defaults)
        raise Spoilt
