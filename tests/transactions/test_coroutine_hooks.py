"""A coroutine function is a hook where something can await it, and refused elsewhere."""

import logging
from contextlib import nullcontext
from functools import partial

import pytest

from tests.shop import Item, db, names, open_shop
from tests.transactions.tools import Mail, Spoilt, spoilt
from tests.verbs import Verb


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
