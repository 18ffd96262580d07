"""`db.on_commit` runs a function once what surrounds it is stored, and never otherwise."""

import logging
import threading
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import pytest

from fastapi_sqlalchemy.exceptions import MissingSessionError
from tests.shop import Item, db, lent, names, open_shop
from tests.transactions.tools import Spoilt, on_commit, seen, spoilt
from tests.verbs import Verb


class Mail:
    """What hooks do: each notes its name, and what another connection saw then."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.stored: list[list[str]] = []

    def hook(self, name: str) -> Callable[[], None]:
        def send() -> None:
            self.sent.append(name)
            self.stored.append(names())

        return send

    def coroutine_function(self, name: str) -> Callable[[], Awaitable[None]]:
        async def asend() -> None:
            self.hook(name)()

        return asend

    def of_colour(self, verb: Verb, name: str) -> Callable[[], Any]:
        return self.hook(name) if verb.blocking else self.coroutine_function(name)


def end_session(verb: Verb, end: str) -> None:
    """Call a method of the session's own, where the verbs run."""
    if verb.blocking:
        getattr(db.session, end)()
    else:
        verb.inside(lambda: getattr(db.async_session, end)())


@pytest.fixture
def mail() -> Mail:
    return Mail()


def test_hooks_run_in_order_after_the_commit(url: str, verb: Verb, mail: Mail) -> None:
    open_shop(url)
    with verb.scope(db):
        with verb.within(lambda: db.transaction()):
            on_commit(verb, mail.hook("first"))
            verb(Item, "new", name="pen")
            on_commit(verb, mail.of_colour(verb, "second"))
            verb(Item, "new", name="ink")
            on_commit(verb, mail.hook("third"))
            assert mail.sent == []
        assert mail.sent == ["first", "second", "third"]
    assert mail.sent == ["first", "second", "third"]
    assert mail.stored == [["ink", "pen"]] * 3


def test_hooks_of_an_inner_block_wait_for_the_outermost_commit(
    url: str, verb: Verb, mail: Mail
) -> None:
    open_shop(url)
    with verb.scope(db), verb.within(lambda: db.transaction()):
        on_commit(verb, mail.hook("before"))
        with verb.within(lambda: db.transaction()):
            verb(Item, "new", name="pen")
            with verb.within(lambda: db.transaction(savepoint=False)):
                on_commit(verb, mail.of_colour(verb, "innermost"))
            on_commit(verb, mail.hook("inner"))
        on_commit(verb, mail.hook("after"))
        assert mail.sent == []
    assert mail.sent == ["before", "innermost", "inner", "after"]
    assert mail.stored == [["pen"]] * 4


def test_hooks_of_a_block_that_fails_are_dropped(home_url: str, verb: Verb, mail: Mail) -> None:
    open_shop(home_url)
    with verb.scope(db):
        with spoilt(), verb.within(lambda: db.transaction()):
            on_commit(verb, mail.of_colour(verb, "dropped"))
            raise Spoilt
        with verb.within(lambda: db.transaction()):
            verb(Item, "new", name="pen")
    assert mail.sent == []


def test_hooks_of_an_inner_block_that_fails_are_dropped_alone(
    home_url: str, verb: Verb, mail: Mail
) -> None:
    open_shop(home_url)
    with verb.scope(db), verb.within(lambda: db.transaction()):
        on_commit(verb, mail.hook("before"))
        with spoilt(), verb.within(lambda: db.transaction()):
            on_commit(verb, mail.hook("within"))
            with verb.within(lambda: db.transaction()):
                on_commit(verb, mail.hook("innermost"))
            raise Spoilt
        on_commit(verb, mail.hook("after"))
    assert mail.sent == ["before", "after"]


def test_hooks_of_inner_blocks_are_dropped_with_the_outermost(
    home_url: str, verb: Verb, mail: Mail
) -> None:
    open_shop(home_url)
    with verb.scope(db), spoilt(), verb.within(lambda: db.transaction()):
        with verb.within(lambda: db.transaction()):
            verb(Item, "new", name="pen")
            on_commit(verb, mail.hook("dropped"))
        raise Spoilt
    assert mail.sent == []


