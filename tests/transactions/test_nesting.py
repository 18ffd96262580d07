"""A block within a transaction, of a block or of a scope, is a savepoint of it."""

from contextlib import suppress

import pytest

from tests.shop import Item, db, names, open_shop
from tests.statements import sent
from tests.transactions.tools import Spoilt, ends, seen, spoilt
from tests.verbs import Verb


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
