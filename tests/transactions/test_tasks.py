"""A block belongs to the task that opened it, and to those that were started within."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import anyio
import pytest
from sqlalchemy.exc import InvalidRequestError

from fastapi_sqlalchemy.exceptions import ConcurrencyError, RolledBackError
from tests.shop import Item, db, lent, names, open_shop
from tests.transactions.tools import Spoilt, ends, spoilt


class Sibling:
    """A task of the same scope that has a block open, and has saved an item in it."""

    def __init__(self) -> None:
        self.inside, self.go_on = asyncio.Event(), asyncio.Event()
        self.error: BaseException | None = None
        self.task = asyncio.create_task(self._work())

    async def _work(self) -> None:
        try:
            async with db.transaction():
                await Item.anew(name="sibling 1")
                self.inside.set()
                await self.go_on.wait()
                await Item.anew(name="sibling 2")
        except Exception as error:
            self.error = error

    async def opened(self) -> None:
        await asyncio.wait_for(self.inside.wait(), 5)

    async def end(self) -> None:
        self.go_on.set()
        await self.task


async def read() -> object:
    return await Item.query.acount()


async def save() -> object:
    return await Item.anew(name="mixed")


async def block() -> object:
    async with db.transaction():
        return await Item.anew(name="mixed")


async def blocking_read() -> object:
    return await asyncio.to_thread(Item.query.count)


async def blocking_block() -> object:
    def work() -> None:
        with db.transaction():
            Item.new(name="mixed")

    return await asyncio.to_thread(work)


@contextmanager
def refused(error: type[Exception]) -> Iterator[None]:
    """The end of what is within is refused."""
    with pytest.raises(error):
        yield


Act = Callable[[], Awaitable[object]]


@pytest.mark.parametrize("act", [read, save, block, blocking_read, blocking_block])
async def test_a_task_beside_an_open_block_is_refused(url: str, act: Act) -> None:
    open_shop(url)
    async with db():
        sibling = Sibling()
        await sibling.opened()
        with pytest.raises(ConcurrencyError, match=r"async with db\(\):"):
            await act()
        await sibling.end()
        assert sibling.error is None
    assert names() == ["sibling 1", "sibling 2"]


@pytest.mark.parametrize("act", [read, save, block])
async def test_a_task_beside_the_open_block_of_a_thread_is_refused(home_url: str, act: Act) -> None:
    open_shop(home_url)
    inside, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def work() -> None:
        with db.transaction():
            Item.new(name="thread 1")
            loop.call_soon_threadsafe(inside.set)
            assert go_on.wait(5)
            Item.new(name="thread 2")

    async with db():
        thread = asyncio.create_task(asyncio.to_thread(work))
        await inside.wait()
        try:
            with pytest.raises(ConcurrencyError):
                await act()
        finally:
            go_on.set()
            await thread
    assert names() == ["thread 1", "thread 2"]


@pytest.mark.parametrize("act", [read, save, block])
async def test_a_task_is_served_again_after_the_block_beside_it(home_url: str, act: Act) -> None:
    open_shop(home_url)
    async with db():
        sibling = Sibling()
        await sibling.opened()
        await sibling.end()
        await act()
    assert names()[-2:] == ["sibling 1", "sibling 2"]


async def test_a_task_with_a_scope_of_its_own_is_served_beside_an_open_block(
    server_url: str,
) -> None:
    open_shop(server_url)
    async with db():
        sibling = Sibling()
        await sibling.opened()
        async with db():
            await Item.anew(name="own scope")
            assert names() == ["own scope"]
        await sibling.end()
    assert names() == ["own scope", "sibling 1", "sibling 2"]


async def test_a_commit_of_the_session_beside_an_open_block_is_refused(home_url: str) -> None:
    open_shop(home_url)
    async with db():
        sibling = Sibling()
        await sibling.opened()
        with pytest.raises(InvalidRequestError):
            await db.async_session.commit()
        await sibling.end()
    assert names() == ["sibling 1", "sibling 2"]


async def test_tasks_started_within_a_block_share_it(url: str) -> None:
    open_shop(url)
    async with db():
        with spoilt(), ends() as noted:
            async with db.transaction():
                await asyncio.gather(*(Item.anew(name=f"{n}") for n in range(5)))
                async with asyncio.TaskGroup() as tasks:
                    counts = [tasks.create_task(Item.query.acount()) for _ in range(5)]
                assert [count.result() for count in counts] == [5] * 5
                raise Spoilt
        assert noted == ["rollback"]
        async with db.transaction():
            await asyncio.gather(*(Item.anew(name=f"{n}") for n in range(5)))
    assert names() == ["0", "1", "2", "3", "4"]


async def test_an_anyio_task_group_within_a_block_shares_it(home_url: str) -> None:
    open_shop(home_url)

    async def add(name: str) -> None:
        await Item.anew(name=name)

    async with db(), db.transaction():
        async with anyio.create_task_group() as tasks:
            for name in "abc":
                tasks.start_soon(add, name)
        assert await Item.query.acount() == 3
    assert names() == ["a", "b", "c"]


async def test_threads_started_within_a_block_share_it(home_url: str) -> None:
    open_shop(home_url)
    async with db():
        with spoilt():
            async with db.transaction():
                await asyncio.to_thread(Item.new, name="dropped")
                raise Spoilt
        async with db.transaction():
            await asyncio.gather(*(asyncio.to_thread(Item.new, name=f"{n}") for n in range(5)))
    assert names() == ["0", "1", "2", "3", "4"]


async def test_a_task_that_fails_fails_the_block_that_waits_for_it(home_url: str) -> None:
    open_shop(home_url)

    async def fail() -> None:
        await Item.anew(name="by the task")
        raise Spoilt

    async with db():
        with spoilt():
            async with db.transaction():
                await Item.anew(name="by the block")
                await asyncio.gather(fail(), Item.query.acount())
        assert await Item.query.acount() == 0
    assert names() == []


async def test_a_savepoint_of_one_task_refuses_the_others_of_the_block(home_url: str) -> None:
    open_shop(home_url)
    async with db(), db.transaction():
        sibling = Sibling()
        await sibling.opened()
        with pytest.raises(ConcurrencyError):
            await Item.anew(name="mixed")
        await sibling.end()
        assert sibling.error is None
        await Item.anew(name="after")
    assert names() == ["after", "sibling 1", "sibling 2"]


async def test_a_block_that_ends_before_the_one_of_a_task_within_it_stores_nothing(
    url: str,
) -> None:
    open_shop(url)
    async with db():
        with refused(ConcurrencyError):
            async with db.transaction():
                await Item.anew(name="outer")
                sibling = Sibling()
                await sibling.opened()
        await sibling.end()
        assert sibling.error is not None
        await Item.anew(name="later")
        async with db.transaction():
            await Item.anew(name="later block")
        assert lent() == 0
    assert names() == ["later", "later block"]


async def test_a_scope_does_not_commit_what_the_block_of_a_task_holds(url: str) -> None:
    open_shop(url)
    with refused(RolledBackError):
        async with db(commit_on_exit=True):
            sibling = Sibling()
            await sibling.opened()
    await sibling.end()
    assert sibling.error is not None
    assert names() == []
    assert lent() == 0


async def test_a_scope_that_ends_rolls_back_the_block_of_a_task(url: str) -> None:
    open_shop(url)
    async with db():
        sibling = Sibling()
        await sibling.opened()
    assert lent() == 0
    await sibling.end()
    assert sibling.error is not None
    assert names() == []


def test_a_thread_that_copies_nothing_has_no_part_in_the_block(home_url: str) -> None:
    open_shop(home_url)

    def job() -> int:
        with db():
            return Item.query.count()

    with db(), db.transaction():
        with ThreadPoolExecutor(1) as thread:
            assert thread.submit(job).result() == 0
        Item.new(name="pen")
    assert names() == ["pen"]
