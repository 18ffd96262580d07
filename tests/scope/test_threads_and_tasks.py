"""Threads and tasks share a session where they are of one scope, and nowhere else."""

import asyncio
import contextvars
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import orm, select

from fastapi_sqlalchemy.exceptions import MissingSessionError, SessionClosedError
from tests.shop import Item, db, lent, names, open_shop


def test_two_threads_with_a_block_each_have_two_sessions(url: str) -> None:
    open_shop(url, "pen")
    both_are_inside = threading.Barrier(2, timeout=5)

    def ask() -> tuple[orm.Session, Item]:
        with db():
            item = Item.query.one()
            both_are_inside.wait()
            return db.session, item

    with ThreadPoolExecutor(2) as threads:
        first, second = (future.result() for future in [threads.submit(ask) for _ in range(2)])
    assert first[0] is not second[0]
    assert first[1] is not second[1]


@pytest.mark.parametrize("kind", ["with", "async with"])
async def test_two_coroutines_with_a_block_each_have_two_sessions(url: str, kind: str) -> None:
    open_shop(url, "pen", blocking="allow")
    inside = asyncio.Barrier(2)

    async def ask() -> tuple[orm.Session, Item | None]:
        if kind == "with":
            with db():
                await inside.wait()
                return db.session, Item.get(1)
        async with db():
            item = await Item.aget(1)
            await inside.wait()
            return db.session, item

    first, second = await asyncio.gather(ask(), ask())
    assert first[0] is not second[0]
    assert first[1] is not second[1]


