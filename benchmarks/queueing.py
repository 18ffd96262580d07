"""Time in which somebody was ready to run and no processor was free, which is not the library's.

On a machine that does other things as well, a call of microseconds is over before another process
gets the processor, and one of milliseconds waits for its turn: ratios of the two would say how busy
the machine is.  Linux tells how long each thread has waited so:
https://docs.kernel.org/scheduler/sched-stats.html.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

PROC = Path("/proc")


class Clock:
    """Seconds that this process and others that work for it take, less what they queued.

    Args:
        servers: Processes that answer this one, such as a connection's on the server.
    """

    def __init__(self, servers: Iterable[int] = ()) -> None:
        # a server on another machine may have the number of some process of this one
        self._servers = [pid for pid in servers if _name(pid).startswith("postgres")]
        self._queued = self._queueing()
        self._cpu = time.process_time()
        self._start = time.perf_counter()

    def seconds(self) -> float:
        """Those since it was made; what this process computed at least."""
        taken = time.perf_counter() - self._start
        cpu = time.process_time() - self._cpu
        return max(taken - (self._queueing() - self._queued), cpu)

    def _queueing(self) -> float:
        threads = list((PROC / "self" / "task").glob("*/schedstat"))
        servers = [PROC / str(pid) / "schedstat" for pid in self._servers]
        return sum(_queued(path) for path in (*threads, *servers))


def _queued(path: Path) -> float:
    """Seconds that one thread has queued; 0 where the system does not tell, or it has ended."""
    try:
        return int(path.read_text().split()[1]) / 1e9
    except OSError:
        return 0.0


def _name(pid: int) -> str:
    try:
        return (PROC / str(pid) / "comm").read_text()
    except OSError:
        return ""
