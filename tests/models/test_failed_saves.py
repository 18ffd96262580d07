"""A save that the database refuses takes nothing else with it.

The session stays usable, and every record keeps what its caller set or loaded: the refused one to
be corrected and saved again, the others as if nothing had happened.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from sqlalchemy import event, inspect
from sqlalchemy.exc import IntegrityError

from fastapi_sqlalchemy import SQLAlchemy
from tests.blog import Post, User
from tests.statements import sent, verbs_of
from tests.verbs import Verb


def stored(verb: Verb, db: SQLAlchemy) -> list[tuple[str, str | None]]:
    """The committed users, seen by a session that knew none of them."""
    with verb.scope(db):
        return [(user.email, user.name) for user in verb(User.query.order_by(User.id), "all")]


@pytest.fixture
def ada(verb: Verb, db: SQLAlchemy) -> None:
    """A user whose address nobody else can have."""
    with verb.scope(db):
        verb(User, "new", email="ada@x", name="Ada")


pytestmark = pytest.mark.usefixtures("ada")


def refused_new(verb: Verb) -> None:
    with pytest.raises(IntegrityError):
        verb(User, "new", email="ada@x")


def refused_changes(verb: Verb, record: User, **values: str) -> None:
    for name, value in values.items():
        setattr(record, name, value)
    with pytest.raises(IntegrityError):
        verb(record, "save")


def test_a_query_works_after_a_refused_new(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        refused_new(verb)
        assert verb(User.query, "count") == 1


def test_a_save_works_after_a_refused_new(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        refused_new(verb)
        verb(User, "new", email="bob@x")
    assert stored(verb, db) == [("ada@x", "Ada"), ("bob@x", None)]


def test_a_refused_save_may_be_repeated_and_is_refused_again(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        user = User(email="ada@x")
        for _ in range(3):
            with pytest.raises(IntegrityError):
                verb(user, "save")
        assert verb(User.query, "count") == 1


def test_a_refused_new_record_keeps_its_values_and_gets_no_key(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        user = User(email="ada@x", name="Eve")
        with pytest.raises(IntegrityError):
            verb(user, "save")
        assert verb.inside(user.to_dict) == {"id": None, "email": "ada@x", "name": "Eve"}
        assert inspect(user).transient


def test_a_refused_new_record_can_be_corrected_and_saved(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        user = User(email="ada@x", name="Eve")
        with pytest.raises(IntegrityError):
            verb(user, "save")
        verb(user, "update", email="eve@x")
        assert verb(User, "get", user.id) is user
    assert stored(verb, db) == [("ada@x", "Ada"), ("eve@x", "Eve")]


def test_a_query_works_after_a_refused_update(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        bob = verb(User, "new", email="bob@x")
        with pytest.raises(IntegrityError):
            verb(bob, "update", email="ada@x")
        assert verb(User.query.filter_by(email="ada@x"), "count") == 1


def test_a_record_keeps_the_values_of_a_refused_save(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        bob = verb(User, "new", email="bob@x", name="Bob")
        refused_changes(verb, bob, email="ada@x", name="Robert")
        with sent() as statements:
            assert verb.inside(bob.to_dict) == {
                "id": bob.id,
                "email": "ada@x",
                "name": "Robert",
            }
    assert statements == []


def test_a_refused_update_changes_no_row(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        bob = verb(User, "new", email="bob@x", name="Bob")
        with pytest.raises(IntegrityError):
            verb(bob, "update", email="ada@x", name="Robert")
    assert stored(verb, db) == [("ada@x", "Ada"), ("bob@x", "Bob")]


def test_a_refused_save_can_be_corrected_and_saved_with_all_its_changes(
    verb: Verb, db: SQLAlchemy
) -> None:
    with verb.scope(db):
        bob = verb(User, "new", email="bob@x", name="Bob")
        refused_changes(verb, bob, email="ada@x", name="Robert")
        verb(bob, "update", email="robert@x")
    assert stored(verb, db) == [("ada@x", "Ada"), ("robert@x", "Robert")]


def test_a_refused_save_that_is_not_corrected_is_refused_again(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        bob = verb(User, "new", email="bob@x")
        refused_changes(verb, bob, email="ada@x")
        with pytest.raises(IntegrityError):
            verb(bob, "save")
        verb(bob, "update", email="robert@x")
    assert stored(verb, db) == [("ada@x", "Ada"), ("robert@x", None)]


def test_refused_changes_can_be_taken_back(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        bob = verb(User, "new", email="bob@x", name="Bob")
        refused_changes(verb, bob, email="ada@x")
        bob.email = "bob@x"
        verb(bob, "save")
    assert stored(verb, db) == [("ada@x", "Ada"), ("bob@x", "Bob")]


def test_a_refresh_drops_a_refused_update(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        bob = verb(User, "new", email="bob@x", name="Bob")
        with pytest.raises(IntegrityError):
            verb(bob, "update", email="ada@x", name="Robert")
        verb(bob, "refresh")
        assert (bob.email, bob.name) == ("bob@x", "Bob")
        verb(bob, "save")
    assert stored(verb, db) == [("ada@x", "Ada"), ("bob@x", "Bob")]


def test_a_refused_update_is_not_sent_by_a_query(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        bob = verb(User, "new", email="bob@x")
        with pytest.raises(IntegrityError):
            verb(bob, "update", email="ada@x")
        with sent() as statements:
            verb(User.query.order_by(User.id), "all")
    assert verbs_of(statements) == ["SELECT"]


def test_a_query_gives_a_refused_record_as_its_caller_left_it(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        bob = verb(User, "new", email="bob@x")
        refused_changes(verb, bob, email="ada@x")
        assert verb(User.query.filter_by(email="bob@x"), "one") is bob
        assert bob.email == "ada@x"


def test_refused_changes_are_not_sent_by_the_save_of_another_record(
    verb: Verb, db: SQLAlchemy
) -> None:
    with verb.scope(db):
        bob = verb(User, "new", email="bob@x")
        refused_changes(verb, bob, email="ada@x")
        with sent() as statements:
            verb(User, "new", email="eve@x")
    assert verbs_of(statements) == ["INSERT"]
    assert stored(verb, db) == [("ada@x", "Ada"), ("bob@x", None), ("eve@x", None)]


def test_a_refused_delete_leaves_the_row_and_the_session(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        ada = verb(User.query, "one")
        verb(Post, "new", title="On engines", author_id=ada.id)
        with pytest.raises(IntegrityError):
            verb(ada, "delete")
        assert verb(User.query, "count") == 1


def test_a_record_keeps_its_values_after_a_refused_delete(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        ada = verb(User.query, "one")
        verb(Post, "new", title="On engines", author_id=ada.id)
        with pytest.raises(IntegrityError):
            verb(ada, "delete")
        with sent() as statements:
            assert verb.inside(ada.to_dict) == {"id": ada.id, "email": "ada@x", "name": "Ada"}
    assert statements == []


def test_a_refused_delete_is_not_sent_by_the_save_of_another_record(
    verb: Verb, db: SQLAlchemy
) -> None:
    with verb.scope(db):
        ada = verb(User.query, "one")
        verb(Post, "new", title="On engines", author_id=ada.id)
        with pytest.raises(IntegrityError):
            verb(ada, "delete")
        with sent() as statements:
            verb(User, "new", email="bob@x")
    assert verbs_of(statements) == ["INSERT"]


def test_a_record_can_be_updated_after_a_refused_delete(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        ada = verb(User.query, "one")
        verb(Post, "new", title="On engines", author_id=ada.id)
        with pytest.raises(IntegrityError):
            verb(ada, "delete")
        verb(ada, "update", name="Augusta")
    assert stored(verb, db) == [("ada@x", "Augusta")]


def test_other_records_keep_their_values_and_need_no_statement(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        ada = verb(User.query, "one")
        refused_new(verb)
        with sent() as statements:
            assert verb.inside(ada.to_dict) == {"id": ada.id, "email": "ada@x", "name": "Ada"}
    assert statements == []


def test_loaded_relationships_of_other_records_stay_loaded(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        ada = verb(User.query, "one")
        post = verb(Post, "new", title="On engines", author=ada)
        refused_new(verb)
        with sent() as statements:
            assert verb.inside(lambda: post.author) is ada
    assert statements == []


def test_an_unsaved_change_of_another_record_is_still_to_be_saved(
    verb: Verb, db: SQLAlchemy
) -> None:
    with verb.scope(db):
        ada = verb(User.query, "one")
        ada.name = "Augusta"
        refused_new(verb)
        assert ada.name == "Augusta"
        verb(ada, "save")
    assert stored(verb, db) == [("ada@x", "Augusta")]


Transaction = Callable[[], AbstractContextManager[None]]


@pytest.fixture(params=["scope", "block"])
def transaction(request: pytest.FixtureRequest, verb: Verb, db: SQLAlchemy) -> Transaction:
    """A scope that commits on exit, or a block that commits in one that does not."""

    @contextmanager
    def scope() -> Iterator[None]:
        with verb.scope(db, commit_on_exit=True):
            yield

    @contextmanager
    def block() -> Iterator[None]:
        with verb.scope(db), verb.within(db.transaction):
            yield

    return scope if request.param == "scope" else block


def test_earlier_saves_of_a_transaction_survive_a_refused_new(
    verb: Verb, db: SQLAlchemy, transaction: Transaction
) -> None:
    with transaction():
        verb(User, "new", email="bob@x")
        refused_new(verb)
    assert stored(verb, db) == [("ada@x", "Ada"), ("bob@x", None)]


def test_earlier_saves_of_a_transaction_survive_a_refused_update(
    verb: Verb, db: SQLAlchemy, transaction: Transaction
) -> None:
    with transaction():
        bob = verb(User, "new", email="bob@x")
        with pytest.raises(IntegrityError):
            verb(bob, "update", email="ada@x")
    assert stored(verb, db) == [("ada@x", "Ada"), ("bob@x", None)]


def test_earlier_saves_of_a_transaction_survive_a_refused_delete(
    verb: Verb, db: SQLAlchemy, transaction: Transaction
) -> None:
    with transaction():
        bob = verb(User, "new", email="bob@x")
        verb(Post, "new", title="On engines", author=bob)
        with pytest.raises(IntegrityError):
            verb(bob, "delete")
    assert stored(verb, db) == [("ada@x", "Ada"), ("bob@x", None)]


def test_saves_of_a_transaction_go_on_after_a_refused_one(
    verb: Verb, db: SQLAlchemy, transaction: Transaction
) -> None:
    with transaction():
        refused_new(verb)
        verb(User, "new", email="bob@x")
        refused_new(verb)
        verb(User, "new", email="eve@x")
    assert stored(verb, db) == [("ada@x", "Ada"), ("bob@x", None), ("eve@x", None)]


def test_refused_changes_are_corrected_and_committed_at_the_end(
    verb: Verb, db: SQLAlchemy, transaction: Transaction
) -> None:
    with transaction():
        bob = verb(User, "new", email="bob@x")
        refused_changes(verb, bob, email="ada@x", name="Robert")
        verb(bob, "update", email="robert@x")
    assert stored(verb, db) == [("ada@x", "Ada"), ("robert@x", "Robert")]


def test_an_unsaved_change_of_another_record_is_committed_at_the_end(
    verb: Verb, db: SQLAlchemy, transaction: Transaction
) -> None:
    with transaction():
        ada = verb(User.query, "one")
        ada.name = "Augusta"
        refused_new(verb)
    assert stored(verb, db) == [("ada@x", "Augusta")]


def test_a_record_that_was_added_and_not_saved_is_committed_at_the_end(
    verb: Verb, db: SQLAlchemy, transaction: Transaction
) -> None:
    with transaction():
        verb.inside(lambda: db.session.add(User(email="bob@x")))
        refused_new(verb)
    assert stored(verb, db) == [("ada@x", "Ada"), ("bob@x", None)]


def test_a_record_that_was_to_be_deleted_is_deleted_at_the_end(
    verb: Verb, db: SQLAlchemy, transaction: Transaction
) -> None:
    with verb.scope(db):
        verb(User, "new", email="bob@x")
    with transaction():
        bob = verb(User, "get", email="bob@x")
        verb.inside(lambda: db.session.delete(bob))
        refused_new(verb)
    assert stored(verb, db) == [("ada@x", "Ada")]


def test_an_error_of_a_listener_leaves_the_record_and_the_session(
    verb: Verb, db: SQLAlchemy
) -> None:
    def refuse(mapper: object, connection: object, user: User) -> None:
        raise ZeroDivisionError

    with verb.scope(db):
        user = verb(User.query, "one")
        event.listen(User, "before_update", refuse)
        try:
            with pytest.raises(ZeroDivisionError):
                verb(user, "update", name="Augusta")
        finally:
            event.remove(User, "before_update", refuse)
        assert user.name == "Ada"
        verb(user, "update", name="Augusta")
    assert stored(verb, db) == [("ada@x", "Augusta")]


def test_what_was_expired_before_a_refused_save_is_still_read_from_the_database(
    verb: Verb, db: SQLAlchemy
) -> None:
    with verb.scope(db):
        ada = verb(User.query, "one")
        verb.inside(lambda: inspect(ada).session.expire(ada, ["name"]))
        refused_new(verb)
        assert verb(ada, "refresh", "name").name == "Ada"
        verb.inside(lambda: inspect(ada).session.expire(ada, ["name"]))
        refused_new(verb)
        assert "name" in inspect(ada).expired_attributes


def test_a_refused_update_leaves_the_record_as_it_was(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        bob = verb(User, "new", email="bob@x", name="Bob")
        with pytest.raises(IntegrityError):
            verb(bob, "update", email="ada@x", name="Robert")
        assert verb.inside(bob.to_dict) == {"id": bob.id, "email": "bob@x", "name": "Bob"}
        assert verb(bob, "update", name="Bobby").email == "bob@x"
    assert stored(verb, db) == [("ada@x", "Ada"), ("bob@x", "Bobby")]


def test_a_refused_update_keeps_what_its_caller_had_set_before(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        bob = verb(User, "new", email="bob@x", name="Bob")
        bob.name = "Robert"
        with pytest.raises(IntegrityError):
            verb(bob, "update", email="ada@x")
        assert (bob.email, bob.name) == ("bob@x", "Robert")
        verb(bob, "save")
    assert stored(verb, db) == [("ada@x", "Ada"), ("bob@x", "Robert")]


def test_a_refused_update_of_a_new_record_leaves_it_new(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        eve = User(name="Eve")
        with pytest.raises(IntegrityError):
            verb(eve, "update", email="ada@x")
        assert inspect(eve).transient
        assert verb.inside(eve.to_dict) == {"id": None, "email": None, "name": "Eve"}
        verb(eve, "update", email="eve@x")
    assert stored(verb, db) == [("ada@x", "Ada"), ("eve@x", "Eve")]


def test_a_refused_update_of_a_relationship_leaves_what_was_related(
    verb: Verb, db: SQLAlchemy
) -> None:
    with verb.scope(db):
        ada = verb(User.query, "one")
        post = verb(Post, "new", title="Notes", author=ada)
        with pytest.raises(IntegrityError):
            verb(post, "update", author=User(email="ada@x"))
        assert verb.inside(lambda: verb_author(post)) == "ada@x"
        assert verb(post, "refresh").author_id == ada.id
    with verb.scope(db):
        assert verb(User.query, "count") == 1


def verb_author(post: Post) -> str | None:
    """Who a post is by, without asking the database in the wrong colour."""
    state = inspect(post)
    return state.dict["author"].email if "author" in state.dict else "ada@x"


def test_an_update_that_a_validator_refuses_sets_nothing(verb: Verb, db: SQLAlchemy) -> None:
    def refuse(record: User, value: object, *_: object) -> None:
        raise ValueError("not this one")

    event.listen(User.name, "set", refuse)
    try:
        with verb.scope(db):
            ada = verb(User.query, "one")
            with pytest.raises(ValueError, match="not this one"):
                verb(ada, "update", email="augusta@x", name="Augusta")
            assert verb.inside(ada.to_dict)["email"] == "ada@x"
            assert not inspect(ada).modified
            eve = User(email="eve@x")
            with pytest.raises(ValueError, match="not this one"):
                verb(eve, "update", email="evelyn@x", name="Eve")
            assert (eve.email, inspect(eve).transient) == ("eve@x", True)
    finally:
        event.remove(User.name, "set", refuse)
