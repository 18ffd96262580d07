"""A block without a savepoint takes the transaction around it with it where it fails."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from fastapi_sqlalchemy.exceptions import RolledBackError
from tests.shop import Item, db, lent, names, open_shop
from tests.transactions.tools import Spoilt, on_commit, seen, spoilt
from tests.verbs import Verb


def test_a_block_without_a_savepoint_commits_with_the_one_around_it(url: str, verb: Verb) -> None:
    open_shop(url)
    with verb.scope(db), verb.within(lambda: db.transaction()):
        verb(Item, "new", name="outer")
        with verb.within(lambda: db.transaction(savepoint=False)):
            verb(Item, "new", name="inner")
    assert names() == ["inner", "outer"]


def test_an_exception_that_leaves_a_block_without_a_savepoint_takes_all(
    home_url: str, verb: Verb
) -> None:
    open_shop(home_url)
    with verb.scope(db), spoilt(), verb.within(lambda: db.transaction()):
        verb(Item, "new", name="outer")
        with verb.within(lambda: db.transaction(savepoint=False)):
            verb(Item, "new", name="inner")
            raise Spoilt
    assert names() == []


@contextmanager
def rolled_back() -> Iterator[None]:
    """The end of what is within refuses to commit, and says why."""
    with pytest.raises(RolledBackError, match="give the inner block a savepoint"):
        yield


def fail_within(verb: Verb, **options: Any) -> None:
    """A block that saves, and whose failure nobody hears of."""
    with suppress(Spoilt), verb.within(lambda: db.transaction(**options)):
        verb(Item, "new", name="failed")
        raise Spoilt


def test_a_failed_block_without_a_savepoint_does_not_let_the_one_around_it_commit(
    url: str, verb: Verb
) -> None:
    open_shop(url)
    with verb.scope(db):
        with rolled_back(), verb.within(lambda: db.transaction()):
            verb(Item, "new", name="before")
            fail_within(verb, savepoint=False)
            verb(Item, "new", name="after")
        assert seen(verb) == []
        assert verb.inside(lent) == 0
        verb(Item, "new", name="later")
    assert names() == ["later"]


def test_a_failed_block_without_a_savepoint_leaves_the_error_that_comes_after_it(
    home_url: str, verb: Verb
) -> None:
    open_shop(home_url)
    with verb.scope(db), spoilt(), verb.within(lambda: db.transaction()):
        fail_within(verb, savepoint=False)
        raise Spoilt
    assert names() == []


def test_a_failed_block_without_a_savepoint_takes_what_is_around_it_up_to_the_next_savepoint(
    home_url: str, verb: Verb
) -> None:
    open_shop(home_url)
    with verb.scope(db), verb.within(lambda: db.transaction()):
        verb(Item, "new", name="outermost")
        with rolled_back(), verb.within(lambda: db.transaction()):
            verb(Item, "new", name="middle")
            fail_within(verb, savepoint=False)
        assert seen(verb) == ["outermost"]
    assert names() == ["outermost"]


def test_a_failed_block_two_levels_within_does_not_let_the_outermost_commit(
    home_url: str, verb: Verb
) -> None:
    open_shop(home_url)
    with verb.scope(db), rolled_back(), verb.within(lambda: db.transaction()):
        verb(Item, "new", name="outermost")
        with suppress(RolledBackError), verb.within(lambda: db.transaction(savepoint=False)):
            verb(Item, "new", name="middle")
            fail_within(verb, savepoint=False)
    assert names() == []


def test_a_failed_block_without_a_savepoint_does_not_let_the_scope_commit(
    url: str, verb: Verb
) -> None:
    open_shop(url)
    with rolled_back(), verb.scope(db, commit_on_exit=True):
        verb(Item, "new", name="before")
        fail_within(verb, savepoint=False)
        verb(Item, "new", name="after")
    assert names() == []


def test_a_failed_block_with_a_savepoint_within_one_without_can_fail_alone(
    home_url: str, verb: Verb
) -> None:
    open_shop(home_url)
    with (
        verb.scope(db),
        verb.within(lambda: db.transaction()),
        verb.within(lambda: db.transaction(savepoint=False)),
    ):
        verb(Item, "new", name="middle")
        fail_within(verb)
    assert names() == ["middle"]


def test_no_hook_runs_where_the_outermost_block_refuses_to_commit(
    home_url: str, verb: Verb
) -> None:
    open_shop(home_url)
    ran: list[str] = []
    with verb.scope(db), rolled_back(), verb.within(lambda: db.transaction()):
        on_commit(verb, lambda: ran.append("hook"))
        fail_within(verb, savepoint=False)
    assert ran == []


def test_the_outermost_block_needs_no_savepoint_to_roll_back(home_url: str, verb: Verb) -> None:
    open_shop(home_url)
    with verb.scope(db):
        fail_within(verb, savepoint=False)
        verb(Item, "new", name="pen")
    assert names() == ["pen"]
