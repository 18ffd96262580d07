"""A task that is cancelled in a block leaves all of it or nothing, and no block open."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import anyio
import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from tests.shop import Item, db, lent, names, open_shop
from tests.transactions.rivals import Rival, rival

Cancel = Callable[[], object]
Work = Callable[[], Coroutine[Any, Any, object]]
Cancelling = Callable[[Work], AbstractAsyncContextManager[Cancel]]
"""Starts work, yields what cancels it, and ends when it has ended."""


@asynccontextmanager
async def a_task(work: Work) -> AsyncIterator[Cancel]:
    task = asyncio.ensure_future(work())
    yield task.cancel
    with pytest.raises(asyncio.CancelledError):
        await task


@asynccontextmanager
async def a_cancel_scope(work: Work) -> AsyncIterator[Cancel]:
    scope = anyio.CancelScope()

    async def limited() -> None:
        with scope:
            await work()

    task = asyncio.create_task(limited())
    yield scope.cancel
    await task


CANCELLING = pytest.mark.parametrize("cancelling", [a_task, a_cancel_scope])


async def usable(*stored: str) -> None:
    """This scope can have a transaction again, and so much was stored before."""
    assert lent() == 0
    async with db.transaction():
        await Item.anew(name="next block")
    await Item.anew(name="next save")
    assert names() == sorted([*stored, "next block", "next save"])


@CANCELLING
async def test_a_block_that_is_cancelled_while_a_statement_runs_rolls_back(
    server_url: str, cancelling: Cancelling
) -> None:
    open_shop(server_url, "contended")
    ran: list[str] = []

    async def work() -> None:
        async with db.transaction():
            await Item.anew(name="new")
            db.on_commit(lambda: ran.append("hook"))
            contended = await Item.query.filter_by(name="contended").aone()
            await contended.aupdate(name="changed")

    with rival(server_url) as other:
        other.hold("contended")
        async with db():
            async with cancelling(work) as cancel:
                await until_waiting(other)
                cancel()
            other.until_waiting(0)
            await usable("contended")
    assert ran == []


async def until_waiting(other: Rival) -> None:
    """Return when a statement waits for the rival."""
    with anyio.fail_after(10):
        while other.waiting() != 1:  # noqa: ASYNC110 - a server has no event for this
            await asyncio.sleep(0)


@CANCELLING
async def test_an_inner_block_that_is_cancelled_rolls_back_with_the_outer_one(
    server_url: str, cancelling: Cancelling
) -> None:
    open_shop(server_url, "contended")

    async def work() -> None:
        async with db.transaction():
            await Item.anew(name="outer")
            async with db.transaction():
                await Item.anew(name="inner")
                contended = await Item.query.filter_by(name="contended").aone()
                await contended.aupdate(name="changed")

    with rival(server_url) as other:
        other.hold("contended")
        async with db():
            async with cancelling(work) as cancel:
                await until_waiting(other)
                cancel()
            await usable("contended")


@CANCELLING
async def test_a_block_that_is_cancelled_between_its_statements_rolls_back(
    url: str, cancelling: Cancelling
) -> None:
    open_shop(url)
    inside = asyncio.Event()

    async def work() -> None:
        async with db.transaction():
            await Item.anew(name="new")
            inside.set()
            await asyncio.Event().wait()

    async with db():
        async with cancelling(work) as cancel:
            await inside.wait()
            cancel()
        await usable()


async def turns() -> None:
    """Let every task get as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


@CANCELLING
async def test_a_block_that_is_cancelled_while_it_waits_for_a_connection_is_left_at_once(
    server_url: str, cancelling: Cancelling
) -> None:
    open_shop(server_url, engine_args={"pool_size": 1, "max_overflow": 0})
    stored: list[str] = []

    async def work() -> None:
        async with db.transaction(read_only=True):
            await Item.query.acount()
            stored.append("something")

    async with db():
        other = await db.async_engine.connect()
        async with cancelling(work) as cancel:
            await turns()
            cancel()
            await turns()
            await other.close()
        assert stored == []
        await usable()


@CANCELLING
async def test_a_block_that_is_cancelled_while_it_waits_for_its_turn_is_left_at_once(
    server_url: str, cancelling: Cancelling
) -> None:
    open_shop(server_url, "contended")
    stored: list[str] = []

    async def work() -> None:
        async with db.transaction():
            await Item.query.acount()
            stored.append("something")

    async def wait() -> None:
        contended = await Item.query.filter_by(name="contended").aone()
        await contended.aupdate(name="changed")

    with rival(server_url) as other:
        other.hold("contended")
        async with db():
            waiting = asyncio.create_task(wait())
            await until_waiting(other)
            async with cancelling(work) as cancel:
                await turns()
                cancel()
                await turns()
                other.leave()
            await waiting
            assert stored == []
            await usable("changed")


