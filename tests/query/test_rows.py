"""Rows instead of records: `with_entities`, `rows`, `dicts`, `pluck`, `scalar`."""

from typing import Any

import pytest
from sqlalchemy import exc, func
from sqlalchemy.orm import DeclarativeBase, Mapped, joinedload, mapped_column

from fastapi_sqlalchemy import ModelBase, SQLAlchemy
from fastapi_sqlalchemy.exceptions import (
    MultipleRecordsFoundError,
    NotAColumnError,
    RecordNotFoundError,
    UnknownNameError,
)
from tests.blog import Post, User
from tests.statements import sent
from tests.verbs import Verb


@pytest.fixture(autouse=True)
def ada_and_bob(db: SQLAlchemy) -> None:
    """Ada has two posts, Bob one."""
    with db(commit_on_exit=True):
        for name, titles in (("Ada", ["a1", "a2"]), ("Bob", ["b1"])):
            posts = [Post(title=title) for title in titles]
            User.new(email=f"{name}@x", name=name, posts=posts)


pairs = User.query.order_by(User.id).with_entities(User.id, User.name)


def test_rows_are_tuples_with_names(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db), sent() as statements:
        found = verb(pairs, "all")
    assert found == [(1, "Ada"), (2, "Bob")]
    assert found[0].name == "Ada"
    assert statements == ["SELECT users.id, users.name FROM users ORDER BY users.id"]