def test_hooks_run_once(home_url: str, verb: Verb, mail: Mail) -> None:
    open_shop(home_url)
    block = db.transaction()
    with verb.scope(db):
        for name in ("pen", "ink"):
            with verb.within(lambda: block):
                verb(Item, "new", name=name)
                on_commit(verb, mail.hook(name))
    assert mail.sent == ["pen", "ink"]


def test_hooks_of_a_block_with_nothing_to_commit_run(home_url: str, verb: Verb, mail: Mail) -> None:
    open_shop(home_url)
    with verb.scope(db):
        with verb.within(lambda: db.transaction()):
            on_commit(verb, mail.hook("empty"))
        with verb.within(lambda: db.transaction()):
            seen(verb)
            on_commit(verb, mail.hook("only read"))
    assert mail.sent == ["empty", "only read"]


def test_hooks_hold_no_connection(home_url: str, verb: Verb) -> None:
    open_shop(home_url)
    found: list[int] = []
    hook = (lambda: found.append(lent())) if verb.blocking else None

    async def ahook() -> None:
        found.append(lent())

    with verb.scope(db), verb.within(lambda: db.transaction()):
        verb(Item, "new", name="pen")
        on_commit(verb, hook or ahook)
    assert found == [0]


def test_hooks_of_a_scope_that_commits_run_after_its_commit(
    url: str, verb: Verb, mail: Mail
) -> None:
    open_shop(url)
    with verb.scope(db, commit_on_exit=True):
        on_commit(verb, mail.hook("before"))
        with verb.within(lambda: db.transaction()):
            verb(Item, "new", name="pen")
            on_commit(verb, mail.of_colour(verb, "within"))
        on_commit(verb, mail.of_colour(verb, "after"))
        assert mail.sent == []
    assert mail.sent == ["before", "within", "after"]
    assert mail.stored == [["pen"]] * 3


def test_hooks_of_a_scope_that_fails_are_dropped(home_url: str, verb: Verb, mail: Mail) -> None:
    open_shop(home_url)
    with spoilt(), verb.scope(db, commit_on_exit=True):
        verb(Item, "new", name="pen")
        on_commit(verb, mail.of_colour(verb, "dropped"))
        raise Spoilt
    assert mail.sent == []


def test_hooks_of_a_block_that_fails_in_a_scope_that_commits_are_dropped_alone(
    home_url: str, verb: Verb, mail: Mail
) -> None:
    open_shop(home_url)
    with verb.scope(db, commit_on_exit=True):
        on_commit(verb, mail.hook("before"))
        with spoilt(), verb.within(lambda: db.transaction()):
            on_commit(verb, mail.hook("within"))
            raise Spoilt
        on_commit(verb, mail.hook("after"))
    assert mail.sent == ["before", "after"]


def test_hooks_run_after_a_commit_of_the_session_in_a_scope_that_commits(
    home_url: str, verb: Verb, mail: Mail
) -> None:
    open_shop(home_url)
    with spoilt(), verb.scope(db, commit_on_exit=True):
        verb(Item, "new", name="pen")
        on_commit(verb, mail.of_colour(verb, "pen"))
        end_session(verb, "commit")
        verb(Item, "new", name="ink")
        on_commit(verb, mail.hook("ink"))
        assert mail.sent == ["pen"]
        raise Spoilt
    assert mail.sent == ["pen"]
    assert mail.stored == [["pen"]]


@pytest.mark.parametrize("end", ["rollback", "close", "reset"])
def test_hooks_are_dropped_with_what_the_session_rolls_back(
    home_url: str, verb: Verb, mail: Mail, end: str
) -> None:
    open_shop(home_url)
    with verb.scope(db, commit_on_exit=True):
        verb(Item, "new", name="pen")
        on_commit(verb, mail.hook("pen"))
        end_session(verb, end)
        verb(Item, "new", name="ink")
        on_commit(verb, mail.hook("ink"))
    assert mail.sent == ["ink"]


def test_a_hook_outside_a_transaction_runs_at_once(url: str, verb: Verb, mail: Mail) -> None:
    open_shop(url)
    with verb.scope(db):
        on_commit(verb, mail.hook("first"))
        verb(Item, "new", name="pen")
        on_commit(verb, mail.hook("second"))
        assert mail.sent == ["first", "second"]
    assert mail.sent == ["first", "second"]
    assert mail.stored == [[], ["pen"]]


