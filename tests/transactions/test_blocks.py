"""A transaction block is all or nothing, in both colours and on every database."""

import pytest
from sqlalchemy import insert, inspect, select
from sqlalchemy.exc import InvalidRequestError

from fastapi_sqlalchemy.exceptions import MissingSessionError
from tests.shop import Item, db, lent, names, open_shop
from tests.statements import sent
from tests.transactions.tools import Spoilt, ends, execute, seen, spoilt
from tests.verbs import Verb


def test_a_block_commits_at_its_end(url: str, verb: Verb) -> None:
    open_shop(url)
    with verb.scope(db):
        with ends() as noted, verb.within(lambda: db.transaction()):
            verb(Item, "new", name="pen")
            verb(Item, "new", name="ink")
        assert names() == ["ink", "pen"]
    assert noted == ["commit"]


def test_nothing_of_a_block_is_seen_elsewhere_before_its_end(server_url: str, verb: Verb) -> None:
    open_shop(server_url)
    with verb.scope(db), verb.within(lambda: db.transaction()):
        verb(Item, "new", name="pen")
        assert seen(verb) == ["pen"]
        assert names() == []


def test_an_exception_takes_all_of_a_block_with_it(url: str, verb: Verb) -> None:
    open_shop(url, "old")
    with verb.scope(db):
        old = verb(Item.query, "one")
        with spoilt(), verb.within(lambda: db.transaction()):
            verb(Item, "new", name="new")
            verb(old, "update", name="changed")
            raise Spoilt
        assert seen(verb) == ["old"]
    assert names() == ["old"]


def test_the_exception_that_leaves_a_block_is_the_callers_own(url: str, verb: Verb) -> None:
    open_shop(url)
    error = Spoilt()
    with verb.scope(db), spoilt() as caught, verb.within(lambda: db.transaction()):
        verb(Item, "new", name="pen")
        raise error
    assert caught.value is error
    assert not hasattr(error, "__notes__")


def test_a_record_that_a_failed_block_changed_reads_as_before_it(home_url: str, verb: Verb) -> None:
    open_shop(home_url, "pen")
    with verb.scope(db):
        pen = verb(Item.query, "one")
        with spoilt(), verb.within(lambda: db.transaction()):
            verb(pen, "update", name="ink")
            raise Spoilt
        with sent() as statements:
            assert verb.inside(lambda: pen.name) == "pen"
    assert statements == []


def test_what_was_set_before_a_block_that_failed_is_dropped_with_it(
    home_url: str, verb: Verb
) -> None:
    open_shop(home_url, "pen")
    with verb.scope(db):
        pen = verb(Item.query, "one")
        with spoilt(), verb.within(lambda: db.transaction()):
            pen.name = "ink"
            with spoilt(), verb.within(lambda: db.transaction()):
                verb(pen, "update", name="paper")
                raise Spoilt
            assert verb.inside(lambda: pen.name) == "ink"
            raise Spoilt
        assert verb.inside(lambda: pen.name) == "pen"
        assert not inspect(pen).modified


def test_blocks_that_follow_each_other_are_transactions_of_their_own(
    home_url: str, verb: Verb
) -> None:
    open_shop(home_url)
    with verb.scope(db):
        with verb.within(lambda: db.transaction()):
            verb(Item, "new", name="kept")
        with spoilt(), verb.within(lambda: db.transaction()):
            verb(Item, "new", name="dropped")
            raise Spoilt
        with verb.within(lambda: db.transaction()):
            verb(Item, "new", name="kept too")
    assert names() == ["kept", "kept too"]


def test_a_save_after_a_block_commits_at_once_again(home_url: str, verb: Verb) -> None:
    open_shop(home_url)
    with verb.scope(db):
        with spoilt(), verb.within(lambda: db.transaction()):
            raise Spoilt
        verb(Item, "new", name="pen")
        assert names() == ["pen"]


def test_a_block_gives_its_connection_back(url: str, verb: Verb) -> None:
    open_shop(url)
    with verb.scope(db):
        with verb.within(lambda: db.transaction()):
            verb(Item, "new", name="pen")
        assert verb.inside(lent) == 0
        with spoilt(), verb.within(lambda: db.transaction()):
            verb(Item, "new", name="ink")
            raise Spoilt
        assert verb.inside(lent) == 0


def test_an_empty_block_sends_nothing(url: str, verb: Verb) -> None:
    open_shop(url)
    with verb.scope(db), sent() as statements, ends() as noted:
        with verb.within(lambda: db.transaction()):
            assert verb.inside(lent) == 0
        with spoilt(), verb.within(lambda: db.transaction()):
            raise Spoilt
    assert (statements, noted) == ([], [])


def test_a_block_that_only_reads_sends_no_commit(url: str, verb: Verb) -> None:
    open_shop(url, "pen")
    with verb.scope(db), ends() as noted:
        with verb.within(lambda: db.transaction()):
            assert seen(verb) == ["pen"]
        assert verb.inside(lent) == 0
    assert noted == ["rollback"]


