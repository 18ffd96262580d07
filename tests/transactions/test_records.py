"""After a block that failed its records are as they were before it."""

from typing import Any

import pytest
from sqlalchemy import inspect

from fastapi_sqlalchemy import _unit
from fastapi_sqlalchemy._restore import Snapshot
from tests.shop import Item, db, names, open_shop
from tests.statements import sent
from tests.transactions.tools import Spoilt, seen, spoilt
from tests.verbs import Verb


def test_a_record_of_a_block_that_failed_was_never_saved(home_url: str, verb: Verb) -> None:
    open_shop(home_url)
    with verb.scope(db):
        pen = Item(name="pen")
        with spoilt(), verb.within(lambda: db.transaction()):
            verb(pen, "save")
            raise Spoilt
        assert inspect(pen).transient
        assert pen.name == "pen"
        assert repr(pen) == "<Item (not saved)>"


def test_a_record_of_a_block_that_failed_can_be_saved(url: str, verb: Verb) -> None:
    open_shop(url)
    with verb.scope(db):
        pen = Item(name="pen")
        with spoilt(), verb.within(lambda: db.transaction()):
            verb(pen, "save")
            raise Spoilt
        verb(Item, "new", name="ink")  # where keys are used again, it has that of the pen
        verb(pen, "save")
        assert seen(verb) == ["ink", "pen"]


def test_a_change_of_a_block_that_failed_is_gone_from_the_record(url: str, verb: Verb) -> None:
    open_shop(url, "pen")
    with verb.scope(db):
        pen = verb(Item.query, "one")
        with spoilt(), verb.within(lambda: db.transaction()):
            verb(pen, "update", name="ink")
            raise Spoilt
        assert verb(Item.query, "one") is pen
        assert pen.name == "pen"


def test_a_record_that_a_failed_block_deleted_can_be_changed(url: str, verb: Verb) -> None:
    open_shop(url, "pen")
    with verb.scope(db):
        pen = verb(Item.query, "one")
        with spoilt(), verb.within(lambda: db.transaction()):
            verb(pen, "delete")
            assert seen(verb) == []
            raise Spoilt
        verb(pen, "update", name="ink")
    assert names() == ["ink"]


def test_a_record_that_a_failed_block_left_alone_stays_loaded(home_url: str, verb: Verb) -> None:
    open_shop(home_url, "pen")
    with verb.scope(db):
        pen = verb(Item.query, "one")
        with spoilt(), verb.within(lambda: db.transaction()):
            verb(Item, "new", name="ink")
            raise Spoilt
        with sent() as statements:
            assert verb.inside(lambda: pen.name) == "pen"
    assert statements == []


@pytest.mark.parametrize("around", ["nothing", "block", "scope"])
def test_a_record_that_was_changed_and_read_again_in_a_block_that_failed_is_as_it_was(
    home_url: str, verb: Verb, around: str
) -> None:
    open_shop(home_url, "pen")
    outer = (lambda: db.transaction()) if around == "block" else (lambda: db(join=True))
    with verb.scope(db, commit_on_exit=around == "scope"), verb.within(outer):
        with spoilt(), verb.within(lambda: db.transaction()):
            verb(verb(Item.query, "one"), "update", name="ink")  # nobody keeps this record
            pen = verb(Item.query, "one")
            raise Spoilt
        assert verb(Item.query, "one") is pen
        assert verb.inside(lambda: pen.name) == "pen"


@pytest.mark.parametrize("around", ["nothing", "block", "scope"])
def test_a_record_that_was_saved_and_read_again_in_a_block_that_failed_is_gone(
    home_url: str, verb: Verb, around: str
) -> None:
    open_shop(home_url)
    outer = (lambda: db.transaction()) if around == "block" else (lambda: db(join=True))
    with verb.scope(db, commit_on_exit=around == "scope"), verb.within(outer):
        with spoilt(), verb.within(lambda: db.transaction()):
            verb(Item, "new", name="gone")  # nobody keeps this record
            gone = verb(Item.query, "one")
            raise Spoilt
        new = verb(Item, "new", name="new")  # where keys are used again, it has that of the other
        assert verb(Item.query, "all") == [new]
        assert verb.inside(lambda: new.name) == "new"
        assert new is not gone


def test_a_save_in_a_block_looks_at_no_other_record(
    url: str, verb: Verb, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []

    def snapshot(session: Any) -> Any:
        looks.append(len(session.identity_map))
        return Snapshot(session)

    monkeypatch.setattr(_unit, "Snapshot", snapshot)
    open_shop(url)
    with verb.scope(db), verb.within(lambda: db.transaction()):
        items = [verb(Item, "new", name=f"n{n}") for n in range(5)]
        verb(items[0], "update", name="other")
    assert sum(looks) == 0
