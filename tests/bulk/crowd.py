"""Twenty who do the same at the same time, and somebody who holds them up."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, text

from tests.bulk.stock import db
from tests.verbs import Colour

SIZE = 20
PATIENCE = 20.0
"""Seconds until a test gives up."""

Call = tuple[type[Any], str, dict[str, Any]]
"""A model, the name of its verb, and what the verb takes."""


class Crowd:
    """Threads that block or tasks that await, each in a scope of its own.

    Args:
        colour: Which of the two.
        block: Whether each stands in a transaction that has read before.
        retries: How often that transaction may be repeated.
    """

    def __init__(self, colour: Colour, *, block: bool = False, retries: int = 0) -> None:
        self.colour, self.block, self.retries = colour, block, retries

    def each(
        self, call: Callable[[int], Call], *, meanwhile: Callable[[], object] = bool
    ) -> list[Any]:
        """What the verbs return, of each in its turn; errors are raised.

        Args:
            call: What the one with this number does, once all are there.
            meanwhile: What happens while they do it.
        """
        if self.colour == "blocking":
            return self._in_threads(call, meanwhile)
        return asyncio.run(self._in_tasks(call, meanwhile))

    def _in_threads(
        self, call: Callable[[int], Call], meanwhile: Callable[[], object]
    ) -> list[Any]:
        barrier = threading.Barrier(SIZE)

        def one(number: int) -> Any:
            model, name, values = call(number)
            gone = False

            def act() -> Any:
                nonlocal gone
                if self.block and _is_server():
                    model.query.count()
                if not gone:
                    gone = True
                    barrier.wait(PATIENCE)
                return getattr(model, name)(**values)

            with db():
                if not self.block:
                    return act()
                return (
                    db.transaction(retries=self.retries)(act)() if self.retries else in_block(act)
                )

        def in_block(act: Callable[[], Any]) -> Any:
            with db.transaction():
                return act()

        with ThreadPoolExecutor(SIZE) as pool:
            running = [pool.submit(one, number) for number in range(SIZE)]
            meanwhile()
            return [each.result(PATIENCE) for each in running]

    async def _in_tasks(
        self, call: Callable[[int], Call], meanwhile: Callable[[], object]
    ) -> list[Any]:
        barrier = asyncio.Barrier(SIZE)

        async def one(number: int) -> Any:
            model, name, values = call(number)
            gone = False

            async def act() -> Any:
                nonlocal gone
                if self.block and _is_server():
                    await model.query.acount()
                if not gone:
                    gone = True
                    await barrier.wait()
                return await getattr(model, f"a{name}")(**values)

            if self.block and self.retries:
                return await db.transaction(retries=self.retries)(act)()
            async with db():
                if not self.block:
                    return await act()
                async with db.transaction():
                    return await act()

        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
            running = [group.create_task(one(number)) for number in range(SIZE)]
            await asyncio.to_thread(meanwhile)
        return [each.result() for each in running]


def _is_server() -> bool:
    return db.engine.dialect.name != "sqlite"


@contextmanager
def holding(statement: Any) -> Iterator[Connection]:
    """A connection of somebody else that has run this and has not ended its transaction."""
    connection = db.engine.connect()
    try:
        connection.execute(statement)
        yield connection
    finally:
        connection.rollback()
        connection.close()


_WAITING = {
    "postgresql": (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    ),
    "mysql": (
        "SELECT count(*) FROM information_schema.processlist WHERE db = DATABASE()"
        " AND command <> 'Sleep' AND id <> connection_id()"
        " AND (info LIKE 'INSERT%' OR info LIKE 'SELECT%FOR UPDATE' OR info LIKE 'UPDATE%')"
    ),
}


def until_waiting(count: int) -> None:
    """Return when so many statements wait for a lock."""
    deadline = time.monotonic() + PATIENCE
    with db.engine.connect() as observer:
        observer = observer.execution_options(isolation_level="AUTOCOMMIT")
        while (found := observer.scalar(text(_WAITING[db.engine.dialect.name]))) != count:
            assert time.monotonic() < deadline, f"{found} statements wait, not {count}"