def test_a_record_that_a_block_only_read_stays_loaded(home_url: str, verb: Verb) -> None:
    open_shop(home_url, "pen")
    with verb.scope(db):
        with verb.within(lambda: db.transaction()):
            pen = verb(Item.query, "one")
        with sent() as statements:
            assert verb.inside(lambda: pen.name) == "pen"
    assert statements == []


def test_what_waits_to_be_saved_is_part_of_the_block(home_url: str, verb: Verb) -> None:
    open_shop(home_url)
    with verb.scope(db):
        verb.inside(lambda: db.session.add(Item(name="waiting")))
        with verb.within(lambda: db.transaction()):
            verb(Item, "new", name="pen")
    assert names() == ["pen", "waiting"]


def test_what_is_added_within_a_block_is_committed_with_it(home_url: str, verb: Verb) -> None:
    open_shop(home_url)
    with verb.scope(db), verb.within(lambda: db.transaction()):
        verb.inside(lambda: db.session.add(Item(name="pen")))
    assert names() == ["pen"]


def test_what_is_added_within_a_block_that_fails_is_not_saved_later(
    home_url: str, verb: Verb
) -> None:
    open_shop(home_url)
    with verb.scope(db):
        with spoilt(), verb.within(lambda: db.transaction()):
            verb.inside(lambda: db.session.add(Item(name="pen")))
            raise Spoilt
        verb(Item, "new", name="ink")
    assert names() == ["ink"]


def test_statements_of_the_session_are_part_of_the_block(url: str, verb: Verb) -> None:
    open_shop(url)
    with verb.scope(db):
        with spoilt(), verb.within(lambda: db.transaction()):
            execute(verb, insert(Item).values(name="dropped"))
            raise Spoilt
        with verb.within(lambda: db.transaction()):
            execute(verb, insert(Item).values(name="kept"))
            found = execute(verb, select(Item.name)).scalars().all()
    assert found == names() == ["kept"]


def test_a_record_that_was_read_before_is_read_again_by_a_query_within(
    server_url: str, verb: Verb
) -> None:
    open_shop(server_url, "pen")
    with verb.scope(db):
        verb(Item.query, "one")
        with db.engine.begin() as connection:
            connection.execute(insert(Item).values(name="ink"))
        with verb.within(lambda: db.transaction()):
            assert seen(verb) == ["ink", "pen"]


def test_a_block_outside_every_scope_says_how_to_open_one(verb: Verb) -> None:
    open_shop("sqlite://")
    block = db.transaction()
    with pytest.raises(MissingSessionError, match=r"with db\(\):"), verb.within(lambda: block):
        pass


def test_a_block_that_is_entered_already_is_refused(home_url: str, verb: Verb) -> None:
    open_shop(home_url)
    block = db.transaction()
    with verb.scope(db), verb.within(lambda: block):
        verb(Item, "new", name="before")
        with pytest.raises(RuntimeError, match="entered already"), verb.within(lambda: block):
            pass
        verb(Item, "new", name="after")
    assert names() == ["after", "before"]


def test_a_block_that_is_over_may_be_entered_again(home_url: str, verb: Verb) -> None:
    open_shop(home_url)
    block = db.transaction()
    with verb.scope(db):
        with spoilt(), verb.within(lambda: block):
            verb(Item, "new", name="dropped")
            raise Spoilt
        with verb.within(lambda: db.transaction()), verb.within(lambda: block):
            verb(Item, "new", name="inner")
        with verb.within(lambda: block):
            verb(Item, "new", name="outermost")
    assert names() == ["inner", "outermost"]


def refused(verb: Verb, name: str) -> None:
    """Call what belongs to the block alone: of the session, of the asyncio one, of the verbs."""
    match name:
        case "save(commit=True)":
            verb(Item(name="refused"), "save", commit=True)
        case "release()":
            verb(db, "release")
        case _ if verb.blocking:
            getattr(db.session, name.removesuffix("()"))()
        case _:
            verb.inside(lambda: getattr(db.async_session, name.removesuffix("()"))())


@pytest.mark.parametrize("name", ["commit()", "rollback()", "close()", "save(commit=True)"])
def test_what_would_end_the_transaction_is_refused_within_a_block(
    home_url: str, verb: Verb, name: str
) -> None:
    open_shop(home_url)
    with verb.scope(db), verb.within(lambda: db.transaction()):
        verb(Item, "new", name="before")
        with pytest.raises(InvalidRequestError, match="Leave the block to commit"):
            refused(verb, name)
        verb(Item, "new", name="after")
    assert names() == ["after", "before"]


def test_giving_the_connection_back_is_refused_within_a_block(home_url: str, verb: Verb) -> None:
    open_shop(home_url)
    with verb.scope(db), verb.within(lambda: db.transaction()):
        verb(Item, "new", name="pen")
        with pytest.raises(InvalidRequestError, match="Leave the block"):
            refused(verb, "release()")
    assert names() == ["pen"]


@pytest.mark.parametrize("name", ["commit()", "rollback()"])
def test_what_would_end_the_transaction_is_allowed_after_the_block(
    home_url: str, verb: Verb, name: str
) -> None:
    open_shop(home_url)
    with verb.scope(db):
        with verb.within(lambda: db.transaction()):
            verb(Item, "new", name="pen")
        refused(verb, name)
    assert names() == ["pen"]