def test_rows_are_refined_like_records(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        assert verb(pairs.filter_by(name="Bob"), "one") == (2, "Bob")
        assert verb(pairs.offset(1), "first") == (2, "Bob")
        assert verb(pairs[1:2], "all") == [(2, "Bob")]
        assert verb(pairs.filter(User.id > 2), "one_or_none") is None
        assert verb(pairs.filter(User.id > 2), "exists") is False
        assert verb(pairs, "count") == 2


def test_rows_are_iterated(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        assert [name for _, name in verb.each(pairs)] == ["Ada", "Bob"]


def test_rows_come_as_often_as_they_are_found(verb: Verb, db: SQLAlchemy) -> None:
    query = User.query.join(User.posts).with_entities(User.name).order_by(Post.id)
    with verb.scope(db):
        assert verb(query, "all") == [("Ada",), ("Ada",), ("Bob",)]
        assert verb(query, "count") == 3
        assert verb(query.distinct().order_by(None), "count") == 2


def test_rows_of_records_may_load_what_belongs_to_them(verb: Verb, db: SQLAlchemy) -> None:
    query = User.query.options(joinedload(User.posts)).order_by(User.id)
    with verb.scope(db), sent() as statements:
        found = verb(query.with_entities(User, User.name), "all")
        titles = verb.inside(lambda: [[p.title for p in user.posts] for user, _ in found])
    assert titles == [["a1", "a2"], ["b1"]]
    assert len(statements) == 1


def test_loader_options_do_not_hinder_columns(verb: Verb, db: SQLAlchemy) -> None:
    query = User.query.options(joinedload(User.posts)).order_by(User.id)
    with verb.scope(db):
        assert verb(query, "pluck", User.name) == ["Ada", "Bob"]


def test_an_aggregate_exists_without_rows_too(verb: Verb, db: SQLAlchemy) -> None:
    query = User.query.filter(User.id > 9).with_entities(func.count())
    with verb.scope(db):
        assert verb(query, "all") == [(0,)]
        assert verb(query, "exists") is True


def test_rows_say_what_was_asked_where_there_is_none(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db), pytest.raises(RecordNotFoundError) as caught:
        verb(pairs.filter_by(email="secret"), "one")
    assert str(caught.value).startswith("expected one User, found none\n\nSELECT users.id, users")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("terminal", ["one", "one_or_none", "scalar"])
def test_rows_say_what_was_asked_where_there_are_several(
    verb: Verb, db: SQLAlchemy, terminal: str
) -> None:
    with verb.scope(db), pytest.raises(MultipleRecordsFoundError):
        verb(pairs, terminal)


def test_a_scalar_is_the_first_column_of_the_only_row(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        assert verb(pairs.limit(1), "scalar") == 1
        assert verb(pairs.filter(User.id > 9), "scalar") is None
        assert verb(User.query.with_entities(func.count()), "scalar") == 2


def test_a_scalar_of_records_is_the_only_one(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        assert verb(User.query.filter_by(name="Bob"), "scalar").id == 2
        assert verb(User.query.filter_by(name="Eve"), "scalar") is None
        with pytest.raises(MultipleRecordsFoundError):
            verb(User.query, "scalar")


def test_rows_are_asked_for_in_one_word(verb: Verb, db: SQLAlchemy) -> None:
    query = User.query.order_by(User.id)
    with verb.scope(db):
        assert verb(query, "rows", User.name, User.id) == [("Ada", 1), ("Bob", 2)]
        assert verb(query.limit(1), "rows") == [(1, "Ada@x", "Ada")]
        assert verb(pairs, "rows") == [(1, "Ada"), (2, "Bob")]


def test_dicts_have_the_names_of_the_columns(verb: Verb, db: SQLAlchemy) -> None:
    query = User.query.order_by(User.id).limit(1)
    with verb.scope(db):
        assert verb(query, "dicts") == [{"id": 1, "email": "Ada@x", "name": "Ada"}]
        assert verb(query, "dicts", func.upper(User.name).label("loud")) == [{"loud": "ADA"}]
        assert verb(pairs.limit(1), "dicts") == [{"id": 1, "name": "Ada"}]


def test_plucked_values_are_a_list(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        assert verb(User.query.order_by(User.id.desc()), "pluck", User.name) == ["Bob", "Ada"]
        assert verb(pairs, "pluck", User.email) == ["Ada@x", "Bob@x"]
        assert verb(User.query.filter(User.id.in_([])), "pluck", User.id) == []
        assert verb(User.query.join(User.posts).order_by(Post.id), "pluck", Post.title) == [
            "a1",
            "a2",
            "b1",
        ]


@pytest.mark.parametrize("method", ["with_entities", "rows", "dicts", "pluck", "sum", "min", "avg"])
@pytest.mark.parametrize(
    ("wrong", "found"),
    [("nmae", "found 'nmae'."), (User.posts, "found the relationship User.posts.")],
    ids=["string", "relationship"],
)
def test_what_is_no_column_is_refused(db: SQLAlchemy, method: str, wrong: Any, found: str) -> None:
    with db(), sent() as statements, pytest.raises(NotAColumnError) as caught:
        getattr(User.query, method)(wrong)
    assert str(caught.value).startswith(f"{method}() expected a column or an expression, {found}")
    assert isinstance(caught.value, exc.ArgumentError | TypeError)
    assert statements == []


def test_a_string_for_a_column_names_the_closest_one(db: SQLAlchemy) -> None:
    with db(), pytest.raises(NotAColumnError, match=r"its model: `User\.name`\.") as caught:
        User.query.pluck("nmae")  # type: ignore[arg-type] # what is tested
    assert (caught.value.model, caught.value.found, caught.value.closest) == (
        "User",
        "'nmae'",
        "name",
    )


@pytest.mark.parametrize("method", ["order_by", "group_by"])
def test_an_unknown_name_is_refused_with_the_closest_one(method: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        getattr(User.query, method)("nmae")
    assert str(caught.value) == (
        f"{method}() expected attributes of User, found `nmae`, which it does not have.\n\n"
        "Did you mean `name`?"
    )


@pytest.mark.parametrize("name", ["posts", "save", "metadata", "_sa_registry", "name; DROP", ""])
def test_a_name_that_is_no_column_is_refused(name: str) -> None:
    with pytest.raises(UnknownNameError):
        _ = User.query.order_by(name)


def test_a_private_column_is_not_for_names_from_outside() -> None:
    class Base(ModelBase, DeclarativeBase):
        pass

    class Account(Base):
        __tablename__ = "accounts"
        id: Mapped[int] = mapped_column(primary_key=True)
        _password: Mapped[str]

    with pytest.raises(UnknownNameError):
        _ = Account.query.order_by("_password")
    assert str(Account.query.order_by(Account._password)).endswith("ORDER BY accounts._password")


def test_a_name_may_be_that_of_a_joined_model_or_of_a_label() -> None:
    assert str(User.query.join(User.posts).order_by("title")).endswith("ORDER BY posts.title")
    loud = User.query.with_entities(func.upper(User.name).label("loud"))
    assert str(loud.order_by("loud")).endswith("ORDER BY loud")


def test_the_repr_of_rows_names_the_model() -> None:
    assert repr(pairs) == "<Rows of User>"
