"""Inserting mappings: the same rows, defaults and errors on both paths."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date
from types import MappingProxyType
from typing import Any

import pytest
from sqlalchemy import event, func
from sqlalchemy.orm import Session

from fastapi_sqlalchemy._plans import rows as rows_module
from fastapi_sqlalchemy._plans.rows import RowInsertion
from fastapi_sqlalchemy._plans.running import repeated_within
from tests.plans.both import assert_same
from tests.plans.test_equality import address
from tests.plans.test_saving import Act, Colour, Shop, failing, result_of, shop_at, shops

__all__ = ["address", "shops"]  # fixtures


def some(count: int = 120, /, **values: Callable[[int], Any]) -> list[dict[str, Any]]:
    """Rows with a name each, more than are in one statement of several."""
    return [
        {"name": f"n{n:03}", **{key: make(n) for key, make in values.items()}} for n in range(count)
    ]


def fails(shop: Shop, rows: Any, **kwargs: Any) -> Any:
    failing(lambda: shop.item.insert_many(rows, **kwargs))
    return shop.item.query.count()


def in_a_block(shop: Shop) -> Any:
    with shop.db.transaction():
        shop.part.new(name="p", document=1)
        failing(lambda: shop.item.insert_many([*some(), {"name": "known"}]))
        return shop.item.insert_many(some()), shop.item.query.count()


def rolled_back(shop: Shop) -> Any:
    with suppress(LookupError), shop.db.transaction():
        shop.item.insert_many(some())
        raise LookupError
    return shop.item.query.count()


def beside_what_waits(shop: Shop) -> Any:
    waiting = shop.item(name="waits")
    shop.db.session.add(waiting)
    return waiting, shop.item.insert_many(some())


def one_dict_again_and_again() -> Iterator[dict[str, Any]]:
    row: dict[str, Any] = {}
    for n in range(120):
        row["name"] = f"n{n}"
        yield row


ACTS: dict[str, tuple[Act, int]] = {
    "ordinary ones": (lambda s: s.item.insert_many(some()), 120),
    "two": (lambda s: s.item.insert_many(some(2)), 2),
    "one": (lambda s: s.item.insert_many(some(1)), 0),
    "of an iterator": (lambda s: s.item.insert_many(iter(some())), 120),
    "of an iterator's one dict": (lambda s: s.item.insert_many(one_dict_again_and_again()), 120),
    "mappings": (lambda s: s.item.insert_many([*map(MappingProxyType, some())]), 120),
    "in batches": (lambda s: s.item.insert_many(some(), batch=50), 120),
    "with every value": (
        lambda s: s.item.insert_many(
            some(
                price=lambda n: n + 1,
                colour=lambda n: Colour.BLUE,
                state=lambda n: "x",
                number=lambda n: n,
                since=lambda n: date(2020, 1, 1),
            )
        ),
        120,
    ),
    "with some values": (lambda s: s.item.insert_many(some(price=lambda n: n or None)), 120),
    "with NULL where a default is": (
        lambda s: fails(s, some(state=lambda n: "x" if n else None)),
        120,
    ),
    "with keys": (lambda s: s.item.insert_many(some(id=lambda n: 1000 - n)), 120),
    "with keys that are None": (lambda s: s.item.insert_many(some(id=lambda n: None)), 0),
    "with a key": (lambda s: s.item.insert_many(some(id=lambda n: None if n else 9)), 0),
    "with other names": (lambda s: s.item.insert_many([*some(), {"name": "o", "price": 3}]), 0),
    "with as many other names": (
        lambda s: s.item.insert_many([*some(price=lambda n: 1), {"name": "o", "number": 3}]),
        0,
    ),
    "with names in another order": (
        lambda s: s.item.insert_many([*some(price=lambda n: 1), {"price": 3, "name": "o"}]),
        121,
    ),
    "with SQL": (lambda s: fails(s, [*some(), {"name": func.upper("a")}]), 0),
    "with an unknown name": (lambda s: fails(s, some(prize=lambda n: 1)), 0),
    "with an unknown name late": (lambda s: fails(s, [*some(), {"nmae": "o"}], batch=50), 100),
    "with what is no row": (lambda s: fails(s, [*some(), "row"]), 0),
    "with a record": (lambda s: s.item.insert_many([*some(), s.item(name="r")]), 120),
    "with keys of two columns": (
        lambda s: s.line.insert_many([{"order": 1, "place": n, "text": str(n)} for n in range(9)]),
        9,
    ),
    "without what is needed": (lambda s: fails(s, [{"price": n + 1} for n in range(9)]), 9),
    "with what the database makes": (
        lambda s: s.part.insert_many([{"name": "p", "document": {"a": n}} for n in range(9)]),
        9,
    ),
    "with a document that is None": (
        lambda s: s.part.insert_many([{"name": "p", "document": None} for n in range(9)]),
        9,
    ),
    "with nothing": (lambda s: fails(s, [{}, {}]), 0),
    "of a wrong kind": (lambda s: fails(s, [*some(9), {"name": "w", "since": "never"}]), 0),
    "of a wrong kind each": (lambda s: fails(s, some(9, since=lambda n: "never")), 0),
    "that a check refuses": (lambda s: fails(s, some(price=lambda n: 1 - n)), 120),
    "that is not unique": (lambda s: fails(s, [*some(), {"name": "known"}]), 121),
    "that is not unique in a later batch": (
        lambda s: fails(s, [*some(), {"name": "known"}, {"name": "z"}], batch=50),
        122,
    ),
    "returned": (lambda s: (*s.item.insert_many(some(), returning=True),), 0),
    "in a block": (in_a_block, 241),
    "in a block that fails": (rolled_back, 120),
    "beside what waits": (beside_what_waits, 120),
}


@pytest.mark.parametrize("act", ACTS)
def test_the_outcome_is_the_same_on_both_paths(shops: Any, act: str) -> None:
    plain, planned = (result_of(shop, ACTS[act][0]) for shop in shops())
    assert_same(planned, plain)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of rows that plans were to insert."""
    numbers: list[int] = []
    ready = RowInsertion.ready

    def noting(self: RowInsertion, values: Any) -> Any:
        sending = ready(self, values)
        numbers.append(len(values))
        return sending

    monkeypatch.setattr(RowInsertion, "ready", noting)
    return numbers


