"""A refused save of records that hang together: each keeps its place, to be corrected and saved."""

from typing import Any

import pytest
from sqlalchemy import inspect
from sqlalchemy.exc import IntegrityError

from fastapi_sqlalchemy import SQLAlchemy
from tests.blog import Post, User
from tests.statements import sent
from tests.verbs import Verb


@pytest.fixture(autouse=True)
def ada_and_bob(verb: Verb, db: SQLAlchemy) -> None:
    """Ada has written one post; her address nobody else can have."""
    with verb.scope(db):
        verb(User, "new", email="ada@x", name="Ada", posts=[Post(title="On engines")])
        verb(User, "new", email="bob@x", name="Bob")


def written(verb: Verb, db: SQLAlchemy) -> dict[str, list[str]]:
    """The titles of each author, seen by a session that knew none of them."""
    with verb.scope(db):
        users = verb(User.query, "all")
        posts = verb(Post.query.order_by(Post.id), "all")
    return {
        user.email: [post.title for post in posts if post.author_id == user.id] for user in users
    }


def refused_changes(verb: Verb, record: User | Post, **values: Any) -> None:
    def change() -> None:
        for name, value in values.items():
            setattr(record, name, value)

    verb.inside(change)
    with pytest.raises(IntegrityError):
        verb(record, "save")


def test_the_children_of_a_refused_parent_keep_their_values_and_get_no_key(
    verb: Verb, db: SQLAlchemy
) -> None:
    with verb.scope(db):
        post = Post(title="On bees")
        user = User(email="ada@x", posts=[post])
        with pytest.raises(IntegrityError):
            verb(user, "save")
        assert [name for name, value in post.to_dict().items() if value is not None] == ["title"]
        assert user.posts == [post]
        assert post.author is user


def test_a_refused_parent_is_corrected_and_saved_with_its_children(
    verb: Verb, db: SQLAlchemy
) -> None:
    with verb.scope(db):
        user = User(email="ada@x", posts=[Post(title="On bees")])
        with pytest.raises(IntegrityError):
            verb(user, "save")
        verb(user, "update", email="eve@x")
    assert written(verb, db)["eve@x"] == ["On bees"]


def test_a_refused_child_is_corrected_and_saved_with_its_new_parent(
    verb: Verb, db: SQLAlchemy
) -> None:
    with verb.scope(db):
        untitled: Any = None
        post = Post(title=untitled, author=User(email="eve@x"))
        with pytest.raises(IntegrityError):
            verb(post, "save")
        verb(post, "update", title="On bees")
    assert written(verb, db)["eve@x"] == ["On bees"]


def test_a_refused_change_of_the_parent_is_kept(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        post = verb(Post.query, "one")
        bob = verb(User, "get", name="Bob")
        refused_changes(verb, post, author=bob, title=None)
        with sent() as statements:
            assert verb.inside(lambda: (post.author, post.title)) == (bob, None)
    assert statements == []
    assert written(verb, db) == {"ada@x": ["On engines"], "bob@x": []}


def test_a_refused_change_of_the_parent_is_corrected_and_saved(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        post = verb(Post.query, "one")
        bob = verb(User, "get", name="Bob")
        refused_changes(verb, post, author=bob, title=None)
        verb(post, "update", title="On bees")
    assert written(verb, db) == {"ada@x": [], "bob@x": ["On bees"]}


def test_a_refused_addition_to_a_collection_is_kept(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        ada = verb(verb(User, "get", name="Ada"), "refresh", "posts")
        [first] = ada.posts
        untitled: Any = None
        second = Post(title=untitled)
        refused_changes(verb, ada, posts=[first, second])
        assert verb.inside(lambda: ada.posts) == [first, second]
        assert inspect(second).transient or inspect(second).pending


def test_a_refused_addition_to_a_collection_is_corrected_and_saved(
    verb: Verb, db: SQLAlchemy
) -> None:
    with verb.scope(db):
        ada = verb(verb(User, "get", name="Ada"), "refresh", "posts")
        untitled: Any = None
        second = Post(title=untitled)
        refused_changes(verb, ada, posts=[*ada.posts, second])
        second.title = "On bees"
        verb(ada, "save")
    assert written(verb, db)["ada@x"] == ["On engines", "On bees"]


def test_a_refused_removal_from_a_collection_is_corrected_and_saved(
    verb: Verb, db: SQLAlchemy
) -> None:
    with verb.scope(db):
        ada = verb(verb(User, "get", name="Ada"), "refresh", "posts")
        bob = verb(User, "get", name="Bob")
        [post] = ada.posts
        with pytest.raises(IntegrityError):
            verb(ada, "update", posts=[])
        verb(post, "update", author=bob)
    assert written(verb, db) == {"ada@x": [], "bob@x": ["On engines"]}


def test_a_refused_delete_is_repeated_when_nothing_hinders_it(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        ada = verb(User, "get", name="Ada")
        with pytest.raises(IntegrityError):
            verb(ada, "delete")
        verb(verb(Post.query, "one"), "delete")
        verb(ada, "delete")
    assert written(verb, db) == {"bob@x": []}


def test_a_refused_key_is_corrected_and_saved(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        ada, bob = verb(User, "get", name="Ada"), verb(User, "get", name="Bob")
        refused_changes(verb, bob, id=ada.id)
        assert bob.id == ada.id
        verb(bob, "update", id=ada.id + 100)
        with verb.scope(db):
            assert verb(User, "get", ada.id + 100).name == "Bob"
