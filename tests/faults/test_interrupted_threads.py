"""Where threads serve awaited calls, a cancellation reaches the statement that it is meant for."""

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from tests.faults.served import SLOW
from tests.shop import Item, db, lent, open_shop

heard, begun = threading.Event(), threading.Event()


class Interruptible(sqlite3.Connection):
    """A connection that tells when it was interrupted, and `begun()` when a statement runs."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.create_function("begun", 0, begun.set)

    def interrupt(self) -> None:
        super().interrupt()
        heard.set()


@pytest.fixture(autouse=True)
def shop(sqlite_file_url: str) -> None:
    heard.clear()
    begun.clear()
    open_shop(sqlite_file_url, "pen", engine_args={"connect_args": {"factory": Interruptible}})


@contextmanager
def listening(name: str, listener: Any) -> Iterator[None]:
    event.listen(Engine, name, listener)
    try:
        yield
    finally:
        event.remove(Engine, name, listener)


async def test_a_statement_that_was_about_to_begin_is_not_waited_for() -> None:
    loop = asyncio.get_running_loop()
    ended: list[str] = []

    def before(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "counted" in statement:
            loop.call_soon_threadsafe(task.cancel)
            assert heard.wait(5)

    def after(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "counted" in statement:
            ended.append(statement)

    async def ask() -> None:
        async with db():
            await Item.query.filter(text(SLOW["sqlite"])).aall()

    with listening("before_cursor_execute", before), listening("after_cursor_execute", after):
        task = asyncio.create_task(ask())
        with pytest.raises(asyncio.CancelledError):
            await task
    assert (ended, lent()) == ([], 0)


LONG = """
    WITH RECURSIVE counted(n) AS (
        SELECT coalesce(begun(), 1) UNION ALL SELECT n + 1 FROM counted LIMIT 3000000
    )
    SELECT count(*) FROM counted
"""


async def test_a_cancelled_task_does_not_end_the_statement_of_another_one() -> None:
    asked, go_on = threading.Event(), threading.Event()

    def before(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "short" in statement:
            asked.set()
            assert go_on.wait(5)

    async with db():
        session = db.async_session
        with listening("before_cursor_execute", before):
            short = asyncio.create_task(session.scalar(text("SELECT 'short'")))
            await asyncio.to_thread(asked.wait, 5)
            long = asyncio.create_task(session.scalar(text(LONG)))
            for _ in range(10):  # turns of the loop: the second task stands in line
                await asyncio.sleep(0)
            go_on.set()
            # not awaited, so that the loop does not hear that the short one is over
            assert begun.wait(5)
            short.cancel()
            assert await long == 3000000
            with pytest.raises(asyncio.CancelledError):
                await short