WAIT_AT_COMMIT = [
    """
    CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END $$
    """,
    """
    CREATE CONSTRAINT TRIGGER late AFTER INSERT ON items DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION wait()
    """,
]


@CANCELLING
async def test_a_block_that_is_cancelled_while_it_commits_is_stored(
    postgres_url: str, cancelling: Cancelling
) -> None:
    open_shop(postgres_url)
    with db.engine.begin() as connection:
        for statement in WAIT_AT_COMMIT:
            connection.execute(text(statement))

    async def work() -> None:
        async with db.transaction():
            await Item.anew(name="new")

    with rival(postgres_url) as other:
        other.connection.execute(text("SELECT pg_advisory_xact_lock(1)"))
        async with db():
            async with cancelling(work) as cancel:
                await until_waiting(other)
                cancel()
                await turns()
                other.leave()
            await usable("new")


@CANCELLING
async def test_a_block_goes_on_where_what_was_cancelled_is_caught_within(
    server_url: str, cancelling: Cancelling
) -> None:
    open_shop(server_url, "contended")

    async def change() -> None:
        contended = await Item.query.filter_by(name="contended").aone()
        await contended.aupdate(name="changed")

    with rival(server_url) as other:
        other.hold("contended")
        whole = False
        try:
            async with db(), db.transaction():
                await Item.anew(name="new 1")
                async with cancelling(change) as cancel:
                    await until_waiting(other)
                    cancel()
                await Item.anew(name="new 2")
            whole = True
        except SQLAlchemyError:
            pass
    assert names() == (["contended", "new 1", "new 2"] if whole else ["contended"])
    assert lent() == 0


class Counted:
    """Awaits a coroutine, and calls `cancel` when it waits for the nth time."""

    def __init__(self, coroutine: Coroutine[Any, Any, None], moment: int, cancel: Cancel) -> None:
        self._coroutine, self._moment, self._cancel = coroutine, moment, cancel

    def __await__(self) -> Generator[Any, Any, None]:
        steps = self._coroutine.__await__()
        error: BaseException | None = None
        waits = 0
        while True:
            try:
                waiting = steps.send(None) if error is None else steps.throw(error)
            except StopIteration:
                return
            error = None
            waits += 1
            if waits == self._moment:
                asyncio.get_running_loop().call_soon(self._cancel)
            try:
                yield waiting
            except BaseException as thrown:
                error = thrown


async def in_task(work: Coroutine[Any, Any, None], moment: int) -> bool:
    async def counted() -> None:
        task = asyncio.current_task()
        assert task is not None
        await Counted(work, moment, task.cancel)

    return isinstance(
        (await asyncio.gather(asyncio.create_task(counted()), return_exceptions=True))[0],
        asyncio.CancelledError,
    )


async def in_cancel_scope(work: Coroutine[Any, Any, None], moment: int) -> bool:
    with anyio.CancelScope() as scope:
        await Counted(work, moment, scope.cancel)
    return scope.cancelled_caught


Cancelled = Callable[[Coroutine[Any, Any, None], int], Awaitable[bool]]

WHEREVER = pytest.mark.parametrize("cancelled", [in_task, in_cancel_scope])


async def cancelled_wherever_it_waits(
    cancelled: Cancelled, **options: Any
) -> tuple[list[int], list[int]]:
    """Runs a block that is cancelled when it waits first, one at its second waiting, and so on.

    Returns the moments whose block was stored, and those whose hook ran.
    """
    stored: list[int] = []
    ran: list[int] = []

    async def work(moment: int) -> None:
        async with db.transaction(**options):
            await Item.anew(name=f"{moment} outer")
            db.on_commit(lambda: ran.append(moment))
            async with db.transaction():
                await Item.anew(name=f"{moment} inner")

    for moment in itertools.count(1):
        was_cancelled = await cancelled(work(moment), moment)
        assert lent() == 0
        found = [name for name in names() if name.startswith(f"{moment} ")]
        assert found in ([], [f"{moment} inner", f"{moment} outer"])
        if found:
            stored.append(moment)
        if not was_cancelled:
            assert found
            assert moment > 3
            break
    return stored, ran


@WHEREVER
@pytest.mark.parametrize("options", [{}, {"isolation_level": "SERIALIZABLE"}], ids=["", "level"])
async def test_a_block_is_whole_or_nothing_wherever_it_is_cancelled(
    url: str, cancelled: Cancelled, options: dict[str, Any]
) -> None:
    open_shop(url)
    async with db():
        stored, ran = await cancelled_wherever_it_waits(cancelled, **options)
        await usable(*(f"{moment} {level}" for moment in stored for level in ("inner", "outer")))
    assert set(ran) <= set(stored)


@WHEREVER
async def test_the_hook_of_a_block_that_was_stored_runs_wherever_it_is_cancelled(
    home_url: str, cancelled: Cancelled
) -> None:
    open_shop(home_url)
    async with db():
        stored, ran = await cancelled_wherever_it_waits(cancelled)
    assert ran == stored
