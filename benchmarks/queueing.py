"""What a call takes, whatever else the machine does, and wherever it has this done.

A process that waits for another, or for a thread, on another processor also waits until that one
has woken up, which may take longer than the work: those who answer each other share a processor.
Time in which somebody was ready and no processor was free is not the library's either; on a machine
that does other things as well, ratios would say how busy it is.  Linux tells how long each thread
has waited so: https://docs.kernel.org/scheduler/sched-stats.html.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

__all__ = ["Clock", "share_a_processor"]

PROC = Path("/proc")


def share_a_processor(servers: Sequence[int]) -> None:
    """Have this process and those that answer it run on one processor, where that is allowed.

    Args:
        servers: Processes of PostgreSQL that answer it.
    """
    if not hasattr(os, "sched_setaffinity"):
        return
    one = {max(os.sched_getaffinity(0))}
    # a server on another machine may have the number of some process of this one
    here = [pid for pid in servers if _name(pid).startswith("postgres")]
    for each in (*_threads(), *here):
        with suppress(OSError):  # it has ended, or belongs to somebody else
            os.sched_setaffinity(each, one)


class Clock:
    """Seconds that this process takes; less what it queued, where nobody else works for it.

    Queued is also who waits for the one that answers to leave their processor: that counts.

    Args:
        servers: Processes that answer this one, such as a connection's on the server.
    """

    def __init__(self, servers: Sequence[int] = ()) -> None:
        self._alone = not servers
        self._queued = self._queueing()
        self._cpu = time.process_time()
        self._start = time.perf_counter()

    def seconds(self) -> float:
        """Those since it was made; what this process computed at least."""
        taken = time.perf_counter() - self._start
        cpu = time.process_time() - self._cpu
        before, now = self._queued, self._queueing()
        queued = 0.0 if before is None or now is None else now - before
        return max(taken - queued, cpu)

    def _queueing(self) -> float | None:
        """Seconds that the only one who works has queued until now; None where there are others."""
        threads = _threads() if self._alone else []
        return _queued(threads[0]) if len(threads) == 1 else None


def _threads() -> list[int]:
    """Those of this process; none where the system does not tell."""
    return [int(path.name) for path in (PROC / "self" / "task").glob("*")]


def _queued(thread: int) -> float:
    """Seconds that a thread has queued; 0 where the system does not tell."""
    path = PROC / "self" / "task" / str(thread) / "schedstat"
    try:
        return int(path.read_text().split()[1]) / 1e9
    except OSError:
        return 0.0


def _name(pid: int) -> str:
    try:
        return (PROC / str(pid) / "comm").read_text()
    except OSError:
        return ""
