"""`in_()`: a plan for all lists, whose SQL has as many parameters as a list has values."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Integer, String, bindparam, func, literal, or_, tuple_
from sqlalchemy.types import TypeDecorator
from typing_extensions import override

from fastapi_sqlalchemy import SQLAlchemy
from fastapi_sqlalchemy._plans import expanding
from tests.blog import Post, User
from tests.plans.both import SOME_EXAMPLES, assert_equal_on_both_paths
from tests.plans.test_equality import KINDS, address, model_of
from tests.statements import sent

__all__ = ["address"]  # a fixture

QUERIES: dict[str, Callable[[], Any]] = {
    "one": lambda: User.query.filter(User.id.in_([1])),
    "two": lambda: User.query.filter(User.id.in_([2, 1])).order_by(User.id),
    "a tuple": lambda: User.query.filter(User.id.in_((1, 2))),
    "a set": lambda: User.query.filter(User.id.in_({1, 2})),
    "a range": lambda: User.query.filter(User.id.in_(range(3))),
    "a value twice": lambda: User.query.filter(User.id.in_([1, 1])),
    "none": lambda: User.query.filter(User.id.in_([])),
    "not these": lambda: User.query.filter(User.id.not_in([1])),
    "not none": lambda: User.query.filter(User.id.not_in([])),
    "NULL among them": lambda: User.query.filter(User.id.in_([1, None])),
    "an expression among them": lambda: User.query.filter(User.id.in_([1, literal(1) + 1])),
    "a column": lambda: User.query.filter(literal(1).in_([User.id, 7])),
    "a subquery": lambda: User.query.filter(
        User.id.in_(Post.query.with_entities(Post.author_id).statement)
    ),
    "pairs": lambda: User.query.filter(tuple_(User.id, User.name).in_([(1, "Ada"), (2, "no")])),
    "two lists": lambda: User.query.filter(User.id.in_([1, 2]), User.name.in_(["Ada"])),
    "one list twice": lambda: User.query.filter(
        or_(User.name.in_(names := ["Ada"]), User.email.in_(names))
    ),
    "between others": lambda: (
        User.query.filter_by(name="Ada").filter(User.id.in_([1, 2]), User.id < 5).limit(3)
    ),
    "of a function": lambda: User.query.filter(func.lower(User.name).in_(["ada"])),
    "of another type": lambda: User.query.filter(User.name.in_([1, 2])),
    "of what no driver takes": lambda: User.query.filter(User.id.in_([1j])),
    "given later": lambda: User.query.filter(
        User.id.in_(bindparam("later", callable_=lambda: [1, 2], expanding=True))
    ),
    "written into the SQL": lambda: User.query.filter(
        User.id.in_(bindparam("here", [1, 2], expanding=True, literal_execute=True))
    ),
}


@pytest.mark.parametrize("name", QUERIES)
def test_a_list_finds_the_same_on_both_paths(db: SQLAlchemy, name: str) -> None:
    assert_equal_on_both_paths(db, lambda: QUERIES[name]().all())
    assert_equal_on_both_paths(db, lambda: QUERIES[name]().count())


@pytest.mark.parametrize("name", ["one", "two", "a set", "none", "not none", "two lists"])
def test_a_list_has_a_plan(db: SQLAlchemy, name: str) -> None:
    with db():
        assert QUERIES[name]().explain_plan() == "a plan"


def test_lists_of_all_lengths_have_one_plan(db: SQLAlchemy) -> None:
    with db():
        plans = db.session._plans
        assert plans is not None
        User.query.filter(User.id.in_([1])).all()
        before = len(plans.known)
        for number in range(20):
            ids = list(range(number))
            found = User.query.filter(User.id.in_(ids)).order_by(User.id).pluck(User.id)
            assert found == [key for key in (1, 2) if key < number]
        assert len(plans.known) == before + 1


def test_the_sql_is_kept_for_few_lengths(db: SQLAlchemy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expanding, "MOST", 2)
    monkeypatch.setattr(expanding, "_LONGEST", 3)
    with db():
        for length in (1, 2, 3, 4, 5, 1):
            assert User.query.filter(User.id.in_(range(1, length + 1))).count() == min(length, 2)
            ids = list(range(1, length + 1))
            assert User.query.filter(User.id.in_(ids)).count() == min(length, 2)
        plans = db.session._plans
        assert plans is not None
        kept = [
            len(plan.statement.lists._forms)
            for plan in plans.known.values()
            if not isinstance(plan, str) and plan.statement.lists is not None
        ]
        assert kept == [2]


def test_a_list_that_changes_meanwhile_is_read_when_it_is_sent(db: SQLAlchemy) -> None:
    with db():
        ids = [1]
        query = User.query.filter(User.id.in_(ids))
        ids.append(2)
        planned = query.count()
        with sent():  # SQLAlchemy's own path
            assert query.count() == planned


class Tagged(TypeDecorator[str]):
    """Text that is stored with a mark."""

    impl = String
    cache_ok = True

    @override
    def process_bind_param(self, value: Any, dialect: Any) -> str | None:
        return None if value is None else f"<{value}>"


def test_values_of_a_list_are_processed_each(address: str) -> None:
    db = SQLAlchemy(address)
    members = {
        "__tablename__": "things",
        "id": Column(Integer, primary_key=True),
        "tag": Column(Tagged(9)),
    }
    thing: Any = type("Thing", (db.Base,), members)
    db.create_all()
    try:
        with db():
            thing.insert_many([{"tag": "a"}, {"tag": "b"}])
            assert_equal_on_both_paths(
                db, lambda: thing.query.filter(thing.tag.in_(["a", "b", "c"])).all()
            )
            with db():
                assert thing.query.filter(thing.tag.in_(["a", "b", "c"])).count() == 2
    finally:
        db.metadata.drop_all(db.engine)
        db.dispose()


@SOME_EXAMPLES
@given(data=st.data())
def test_any_list_of_any_type_finds_the_same(address: str, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(KINDS.keys() - {"document", "pickled"})))
    values = KINDS[kind][1]
    with model_of(address, ["integer"], [kind, "text"]) as (db, model):
        column = getattr(model, f"c0_{kind}")
        rows = data.draw(st.lists(st.none() | values, min_size=1, max_size=4))
        with db():
            model.insert_many(
                {"k0_integer": n, f"c0_{kind}": value} for n, value in enumerate(rows)
            )
        wanted = data.draw(st.lists(st.none() | values | st.just(Decimal(1)), max_size=4))
        for criterion in (column.in_(wanted), column.not_in(wanted)):
            query = model.query.filter(criterion).order_by(model.k0_integer)
            assert_equal_on_both_paths(db, query.all)
            assert_equal_on_both_paths(db, query.count)
