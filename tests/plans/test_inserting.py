"""Inserting many new records: the same rows, records, defaults and errors on both paths."""

from collections.abc import Callable
from contextlib import suppress
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event, func, inspect
from sqlalchemy.orm import Session

from fastapi_sqlalchemy import Repository
from fastapi_sqlalchemy._plans.inserting import Insertion
from tests.plans.both import SOME_EXAMPLES, assert_same
from tests.plans.test_equality import address
from tests.plans.test_saving import Act, Colour, Shop, change, failing, result_of, shop_at, shops

__all__ = ["address", "shops"]  # fixtures


def some(shop: Shop, count: int = 3, /, **values: Any) -> list[Any]:
    return [
        shop.item(name=f"n{n}", **{k: make(n) for k, make in values.items()}) for n in range(count)
    ]


def by_insert_many(records: list[Any], batch: int | None = None) -> tuple[Any, ...]:
    records[0].__class__.insert_many(records, batch=batch)
    return (*records,)


def by_add_all(records: list[Any], batch: int | None = None) -> tuple[Any, ...]:
    size = len(records) if batch is None else batch
    model: Any = records[0].__class__
    for start in range(0, len(records), size):
        Repository(model).add_all(records[start : start + size])
    return (*records,)


Store = Callable[..., tuple[Any, ...]]
"""How records are stored: by either of these."""

STORES: dict[str, Store] = {"insert_many": by_insert_many, "add_all": by_add_all}


def fails(shop: Shop, store: Store) -> tuple[Any, ...]:
    records = [*some(shop), shop.item(name="known")]
    failing(lambda: store(records))
    return (*records,)


def fails_then_is_inserted(shop: Shop, store: Store) -> tuple[Any, ...]:
    records = [*some(shop), shop.item(name="known")]
    failing(lambda: store(records))
    change(records[-1], name="other")
    return store(records)


def fails_in_a_later_batch(shop: Shop, store: Store) -> tuple[Any, ...]:
    records = [*some(shop), shop.item(name="m"), shop.item(name="known")]
    failing(lambda: store(records, batch=2))
    return (*records,)


def in_a_block(shop: Shop, store: Store) -> tuple[Any, ...]:
    with shop.db.transaction():
        shop.part.new(name="p", document=1)
        records = store(some(shop))
        assert shop.item.query.filter_by(name="n1").one() is records[1]
    return records


def rolled_back(shop: Shop, store: Store) -> tuple[Any, ...]:
    records = some(shop)
    with suppress(LookupError), shop.db.transaction():
        store(records)
        change(records[0], name="changed", price=3)
        raise LookupError
    return (*records,)


def rolled_back_to_a_savepoint(shop: Shop, store: Store) -> tuple[Any, ...]:
    records, others = some(shop), [shop.item(name="a"), shop.item(name="b")]
    with shop.db.transaction():
        store(others)
        with suppress(LookupError), shop.db.transaction():
            store(records)
            raise LookupError
        count = shop.item.query.count()
    return (*records, *others, count)


def forgotten_in_a_savepoint(shop: Shop, store: Store) -> tuple[Any, ...]:
    with shop.db.transaction():
        with suppress(LookupError), shop.db.transaction():
            store(some(shop))
            shop.item.query.filter_by(name="n1").one()
            raise LookupError
        return (shop.item.query.filter_by(name="n1").one_or_none(),)


def fails_in_a_block(shop: Shop, store: Store) -> tuple[Any, ...]:
    records = [*some(shop), shop.item(name="known")]
    with shop.db.transaction():
        shop.part.new(name="p", document=1)
        failing(lambda: store(records))
        store(records[:2])
    return (*records,)


def changed_afterwards(shop: Shop, store: Store) -> tuple[Any, ...]:
    records = store(some(shop))
    change(records[1], price=7).save()
    records[2].delete()
    return records


def beside_what_waits(shop: Shop, store: Store) -> tuple[Any, ...]:
    waiting = shop.item(name="waits")
    shop.db.session.add(waiting)
    return (*store(some(shop)), waiting)


def of_the_session(shop: Shop, store: Store) -> tuple[Any, ...]:
    records = some(shop)
    shop.db.session.add(records[0])
    return store(records)


