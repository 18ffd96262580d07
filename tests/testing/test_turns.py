"""Who shares the one connection of `db.testing()` takes turns: never mixed, never for ever."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio
import pytest
from sqlalchemy import exc, select, text

from fastapi_sqlalchemy.exceptions import IsolationError, IsolationTimeoutError
from tests.shop import Item, db, lent, open_shop
from tests.transactions.tools import Spoilt, spoilt

Stored = Callable[[], list[str]]


def add(name: str) -> None:
    with db():
        Item.new(name=name)


def test_a_transaction_waits_until_another_one_ends(url: str) -> None:
    open_shop(url)
    began, goes_on = threading.Event(), threading.Event()

    def fail_late() -> None:
        with spoilt(), db(), db.transaction():
            Item.new(name="undone")
            began.set()
            goes_on.wait()
            raise Spoilt

    with db.testing(timeout=30), ThreadPoolExecutor() as threads:
        failing = threads.submit(fail_late)
        began.wait()
        waiting = threads.submit(add, "kept")
        goes_on.set()
        failing.result()
        waiting.result()
        with db():
            assert Item.query.with_entities(Item.name).all() == [("kept",)]


def test_who_waits_too_long_is_told_where_the_other_one_wrote(url: str) -> None:
    open_shop(url)
    with db.testing(timeout=0.01), db(), db.transaction():
        Item.new(name="pen")
        with db(), pytest.raises(IsolationTimeoutError) as caught:
            Item.query.count()
        assert f"{Path(__file__).name}:" in caught.value.held_at
        assert "in test_who_waits" in caught.value.held_at
        with db(), pytest.raises(exc.TimeoutError):
            Item.new(name="ink")
        assert Item.query.count() == 1


def test_an_awaited_transaction_is_named_by_its_line_too(url: str) -> None:
    open_shop(url)

    async def main() -> str:
        async with db.testing(timeout=0.01), db(), db.transaction():
            await Item.anew(name="pen")
            async with db():
                with pytest.raises(IsolationTimeoutError) as caught:
                    await Item.query.acount()
            return caught.value.held_at

    held_at = asyncio.run(main())
    assert f"{Path(__file__).name}:" in held_at
    assert "in test_an_awaited" in held_at


def test_a_session_that_only_read_keeps_nobody_waiting(url: str, stored: Stored) -> None:
    open_shop(url)
    with db.testing(timeout=0.01), db():
        assert db.session.scalars(select(Item)).all() == []
        assert db.session.in_transaction()
        add("pen")
        db.session.rollback()
        assert Item.query.count() == 1
    assert stored() == []


def test_crowds_of_threads_and_tasks_lose_nothing(url: str, stored: Stored) -> None:
    open_shop(url)

    def work(number: int) -> None:
        with db():
            Item.query.count()
            with db.transaction():
                Item.new(name=f"thread {number}")
                Item.query.count()
            with spoilt(), db.transaction():
                Item.new(name=f"undone {number}")
                raise Spoilt

    async def awork(number: int) -> None:
        async with db():
            await Item.query.acount()
            async with db.transaction():
                await Item.anew(name=f"task {number}")
            with spoilt():
                async with db.transaction():
                    await Item.anew(name=f"undone {number}")
                    raise Spoilt

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            for number in range(10):
                tasks.create_task(awork(number))

    with db.testing(timeout=30):
        with ThreadPoolExecutor(10) as threads:
            list(threads.map(work, range(10)))
            asyncio.run(main())
        with db():
            names = {name for (name,) in Item.query.with_entities(Item.name)}
    expected = {f"{kind} {number}" for kind in ("thread", "task") for number in range(10)}
    assert names == expected
    assert stored() == []
    assert lent() == 0


ENDLESS = {
    "sqlite": "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n FROM c"
    " WHERE n < 0",
    "postgresql": "SELECT pg_sleep(60)",
    "mysql": "SELECT sleep(60)",
}


def test_a_cancelled_statement_ends_and_takes_nothing_with_it(url: str) -> None:
    open_shop(url)
    statement = text(ENDLESS[db.engine.dialect.name])

    async def main() -> int:
        async with db.testing(), db():
            await Item.anew(name="pen")
            with anyio.move_on_after(0.1) as cancelled:
                await db.async_session.execute(statement)
            assert cancelled.cancelled_caught or url.startswith("mysql")
            return await Item.query.acount()

    assert asyncio.run(main()) == 1


def test_a_cancelled_wait_ends_and_leaves_the_statement_of_the_other_one(url: str) -> None:
    open_shop(url)

    async def main() -> int:
        async with db.testing(timeout=20), db(), db.transaction():
            await Item.anew(name="pen")
            with anyio.move_on_after(0.1) as cancelled:
                async with db():
                    await Item.anew(name="ink")
            assert cancelled.cancelled_caught
            return await Item.query.acount()

    assert asyncio.run(main()) == 1
    assert lent() == 0


def test_a_transaction_that_outlives_the_block_writes_nothing(url: str, stored: Stored) -> None:
    open_shop(url)
    block = db()
    with block:
        with db.testing():
            db.session.add(Item(name="pen"))
            db.session.flush()
        with pytest.raises(exc.SQLAlchemyError):
            db.session.execute(select(Item)).all()
        db.session.rollback()
        assert Item.query.count() == 0
    assert stored() == []
    assert lent() == 0


def test_a_transaction_that_outlives_an_inner_block_keeps_nothing_of_it(url: str) -> None:
    open_shop(url)
    with db.testing(), db():
        with db.testing():
            db.session.add(Item(name="pen"))
            db.session.flush()
        db.session.commit()
        assert Item.query.count() == 0
        add("ink")
        assert Item.query.count() == 1


def test_an_inner_block_does_not_begin_within_a_transaction(url: str) -> None:
    open_shop(url)
    with db.testing(), db(), db.transaction():
        Item.new(name="pen")
        with pytest.raises(IsolationError, match="uncommitted changes"), db.testing():
            pass
        assert Item.query.count() == 1
