"""Threads in which awaited calls run that block, kept for the calls that follow.

A statement on SQLite is often over sooner than `anyio.to_thread` has found a thread for it, so
these threads do no more than a call needs.  They serve every event loop of the process.  How many
calls of a loop run at a time is up to anyio's limiter, which counts the other worker threads of the
application too.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import Context, copy_context
from queue import Empty, SimpleQueue
from typing import Any, Final
from weakref import WeakKeyDictionary

import anyio
import anyio.lowlevel
import anyio.to_thread

from ._types import R

__all__ = ["lend", "run_in_worker"]

IDLE: Final = 10.0
"""Seconds that a thread waits for another call before it ends."""


class _Job:
    """A call, and who waits for it."""

    __slots__ = ("_answer", "_call", "_context", "_error", "_limiter", "_loop", "_result")

    def __init__(
        self,
        call: Callable[[], Any],
        answer: asyncio.Future[Any],
        loop: asyncio.AbstractEventLoop,
        limiter: anyio.CapacityLimiter | None,
    ) -> None:
        self._call, self._answer, self._loop, self._limiter = call, answer, loop, limiter
        self._context = copy_context()
        self._result: Any = None
        self._error: BaseException | None = None

    def do(self) -> None:
        """Run the call, in the context of who waits."""
        try:
            self._result = self._context.run(self._call)
        except StopIteration as stop:  # which a coroutine cannot raise
            self._error = RuntimeError("coroutine raised StopIteration")
            self._error.__cause__ = stop
        except BaseException as error:
            self._error = error
        del self._call, self._context  # whose records are the waiting one's from now on

    def report(self) -> None:
        """Tell the one who waits, who may be gone with the loop."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        answer, result, error = self._answer, self._result, self._error
        del self._answer, self._result, self._error  # a traceback leads back to this job
        if answer.done():
            return
        if error is None:
            answer.set_result(result)
        else:
            answer.set_exception(error)

    def lend(self, places: int) -> None:
        """Change how many calls may run at a time, which is for the loop to do."""
        limiter = self._limiter
        if limiter is None:
            return
        done: Future[None] = Future()

        def change() -> None:
            limiter.total_tokens += places
            done.set_result(None)

        self._loop.call_soon_threadsafe(change)
        done.result()


_idle: Final[list[SimpleQueue[_Job]]] = []
"""What the idle threads wait at: the last to come is the first to go, so that a crowd's end."""

_here = threading.local()

_limiters: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, anyio.CapacityLimiter]] = (
    WeakKeyDictionary()
)

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)


async def run_in_worker(call: Callable[[], R], *, counted: bool) -> R:
    """Run a call in a thread and await it; a cancellation leaves the thread to itself.

    Args:
        call: It sees the context variables of who awaits it.
        counted: Whether it is one of those of which only so many run at a time.
    """
    loop = asyncio.get_running_loop()
    await _checkpoint()
    limiter = _limiter_of(loop) if counted else None
    answer: asyncio.Future[R] = loop.create_future()
    job = _Job(call, answer, loop, limiter)
    if limiter is not None:
        try:
            limiter.acquire_on_behalf_of_nowait(job)
        except anyio.WouldBlock:
            await limiter.acquire_on_behalf_of(job)
    try:
        try:
            jobs = _idle.pop()
        except IndexError:
            jobs = _hire()
        jobs.put(job)
        return await answer
    finally:
        if limiter is not None:
            limiter.release_on_behalf_of(job)
        del answer


async def _checkpoint() -> None:
    """Let a cancellation through that has come already."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        await asyncio.sleep(0)
    await anyio.lowlevel.checkpoint_if_cancelled()


def lend(places: int) -> bool:
    """Change how many calls may run at a time, if this is one of the threads."""
    job: _Job | None = getattr(_here, "job", None)
    if job is not None:
        job.lend(places)
    return job is not None


def _limiter_of(loop: asyncio.AbstractEventLoop) -> anyio.CapacityLimiter:
    limiter = _limiters.get(loop)
    if limiter is None:
        limiter = _limiters[loop] = anyio.to_thread.current_default_thread_limiter()
    return limiter


def _hire() -> SimpleQueue[_Job]:
    jobs: SimpleQueue[_Job] = SimpleQueue()
    thread = threading.Thread(
        target=_serve, args=(jobs,), name="fastapi_sqlalchemy worker", daemon=True
    )
    Context().run(thread.start)  # a thread may keep the context it was started in
    return jobs


def _serve(jobs: SimpleQueue[_Job]) -> None:
    while True:
        try:
            job = jobs.get(timeout=IDLE)
        except Empty:
            try:
                _idle.remove(jobs)
            except ValueError:  # taken a moment ago: the call is on its way
                continue
            return
        _here.job = job
        job.do()
        del _here.job
        _idle.append(jobs)  # first, for the next call to find it
        job.report()
        del job
