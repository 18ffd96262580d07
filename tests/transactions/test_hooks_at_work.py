"""A hook may use the database, and where it fails nothing else does."""

import logging
import threading

import pytest

from tests.shop import Item, db, names, open_shop
from tests.transactions.tools import Mail, Spoilt, on_commit, spoilt
from tests.verbs import Verb


def fail() -> None:
    raise Spoilt


async def afail() -> None:
    raise Spoilt


@pytest.mark.parametrize("around", ["nothing", "block", "scope"])
def test_a_hook_that_fails_is_logged_and_stops_nothing(
    home_url: str, verb: Verb, mail: Mail, around: str, caplog: pytest.LogCaptureFixture
) -> None:
    open_shop(home_url)
    block = (lambda: db.transaction()) if around == "block" else (lambda: db(join=True))
    with verb.scope(db, commit_on_exit=around == "scope"), verb.within(block):
        verb(Item, "new", name="pen")
        on_commit(verb, fail)
        on_commit(verb, fail if verb.blocking else afail)
        on_commit(verb, mail.hook("after"))
    assert mail.sent == ["after"]
    assert names() == ["pen"]
    assert len(caplog.records) == 2
    for record in caplog.records:
        assert (record.levelno, record.name) == (logging.ERROR, "fastapi_sqlalchemy.hooks")
        assert record.exc_info is not None
        assert record.exc_info[0] is Spoilt


@pytest.mark.parametrize("around", ["block", "scope"])
def test_a_hook_may_use_the_database(url: str, verb: Verb, around: str) -> None:
    open_shop(url)
    counted: list[int] = []

    def write() -> None:
        counted.append(Item.query.count())
        Item.new(name="by a hook")

    async def awrite() -> None:
        counted.append(await Item.query.acount())
        await Item.anew(name="by a coroutine")

    block = (lambda: db.transaction()) if around == "block" else (lambda: db(join=True))
    with verb.scope(db, commit_on_exit=around == "scope"), verb.within(block):
        verb(Item, "new", name="pen")
        on_commit(verb, write)
        if not verb.blocking:
            on_commit(verb, awrite)
    assert counted == [1, 2][: len(counted)]
    assert names() == ["by a coroutine", "by a hook", "pen"][verb.blocking :]


@pytest.mark.parametrize("around", ["block", "scope"])
def test_a_hook_may_have_a_block_of_its_own(home_url: str, verb: Verb, around: str) -> None:
    open_shop(home_url)
    ran: list[str] = []

    def write() -> None:
        with spoilt(), db.transaction():
            Item.new(name="dropped")
            raise Spoilt
        with db.transaction():
            Item.new(name="kept")
            db.on_commit(lambda: ran.append("hook of a hook"))

    async def awrite() -> None:
        with spoilt():
            async with db.transaction():
                await Item.anew(name="dropped")
                raise Spoilt
        async with db.transaction():
            await Item.anew(name="kept")
            db.on_commit(lambda: ran.append("hook of a hook"))

    block = (lambda: db.transaction()) if around == "block" else (lambda: db(join=True))
    with verb.scope(db, commit_on_exit=around == "scope"), verb.within(block):
        verb(Item, "new", name="pen")
        on_commit(verb, write if verb.blocking else awrite)
    assert names() == ["kept", "pen"]
    assert ran == ["hook of a hook"]


@pytest.mark.parametrize("around", ["block", "scope"])
def test_a_hook_may_register_another(home_url: str, verb: Verb, mail: Mail, around: str) -> None:
    open_shop(home_url)

    def register() -> None:
        db.on_commit(mail.of_colour(verb, "another"))

    block = (lambda: db.transaction()) if around == "block" else (lambda: db(join=True))
    with verb.scope(db, commit_on_exit=around == "scope"), verb.within(block):
        verb(Item, "new", name="pen")
        on_commit(verb, register)
    assert mail.sent == ["another"]


@pytest.mark.parametrize("around", ["block", "scope"])
def test_what_a_failing_hook_wrote_in_a_block_is_rolled_back(
    home_url: str, verb: Verb, around: str
) -> None:
    open_shop(home_url)

    def write() -> None:
        with db.transaction():
            Item.new(name="dropped")
            raise Spoilt

    async def awrite() -> None:
        async with db.transaction():
            await Item.anew(name="dropped")
            raise Spoilt

    block = (lambda: db.transaction()) if around == "block" else (lambda: db(join=True))
    with verb.scope(db, commit_on_exit=around == "scope"), verb.within(block):
        verb(Item, "new", name="pen")
        on_commit(verb, write if verb.blocking else awrite)
    assert names() == ["pen"]


async def test_a_blocking_hook_does_not_block_the_event_loop(home_url: str) -> None:
    open_shop(home_url)
    threads: list[int] = []
    async with db(), db.transaction():
        await Item.anew(name="pen")
        db.on_commit(lambda: threads.append(threading.get_ident()))
    assert threads
    assert threading.get_ident() not in threads
