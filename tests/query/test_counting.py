"""`count`: how many records `all` would give."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func
from sqlalchemy.orm import aliased

from fastapi_sqlalchemy import Query, SQLAlchemy
from tests.blog import Post, User
from tests.statements import sent
from tests.verbs import Verb


@pytest.fixture(autouse=True)
def users(db: SQLAlchemy) -> None:
    """Two called Ada with two posts each, one called Bob."""
    with db(commit_on_exit=True):
        for number, name in enumerate(["Ada", "Ada", "Bob"]):
            posts = [Post(title="a"), Post(title="b")] if name == "Ada" else []
            User.new(email=f"{number}@x", name=name, posts=posts)


@pytest.mark.parametrize(
    ("query", "count"),
    [
        pytest.param(User.query, 3, id="all"),
        pytest.param(User.query.filter_by(name="Ada"), 2, id="criterion"),
        pytest.param(User.query.filter_by(name="Eve"), 0, id="no match"),
        pytest.param(User.query.filter(User.id.in_([])), 0, id="empty collection"),
        pytest.param(User.query.order_by(User.name), 3, id="order"),
        pytest.param(User.query.distinct(), 3, id="distinct"),
        pytest.param(User.query.limit(2), 2, id="limit"),
        pytest.param(User.query.limit(9), 3, id="generous limit"),
        pytest.param(User.query.limit(0), 0, id="no limit at all"),
        pytest.param(User.query.limit(9).offset(2), 1, id="offset"),
        pytest.param(User.query.limit(9).offset(9), 0, id="offset beyond the end"),
        pytest.param(User.query.order_by(User.id).offset(1), 2, id="offset alone"),
        pytest.param(User.query.filter_by(name="Ada").limit(1), 1, id="criterion and limit"),
        pytest.param(User.query.join(User.posts), 2, id="join"),
        pytest.param(User.query.join(User.posts).filter_by(title="b"), 2, id="join, criterion"),
        pytest.param(User.query.join(User.posts).distinct(), 2, id="join, distinct"),
        pytest.param(User.query.join(User.posts).distinct().limit(1), 1, id="join, limit"),
        pytest.param(
            User.query.join(User.posts).order_by(Post.id).limit(2), 1, id="join, rows limited"
        ),
        pytest.param(
            User.query.join(User.posts).order_by(Post.id).limit(2).offset(1), 2, id="join, offset"
        ),
        pytest.param(User.query.order_by(User.id).limit(2).limit(None), 3, id="limit forgotten"),
    ],
)
def test_a_count_is_the_number_of_records(
    verb: Verb, db: SQLAlchemy, query: Query[User], count: int
) -> None:
    with verb.scope(db):
        assert verb(query, "count") == count
        assert len(verb(query, "all")) == count


@pytest.mark.parametrize("db", ["postgresql"], indirect=True)
def test_a_count_of_distinct_columns_counts_what_they_leave(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        assert verb(User.query.distinct(User.name), "count") == 2


def test_a_count_loads_no_record(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db), sent() as statements:
        verb(User.query.order_by(User.name), "count")
    assert statements == ["SELECT count(*) AS count_1 FROM users"]


def test_a_limited_count_counts_within_the_limit(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db), sent() as statements:
        verb(User.query.limit(2), "count")
    [statement] = statements
    assert statement.startswith("SELECT count(*) AS count_1 FROM (SELECT ")
    assert " LIMIT " in statement


def test_a_count_sees_what_the_scope_has_saved(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db, commit_on_exit=True):
        verb(User, "new", email="eve@x")
        assert verb(User.query, "count") == 4


@pytest.mark.parametrize(
    "slice_of",
    [lambda query: query.limit(3), lambda query: query.offset(1)],
    ids=["limit", "offset"],
)
def test_a_part_of_a_join_counts_the_records_in_it(
    verb: Verb, db: SQLAlchemy, slice_of: Callable[[Any], Any]
) -> None:
    with db():
        rows = slice_of(db.session.query(User).join(User.posts).order_by(Post.id))
        assert rows.count() == 3  # SQLAlchemy counts the rows
        expected = len(rows.all())
    with verb.scope(db):
        query = slice_of(User.query.join(User.posts).order_by(Post.id))
        assert verb(query, "count") == expected == 2


def test_a_query_of_an_alias_in_a_criterion_counts_rows_of_the_model(
    verb: Verb, db: SQLAlchemy
) -> None:
    other = aliased(User)
    names = User.query.statement.with_only_columns(func.min(User.name)).scalar_subquery()
    query = User.query.filter(User.name == names).join(other, other.id == User.id)
    with verb.scope(db):
        assert verb(query, "count") == 2