@pytest.mark.parametrize("fails", [False, True])
async def test_a_coroutine_function_outside_a_transaction_runs_at_the_end_of_the_scope(
    home_url: str, mail: Mail, fails: bool
) -> None:
    open_shop(home_url)
    with spoilt() if fails else nullcontext():
        async with db():
            db.on_commit(mail.coroutine_function("hook"))
            await Item.anew(name="pen")
            assert mail.sent == []
            if fails:
                raise Spoilt
    assert mail.sent == ["hook"]
    assert mail.stored == [["pen"]]


def test_a_hook_outside_every_scope_is_refused(mail: Mail) -> None:
    open_shop("sqlite://")
    with pytest.raises(MissingSessionError):
        db.on_commit(mail.hook("refused"))
    assert mail.sent == []


@pytest.mark.parametrize("around", ["nothing", "block", "inner block", "scope"])
def test_a_coroutine_function_is_refused_by_name_where_nothing_can_await_it(
    mail: Mail, around: str
) -> None:
    open_shop("sqlite://")
    verb = Verb("blocking")
    hook = mail.coroutine_function("refused")
    with verb.scope(db, commit_on_exit=around == "scope"):
        outer = db(join=True) if around in ("nothing", "scope") else db.transaction()
        inner = db.transaction() if around == "inner block" else db(join=True)
        with outer, inner:
            Item.new(name="pen")
            with pytest.raises(TypeError, match=r"asend: use `async with`"):
                db.on_commit(hook)
            with pytest.raises(TypeError, match="coroutine function"):
                db.on_commit(partial(mail.coroutine_function("refused")))
    assert names() == ["pen"]


async def test_a_coroutine_function_is_refused_in_a_blocking_block_of_an_async_scope(
    mail: Mail,
) -> None:
    open_shop("sqlite://", blocking="allow")
    async with db():
        with db.transaction():
            Item.new(name="pen")
            with pytest.raises(TypeError):
                db.on_commit(mail.coroutine_function("refused"))
    assert names() == ["pen"]


async def test_a_coroutine_function_is_awaited_by_the_block_that_commits(mail: Mail) -> None:
    open_shop("sqlite://", blocking="allow")
    with db():
        async with db.transaction():
            with db.transaction():
                Item.new(name="pen")
                db.on_commit(mail.coroutine_function("inner"))
    assert mail.sent == ["inner"]
    assert mail.stored == [["pen"]]


class Sender:
    """An object that is called, and has to be awaited."""

    def __init__(self, mail: Mail) -> None:
        self._mail = mail

    async def __call__(self) -> None:
        self._mail.hook("object")()


async def test_whatever_returns_an_awaitable_is_awaited(home_url: str, mail: Mail) -> None:
    open_shop(home_url)
    async with db(), db.transaction():
        await Item.anew(name="pen")
        db.on_commit(lambda: mail.coroutine_function("lambda")())
        db.on_commit(partial(mail.coroutine_function("partial")))
        db.on_commit(Sender(mail))
    assert mail.sent == ["lambda", "partial", "object"]


@pytest.mark.parametrize("around", ["nothing", "block", "scope"])
def test_what_returns_an_awaitable_is_told_of_where_nothing_can_await_it(
    mail: Mail, around: str, caplog: pytest.LogCaptureFixture
) -> None:
    open_shop("sqlite://")
    block = (lambda: db.transaction()) if around == "block" else (lambda: db(join=True))
    with db(commit_on_exit=around == "scope"), Verb("blocking").within(block):
        Item.new(name="pen")
        db.on_commit(lambda: mail.coroutine_function("lambda")())
        db.on_commit(Sender(mail))
        db.on_commit(mail.hook("after"))
    assert mail.sent == ["after"]
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2


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


async def test_a_hook_of_a_task_beside_an_open_block_is_not_of_that_block(
    home_url: str, mail: Mail
) -> None:
    open_shop(home_url)

    async def sibling() -> None:
        db.on_commit(mail.hook("beside"))

    async with db():
        with spoilt():
            async with db.transaction():
                await Item.anew(name="dropped")
                db.on_commit(mail.hook("within"))
                raise Spoilt
        await sibling()
    assert mail.sent == ["beside"]
