"""Changing all that a query finds: the same rows, counts, records and errors on both paths."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import bindparam, event, func, select, tuple_
from sqlalchemy.orm import Session

from fastapi_sqlalchemy import Query, SQLAlchemy
from fastapi_sqlalchemy._plans.plans import Plans
from fastapi_sqlalchemy.exceptions import MissingSessionError, UnknownNameError
from tests.blog import User
from tests.plans.both import SOME_EXAMPLES, assert_same
from tests.plans.test_equality import address, model_of, models, refine, rows_of
from tests.plans.test_equality import chains as chains_of
from tests.plans.test_saving import Act, Colour, Shop, failing, result_of, shop_at, shops

__all__ = ["address", "shops"]  # fixtures


def items(shop: Shop) -> Query[Any]:
    """Those of a shop that has five, and a session that holds none."""
    with shop.db():
        shop.item.insert_many([{"name": f"n{n}", "price": n, "number": n} for n in range(1, 6)])
    query: Query[Any] = shop.item.query
    return query


def few(shop: Shop) -> Query[Any]:
    return items(shop).filter(shop.item.price > 3)


def lines(shop: Shop) -> Query[Any]:
    with shop.db():
        if not shop.line.query.exists():
            shop.line.new(order=1, place=1)
    query: Query[Any] = shop.line.query.filter_by(order=1)
    return query


def in_a_block(act: Callable[[Shop], Any]) -> Act:
    def acted(shop: Shop) -> Any:
        query = few(shop)
        with shop.db.transaction():
            shop.part.new(name="p", document=1)  # it has written before
            return act(shop), query.count()

    return acted


def rolled_back(shop: Shop) -> Any:
    query = few(shop)
    with suppress(LookupError), shop.db.transaction():
        query.update(price=9)
        raise LookupError
    return query.filter_by(price=9).count()


def fails_in_a_block(shop: Shop) -> Any:
    query = few(shop)
    with shop.db.transaction():
        shop.part.new(name="p", document=1)
        failing(lambda: query.update(price=-1))
        return query.update(price=8)


def pending(shop: Shop) -> Any:
    query = items(shop)
    shop.db.session.add(shop.item(name="waits", price=4))
    return query.filter_by(price=4).update(state="seen")


def pending_fails(shop: Shop) -> Any:
    query = items(shop)
    shop.db.session.add(shop.item(name="known"))
    failing(lambda: query.filter_by(price=4).update(state="seen"))
    shop.db.session.rollback()
    return query.filter_by(price=4).update(state="seen")


def held(shop: Shop) -> Any:
    query = items(shop)
    record = query.filter_by(price=4).one()
    return record, query.filter(shop.item.price >= 4).update(state="seen")


def another_held(shop: Shop) -> Any:
    query = few(shop)
    part = shop.part.new(name="p", document=1)
    return part, query.update(state="seen")


def late(shop: Shop) -> Any:
    query = few(shop)
    with shop.db(commit_on_exit=True):
        return query.update(state="seen"), query.filter_by(state="seen").count()


ACTS: dict[str, tuple[Act, str]] = {
    "by keywords": (lambda s: few(s).update(price=7, state="x"), "alone"),
    "by attributes": (lambda s: few(s).update({s.item.price: 7, "state": "x"}), "alone"),
    "of an enumeration": (lambda s: few(s).update(colour=Colour.RED), "alone"),
    "to NULL": (lambda s: few(s).update(price=None), "alone"),
    "by equality": (lambda s: items(s).filter_by(price=4).update(price=5), "alone"),
    "by a list": (lambda s: items(s).filter(s.item.price.in_([1, 2])).update(price=5), "alone"),
    "by an empty list": (lambda s: items(s).filter(s.item.price.in_([])).update(price=5), "alone"),
    "by SQL": (lambda s: few(s).update(price=s.item.price + 10, state="x"), "alone"),
    "by a function": (lambda s: few(s).update(name=func.upper(s.item.name)), "alone"),
    "by a column": (lambda s: few(s).update(price=s.item.number), ""),
    "by a subquery": (
        lambda s: few(s).update(price=select(func.max(s.line.place)).scalar_subquery()),
        "alone",
    ),
    "by a value given later": (
        lambda s: few(s).update(price=bindparam("later", callable_=lambda: 7)),
        "alone",
    ),
    "by another table": (lambda s: few(s).update(price=s.line.place + 1), ""),
    "of a limit": (lambda s: few(s).order_by(s.item.id).limit(1).update(price=7), "alone"),
    "of all": (lambda s: items(s).update(price=7, all_rows=True), "alone"),
    "of all, unsaid": (lambda s: items(s).update(price=7), ""),
    "of nothing": (lambda s: few(s).update({}), ""),
    "of an unknown name": (lambda s: few(s).update(prize=7), ""),
    "of a relationship": (lambda s: few(s).update(lines=[]), ""),
    "of rows that are not there": (lambda s: few(s).filter_by(name="no").update(price=7), "alone"),
    "of a wrong kind": (lambda s: few(s).update(since="never"), ""),
    "that a check refuses": (lambda s: few(s).update(price=-7), "alone"),
    "that is not unique": (lambda s: few(s).update(name="known"), "alone"),
    "of a column by another name": (
        lambda s: (lines(s).update(text="b"), lines(s).update({s.line.text: None})),
        "alone",
    ),
    "of what counts itself": (lambda s: s.part.query.filter_by(id=1).update(name="q"), "alone"),
    "of a document": (lambda s: s.part.query.filter_by(id=1).update(document={"a": 1}), "alone"),
    "by rows of a join": (
        lambda s: items(s).join(s.item.lines).update(price=7, all_rows=True),
        "",
    ),
    "deletion": (lambda s: few(s).delete(), "alone"),
    "deletion by equality": (lambda s: items(s).filter_by(price=4).delete(), "alone"),
    "deletion of all": (lambda s: items(s).delete(all_rows=True), "alone"),
    "deletion of all, unsaid": (lambda s: items(s).delete(), ""),
    "deletion of a limit": (lambda s: few(s).order_by(s.item.id).limit(1).delete(), "alone"),
    "deletion of a part": (
        lambda s: items(s).filter(tuple_(s.item.id, s.item.price).in_([(2, 1)])).delete(),
        "",
    ),
    "in a block": (in_a_block(lambda s: s.item.query.filter_by(price=5).update(price=9)), "within"),
    "deletion in a block": (
        in_a_block(lambda s: s.item.query.filter_by(price=5).delete()),
        "within",
    ),
    "in a block that fails": (rolled_back, "within"),
    "failure in a block": (fails_in_a_block, "within"),
    "after what waits": (pending, ""),
    "after what waits and fails": (pending_fails, "alone"),
    "of a record that is held": (held, ""),
    "beside a record of another model": (another_held, "alone"),
    "in a scope that commits late": (late, "within"),
}


@pytest.mark.parametrize("act", ACTS)
def test_the_outcome_is_the_same_on_both_paths(shops: Any, act: str) -> None:
    plain, planned = (result_of(shop, ACTS[act][0]) for shop in shops())
    assert_same(planned, plain)


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ways that were taken."""
    taken: list[str] = []
    for way in ("alone", "within"):
        change = getattr(Plans, f"change_{way}")

        def noting(*args: Any, way: str = way, change: Any = change) -> Any:
            count = change(*args)
            if count is not None:
                taken.append(way)
            return count

        monkeypatch.setattr(Plans, f"change_{way}", noting)
    return taken