def of_another_session(shop: Shop, store: Store) -> tuple[Any, ...]:
    records = some(shop)
    shop.db.session.add(records[0])
    with shop.db():
        failing(lambda: store(records))
    return (*records,)


def again(shop: Shop, store: Store) -> tuple[Any, ...]:
    records = store(some(shop))
    store(change(records[0], price=2) and records)
    return records


def for_keys_that_are_used_again(shop: Shop, store: Store) -> tuple[Any, ...]:
    record = shop.item.new(name="gone")
    with shop.db():
        shop.item.query.filter_by(name="gone").delete()
    return (record, *store(some(shop)))


ACTS: dict[str, tuple[Callable[[Shop, Store], tuple[Any, ...]], bool]] = {
    "ordinary ones": (lambda s, store: store(some(s)), True),
    "with values": (
        lambda s, store: store(
            some(s, price=lambda n: n + 1, colour=lambda n: Colour.BLUE, number=lambda n: n)
        ),
        True,
    ),
    "with some values": (
        lambda s, store: store(
            some(s, price=lambda n: n or None, since=lambda n: date(2020, 1, 1))
        ),
        True,
    ),
    "with NULL where a default is": (lambda s, store: store(some(s, state=lambda n: None)), True),
    "with a value that was read": (
        lambda s, store: store([change(each, price=each.price) for each in some(s)]),
        True,
    ),
    "in batches": (lambda s, store: store(some(s, 7), batch=3), True),
    "one": (lambda s, store: store(some(s, 1)), False),
    "returned": (lambda s, _: (*s.item.insert_many(some(s), returning=True),), True),
    "one twice": (lambda s, store: store(some(s) * 2), False),
    "with SQL": (lambda s, store: store(some(s, price=lambda n: func.abs(-3))), False),
    "with keys": (lambda s, store: store(some(s, id=lambda n: n + 10)), False),
    "with a key": (lambda s, store: store([*some(s), s.item(id=50, name="k")]), False),
    "with relatives": (lambda s, store: store([*some(s), s.item(name="r", lines=[])]), False),
    "with keys of two columns": (
        lambda s, store: store([s.line(order=1, place=n) for n in range(3)]),
        False,
    ),
    "with what the database makes": (
        lambda s, store: store([s.part(name="p", document=n) for n in range(1, 4)]),
        False,
    ),
    "of a wrong kind": (lambda s, store: store([*some(s), s.item(name="w", since="never")]), False),
    "that a check refuses": (lambda s, store: store(some(s, price=lambda n: 1 - n)), False),
    "without what is needed": (lambda s, store: store([*some(s), s.item(price=3)]), False),
    "failing": (fails, False),
    "failing at first": (fails_then_is_inserted, True),
    "failing late": (fails_in_a_later_batch, True),
    "in a block": (in_a_block, True),
    "in a block that fails": (rolled_back, True),
    "in a savepoint that fails": (rolled_back_to_a_savepoint, True),
    "in a savepoint that fails, forgotten": (forgotten_in_a_savepoint, True),
    "failing in a block": (fails_in_a_block, True),
    "changed afterwards": (changed_afterwards, True),
    "beside what waits": (beside_what_waits, True),
    "that the session has": (of_the_session, False),
    "that another session has": (of_another_session, False),
    "that are there": (again, True),
    "in the place of others": (for_keys_that_are_used_again, True),
}


def outcome(shop: Shop, act: Act) -> dict[str, Any]:
    """What is seen, but for the traces that a session leaves in records it does not have."""
    seen = result_of(shop, act)
    for record in seen["records"]:
        if isinstance(record, dict) and record["key"] is None:
            del record["own"], record["changed"]
    return seen


@pytest.mark.filterwarnings("ignore:Identity map already had an identity")
@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("act", ACTS)
def test_the_outcome_is_the_same_on_both_paths(shops: Any, act: str, store: str) -> None:
    plain, planned = (
        outcome(shop, lambda shop: ACTS[act][0](shop, STORES[store])) for shop in shops()
    )
    assert_same(planned, plain)


