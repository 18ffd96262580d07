"""What was deleted does not stand in the way of what it belonged to."""

from typing import Any

import pytest
from sqlalchemy import inspect

from fastapi_sqlalchemy import SQLAlchemy
from fastapi_sqlalchemy.exceptions import UnknownNameError
from tests.blog import Post, User
from tests.statements import sent, verbs_of
from tests.verbs import Verb


def writer(verb: Verb) -> User:
    posts = [Post(title="one"), Post(title="two")]
    ada = verb(User, "new", email="ada@x", posts=posts)
    assert isinstance(ada, User)
    return ada


def test_a_record_is_saved_after_one_of_its_collection_was_deleted(
    verb: Verb, db: SQLAlchemy
) -> None:
    with verb.scope(db):
        ada = writer(verb)
        verb(verb.inside(lambda: ada.posts[0]), "delete")
        assert verb(ada, "update", name="Ada").name == "Ada"
    with verb.scope(db):
        assert verb(Post.query, "count") == 1


def test_a_record_is_saved_after_a_query_deleted_its_collection(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        ada = writer(verb)
        assert verb(Post.query.filter_by(author_id=ada.id), "delete") == 2
        ada.name = "Ada"
        verb(ada, "save")
    with verb.scope(db):
        assert verb(User.query, "one").name == "Ada"


def test_a_record_that_is_gone_already_is_deleted_without_a_word(
    verb: Verb, db: SQLAlchemy
) -> None:
    with verb.scope(db):
        ada = verb(User, "new", email="ada@x")
        with db():
            User.query.filter_by(email="ada@x").delete()
        with sent() as statements:
            verb(ada, "delete")
        assert verbs_of(statements) == ["DELETE"]
        assert verb(User.query, "count") == 0


def test_refresh_names_what_it_does_not_know(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        ada = verb(User, "new", email="ada@x")
        with pytest.raises(UnknownNameError, match="Did you mean `name`"):
            verb(ada, "refresh", "nmae")
        assert not inspect(ada).expired


def test_an_abstract_base_has_no_query() -> None:
    base: Any = User.__mro__[1]
    assert not hasattr(base, "query")
    with pytest.raises(AttributeError, match="has no table"):
        base.query  # noqa: B018 - it is reading it that is refused
