"""The end of a scope never hides the error that ended it, and leaves nothing open."""

import sqlite3
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import orm, select
from sqlalchemy.exc import IntegrityError, OperationalError

from fastapi_sqlalchemy.exceptions import MissingSessionError
from tests.shop import (
    NOWHERE,
    Entry,
    Item,
    db,
    entries,
    ledger,
    lent,
    names,
    open_ledger,
    open_shop,
)
from tests.verbs import Verb
from tests.web.asgi import get, serving


class Spoilt(Exception):
    """What the tests raise in a scope."""


class Unclean(Exception):
    """What a session raises instead of cleaning up."""


class FailsToClose(orm.Session):
    def close(self) -> None:
        super().close()
        raise Unclean


class FailsToRollBack(orm.Session):
    def rollback(self) -> None:
        super().rollback()
        raise Unclean


class FailsToCommit(orm.Session):
    def commit(self) -> None:
        raise Unclean


class FailsToClean(FailsToClose, FailsToRollBack):
    pass


class FailsAtAll(FailsToCommit, FailsToClean):
    pass


CLEANING = pytest.mark.parametrize("kind", [FailsToClose, FailsToRollBack, FailsToClean])


def spoil(verb: Verb, **options: Any) -> None:
    """Write, with a transaction open, and fail."""
    with verb.scope(db, **options):
        write(verb)
        raise Spoilt


def write(verb: Verb) -> None:
    if verb.blocking:
        db.session.add(Item(name="pen"))
        db.session.flush()
    else:

        async def awrite() -> None:
            db.async_session.add(Item(name="pen"))
            await db.async_session.flush()

        verb.inside(awrite)


def clean(verb: Verb) -> bool:
    """Whether nothing is left of the scope: no session, and a new one works."""
    with pytest.raises(MissingSessionError):
        verb(Item.query, "count")
    with verb.scope(db, session_args={"class_": orm.Session}):
        return bool(verb(Item.query, "count") == 0)


@CLEANING
@pytest.mark.parametrize("commit_on_exit", [True, False])
def test_the_error_of_a_block_comes_before_those_of_cleaning_up(
    url: str, verb: Verb, kind: type[orm.Session], commit_on_exit: bool
) -> None:
    open_shop(url, session_args={"class_": kind})
    with pytest.raises(Spoilt):
        spoil(verb, commit_on_exit=commit_on_exit)
    assert verb.inside(lent) == 0
    assert clean(verb)


@CLEANING
async def test_the_error_of_a_route_comes_before_those_of_cleaning_up(
    url: str, kind: type[orm.Session]
) -> None:
    open_shop(url, session_args={"class_": kind})
    app = serving(FastAPI(), db, commit_on_exit=True)

    @app.get("/def")
    def blocking() -> None:
        Item.new(name="pen")
        raise Spoilt

    @app.get("/async")
    async def awaited() -> None:
        await Item.anew(name="pen")
        raise Spoilt

    for path in ("/def", "/async"):
        answer = await get(app, path)
        assert isinstance(answer.error, Spoilt)
        assert answer.kinds == ["start", "body"]
    assert (lent(), names()) == (0, [])
    with pytest.raises(MissingSessionError):
        _ = db.session


def test_a_failed_clean_up_is_a_note_on_the_error_that_came_first(verb: Verb) -> None:
    open_shop("sqlite://", session_args={"class_": FailsToClose})
    with pytest.raises(Spoilt) as caught:
        spoil(verb)
    assert "Unclean" in "".join(caught.value.__notes__)


def test_a_failed_clean_up_after_no_error_is_the_error(url: str, verb: Verb) -> None:
    open_shop(url, session_args={"class_": FailsToClose})

    def read() -> None:
        with verb.scope(db):
            write(verb)

    with pytest.raises(Unclean):
        read()
    assert verb.inside(lent) == 0
    assert clean(verb)


@pytest.mark.parametrize("kind", [FailsToCommit, FailsAtAll])
def test_a_commit_that_fails_is_the_error_of_the_block(
    url: str, verb: Verb, kind: type[orm.Session]
) -> None:
    open_shop(url, session_args={"class_": kind})

    def commit() -> None:
        with verb.scope(db, commit_on_exit=True):
            write(verb)

    with pytest.raises(Unclean):
        commit()
    assert verb.inside(lent) == 0
    assert clean(verb)


@pytest.mark.parametrize("kind", ["sqlite_file_url", "postgres_url"])
def test_a_commit_that_the_database_refuses_is_the_error_of_the_block(
    kind: str, verb: Verb, request: pytest.FixtureRequest
) -> None:
    open_ledger(request.getfixturevalue(kind))

    def commit() -> None:
        with verb.scope(ledger, commit_on_exit=True):
            verb(Entry, "new", follows=NOWHERE)

    with pytest.raises(IntegrityError):
        commit()
    assert entries() == []
    assert verb.inside(lambda: lent(ledger)) == 0
    with verb.scope(ledger, commit_on_exit=True):
        verb(Entry, "new")
    assert entries() == [None]


@CLEANING
def test_the_outer_block_is_back_after_an_inner_one_that_was_not_cleaned_up(
    kind: type[orm.Session], verb: Verb
) -> None:
    open_shop("sqlite://")
    with verb.scope(db):
        outer = verb.inside(lambda: db.session)
        with pytest.raises(Spoilt):
            spoil(verb, session_args={"class_": kind})
        assert verb.inside(lambda: db.session) is outer
        assert verb(Item.query, "count") == 0


def test_an_interrupt_in_a_block_rolls_back(url: str, verb: Verb) -> None:
    open_shop(url)

    def interrupt() -> None:
        with verb.scope(db, commit_on_exit=True):
            write(verb)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert names() == []
    assert verb.inside(lent) == 0


def test_a_generator_that_is_dropped_within_a_block_rolls_back(url: str) -> None:
    open_shop(url)

    def generate() -> Any:
        with db(commit_on_exit=True):
            db.session.add(Item(name="pen"))
            db.session.scalars(select(Item)).all()
            yield

    generator = generate()
    next(generator)
    generator.close()
    assert (names(), lent()) == ([], 0)
    with pytest.raises(MissingSessionError):
        _ = db.session


def test_a_connection_whose_rollback_fails_at_the_end_is_dropped(
    sqlite_file_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_shop(sqlite_file_url)

    def fail(_: object) -> None:
        raise sqlite3.OperationalError("interrupted")

    def write_and_fail() -> None:
        with db():
            db.session.add(Item(name="pen"))
            db.session.flush()
            monkeypatch.setattr(db.engine.dialect, "do_rollback", fail)

    with pytest.raises(OperationalError):
        write_and_fail()
    monkeypatch.undo()
    assert lent() == 0
    assert names() == []