@pytest.fixture
def inserts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of rows that plans have inserted."""
    numbers: list[int] = []
    keys_of = Insertion.keys_of

    def noting(self: Insertion, connection: Any, values: Any) -> Any:
        keys = keys_of(self, connection, values)
        numbers.append(len(keys or ()))
        return keys

    monkeypatch.setattr(Insertion, "keys_of", noting)
    return numbers


@pytest.mark.filterwarnings("ignore:Identity map already had an identity")
@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("act", ACTS)
def test_a_plan_does_it_where_it_can(inserts: list[int], act: str, store: str) -> None:
    shop = shop_at("sqlite://", plans=True)
    with shop.db(), suppress(Exception):
        ACTS[act][0](shop, STORES[store])
    # `insert_many()` flushes what waits before its rows, `add_all()` with its records
    flushed_with_others = (act, store) == ("beside what waits", "add_all")
    assert bool(inserts) is (ACTS[act][1] and not flushed_with_others)


def test_the_rows_of_one_statement_are_no_more_than_it_takes(
    address: str, inserts: list[int]
) -> None:
    shop = shop_at(address, plans=True)
    try:
        with shop.db():
            shop.db.engine.dialect.insertmanyvalues_page_size = 2
            records = by_insert_many(some(shop, 5))
        with shop.db():
            names = dict(shop.item.query.rows(shop.item.id, shop.item.name))
            assert [names[each.id] for each in records] == ["n0", "n1", "n2", "n3", "n4"]
        assert inserts == [5]
    finally:
        shop.db.metadata.drop_all(shop.db.engine)
        shop.db.dispose()


@pytest.mark.parametrize(
    ("target", "name"),
    [
        *((Session, name) for name in ("before_attach", "before_flush", "pending_to_persistent")),
        *(("item", name) for name in ("before_insert", "after_insert")),
    ],
)
def test_a_listener_hears_of_what_is_inserted(target: Any, name: str) -> None:
    shop = shop_at("sqlite://", plans=True)
    heard: list[Any] = []
    target = shop.item if target == "item" else target

    def listener(*args: Any) -> None:
        heard.append(args)

    with shop.db():
        by_insert_many(some(shop))  # it has a plan by now
        event.listen(target, name, listener)
        try:
            by_insert_many([shop.item(name="a"), shop.item(name="b")])
        finally:
            event.remove(target, name, listener)
    assert heard


@pytest.mark.parametrize("plans", [False, True])
def test_a_row_that_a_trigger_keeps_out_is_an_error(plans: bool) -> None:
    shop = shop_at("sqlite://", plans=plans)
    with shop.db.engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER none BEFORE INSERT ON items WHEN new.name = 'n1' "
            "BEGIN SELECT raise(IGNORE); END"
        )
    with shop.db():
        records = some(shop)
        with pytest.raises(Exception, match="trigger"):
            shop.item.insert_many(records)
        assert all(inspect(each).transient for each in records)
        assert shop.item.query.count() == 1


@pytest.mark.parametrize("plans", [False, True])
@pytest.mark.parametrize("store", STORES)
def test_a_key_that_was_none_is_none_again_after_a_rollback(store: str, plans: bool) -> None:
    shop = shop_at("sqlite://", plans=plans)
    with shop.db():
        records = some(shop, id=lambda _: None)
        with suppress(LookupError), shop.db.transaction():
            STORES[store](records)
            raise LookupError
        assert [each.id for each in records] == [None] * 3


@pytest.mark.slow
@settings(SOME_EXAMPLES, max_examples=20)
@given(data=st.data())
def test_any_records_are_inserted_alike(address: str, data: st.DataObject) -> None:
    given_values = data.draw(
        st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "price": st.none() | st.integers(-1, 3),
                    "colour": st.none() | st.sampled_from(Colour),
                    "state": st.none() | st.sampled_from(["a", "b"]),
                    "since": st.none() | st.dates(date(1990, 1, 1), date(2030, 1, 1)),
                    "number": st.none() | st.integers(0, 9),
                },
            ),
            min_size=2,
            max_size=6,
        )
    )

    def act(shop: Shop) -> tuple[Any, ...]:
        records = [shop.item(name=f"n{n}", **values) for n, values in enumerate(given_values)]
        with suppress(Exception):
            shop.item.insert_many(records)
        return (*records,)

    results = []
    for plans in (False, True):
        shop = shop_at(address, plans=plans)
        results.append(outcome(shop, act))
        shop.db.metadata.drop_all(shop.db.engine)
        shop.db.dispose()
    assert results[0] == results[1]
