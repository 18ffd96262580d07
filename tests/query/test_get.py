"""`Query.get`: the record with a primary key, from the session or from the database."""

from typing import Any

import pytest
from sqlalchemy.exc import InvalidRequestError

from fastapi_sqlalchemy import SQLAlchemy
from tests.blog import User
from tests.statements import sent, verbs_of
from tests.verbs import Verb


@pytest.fixture
def ada_and_bob(db: SQLAlchemy) -> None:
    """With the keys 1 and 2."""
    with db(commit_on_exit=True):
        for name in ("Ada", "Bob"):
            User.new(email=f"{name}@x", name=name)


pytestmark = pytest.mark.usefixtures("ada_and_bob")


def test_a_key_finds_its_record(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        assert verb(User.query, "get", 2).name == "Bob"


@pytest.mark.parametrize("key", [(2,), [2], {"id": 2}], ids=["tuple", "list", "dict"])
def test_a_key_may_be_wrapped(verb: Verb, db: SQLAlchemy, key: Any) -> None:
    with verb.scope(db):
        assert verb(User.query, "get", key).name == "Bob"


def test_a_key_of_no_record_is_none(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        assert verb(User.query, "get", 3) is None


@pytest.mark.parametrize("key", [None, (None,), {"id": None}])
def test_a_key_that_is_none_is_none_and_sends_nothing(verb: Verb, db: SQLAlchemy, key: Any) -> None:
    with verb.scope(db), sent() as statements:
        assert verb(User.query, "get", key) is None
    assert statements == []


@pytest.mark.parametrize("key", [None, (None,), {"id": None}])
def test_a_key_that_is_none_is_none_with_criteria_too(verb: Verb, db: SQLAlchemy, key: Any) -> None:
    with verb.scope(db):
        assert verb(User.query.filter_by(name="Ada"), "get", key) is None


def test_a_record_that_the_session_has_is_found_without_a_statement(
    verb: Verb, db: SQLAlchemy
) -> None:
    with verb.scope(db):
        user = verb(User.query, "first")
        with sent() as statements:
            assert verb(User.query, "get", user.id) is user
    assert statements == []


def test_a_record_that_the_session_has_is_completed_where_the_query_loads_more(
    verb: Verb, db: SQLAlchemy
) -> None:
    with verb.scope(db):
        user = verb(User.query, "first")
        query = User.query.eager(User.posts)
        assert verb(query, "get", user.id) is user
        with sent() as statements:
            assert "posts" in user.__dict__
        assert verb(query, "get", 404) is None
    assert statements == []


def test_a_record_that_was_just_saved_is_found_without_a_statement(
    verb: Verb, db: SQLAlchemy
) -> None:
    with verb.scope(db):
        user = verb(User, "new", email="eve@x")
        with sent() as statements:
            assert verb(User.query, "get", user.id) is user
    assert statements == []


def test_a_record_that_was_deleted_is_not_found(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        verb(verb(User.query, "get", 1), "delete")
        assert verb(User.query, "get", 1) is None


def test_another_scope_asks_for_itself(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        verb(User.query, "get", 1)
    with verb.scope(db), sent() as statements:
        verb(User.query, "get", 1)
    assert verbs_of(statements) == ["SELECT"]


def test_criteria_hold_for_the_record_too(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        assert verb(User.query.filter_by(name="Ada"), "get", 1).name == "Ada"
        assert verb(User.query.filter_by(name="Ada"), "get", 2) is None


def test_criteria_hold_for_a_record_that_the_session_has(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        bob = verb(User.query, "get", 2)
        assert verb(User.query.filter(User.name != "Bob"), "get", bob.id) is None


@pytest.mark.parametrize("key", [2, (2,), {"id": 2}], ids=["plain", "tuple", "dict"])
def test_criteria_go_with_a_key_of_each_form(verb: Verb, db: SQLAlchemy, key: Any) -> None:
    with verb.scope(db):
        assert verb(User.query.filter_by(name="Bob"), "get", key).id == 2


def test_an_order_does_not_matter(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        assert verb(User.query.order_by(User.name), "get", 2).name == "Bob"


@pytest.mark.parametrize("key", [(1, 2), {"id": 1, "name": "Ada"}, {"name": "Ada"}, (), {}])
@pytest.mark.parametrize(
    "query", [User.query, User.query.filter_by(name="Ada")], ids=["all", "some"]
)
def test_a_key_of_another_form_is_refused(
    verb: Verb, db: SQLAlchemy, query: object, key: Any
) -> None:
    with verb.scope(db), pytest.raises(InvalidRequestError):
        verb(query, "get", key)
