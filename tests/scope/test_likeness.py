"""A session that is made like another one has what a constructed one has."""

from typing import Any

import pytest
from sqlalchemy import create_engine, inspect
from sqlalchemy.orm import Session as SQLAlchemySession
from sqlalchemy.orm import object_session

from fastapi_sqlalchemy import SQLAlchemy, _likeness
from fastapi_sqlalchemy._home import ThreadHome
from fastapi_sqlalchemy._likeness import OWN, Likeness
from fastapi_sqlalchemy._plans import private
from fastapi_sqlalchemy.engines import Binds
from fastapi_sqlalchemy.session import Session
from tests.blog import User, created
from tests.blog import db as blog


@pytest.fixture(autouse=True)
def _tested(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in a run of all others without plans."""
    monkeypatch.setattr(private, "TESTED", frozenset({(2, 1)}))


OPTIONS: list[dict[str, Any]] = [{}, {"expire_on_commit": True}, {"autoflush": False}]


def session_of(db: SQLAlchemy, options: dict[str, Any]) -> Session:
    with db(options):
        session = db.scopes.here.scope.open(awaited=False)
        assert session.hash_key  # not before it is asked for: most sessions have few records
        return session


def constructed() -> Session:
    binds = Binds.of(create_engine("sqlite://"))
    return Session(binds, ThreadHome("allow"), bind=binds.plain)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_it_has_the_attributes_of_a_constructed_one(options: dict[str, Any]) -> None:
    db = SQLAlchemy("sqlite://")
    constructed, alike = vars(session_of(db, options)), vars(session_of(db, options))
    assert alike.keys() == constructed.keys()
    for name, value in constructed.items():
        assert type(alike[name]) is type(value)
        if name not in OWN and name not in ("stop", "waiting"):
            assert alike[name] is value


def test_it_shares_nothing_that_changes() -> None:
    db = SQLAlchemy("sqlite://")
    one, another = (vars(session_of(db, {})) for _ in range(2))
    assert not [name for name in OWN if one[name] is another[name]]


def test_it_has_what_sqlalchemys_constructor_sets() -> None:
    db = SQLAlchemy("sqlite://")
    session_of(db, {})
    plain = SQLAlchemySession(db.engine, expire_on_commit=False)
    alike = vars(session_of(db, {}))
    for name, value in vars(plain).items():
        assert type(alike[name]) is type(value)
        assert name in OWN or alike[name] == value


def test_its_options_are_its_own() -> None:
    db = SQLAlchemy("sqlite://")
    for options in OPTIONS * 2:
        session = session_of(db, options)
        assert session.expire_on_commit is options.get("expire_on_commit", False)
        assert session.autoflush is options.get("autoflush", True)


def test_records_find_it() -> None:
    with created(blog, "sqlite://") as db:
        for name in "ab":
            with db():
                user = User.new(email=f"{name}@x")
                assert object_session(user) is db.session
                assert inspect(user).session is db.session


def test_what_is_hung_on_one_is_not_on_the_next() -> None:
    db = SQLAlchemy("sqlite://")
    for _ in range(3):
        session = session_of(db, {})
        assert session.info == {}
        session.info["tenant"] = 7


def test_where_a_constructor_gives_what_can_change_each_is_constructed() -> None:
    session = constructed()
    assert Likeness.of(session) is not None
    session.__dict__["new_in_some_release"] = []
    assert Likeness.of(session) is None


def test_on_an_untested_release_each_is_constructed(monkeypatch: pytest.MonkeyPatch) -> None:
    session = constructed()
    monkeypatch.setattr(_likeness, "is_tested", lambda: False)
    assert Likeness.of(session) is None


def test_a_session_class_of_the_users_is_constructed() -> None:
    made: list[object] = []

    class Mine(SQLAlchemySession):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            made.append(self)

    db = SQLAlchemy("sqlite://", session_args={"class_": Mine})
    for number in range(1, 4):
        session_of(db, {})
        assert len(made) == number
