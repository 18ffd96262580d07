"""What records of a plan do that records of SQLAlchemy do: they are the same records."""

import copy
import gc
import pickle
from contextlib import suppress

import pytest
from sqlalchemy import event, inspect, select

from fastapi_sqlalchemy import SQLAlchemy
from fastapi_sqlalchemy.exceptions import NotNullViolation, RecordNotFoundError, UniqueViolation
from tests.blog import Post, User


def test_one_identity_is_one_record(db: SQLAlchemy) -> None:
    with db():
        ada = User.get(1)
        assert User.query.filter_by(name="Ada").first() is ada
        assert db.session.get(User, 1) is ada
        assert db.session.scalars(select(User).where(User.id == 1)).one() is ada
        assert ada in db.session


def test_a_record_of_the_session_is_found_by_a_plan(db: SQLAlchemy) -> None:
    with db():
        ada = db.session.get(User, 1)
        assert User.get(1) is ada
        assert User.query.filter_by(name="Ada").first() is ada


def test_a_record_is_persistent_and_then_detached(db: SQLAlchemy) -> None:
    with db():
        ada = User.get_one(1)
        state = inspect(ada)
        assert (state.persistent, state.session, state.identity) == (True, db.session, (1,))
        assert not state.modified
    assert inspect(ada).detached


def test_what_is_set_is_flushed(db: SQLAlchemy) -> None:
    with db():
        ada = User.get_one(1)
        ada.name = "Lovelace"
        assert inspect(ada).attrs.name.history.has_changes()
        db.session.commit()
    with db():
        assert User.get_one(1).name == "Lovelace"


def test_a_plan_flushes_before_it_asks(db: SQLAlchemy) -> None:
    with db():
        ada = User.get_one(1)
        ada.name = "Lovelace"
        assert User.query.filter_by(name="Lovelace").first() is ada
        assert User.query.filter_by(name="Lovelace").count() == 1
        assert User.query.filter_by(name="Lovelace").exists()
        db.session.rollback()
        assert not User.query.filter_by(name="Lovelace").exists()


def test_without_autoflush_it_does_not(db: SQLAlchemy) -> None:
    with db(), db.session.no_autoflush:
        User.get_one(1).name = "Lovelace"
        assert not User.query.filter_by(name="Lovelace").exists()


def test_a_rollback_gives_back_what_was_loaded(db: SQLAlchemy) -> None:
    with db():
        ada = User.get_one(1)
        ada.name = "no"
        db.session.flush()
        db.session.rollback()
        assert ada.name == "Ada"


def test_a_transaction_reads_what_it_wrote(db: SQLAlchemy) -> None:
    with db():
        block = db.transaction()
        with suppress(LookupError), block:
            User.new(email="new@x")
            assert User.query.filter_by(email="new@x").count() == 1
            raise LookupError
        assert User.query.filter_by(email="new@x").count() == 0


def test_relationships_load(db: SQLAlchemy) -> None:
    with db():
        ada = User.query.filter_by(name="Ada").one()
        assert [post.title for post in ada.posts] == ["Notes", "Engines"]
        assert ada.posts[0].author is ada


def test_a_reference_finds_the_record_that_is_there(db: SQLAlchemy) -> None:
    with db():
        post = Post.query.filter_by(id=1).one()
        ada = User.get(post.author_id)
        assert post.author is ada


def test_what_is_expired_is_loaded_again(db: SQLAlchemy) -> None:
    with db():
        ada = User.get_one(1)
        db.session.expire(ada)
        assert User.get(1) is ada
        assert ada.name == "Ada"
        db.session.expire(ada, ["email"])
        assert User.query.filter_by(name="Ada").one() is ada
        assert "email" in ada.__dict__
        assert not inspect(ada).expired_attributes


def test_what_was_set_is_not_overwritten_by_a_load(db: SQLAlchemy) -> None:
    with db(), db.session.no_autoflush:
        ada = User.get_one(1)
        ada.name = "Lovelace"
        assert User.query.filter_by(id=1).one().name == "Lovelace"
        assert inspect(ada).attrs.name.history.deleted == ["Ada"]


def test_nothing_is_kept_that_nobody_keeps(db: SQLAlchemy) -> None:
    with db():
        assert User.get_one(1).name == "Ada"
        gc.collect()
        assert not db.session.identity_map.keys()
        assert User.get_one(1).name == "Ada"


def test_records_can_be_copied_and_pickled(db: SQLAlchemy) -> None:
    with db():
        ada = User.get_one(1)
    assert copy.copy(ada).name == "Ada"
    assert pickle.loads(pickle.dumps(ada)).email == "ada@x"


def test_a_detached_record_can_be_merged_and_added(db: SQLAlchemy) -> None:
    with db():
        ada = User.get_one(1)
    ada.name = "merged"
    with db():
        db.session.merge(ada)
        db.session.commit()
        assert User.get_one(1).name == "merged"
    with db():
        grace = User.get_one(2)
    with db():
        db.session.add(grace)
        assert User.get(2) is grace
        grace.update(name="Hopper")
    with db():
        assert User.get_one(2).name == "Hopper"


def test_events_of_attributes_happen(db: SQLAlchemy) -> None:
    heard: list[str] = []

    def note(_: object, value: str, *__: object) -> None:
        heard.append(value)

    event.listen(User.name, "set", note)
    try:
        with db():
            User.get_one(1).name = "heard"
            db.session.rollback()
    finally:
        event.remove(User.name, "set", note)
    assert heard == ["heard"]


def test_saving_and_deleting_what_a_plan_found(db: SQLAlchemy) -> None:
    with db():
        eve = User(email="eve@x", name="Eve")
        assert inspect(eve).transient
        eve.save()
        assert inspect(eve).persistent
        assert db.session.get(User, eve.id) is eve
        key = eve.id
    with db():
        User.get_one(key).delete()
        assert User.get(key) is None


def test_errors_are_typed_and_leave_the_session_usable(db: SQLAlchemy) -> None:
    with db():
        with pytest.raises(UniqueViolation):
            User.new(email="ada@x")
        with pytest.raises(NotNullViolation):
            User.new(email=None)  # type: ignore[arg-type]  # the database refuses it too
        with pytest.raises(RecordNotFoundError):
            User.query.filter_by(name="Eve").one()
        assert User.get_one(1).name == "Ada"
