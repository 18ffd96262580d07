"""Tests of an application: isolating and counting."""

from typing import assert_type

from fastapi_sqlalchemy import SQLAlchemy
from fastapi_sqlalchemy.testing import Sent, assert_queries, max_queries


class Database(SQLAlchemy):
    """One of an application's own."""


def isolating(db: Database) -> None:
    """`with db.testing():`"""
    with db.testing(timeout=1) as same:
        assert_type(same, Database)
    db.testing(1)  # type: ignore[call-arg]  # by name only


async def isolating_awaited(db: Database) -> None:
    """`async with db.testing():`"""
    async with db.testing() as same:
        assert_type(same, Database)


def counting(db: SQLAlchemy) -> None:
    """`assert_queries`, `max_queries`"""
    with assert_queries(1) as sent, max_queries(2, db) as also:
        assert_type(sent, list[Sent])
        assert_type(also, list[Sent])
    assert_queries("1")  # type: ignore[arg-type]


async def counting_awaited() -> None:
    """the same in `async with`"""
    async with max_queries(1) as sent:
        assert_type(sent[0].place, str)
