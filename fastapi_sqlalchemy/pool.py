"""A connection pool that does not starve the worker threads of an application.

FastAPI runs what blocks in a limited number of threads.  When all of them wait for a connection,
those who hold one find no thread for their next step, such as serialising a response, and nobody
goes on until the pool gives up.  Whoever waits here lends its thread's place to another one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import anyio
import anyio.from_thread
import anyio.to_thread
from sqlalchemy import QueuePool
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util.queue import Empty
from typing_extensions import override

from ._workers import lend

__all__ = ["LendingPool", "lending"]


class LendingPool(QueuePool):
    """SQLAlchemy's `QueuePool`; a thread that has to wait in it counts for none meanwhile."""

    @override
    def _do_get(self) -> ConnectionPoolEntry:
        if self._max_overflow == -1 or self._overflow < self._max_overflow:
            return super()._do_get()  # which comes back here when another thread was quicker
        try:
            return self._pool.get(False)
        except Empty:
            with lending():
                return super()._do_get()


@contextmanager
def lending() -> Iterator[None]:
    """Count for no worker thread while this one waits for a connection."""
    try:
        _lend(1)
    except RuntimeError:  # no worker thread, of anyio's or ours: there is nobody to lend to
        yield
        return
    try:
        yield
    finally:
        _lend(-1)


def _lend(threads: int) -> None:
    if not lend(threads):
        anyio.from_thread.run_sync(_change, threads)


def _change(threads: int) -> None:
    anyio.to_thread.current_default_thread_limiter().total_tokens += threads
