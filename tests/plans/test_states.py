"""The states of records that a plan has loaded: they are like those of SQLAlchemy."""

import pickle
import weakref
from typing import Any

import pytest
from sqlalchemy import event, inspect, orm

from fastapi_sqlalchemy import SQLAlchemy
from fastapi_sqlalchemy._plans.states import LoadedState, UsedState
from tests.blog import User


@pytest.fixture
def ada(db: SQLAlchemy) -> Any:
    with db():
        return User.get_one(1)


def test_the_state_is_an_instance_state(ada: User) -> None:
    state = inspect(ada)
    assert type(state) is LoadedState
    assert inspect(state) is state
    assert state.session_id is None
    assert type(state) is LoadedState
    assert isinstance(state, orm.InstanceState)


def test_nothing_is_expired_and_the_set_of_it_is_one(ada: User) -> None:
    state: Any = inspect(ada)
    assert state.expired_attributes == set()
    assert state.expired_attributes is state.expired_attributes


def test_what_a_state_is_asked_for_is_made_once_and_for_it_alone(db: SQLAlchemy) -> None:
    with db():
        states: list[Any] = [inspect(user) for user in User.query.order_by(User.id).all()]
    first, second = states
    first.committed_state["name"] = "Lovelace"
    assert first.committed_state == {"name": "Lovelace"}
    assert (second.committed_state, second.expired_attributes) == ({}, set())
    assert {type(each) for each in states} == {UsedState}


def test_what_a_state_holds_can_be_replaced(db: SQLAlchemy) -> None:
    with db():
        first, second = (inspect(user) for user in User.query.limit(2).all())
        first.committed_state = {"name": "Lovelace"}
        second.expired_attributes = {"name"}
        assert (first.committed_state, first.expired_attributes) == ({"name": "Lovelace"}, set())
        assert (second.committed_state, second.expired_attributes) == ({}, {"name"})


def test_a_record_that_is_gone_leaves_its_session(db: SQLAlchemy) -> None:
    with db():
        ada, grace = User.query.order_by(User.id).limit(2).all()
        states: list[Any] = [inspect(ada), inspect(grace)]
        grace.name = "Hopper"
        db.session.rollback()  # which makes it an ordinary one again
        del ada, grace
        assert [each.obj() for each in states] == [None, None]
        assert [each.session_id for each in states] == [None, None]
        assert len(db.session.identity_map) == 0


def test_a_record_that_joins_another_session_leaves_that_one_too(db: SQLAlchemy) -> None:
    with db():
        ada = User.get_one(1)
    with db():
        db.session.add(ada)
        assert len(db.session.identity_map) == 1
        del ada
        assert len(db.session.identity_map) == 0


def test_what_expires_is_loaded_again(db: SQLAlchemy) -> None:
    with db():
        ada = User.get_one(1)
        db.session.expire(ada, ["name"])
        assert inspect(ada).expired_attributes == {"name"}
        assert ada.name == "Ada"
        assert inspect(ada).expired_attributes == set()
        db.session.expire(ada)
        assert "name" not in vars(ada)
        assert ada.name == "Ada"


def test_a_pickle_needs_no_plans_to_be_read(ada: User) -> None:
    state: Any = inspect(ada)
    read = pickle.loads(pickle.dumps(ada))
    assert type(inspect(read)) is orm.InstanceState
    assert b"_plans" not in pickle.dumps(ada)
    assert (read.name, inspect(read).key) == ("Ada", state.key)
    assert inspect(read).detached


def test_a_pickle_listener_hears_of_it(ada: User) -> None:
    heard: list[int] = []

    def listen(state: Any, state_dict: dict[str, Any]) -> None:
        heard.append(state_dict["key"][1][0])

    event.listen(User, "pickle", listen)
    try:
        pickle.dumps(ada)
    finally:
        event.remove(User, "pickle", listen)
    assert heard == [1]


def test_a_record_can_leave_its_session_and_join_another(db: SQLAlchemy) -> None:
    with db():
        ada = User.get_one(1)
        db.session.expunge(ada)
        ada.name = "Lovelace"
        assert inspect(ada).detached
    with db():
        db.session.add(ada)
        assert ada in db.session.dirty
        db.session.commit()
    with db():
        assert User.get_one(1).name == "Lovelace"


def test_a_record_can_become_transient(db: SQLAlchemy) -> None:
    with db():
        ada = User.get_one(1)
        orm.make_transient(ada)
        assert inspect(ada).transient
        assert ada not in db.session


def test_a_changed_record_is_held_and_an_unchanged_one_is_not(db: SQLAlchemy) -> None:
    with db():
        ada = User.get_one(1)
        gone = weakref.ref(User.get_one(2))
        assert gone() is None
        ada.name = "Lovelace"
        held = weakref.ref(ada)
        del ada
        assert held() is not None
        assert [key[1] for key in db.session.identity_map.keys()] == [(1,)]  # noqa: SIM118