@pytest.mark.parametrize(
    "act", [act for act in ACTS if "refuses" not in act and "not u" not in act]
)
def test_one_statement_does_it_where_that_is_all(ways: list[str], act: str) -> None:
    shop = shop_at("sqlite://", plans=True)
    with shop.db(), suppress(Exception):
        ACTS[act][0](shop)
    assert set(ways) == ({ACTS[act][1]} if ACTS[act][1] else set())


@pytest.mark.parametrize("name", ["do_orm_execute", "after_begin", "before_commit"])
@pytest.mark.parametrize("block", [False, True])
def test_a_listener_hears_of_what_a_statement_changes(name: str, *, block: bool) -> None:
    shop = shop_at("sqlite://", plans=True)
    heard: list[Any] = []

    def listener(*args: Any) -> None:
        heard.append(args)

    with shop.db():
        shop.item.query.filter_by(name="no").update(price=1)  # it has a plan by now
        event.listen(Session, name, listener)
        try:
            if block:
                with shop.db.transaction():
                    shop.item.query.filter_by(name="no").update(price=1)
            else:
                shop.item.query.filter_by(name="no").update(price=1)
        finally:
            event.remove(Session, name, listener)
    assert len(heard) == 1


def test_what_is_wrong_is_told_before_a_session_is_missed(db: SQLAlchemy) -> None:
    with pytest.raises(UnknownNameError):
        User.query.filter_by(id=1).update(nmae="Ada")  # type: ignore[call-arg]  # a mistake
    with pytest.raises(MissingSessionError):
        User.query.filter_by(id=1).update(name="Ada")


def test_a_model_that_gets_heirs_changes_their_rows_as_without_plans() -> None:
    shop = shop_at("sqlite://", plans=True)
    with shop.db():
        shop.part.query.filter_by(id=1).update(name="one")
    mapper = shop.part.__mapper__
    heir: Any = type("Heir", (shop.part,), {"__mapper_args__": {"polymorphic_identity": "heir"}})
    assert heir.__mapper__ in mapper._inheriting_mappers
    with shop.db():
        heir.new(name="heir", document=1)
    with shop.db():
        assert shop.part.query.filter_by(name="heir").update(name="two") == 1


@SOME_EXAMPLES
@given(data=st.data())
def test_a_chain_changes_the_same_on_both_paths(address: str, data: st.DataObject) -> None:
    key, others = data.draw(models())
    with model_of(address, key, others) as (db, model):
        names = [*model.__table__.columns.keys()]
        keys, rest = names[: len(key)], names[len(key) :]
        rows = data.draw(
            st.lists(
                st.tuples(rows_of(keys, key=True), rows_of(rest, key=False)),
                min_size=1,
                max_size=4,
                unique_by=lambda row: repr(sorted(row[0].items())),
            )
        )
        values = [{**identity, **others} for identity, others in rows]
        calls = data.draw(chains_of(names, values))
        change = data.draw(rows_of(rest, key=False))

        def outcome(plans: bool) -> tuple[list[Any], list[str]]:
            with db():
                model.query.delete(all_rows=True)
                model.insert_many(values)
            counts: list[Any] = []
            with db():
                if not plans:
                    db.session._plans = None
                query = refine(model, calls, values[0])
                for terminal in ("update", "delete"):
                    given_to = (change,) if terminal == "update" else ()
                    try:
                        counts.append(getattr(query, terminal)(*given_to, all_rows=True))
                    except Exception as error:
                        counts.append((type(error), str(error)))
            with db():
                left = sorted(str(row) for row in model.query.rows())
            return counts, left

        plain = outcome(plans=False)
        assert outcome(plans=True) == plain
        assert outcome(plans=True) == plain
