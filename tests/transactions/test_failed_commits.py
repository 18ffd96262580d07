"""A block whose COMMIT fails raises that, and leaves the session and its records usable."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import inspect

from fastapi_sqlalchemy import SQLAlchemy
from fastapi_sqlalchemy.exceptions import ForeignKeyViolation
from tests.shop import (
    NOWHERE,
    Entry,
    entries,
    ledger,
    lent,
    open_ledger,
)
from tests.statements import sent
from tests.transactions.tools import Spoilt, spoilt
from tests.verbs import Verb


@pytest.fixture(params=["sqlite-memory", "sqlite-file", "postgresql"])
def deferring(request: pytest.FixtureRequest) -> SQLAlchemy:
    """The ledger, on a database that can check a reference at COMMIT."""
    fixture = {"sqlite-file": "sqlite_file_url", "postgresql": "postgres_url"}.get(request.param)
    open_ledger("sqlite://" if fixture is None else request.getfixturevalue(fixture))
    return ledger


@contextmanager
def refused_at_the_end() -> Iterator[None]:
    with pytest.raises(ForeignKeyViolation):
        yield


def test_a_commit_that_fails_is_the_error_of_its_block(deferring: SQLAlchemy, verb: Verb) -> None:
    ran: list[str] = []
    with verb.scope(deferring):
        with refused_at_the_end(), verb.within(lambda: deferring.transaction()):
            verb(Entry, "new")
            verb(Entry, "new", follows=NOWHERE)
            verb.inside(lambda: deferring.on_commit(lambda: ran.append("hook")))
        assert ran == []
        assert verb.inside(lambda: lent(deferring)) == 0
    assert entries() == []


def test_the_session_is_usable_after_a_commit_that_failed(
    deferring: SQLAlchemy, verb: Verb
) -> None:
    with verb.scope(deferring):
        with refused_at_the_end(), verb.within(lambda: deferring.transaction()):
            verb(Entry, "new", follows=NOWHERE)
        assert verb(Entry.query, "count") == 0
        verb(Entry, "new")
        with verb.within(lambda: deferring.transaction()):
            verb(Entry, "new")
    assert entries() == [None, None]


def test_a_new_record_is_as_it_was_after_a_commit_that_failed(
    deferring: SQLAlchemy, verb: Verb
) -> None:
    with verb.scope(deferring):
        entry = Entry(follows=NOWHERE)
        with refused_at_the_end(), verb.within(lambda: deferring.transaction()):
            verb(entry, "save")
        assert inspect(entry).transient
        assert verb.inside(entry.to_dict) == {"id": None, "follows": NOWHERE}


def test_a_new_record_can_be_corrected_after_a_commit_that_failed(
    deferring: SQLAlchemy, verb: Verb
) -> None:
    with verb.scope(deferring):
        entry = Entry(follows=NOWHERE)
        with refused_at_the_end(), verb.within(lambda: deferring.transaction()):
            verb(entry, "save")
        with verb.within(lambda: deferring.transaction()):
            verb(entry, "update", follows=None)
    assert entries() == [None]


def test_a_changed_record_can_be_read_after_a_commit_that_failed(
    deferring: SQLAlchemy, verb: Verb
) -> None:
    with verb.scope(deferring):
        entry = verb(Entry, "new")
        with refused_at_the_end(), verb.within(lambda: deferring.transaction()):
            verb(entry, "update", follows=NOWHERE)
        assert verb(Entry.query, "one") is entry
        assert verb.inside(lambda: entry.follows) is None


def test_a_record_that_was_only_read_stays_loaded_after_a_commit_that_failed(
    deferring: SQLAlchemy, verb: Verb
) -> None:
    with verb.scope(deferring):
        entry = verb(Entry, "new")
        with refused_at_the_end(), verb.within(lambda: deferring.transaction()):
            verb(Entry, "new", follows=NOWHERE)
        with sent() as statements:
            assert verb.inside(lambda: entry.follows) is None
    assert statements == []


def test_an_inner_block_leaves_it_to_the_outermost_to_fail_at_commit(
    deferring: SQLAlchemy, verb: Verb
) -> None:
    with verb.scope(deferring):
        with refused_at_the_end(), verb.within(lambda: deferring.transaction()):
            with verb.within(lambda: deferring.transaction()):
                verb(Entry, "new", follows=NOWHERE)
            verb(Entry, "new")
        with verb.within(lambda: deferring.transaction()):
            with spoilt(), verb.within(lambda: deferring.transaction()):
                verb(Entry, "new", follows=NOWHERE)
                raise Spoilt
            verb(Entry, "new")
    assert entries() == [None]