def in_a_thread(function: Callable[[], Any]) -> Any:
    """What a function returns in a thread that a scheduler started."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(function).result()


def test_a_thread_opens_a_session_of_its_own_while_another_holds_one(url: str) -> None:
    open_shop(url, "pen")

    def job() -> orm.Session:
        with db():
            assert Item.query.count() == 1
            return db.session

    with db():
        mine = db.session
        assert in_a_thread(job) is not mine
        assert db.session is mine
        assert Item.query.count() == 1


def test_a_thread_without_a_block_has_no_session() -> None:
    open_shop("sqlite://")
    with db():
        _ = db.session
        with pytest.raises(MissingSessionError):
            in_a_thread(Item.query.count)


async def test_a_thread_that_copies_the_context_shares_the_session(url: str) -> None:
    open_shop(url, "pen")
    async with db():
        item = await Item.aget(1)
        assert await asyncio.to_thread(Item.get, 1) is item
        assert await asyncio.to_thread(lambda: db.session) is db.session


def test_a_block_in_a_thread_that_copies_the_context_is_its_own(url: str) -> None:
    open_shop(url, "pen")

    def job() -> orm.Session:
        with db():
            return db.session

    with db():
        context = contextvars.copy_context()
        assert in_a_thread(lambda: context.run(job)) is not db.session


async def test_tasks_of_one_scope_take_turns_at_reading(url: str) -> None:
    open_shop(url, "a", "b")
    async with db():
        first, second, items, count, third = await asyncio.gather(
            Item.aget(1),
            Item.aget(2),
            Item.query.aall(),
            Item.query.acount(),
            Item.aget(1),
        )
    assert [first, second] == items
    assert count == 2
    assert first is third


async def test_tasks_of_one_scope_take_turns_at_writing(url: str) -> None:
    open_shop(url)
    async with db():
        await asyncio.gather(*(Item.anew(name=f"item {n}") for n in range(10)))
    assert names() == [f"item {n}" for n in range(10)]


async def test_a_task_of_one_scope_can_fail_while_another_reads(url: str) -> None:
    open_shop(url, "pen")
    async with db():
        outcomes = await asyncio.gather(
            Item.query.acount(),
            Item.anew(name="pen"),
            Item.query.acount(),
            return_exceptions=True,
        )
        assert await Item.query.acount() == 1
    assert outcomes[0] == outcomes[2] == 1
    assert isinstance(outcomes[1], Exception)


async def test_tasks_that_use_the_asyncio_session_take_turns(url: str) -> None:
    open_shop(url, "a", "b")
    async with db():
        found = await asyncio.gather(
            *(db.async_session.scalars(select(Item).order_by(Item.id)) for _ in range(5))
        )
    assert [[item.name for item in items] for items in found] == [["a", "b"]] * 5


async def test_threads_of_one_scope_take_turns(url: str) -> None:
    open_shop(url, "a", "b")
    async with db():
        await Item.query.acount()
        found = await asyncio.gather(*(asyncio.to_thread(Item.query.all) for _ in range(5)))
    assert all(items == found[0] for items in found)


def test_a_scope_that_ends_while_a_thread_opens_its_session_has_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    open_shop("sqlite://", "pen")
    begun, ended = threading.Event(), threading.Event()
    open_session = db.scopes.open_session

    def slowly(*args: Any, **kwargs: Any) -> Any:
        begun.set()
        assert ended.wait(5)
        return open_session(*args, **kwargs)

    monkeypatch.setattr(db.scopes, "open_session", slowly)
    with ThreadPoolExecutor(1) as threads:
        with db():
            scope = db.scopes.here.scope
            asked = threads.submit(contextvars.copy_context().run, Item.query.count)
            assert begun.wait(5)
        ended.set()
        with pytest.raises(SessionClosedError):
            asked.result()
    assert scope.session is None
    assert lent(db) == 0


def test_threads_that_open_a_session_together_have_one(monkeypatch: pytest.MonkeyPatch) -> None:
    open_shop("sqlite://", "pen")
    together = threading.Barrier(2, timeout=5)
    open_session = db.scopes.open_session

    def at_once(*args: Any, **kwargs: Any) -> Any:
        session = open_session(*args, **kwargs)
        together.wait()
        return session

    monkeypatch.setattr(db.scopes, "open_session", at_once)
    with ThreadPoolExecutor(2) as threads, db():
        asked = [
            threads.submit(contextvars.copy_context().run, lambda: db.session) for _ in range(2)
        ]
        first, second = (each.result() for each in asked)
        assert first is second is db.session


@contextmanager
def told() -> Iterator[None]:
    with pytest.raises(SessionClosedError, match=r"async with db\(\):"):
        yield


async def query() -> object:
    return await Item.query.acount()


async def new() -> object:
    return await Item.anew(name="late")


async def the_session() -> object:
    return db.session


async def the_asyncio_session() -> object:
    return db.async_session


async def in_thread() -> object:
    return await asyncio.to_thread(Item.query.count)


@pytest.mark.parametrize("ask", [query, new, the_session, the_asyncio_session, in_thread])
@pytest.mark.parametrize("used", [True, False])
async def test_a_task_that_outlives_its_scope_is_told_so(
    url: str, ask: Callable[[], Any], used: bool
) -> None:
    open_shop(url, "pen")
    ended = asyncio.Event()

    async def late() -> object:
        await ended.wait()
        return await ask()

    async with db():
        if used:
            await Item.query.acount()
        task = asyncio.create_task(late())
    ended.set()
    with told():
        await task
    assert names() == ["pen"]
    assert lent() == 0


async def test_a_task_that_outlives_its_scope_can_open_one_of_its_own(url: str) -> None:
    open_shop(url, "pen")
    ended = asyncio.Event()

    async def late() -> int:
        await ended.wait()
        async with db():
            return await Item.query.acount()

    async with db():
        task = asyncio.create_task(late())
    ended.set()
    assert await task == 1


async def test_a_task_that_outlives_an_inner_block_does_not_use_the_outer_one(url: str) -> None:
    open_shop(url, "pen")
    ended = asyncio.Event()

    async def late() -> int:
        await ended.wait()
        return await Item.query.acount()

    async with db():
        async with db():
            task = asyncio.create_task(late())
        ended.set()
        with told():
            await task
        assert await Item.query.acount() == 1


async def test_a_task_that_outlives_its_scope_joins_nothing(url: str) -> None:
    open_shop(url, "pen")
    ended = asyncio.Event()

    async def late() -> int:
        await ended.wait()
        async with db(join=True):
            return await Item.query.acount()

    async with db():
        task = asyncio.create_task(late())
    ended.set()
    assert await task == 1


async def test_a_record_outlives_its_scope(url: str) -> None:
    open_shop(url, "pen")
    async with db():
        item = await Item.query.aone()
        new = await Item.anew(name="ink")
    assert (item.name, new.name, new.id) == ("pen", "ink", 2)
