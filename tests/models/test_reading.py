"""`Model.get` and `Model.get_all`: a key, criteria, or both kinds of criteria together."""

import pytest

from fastapi_sqlalchemy import SQLAlchemy
from fastapi_sqlalchemy.exceptions import UnknownNameError
from tests.blog import Post, User
from tests.statements import sent
from tests.verbs import Verb


@pytest.fixture
def ids(verb: Verb, db: SQLAlchemy) -> list[int]:
    """The keys of two users called Ada and of one called Bob."""
    with verb.scope(db):
        return [
            verb(User, "new", email=f"{number}@x", name=name).id
            for number, name in enumerate(["Ada", "Ada", "Bob"])
        ]


def test_get_takes_a_key(verb: Verb, db: SQLAlchemy, ids: list[int]) -> None:
    with verb.scope(db):
        assert verb(User, "get", ids[2]).name == "Bob"


def test_get_with_a_key_of_no_record_is_none(verb: Verb, db: SQLAlchemy, ids: list[int]) -> None:
    with verb.scope(db):
        assert verb(User, "get", max(ids) + 1) is None


def test_get_with_a_key_the_session_knows_sends_nothing(
    verb: Verb, db: SQLAlchemy, ids: list[int]
) -> None:
    with verb.scope(db):
        user = verb(User, "get", ids[0])
        with sent() as statements:
            assert verb(User, "get", ids[0]) is user
    assert statements == []


def test_get_takes_names(verb: Verb, db: SQLAlchemy, ids: list[int]) -> None:
    with verb.scope(db):
        assert verb(User, "get", name="Ada", email="1@x").id == ids[1]


def test_get_takes_criteria(verb: Verb, db: SQLAlchemy, ids: list[int]) -> None:
    with verb.scope(db):
        assert verb(User, "get", User.id > ids[0], User.id < ids[2]).id == ids[1]


def test_get_applies_criteria_and_names_together(
    verb: Verb, db: SQLAlchemy, ids: list[int]
) -> None:
    with verb.scope(db):
        assert verb(User, "get", User.id > ids[0], name="Ada").id == ids[1]
        assert verb(User, "get", User.id > ids[1], name="Ada") is None


def test_get_sends_one_statement_with_a_limit(verb: Verb, db: SQLAlchemy, ids: list[int]) -> None:
    with verb.scope(db), sent() as statements:
        assert verb(User, "get", name="Ada").name == "Ada"
    [statement] = statements
    assert "WHERE users.name = " in statement
    assert " LIMIT " in statement


def test_get_with_nothing_to_look_for_is_refused(
    verb: Verb, db: SQLAlchemy, ids: list[int]
) -> None:
    with verb.scope(db), pytest.raises(TypeError, match="expected a primary key or criteria"):
        verb(User, "get")


@pytest.mark.parametrize(("key", "names"), [((None,), {}), ((), {"id": None})])
def test_get_with_none_for_a_key_is_none(
    verb: Verb, db: SQLAlchemy, ids: list[int], key: tuple[None, ...], names: dict[str, None]
) -> None:
    with verb.scope(db):
        assert verb(User, "get", *key, **names) is None


def test_get_with_a_name_that_is_none_finds_null(
    verb: Verb, db: SQLAlchemy, ids: list[int]
) -> None:
    with verb.scope(db):
        nameless = verb(User, "new", email="nobody@x")
        assert verb(User, "get", name=None) is nameless


@pytest.mark.parametrize(("key", "names"), [((1, 2), {}), ((1,), {"name": "Ada"})])
def test_get_with_a_key_and_more_is_refused(
    verb: Verb, db: SQLAlchemy, key: tuple[int, ...], names: dict[str, str]
) -> None:
    with verb.scope(db), pytest.raises(TypeError, match="either one primary key or criteria"):
        verb(User, "get", *key, **names)


def test_get_with_a_bool_hints_at_the_comparison_that_gave_it(verb: Verb, db: SQLAlchemy) -> None:
    user = User(id=1, email="ada@x")
    with verb.scope(db), pytest.raises(TypeError, match=r"instead of the model's \(`User.id == 1`"):
        verb(User, "get", user.id == 1)


def test_get_all_without_criteria_is_every_record(
    verb: Verb, db: SQLAlchemy, ids: list[int]
) -> None:
    with verb.scope(db):
        assert sorted(user.id for user in verb(User, "get_all")) == sorted(ids)


def test_get_all_takes_names(verb: Verb, db: SQLAlchemy, ids: list[int]) -> None:
    with verb.scope(db):
        assert {user.id for user in verb(User, "get_all", name="Ada")} == set(ids[:2])


def test_get_all_applies_criteria_and_names_together(
    verb: Verb, db: SQLAlchemy, ids: list[int]
) -> None:
    with verb.scope(db):
        assert [user.id for user in verb(User, "get_all", User.id > ids[0], name="Ada")] == [ids[1]]


def test_get_all_without_a_match_is_empty(verb: Verb, db: SQLAlchemy, ids: list[int]) -> None:
    with verb.scope(db):
        assert verb(User, "get_all", name="Eve") == []


def test_get_all_in_an_empty_collection_is_empty(
    verb: Verb, db: SQLAlchemy, ids: list[int]
) -> None:
    with verb.scope(db):
        assert verb(User, "get_all", User.id.in_([])) == []


@pytest.mark.parametrize("name", ["get", "get_all"])
def test_a_misspelt_name_is_refused_before_anything_is_sent(
    verb: Verb, db: SQLAlchemy, name: str
) -> None:
    with verb.scope(db), sent() as statements, pytest.raises(UnknownNameError) as caught:
        verb(User, name, nmae="Ada")
    assert (caught.value.model, caught.value.unknown, caught.value.closest) == (
        "User",
        "nmae",
        "name",
    )
    assert statements == []


def test_a_relationship_compares_with_a_record(verb: Verb, db: SQLAlchemy, ids: list[int]) -> None:
    with verb.scope(db):
        ada, _, bob = verb(User.query.order_by(User.id), "all")
        post = verb(Post, "new", title="On engines", author=ada)
        assert verb(Post, "get", author=ada) is post
        assert verb(Post, "get", author=bob) is None
