"""`query[a:b]` is a query, `query[i]` a record."""

from typing import Any

import pytest

from fastapi_sqlalchemy import Query, SQLAlchemy
from fastapi_sqlalchemy.exceptions import InvalidSliceError, SyncInAsyncError
from tests.blog import User
from tests.statements import sent
from tests.verbs import Verb


@pytest.fixture(autouse=True)
def ten_users(db: SQLAlchemy) -> None:
    with db(commit_on_exit=True):
        for number in range(10):
            User.new(email=f"{number}@x", name=str(number))


users = User.query.order_by(User.id)
NAMES = [str(number) for number in range(10)]


def test_a_slice_sends_nothing_and_is_a_query() -> None:
    with sent() as statements:
        part = users[2:5]
    assert type(part) is Query
    assert statements == []


PARTS = [
    slice(2, 5),
    slice(None, 3),
    slice(7, None),
    slice(None, None),
    slice(4, 4),
    slice(5, 2),
    slice(8, 99),
    slice(99, None),
    slice(0, 0),
]


@pytest.mark.parametrize("outer", [slice(0, 10), slice(2, 8), slice(1, None), slice(3, 4)], ids=str)
def test_a_slice_of_a_slice_is_that_of_the_list(verb: Verb, db: SQLAlchemy, outer: slice) -> None:
    with verb.scope(db):
        for part in PARTS:
            query, expected = users[outer][part], NAMES[outer][part]
            assert [user.name for user in verb(query, "all")] == expected, part
            assert verb(query, "count") == len(expected), part
            first = verb(query, "first")
            assert (first and first.name) == next(iter(expected), None), part


@pytest.mark.parametrize(
    ("wrong", "shown"),
    [
        (slice(-3, None), "-3:"),
        (slice(None, -1), ":-1"),
        (slice(0, 9, 2), "0:9:2"),
        (slice(None, None, -1), "::-1"),
        (slice("a", 2), "a:2"),
        (-1, "-1"),
    ],
)
def test_a_slice_that_sql_cannot_say_is_refused(wrong: Any, shown: str) -> None:
    with pytest.raises(InvalidSliceError) as caught:
        _ = users[wrong]
    assert caught.value.found == shown
    assert "turn the order round" in str(caught.value)


def test_an_index_is_a_record(db: SQLAlchemy) -> None:
    with db():
        assert users[3].name == "3"
        assert users[2:][3].name == "5"
        assert users.with_entities(User.name)[4] == ("4",)


def test_an_index_beyond_the_end_is_an_index_error(db: SQLAlchemy) -> None:
    with db():
        with pytest.raises(IndexError, match="expected a User at index 10, found fewer"):
            users[10]
        with pytest.raises(IndexError):
            users[:2][2]


@pytest.mark.parametrize("db", ["postgresql"], indirect=True)
async def test_an_index_blocks_as_first_does(db: SQLAlchemy) -> None:
    async with db():
        assert (await users[3:].afirst()) is not None
        with pytest.raises(SyncInAsyncError):
            users[3]
