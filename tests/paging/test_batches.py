"""`find_each` and `in_batches`: every record once, in the memory of one batch."""

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event, exc, text

from fastapi_sqlalchemy import SQLAlchemy
from fastapi_sqlalchemy.exceptions import MissingSessionError
from tests.paging.model import Box, Pair, Thing
from tests.statements import sent, verbs_of
from tests.verbs import Verb


@pytest.fixture(autouse=True)
def boxes(db: SQLAlchemy) -> None:
    with db(commit_on_exit=True):
        for number in range(7):
            things = [Thing(rank=number) for _ in range(number % 3)]
            Box.new(label=f"{number % 2}", things=things)


def ids(records: Any) -> list[int]:
    return [record.id for record in records]


def test_each_record_is_met_once(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db), sent() as statements:
        assert ids(verb.each(Box.query, "find_each", 3)) == [1, 2, 3, 4, 5, 6, 7]
    assert verbs_of(statements) == ["SELECT"] * 3


def test_batches_have_the_size_they_are_asked_for(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        batches = verb.each(Box.query, "in_batches", 3)
        assert [ids(batch) for batch in batches] == [[1, 2, 3], [4, 5, 6], [7]]
        assert all(isinstance(batch, list) for batch in batches)


def test_a_last_batch_that_is_full_is_followed_by_none(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        assert [len(b) for b in verb.each(Box.query.filter(Box.id < 7), "in_batches", 3)] == [3, 3]


def test_no_record_is_no_batch(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        assert verb.each(Box.query.filter_by(label="none"), "in_batches") == []


def test_the_order_of_the_query_is_kept(verb: Verb, db: SQLAlchemy) -> None:
    query = Box.query.order_by(Box.label.desc())
    with verb.scope(db):
        assert ids(verb.each(query, "find_each", 2)) == [2, 4, 6, 1, 3, 5, 7]


def test_a_joined_collection_gives_each_record_once(verb: Verb, db: SQLAlchemy) -> None:
    query = Box.query.join(Box.things).order_by(Thing.rank.desc())
    with verb.scope(db):
        assert ids(verb.each(query, "find_each", 2)) == [6, 5, 3, 2]


def test_a_key_of_two_columns_is_walked(verb: Verb, db: SQLAlchemy) -> None:
    keys = [("a", 1), ("a", 2), ("b", 1)]
    with db(commit_on_exit=True):
        for left, right in keys:
            Pair.new(left=left, right=right)
    with verb.scope(db):
        assert [(p.left, p.right) for p in verb.each(Pair.query, "find_each", 1)] == keys


def test_records_may_be_saved_between_two_batches(verb: Verb, db: SQLAlchemy) -> None:
    def rename() -> None:
        for batch in Box.query.in_batches(2):
            for box in batch:
                box.update(label=f"box {box.id}")

    async def arename() -> None:
        async for batch in Box.query.ain_batches(2):
            for box in batch:
                await box.aupdate(label=f"box {box.id}")

    with verb.scope(db):
        verb.inside(rename if verb.blocking else arename)
        labels = [box.label for box in verb(Box.query.order_by(Box.id), "all")]
    assert labels == [f"box {number}" for number in range(1, 8)]


def test_records_may_be_deleted_on_the_way(verb: Verb, db: SQLAlchemy) -> None:
    def clear() -> None:
        for thing in Thing.query.find_each(2):
            thing.delete()

    async def aclear() -> None:
        async for thing in Thing.query.afind_each(2):
            await thing.adelete()

    with verb.scope(db):
        verb.inside(clear if verb.blocking else aclear)
        assert verb(Thing.query, "count") == 0


def test_no_connection_is_held_between_two_batches(verb: Verb, db: SQLAlchemy) -> None:
    held: list[bool] = []
    with verb.scope(db):
        verb.each(
            Box.query,
            "in_batches",
            2,
            progress=lambda *_: held.append(db.session.in_transaction()),
        )
    assert held == [False] * 4


def test_progress_is_told_after_each_batch(verb: Verb, db: SQLAlchemy) -> None:
    told: list[tuple[int, int]] = []
    with verb.scope(db), sent() as statements:
        verb.each(Box.query, "find_each", 3, progress=lambda *numbers: told.append(numbers))
    assert told == [(3, 7), (6, 7), (7, 7)]
    assert "count(*)" in statements[0]
    assert len(statements) == 4


def test_progress_is_told_once_where_the_last_batch_is_full(verb: Verb, db: SQLAlchemy) -> None:
    told: list[tuple[int, int]] = []
    query = Box.query.filter(Box.id < 3)
    with verb.scope(db):
        verb.each(query, "find_each", 1, progress=lambda *numbers: told.append(numbers))
        assert told == [(1, 2), (2, 2)]
        verb.each(query.filter_by(label="none"), "find_each", progress=lambda *n: told.append(n))
    assert told[2:] == [(0, 0)]


class Alive:
    """How many boxes that were loaded are still there, and how many were at most."""

    def __init__(self) -> None:
        self._records: weakref.WeakSet[Any] = weakref.WeakSet()
        self.most = 0

    def note(self, record: object, _: object) -> None:
        self._records.add(record)
        self.most = max(self.most, len(self._records))


@pytest.fixture
def alive() -> Iterator[Alive]:
    gc.collect()
    gc.disable()  # what is freed is freed by reference counts alone
    alive = Alive()
    event.listen(Box, "load", alive.note)
    yield alive
    event.remove(Box, "load", alive.note)
    gc.enable()


@pytest.mark.parametrize("name", ["find_each", "in_batches"])
def test_records_of_earlier_batches_are_free_before_the_next_are_loaded(
    verb: Verb, db: SQLAlchemy, alive: Alive, name: str
) -> None:
    def walk() -> None:
        for found in getattr(Box.query, name)(2):
            del found

    async def awalk() -> None:
        async for found in getattr(Box.query, f"a{name}")(2):
            del found

    with verb.scope(db):
        verb.inside(walk if verb.blocking else awalk)
    assert alive.most == 2


def test_records_that_were_saved_are_free_as_well(verb: Verb, db: SQLAlchemy, alive: Alive) -> None:
    def walk() -> None:
        for box in Box.query.find_each(1):
            box.update(label="new")
            del box

    async def awalk() -> None:
        async for box in Box.query.afind_each(1):
            await box.aupdate(label="new")
            del box

    with verb.scope(db):
        verb.inside(walk if verb.blocking else awalk)
    assert alive.most <= 2


ARGUMENTS = [("find_each", "batch"), ("in_batches", "size")]


@pytest.mark.parametrize(("name", "argument"), ARGUMENTS)
@pytest.mark.parametrize("size", [0, -1, True, "5", 1.0, None], ids=repr)
def test_a_batch_of_no_size_is_refused_by_the_name_of_the_argument(
    verb: Verb, db: SQLAlchemy, name: str, argument: str, size: Any
) -> None:
    expected = f"expected `{argument}` to be a whole number"
    with verb.scope(db), pytest.raises(ValueError, match=expected):
        verb.each(Box.query, name, size)


@pytest.mark.parametrize("name", ["find_each", "in_batches"])
@pytest.mark.parametrize(
    ("query", "found"),
    [(Box.query.limit(2), "one with them"), (Box.query.order_by(text("label")), "text: `label`")],
    ids=["limit", "text"],
)
def test_what_cannot_be_walked_is_refused_in_the_name_of_the_verb(
    verb: Verb, db: SQLAlchemy, name: str, query: Any, found: str
) -> None:
    with verb.scope(db), pytest.raises(exc.InvalidRequestError, match=found) as caught:
        verb.each(query, name)
    assert str(caught.value).startswith(f"{name}()")


@pytest.mark.parametrize("name", ["find_each", "in_batches"])
@pytest.mark.usefixtures("db")
def test_a_missing_session_is_told_where_the_verb_is_called(name: str) -> None:
    with pytest.raises(MissingSessionError):
        getattr(Box.query, name)()
