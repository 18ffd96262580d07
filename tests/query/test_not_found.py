"""`one` and `one_or_none` where there is not one."""

import pytest
from sqlalchemy import exc

from fastapi_sqlalchemy import SQLAlchemy
from fastapi_sqlalchemy.exceptions import MultipleRecordsFoundError, RecordNotFoundError
from tests.blog import User
from tests.statements import sent
from tests.verbs import Verb


@pytest.fixture(autouse=True)
def two_users(db: SQLAlchemy) -> None:
    with db(commit_on_exit=True):
        for name in ("Ada", "Bob"):
            User.new(email=f"{name}@x", name=name)


nobody = User.query.filter_by(email="secret@x")
everybody = User.query.order_by(User.id)


def test_one_without_a_match_says_what_was_asked_and_the_way_out(
    verb: Verb, db: SQLAlchemy
) -> None:
    with verb.scope(db), pytest.raises(RecordNotFoundError) as caught:
        verb(nobody, "one")
    assert str(caught.value) == (
        "expected one User, found none\n\n"
        "SELECT users.id, users.email, users.name\n"
        "FROM users\n"
        "WHERE users.email = :email_1\n\n"
        "Use `one_or_none()` where absence is a normal outcome."
    )


@pytest.mark.parametrize("terminal", ["one", "one_or_none"])
def test_one_of_several_says_what_was_asked_and_the_way_out(
    verb: Verb, db: SQLAlchemy, terminal: str
) -> None:
    with verb.scope(db), pytest.raises(MultipleRecordsFoundError) as caught:
        verb(everybody, terminal)
    assert str(caught.value) == (
        "expected one User, found several\n\n"
        "SELECT users.id, users.email, users.name\n"
        "FROM users ORDER BY users.id\n\n"
        "Narrow the query, or use `first()` with an `order_by()` where any will do."
    )


def test_a_record_not_found_tells_the_model_and_the_statement(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db), pytest.raises(RecordNotFoundError) as caught:
        verb(nobody, "one")
    assert caught.value.model == "User"
    assert caught.value.statement == str(nobody)


def test_several_records_found_tell_the_model_and_the_statement(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db), pytest.raises(MultipleRecordsFoundError) as caught:
        verb(everybody, "one")
    assert caught.value.model == "User"
    assert caught.value.statement == str(everybody)


def test_a_record_not_found_tells_no_value(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db), pytest.raises(RecordNotFoundError) as caught:
        verb(nobody, "one")
    assert "secret" not in str(caught.value)
    assert "secret" not in repr(caught.value)


def test_a_record_not_found_is_sqlalchemys_error(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db), pytest.raises(exc.NoResultFound):
        verb(nobody, "one")


def test_several_records_found_are_sqlalchemys_error(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db), pytest.raises(exc.MultipleResultsFound):
        verb(everybody, "one_or_none")


def test_a_record_not_found_hides_no_other_error(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db), pytest.raises(RecordNotFoundError) as caught:
        verb(nobody, "one")
    assert caught.value.__suppress_context__


def test_the_session_goes_on_after_a_record_was_not_found(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        with pytest.raises(RecordNotFoundError):
            verb(nobody, "one")
        assert verb(everybody, "count") == 2


@pytest.mark.parametrize("terminal", ["one", "one_or_none"])
def test_one_sends_one_statement(verb: Verb, db: SQLAlchemy, terminal: str) -> None:
    with verb.scope(db), sent() as statements:
        verb(User.query.filter_by(name="Ada"), terminal)
    assert len(statements) == 1