@pytest.mark.parametrize("act", ACTS)
def test_a_plan_does_it_where_it_can(sent: list[int], act: str) -> None:
    shop = shop_at("sqlite://", plans=True)
    with shop.db(), suppress(Exception):
        ACTS[act][0](shop)
    assert sum(sent) == ACTS[act][1]


def test_a_default_is_asked_once_for_each_row(address: str) -> None:
    shop = shop_at(address, plans=True)
    try:
        with shop.db():
            shop.item.insert_many(some())
            failing(lambda: shop.item.insert_many(some(since=lambda n: "never")))
            shop.item.insert_many([{"name": "a"}, {"name": "b"}])
            numbers = shop.item.query.order_by(shop.item.number).pluck(shop.item.number)
        assert numbers[:120] == [*range(1, 101), 100, *range(101, 120)]
        assert numbers[-2:] == [241, 242]
    finally:
        shop.db.metadata.drop_all(shop.db.engine)
        shop.db.dispose()


def test_sqlite_is_sent_several_rows_in_a_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = shop_at("sqlite://", plans=True)
    statements: list[tuple[str, int]] = []

    def noting(connection: Any, sql: str, rows: Any) -> Any:
        statements.append((sql, len(rows)))
        return repeated_within(connection, sql, rows)

    monkeypatch.setattr(rows_module, "repeated_within", noting)
    with shop.db():
        shop.item.insert_many(some())
    one = "INSERT INTO items (name, state, number) VALUES (?, ?, ?)"
    assert statements == [(one + ", (?, ?, ?)" * 49, 2), (one, 20)]


@pytest.mark.parametrize("name", ["do_orm_execute", "before_cursor_execute", "do_executemany"])
def test_a_listener_hears_of_what_is_inserted(name: str) -> None:
    shop = shop_at("sqlite://", plans=True)
    heard: list[Any] = []
    target: Any = Session if name == "do_orm_execute" else shop.db.engine

    def listener(*args: Any) -> None:
        heard.append(args)

    with shop.db():
        shop.item.insert_many(some(3))  # it has a plan by now
        event.listen(target, name, listener)
        try:
            shop.item.insert_many([{"name": "a"}, {"name": "b"}])
        finally:
            event.remove(target, name, listener)
    assert heard


def test_a_name_that_is_no_column_is_left_to_sqlalchemy() -> None:
    shop = shop_at("sqlite://", plans=True)
    with shop.db():
        plans: Any = shop.db.session._plans
        mapper = shop.item.__mapper__
        assert plans.row_insertion(shop.db.session, mapper, ("name",)) is not None
        assert plans.row_insertion(shop.db.session, mapper, ("name", "lines")) is None
