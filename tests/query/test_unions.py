"""`union` and `union_all`: the records of several queries, and what goes on after."""

from typing import Any

import pytest
from sqlalchemy.orm import joinedload

from fastapi_sqlalchemy import SQLAlchemy
from tests.blog import Post, User
from tests.statements import sent
from tests.verbs import Verb


@pytest.fixture
def db(every_db: SQLAlchemy) -> SQLAlchemy:
    with every_db(commit_on_exit=True):
        for name in ("Ada", "Bob", "Eve"):
            User.new(email=f"{name}@x", name=name, posts=[Post(title="1"), Post(title="2")])
    return every_db


ada = User.query.filter_by(name="Ada")
bob = User.query.filter_by(name="Bob")
by_name = User.query.order_by(User.name)


def names(verb: Verb, query: Any) -> list[str]:
    return [user.name for user in verb(query.order_by(User.name), "all")]


@pytest.mark.parametrize("union", ["union", "union_all"])
def test_a_union_has_each_record_once(verb: Verb, db: SQLAlchemy, union: str) -> None:
    query = getattr(ada, union)(bob, ada)
    with verb.scope(db):
        assert names(verb, query) == ["Ada", "Bob"]
        assert verb(query, "count") == 2


def test_a_union_is_a_query_of_keys() -> None:
    assert str(ada.union(bob)) == (
        "SELECT users.id, users.email, users.name\nFROM users\nWHERE users.id IN "
        "(SELECT users.id\nFROM users\nWHERE users.name = :name_1 UNION SELECT users.id\n"
        "FROM users\nWHERE users.name = :name_2)"
    )


def test_a_union_goes_on_as_a_query(verb: Verb, db: SQLAlchemy) -> None:
    query = ada.union(bob)
    with verb.scope(db):
        assert names(verb, query.filter(User.name != "Ada")) == ["Bob"]
        assert names(verb, query.order_by(User.name).limit(1)) == ["Ada"]
        assert names(verb, query.join(User.posts).filter_by(title="2")) == ["Ada", "Bob"]
        assert verb(query.filter_by(name="Eve"), "exists") is False
        assert verb(query.order_by(User.name), "pluck", User.name) == ["Ada", "Bob"]
        assert verb(query, "get", 1).name == "Ada"
        assert verb(query, "get", 3) is None
        assert names(verb, query.union(User.query.filter_by(name="Eve"))) == ["Ada", "Bob", "Eve"]


def test_parts_of_a_union_may_be_limited(verb: Verb, db: SQLAlchemy) -> None:
    first, last = by_name.limit(1), by_name.reset_order().order_by(User.name.desc()).limit(1)
    with verb.scope(db):
        assert names(verb, first.union(last)) == ["Ada", "Eve"]
        assert names(verb, by_name[1:].union(bob)) == ["Bob", "Eve"]


def test_parts_of_a_union_may_be_joined_and_distinct(verb: Verb, db: SQLAlchemy) -> None:
    joined = User.query.join(User.posts).filter_by(title="1").filter(User.name == "Bob")
    with verb.scope(db):
        assert names(verb, joined.union(ada)) == ["Ada", "Bob"]
        assert names(verb, joined.distinct().union(ada.distinct())) == ["Ada", "Bob"]


def test_a_union_keeps_loader_options(verb: Verb, db: SQLAlchemy) -> None:
    query = ada.options(joinedload(User.posts)).union(bob)
    with verb.scope(db), sent() as statements:
        found = verb(query, "all")
        assert verb.inside(lambda: [len(user.posts) for user in found]) == [2, 2]
    assert len(statements) == 1


def test_a_union_of_another_model_is_refused() -> None:
    other: Any = Post.query
    with pytest.raises(TypeError, match="expected queries of User, found <Query of Post>"):
        _ = ada.union(other)


def test_a_part_of_a_union_keeps_its_tables(verb: Verb, db: SQLAlchemy) -> None:
    query = User.query.filter(User.id == Post.author_id, Post.title == "1", User.name == "Ada")
    assert "FROM users, posts" in str(query.union(bob))
    with verb.scope(db):
        assert names(verb, query.union(bob)) == ["Ada", "Bob"]
