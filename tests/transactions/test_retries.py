"""`@db.transaction(retries=...)` runs a function again that lost against another transaction.

The conflicts are real: a second client gets into the way of the first attempts.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import orm, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from fastapi_sqlalchemy.exceptions import TransactionOptionError
from tests.shop import Item, db, lent, names, open_shop
from tests.transactions.rivals import (
    Busy,
    Conflict,
    LateUpdate,
    LockTimeout,
    MariaDeadlock,
    PostgresDeadlock,
    Skew,
    rival,
    sqlite_rival,
)
from tests.transactions.tools import Spoilt, ends, spoilt
from tests.verbs import Verb

CONFLICTS: dict[str, tuple[str | None, type[Conflict]]] = {
    "postgresql write skew": ("postgres_url", Skew),
    "postgresql late update": ("postgres_url", LateUpdate),
    "postgresql deadlock": ("postgres_url", PostgresDeadlock),
    "mariadb deadlock": ("mysql_url", MariaDeadlock),
    "mariadb lock timeout": ("mysql_url", LockTimeout),
    "sqlite file busy": ("sqlite_file_url", Busy),
    "sqlite memory busy": (None, Busy),
}

Provoke = Callable[[int], Conflict]
"""`provoke(times)`: lets so many attempts fail."""


@contextmanager
def provoking(kind: str, request: pytest.FixtureRequest) -> Iterator[Provoke]:
    fixture, conflict = CONFLICTS[kind]
    url = "sqlite://" if fixture is None else request.getfixturevalue(fixture)
    open_shop(url, "one", "two", **conflict.options)
    with sqlite_rival() if conflict is Busy else rival(url) as other:
        yield lambda times: conflict(other, times)


@pytest.fixture(params=CONFLICTS)
def provoke(request: pytest.FixtureRequest) -> Iterator[Provoke]:
    with provoking(request.param, request) as provoke:
        yield provoke


QUICK = ["postgresql write skew", "sqlite file busy"]
LATE = ["postgresql write skew", "mariadb deadlock"]


@pytest.fixture(params=LATE)
def provoke_late(request: pytest.FixtureRequest) -> Iterator[Provoke]:
    """Attempts that fail have read and written before."""
    with provoking(request.param, request) as provoke:
        yield provoke


@pytest.fixture(params=QUICK)
def provoke_quickly(request: pytest.FixtureRequest) -> Iterator[Provoke]:
    with provoking(request.param, request) as provoke:
        yield provoke


def changing(
    verb: Verb, conflict: Conflict, *, retries: int, then: Callable[[Item], object] = lambda _: None
) -> Callable[[], int]:
    """A function that changes both items, and tells which attempt it was that succeeded."""
    decorate = db.transaction(retries=retries, **conflict.transaction)
    if verb.blocking:

        @decorate
        def change() -> int:
            conflict.before()
            one, two = Item.query.order_by(Item.id).all()
            one.update(name=f"one {conflict.attempts}")
            then(one)
            conflict.between()
            if not conflict.skews:
                two.update(name=f"two {conflict.attempts}")
            return conflict.attempts

        return change

    @decorate
    async def achange() -> int:
        conflict.before()
        one, two = await Item.query.order_by(Item.id).aall()
        await one.aupdate(name=f"one {conflict.attempts}")
        then(one)
        conflict.between()
        if not conflict.skews:
            await two.aupdate(name=f"two {conflict.attempts}")
        return conflict.attempts

    return lambda: int(verb.inside(achange))


def changed(conflict: Conflict, attempt: int) -> list[str]:
    return [f"one {attempt}", "two" if conflict.skews else f"two {attempt}"]


def test_a_function_that_lost_runs_again(verb: Verb, provoke: Provoke) -> None:
    conflict = provoke(1)
    change = changing(verb, conflict, retries=1)
    with ends() as noted:
        assert change() == 2
    assert noted == ["commit" if conflict.skews else "rollback", "commit"]
    assert names() == changed(conflict, 2)
    assert verb.inside(lent) == 0


def test_a_function_that_lost_without_retries_raises_what_the_database_said(
    verb: Verb, provoke: Provoke
) -> None:
    conflict = provoke(1)
    change = changing(verb, conflict, retries=0)
    with pytest.raises(DBAPIError) as caught:
        change()
    assert conflict.code(caught.value.orig) in conflict.codes
    assert conflict.attempts == 1
    conflict.rival.leave()
    assert names() == ["one", "two"]
    assert verb.inside(lent) == 0


def test_only_the_hooks_of_the_attempt_that_succeeded_run(
    verb: Verb, provoke_quickly: Provoke
) -> None:
    conflict = provoke_quickly(2)
    ran: list[int] = []

    def register(_: Item) -> None:
        attempt = conflict.attempts
        db.on_commit(lambda: ran.append(attempt))

    changing(verb, conflict, retries=2, then=register)()
    assert ran == [3]


def test_a_function_gives_up_with_what_the_database_said(
    verb: Verb, provoke_quickly: Provoke
) -> None:
    conflict = provoke_quickly(9)
    ran: list[str] = []
    change = changing(
        verb, conflict, retries=2, then=lambda _: db.on_commit(lambda: ran.append("hook"))
    )
    with ends() as noted, pytest.raises(DBAPIError) as caught:
        change()
    assert conflict.code(caught.value.orig) in conflict.codes
    assert conflict.attempts == 3
    assert noted == ["commit" if conflict.skews else "rollback"] * 3
    assert ran == []
    conflict.rival.leave()
    assert names() == ["one", "two"]
    assert verb.inside(lent) == 0


def test_a_function_that_succeeds_runs_once(verb: Verb, provoke_quickly: Provoke) -> None:
    conflict = provoke_quickly(0)
    assert changing(verb, conflict, retries=3)() == 1
    assert names() == changed(conflict, 1)


def test_every_call_may_run_as_often_again(verb: Verb, provoke_quickly: Provoke) -> None:
    conflict = provoke_quickly(1)
    change = changing(verb, conflict, retries=1)
    assert change() == 2
    with verb.scope(db):
        for name in ("one", "two"):
            verb(verb(Item.query.filter(Item.name.startswith(name)), "one"), "update", name=name)
    conflict.attempts = 0
    assert change() == 2


def test_each_attempt_has_a_session_that_has_seen_nothing(
    verb: Verb, provoke_late: Provoke
) -> None:
    conflict = provoke_late(2)
    found: list[tuple[Item, orm.Session | None]] = []
    change = changing(
        verb, conflict, retries=2, then=lambda one: found.append((one, orm.object_session(one)))
    )
    with verb.scope(db):
        one = verb(Item.query.order_by(Item.id), "first")
        found.append((one, orm.object_session(one)))
        change()
        assert one.name == "one"
        assert verb(one, "refresh").name == "one 3"
    assert len({id(record) for record, _ in found}) == 4
    assert len({id(session) for _, session in found}) == 4


def test_a_record_of_the_caller_is_saved_by_the_attempt_that_succeeds(
    verb: Verb, provoke_late: Provoke
) -> None:
    conflict = provoke_late(1)
    new = Item(name="new")
    decorate = db.transaction(retries=1, **conflict.transaction)

    @decorate
    def change() -> None:
        conflict.before()
        one, two = Item.query.order_by(Item.id).all()
        new.save()
        one.update(name="one, changed")
        conflict.between()
        two.update(name="two, changed")

    @decorate
    async def achange() -> None:
        conflict.before()
        one, two = await Item.query.order_by(Item.id).aall()
        await new.asave()
        await one.aupdate(name="one, changed")
        conflict.between()
        await two.aupdate(name="two, changed")

    verb.inside(change if verb.blocking else achange)
    assert names() == ["new", "one, changed", "two, changed"]


def failing(verb: Verb, error: Callable[[], object], called: list[int]) -> Callable[[], object]:
    """A function that could run again, and ends by an error."""
    decorate = db.transaction(retries=3)
    if verb.blocking:

        @decorate
        def fail() -> None:
            called.append(1)
            Item.new(name="new")
            error()

        return fail

    @decorate
    async def afail() -> None:
        called.append(1)
        await Item.anew(name="new")
        error()

    return lambda: verb.inside(afail)


def spoil() -> None:
    raise Spoilt


def test_an_error_of_the_application_is_not_a_reason_to_run_again(
    home_url: str, verb: Verb
) -> None:
    open_shop(home_url)
    called: list[int] = []
    with spoilt():
        failing(verb, spoil, called)()
    assert called == [1]
    assert names() == []


def test_a_violated_constraint_is_not_a_reason_to_run_again(url: str, verb: Verb) -> None:
    open_shop(url, "new")
    called: list[int] = []
    with pytest.raises(IntegrityError):
        failing(verb, spoil, called)()
    assert called == [1]


def test_a_statement_that_makes_no_sense_is_not_a_reason_to_run_again(url: str, verb: Verb) -> None:
    open_shop(url)
    called: list[int] = []

    @db.transaction(retries=3)
    def nonsense() -> None:
        called.append(1)
        db.session.execute(text("SELECT nonsense"))

    @db.transaction(retries=3)
    async def anonsense() -> None:
        called.append(1)
        await db.async_session.execute(text("SELECT nonsense"))

    with pytest.raises(DBAPIError):
        verb.inside(nonsense if verb.blocking else anonsense)
    assert called == [1]


@pytest.mark.parametrize("around", ["block", "scope"])
def test_a_function_that_may_run_again_is_refused_within_a_transaction(
    home_url: str, verb: Verb, around: str
) -> None:
    open_shop(home_url)
    called: list[int] = []
    outer = db.transaction if around == "block" else lambda: db(join=True)
    with verb.scope(db, commit_on_exit=around == "scope"), verb.within(outer):
        with pytest.raises(TransactionOptionError, match="outermost") as caught:
            failing(verb, spoil, called)()
        verb(Item, "new", name="pen")
    assert caught.value.option == "retries"
    assert called == []
    assert names() == ["pen"]


def test_blocks_within_a_function_that_runs_again_are_its_savepoints(
    verb: Verb, provoke_late: Provoke
) -> None:
    conflict = provoke_late(1)
    ran: list[int] = []
    decorate = db.transaction(retries=1, **conflict.transaction)

    def register() -> None:
        attempt = conflict.attempts
        db.on_commit(lambda: ran.append(attempt))

    @decorate
    def change() -> None:
        conflict.before()
        one, two = Item.query.order_by(Item.id).all()
        with db.transaction():
            one.update(name="one, changed")
            register()
        conflict.between()
        with db.transaction():
            two.update(name="two, changed")
            register()

    @decorate
    async def achange() -> None:
        conflict.before()
        one, two = await Item.query.order_by(Item.id).aall()
        async with db.transaction():
            await one.aupdate(name="one, changed")
            register()
        conflict.between()
        async with db.transaction():
            await two.aupdate(name="two, changed")
            register()

    verb.inside(change if verb.blocking else achange)
    assert names() == ["one, changed", "two, changed"]
    assert ran == [2, 2]
