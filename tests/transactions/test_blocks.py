"""A transaction block is all or nothing, in both colours and on every database."""

from contextlib import suppress

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


@pytest.mark.xfail(strict=False, reason="a rollback expires every record, as SQLAlchemy's does")
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
@pytest.mark.xfail(strict=False, reason="known: a key taken back leaves the identity map behind")
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
@pytest.mark.xfail(strict=False, reason="known: a key taken back leaves the identity map behind")
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


def test_a_block_within_a_block_can_fail_alone(url: str, verb: Verb) -> None:
    open_shop(url)
    with verb.scope(db), verb.within(lambda: db.transaction()):
        verb(Item, "new", name="before")
        with spoilt(), verb.within(lambda: db.transaction()):
            verb(Item, "new", name="within")
            raise Spoilt
        assert seen(verb) == ["before"]
        verb(Item, "new", name="after")
    assert names() == ["after", "before"]


def test_a_block_that_fails_takes_those_within_it_with_it(url: str, verb: Verb) -> None:
    open_shop(url)
    with verb.scope(db):
        with spoilt(), verb.within(lambda: db.transaction()):
            verb(Item, "new", name="outer")
            with verb.within(lambda: db.transaction()):
                verb(Item, "new", name="inner")
            raise Spoilt
        assert seen(verb) == []
    assert names() == []


def test_only_the_outermost_block_commits(url: str, verb: Verb) -> None:
    open_shop(url)
    with verb.scope(db), ends() as noted, verb.within(lambda: db.transaction()):
        with verb.within(lambda: db.transaction()):
            with verb.within(lambda: db.transaction()):
                verb(Item, "new", name="pen")
            verb(Item, "new", name="ink")
        assert noted == []
    assert noted == ["commit"]
    assert names() == ["ink", "pen"]


@pytest.mark.parametrize(
    ("failing", "kept"), [(1, []), (2, ["1"]), (3, ["1", "2"]), (4, ["1", "2", "3"])]
)
def test_of_three_levels_the_one_that_fails_takes_what_is_within(
    home_url: str, verb: Verb, failing: int, kept: list[str]
) -> None:
    open_shop(home_url)

    def level(number: int) -> None:
        if number > 3:
            return
        with suppress(Spoilt), verb.within(lambda: db.transaction()):
            verb(Item, "new", name=f"{number}")
            level(number + 1)
            if number == failing:
                raise Spoilt

    with verb.scope(db):
        level(1)
        assert seen(verb) == kept
    assert names() == kept


def test_an_exception_may_leave_several_blocks_at_once(home_url: str, verb: Verb) -> None:
    open_shop(home_url)
    with verb.scope(db), verb.within(lambda: db.transaction()):
        verb(Item, "new", name="1")
        with spoilt(), verb.within(lambda: db.transaction()):
            verb(Item, "new", name="2")
            with verb.within(lambda: db.transaction()):
                verb(Item, "new", name="3")
                raise Spoilt
        assert seen(verb) == ["1"]
    assert names() == ["1"]


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


def test_empty_blocks_within_a_block_send_nothing(home_url: str, verb: Verb) -> None:
    open_shop(home_url)
    with (
        verb.scope(db),
        sent() as statements,
        ends() as noted,
        verb.within(lambda: db.transaction()),
        verb.within(lambda: db.transaction()),
    ):
        pass
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


def test_what_is_added_within_a_savepoint_that_fails_is_not_saved_later(
    home_url: str, verb: Verb
) -> None:
    open_shop(home_url)
    with verb.scope(db), verb.within(lambda: db.transaction()):
        verb.inside(lambda: db.session.add(Item(name="before")))
        with spoilt(), verb.within(lambda: db.transaction()):
            verb.inside(lambda: db.session.add(Item(name="within")))
            raise Spoilt
    assert names() == ["before"]


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


def test_a_block_in_a_scope_that_commits_leaves_the_commit_to_it(url: str, verb: Verb) -> None:
    open_shop(url)
    with ends() as noted, verb.scope(db, commit_on_exit=True):
        verb(Item, "new", name="before")
        with verb.within(lambda: db.transaction()):
            verb(Item, "new", name="within")
        assert noted == []
    assert noted == ["commit"]
    assert names() == ["before", "within"]


def test_a_block_in_a_scope_that_commits_can_fail_alone(url: str, verb: Verb) -> None:
    open_shop(url)
    with verb.scope(db, commit_on_exit=True):
        verb(Item, "new", name="before")
        with spoilt(), verb.within(lambda: db.transaction()):
            verb(Item, "new", name="within")
            raise Spoilt
        assert seen(verb) == ["before"]
        verb(Item, "new", name="after")
    assert names() == ["after", "before"]


def test_a_block_that_comes_first_in_a_scope_that_commits_can_fail_alone(
    home_url: str, verb: Verb
) -> None:
    open_shop(home_url)
    with verb.scope(db, commit_on_exit=True):
        with spoilt(), verb.within(lambda: db.transaction()):
            verb(Item, "new", name="within")
            raise Spoilt
        verb(Item, "new", name="after")
    assert names() == ["after"]


def test_a_scope_that_fails_takes_its_blocks_with_it(url: str, verb: Verb) -> None:
    open_shop(url)
    with spoilt(), verb.scope(db, commit_on_exit=True):
        with verb.within(lambda: db.transaction()):
            verb(Item, "new", name="within")
        raise Spoilt
    assert names() == []


def test_a_block_that_only_reads_in_a_scope_that_commits_sends_no_commit(
    home_url: str, verb: Verb
) -> None:
    open_shop(home_url, "pen")
    with (
        ends() as noted,
        verb.scope(db, commit_on_exit=True),
        verb.within(lambda: db.transaction()),
    ):
        assert seen(verb) == ["pen"]
    assert "commit" not in noted


def test_a_block_in_a_scope_within_a_block_is_a_transaction_of_its_own(
    server_url: str, verb: Verb
) -> None:
    open_shop(server_url)
    with verb.scope(db), spoilt(), verb.within(lambda: db.transaction()):
        verb(Item, "new", name="outer")
        with verb.scope(db), verb.within(lambda: db.transaction()):
            verb(Item, "new", name="inner")
        assert names() == ["inner"]
        raise Spoilt
    assert names() == ["inner"]


def test_a_scope_that_joins_is_within_the_block(home_url: str, verb: Verb) -> None:
    open_shop(home_url)
    with verb.scope(db), spoilt(), verb.within(lambda: db.transaction()):
        with verb.scope(db, join=True):
            verb(Item, "new", name="pen")
        raise Spoilt
    assert names() == []


def test_a_block_outside_every_scope_says_how_to_open_one(verb: Verb) -> None:
    open_shop("sqlite://")
    block = db.transaction()
    with pytest.raises(MissingSessionError, match=r"with db\(\):"), verb.within(lambda: block):
        pass


async def test_a_block_of_either_colour_can_be_within_one_of_the_other(home_url: str) -> None:
    open_shop(home_url, blocking="allow")
    with db():
        async with db.transaction():
            await Item.anew(name="awaited")
            with db.transaction():
                Item.new(name="blocking")
            with spoilt(), db.transaction():
                Item.new(name="dropped")
                raise Spoilt
    assert names() == ["awaited", "blocking"]


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
