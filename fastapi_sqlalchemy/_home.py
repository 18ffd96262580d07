"""Where a session's calls run, and how a call made elsewhere gets there.

A session has one home for life.  Over a blocking driver it is the threads: whichever calls, one at
a time.  Over an asyncio driver it is the event loop, in a greenlet that SQLAlchemy switches away
from while the driver waits.  `run` is for those who block, `arun` for those who await.
"""

from __future__ import annotations

import asyncio
import importlib.util
import sys
import threading
import warnings
from abc import ABC, abstractmethod
from asyncio import _get_running_loop
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, ClassVar, Final, Generic, Protocol

import anyio
from sqlalchemy.util.concurrency import await_, greenlet_spawn, in_greenlet
from typing_extensions import override

from ._caller import note_caller
from ._shield import Gently, uninterrupted
from ._types import Blocking, P, R
from ._workers import run_in_worker
from .exceptions import BlockingCallWarning, SyncInAsyncError

__all__ = ["Home", "LoopHome", "LoopsStandIn", "ThreadHome", "callers_level"]

_GREENLETS: Final = importlib.util.find_spec("greenlet") is not None
"""Without them there is no asyncio driver, and awaited calls run in threads."""

_HERE: Final = (__name__.partition(".")[0] + ".", "sqlalchemy.")


class Tenant(Protocol):
    """The session that lives in a home."""

    def in_transaction(self) -> bool:
        """Whether it may hold a connection."""
        ...

    @property
    def drops_statements(self) -> bool:
        """Whether the driver, when cancelled, leaves the statement running at the server."""
        ...

    def interrupt(self) -> None:
        """End the statement that is running, from another thread."""


class Home(ABC):
    """Runs a session's calls, one at a time."""

    __slots__ = ("tenant",)

    attributes_load: ClassVar[bool]
    """Whether reading an attribute may ask the database: on an event loop it cannot wait."""

    def __init__(self) -> None:
        self.tenant: Tenant | None = None

    @abstractmethod
    def run(self, call: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a call here or carry it home, and block until it is done."""

    @abstractmethod
    async def arun(self, call: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Carry a call home and await it."""

    async def arun_given(self, call: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """The same for the application's own function, which may call back through anyio."""
        return await self.arun(call, *args, **kwargs)

    @abstractmethod
    def at_once(self, call: Callable[[], bool]) -> bool:
        """Run what asks the database nothing on the event loop, unless another call runs.

        Returns:
            What it returns, or False where it was not run.
        """

    def finish(self, call: Callable[[], R]) -> R:
        """Run the call that cleans up, wherever this is."""
        return self.run(call)


class _Attempt(Generic[R]):
    """A call that can be abandoned until it begins, and waited for from then on."""

    __slots__ = ("_call", "_running", "abandoned", "started")

    def __init__(self, call: Callable[[], R]) -> None:
        self._call = call
        self._running = threading.Lock()
        self.abandoned = self.started = False

    def __call__(self) -> R:
        with self._running:
            self.started = True
            if self.abandoned:
                raise asyncio.CancelledError
            return self._call()

    def ends(self, within: float) -> bool:
        """Whether it is over in so many seconds, having started; -1 are as many as it takes."""
        if over := self._running.acquire(timeout=within):
            self._running.release()
        return over


class ThreadHome(Home):
    """Over a blocking driver: any thread.

    Args:
        blocking: What to do about a blocking call on a running event loop.
    """

    __slots__ = ("_blocking", "_lock")

    attributes_load = True

    def __init__(self, blocking: Blocking) -> None:
        self.tenant, self._blocking = None, blocking
        self._lock: Any = threading.RLock()  # a call within one of the same thread is part of it

    def run(self, call: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a call in this thread."""
        if _get_running_loop() is not None and not self._lock._is_owned():
            if _GREENLETS and in_greenlet():  # SQLAlchemy's AsyncSession over a thread
                return await_(self.arun(call, *args, **kwargs))
            self._object()
        with self._lock:
            return call(*args, **kwargs)

    def finish(self, call: Callable[[], R]) -> R:
        """Clean up first, and object to the place afterwards."""
        with self._lock:
            result = call()
        if _get_running_loop() is not None:
            self._object()
        return result

    async def arun(self, call: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a call in a worker thread; a cancellation ends its statement and waits for it."""
        if _get_running_loop() is None:  # that of another library, which only anyio knows
            return await self.arun_given(call, *args, **kwargs)
        note_caller()
        attempt = _Attempt(partial(call, *args, **kwargs))
        try:
            return await run_in_worker(partial(self.run, attempt), counted=not self._holds())
        except asyncio.CancelledError:
            await self._abandon(attempt)
            raise

    @override
    async def arun_given(self, call: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        note_caller()
        attempt = _Attempt(partial(call, *args, **kwargs))
        limiter = anyio.CapacityLimiter(1) if self._holds() else None
        try:
            return await anyio.to_thread.run_sync(
                self.run, attempt, abandon_on_cancel=True, limiter=limiter
            )
        except asyncio.CancelledError:
            await self._abandon(attempt)
            raise

    @override
    def at_once(self, call: Callable[[], bool]) -> bool:
        if not self._lock.acquire(blocking=False):
            return False
        try:
            return call()
        finally:
            self._lock.release()

    def _holds(self) -> bool:
        """Whether it may hold a connection: who does never queues behind those who wait for one."""
        return self.tenant is not None and self.tenant.in_transaction()

    async def _abandon(self, attempt: _Attempt[Any]) -> None:
        attempt.abandoned = True
        if attempt.started:  # in this order: what sees neither of the two has not begun
            limiter = anyio.CapacityLimiter(1)
            stop = partial(self._interrupt, attempt)
            await uninterrupted(anyio.to_thread.run_sync(stop, limiter=limiter))

    def _interrupt(self, attempt: _Attempt[Any]) -> None:
        """End what a call runs, again and again: between two statements none hears of it."""
        pause = 0.05
        while self.tenant is not None and not attempt.ends(within=0):
            self.tenant.interrupt()
            attempt.ends(within=pause)
            pause = min(2 * pause, 1)
        attempt.ends(within=-1)

    def _object(self) -> None:
        if self._blocking == "raise":
            raise SyncInAsyncError(
                "A blocking call on the event loop, which serves nobody else meanwhile.\n\n"
                "Await the twin (`await User.query.aall()`, `await user.asave()`), or make the "
                "route `def`. `SQLAlchemy(..., blocking='allow')` permits it."
            )
        if self._blocking == "warn":
            warnings.warn(
                "a blocking call on the event loop, which serves nobody else meanwhile: await the "
                "twin (`aall()`, `asave()`), make the route `def`, or permit it with "
                "`SQLAlchemy(..., blocking='allow')`",
                BlockingCallWarning,
                stacklevel=callers_level(),
            )


def _current_greenlet() -> object:
    from greenlet import getcurrent  # not a dependency; where there is a loop's home there is one

    return getcurrent()


class LoopsStandIn(ThreadHome):
    """Threads in place of an event loop, which refuse what that would: blocking calls on a loop."""

    __slots__ = ()

    attributes_load = False

    def __init__(self) -> None:
        super().__init__("raise")


class LoopHome(Home):
    """Over an asyncio driver: the event loop its connections belong to."""

    __slots__ = ("_lock", "_loop", "_owner", "_task")

    attributes_load = False

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = loop
        self._lock = asyncio.Lock()
        self._owner: object = None
        self._task: asyncio.Task[Any] | None = None

    def run(self, call: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        here = _get_running_loop()
        if here is None:  # a worker thread: its caller does not keep our loop waiting
            note_caller()
            return asyncio.run_coroutine_threadsafe(
                self._spawn(call, *args, **kwargs), self._loop
            ).result()
        if here is not self._loop or not in_greenlet():
            raise SyncInAsyncError
        me = _current_greenlet()
        if self._owner is me:  # within a call already
            return call(*args, **kwargs)
        await_(self._lock.acquire())
        self._owner, self._task = me, asyncio.current_task()
        try:
            return call(*args, **kwargs)
        finally:
            self._owner = self._task = None
            self._lock.release()

    async def arun(self, call: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a call on the loop; once it is cancelled, let the driver clean up."""
        if asyncio.get_running_loop() is not self._loop:
            note_caller()
            spawned = self._spawn(call, *args, **kwargs)
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(spawned, self._loop))
        return await self.gently(self._spawn(call, *args, **kwargs))

    async def gently(self, operation: Coroutine[Any, Any, R]) -> R:
        """Await an operation on this loop that ends up in `run`, or comes from there."""
        return await Gently(operation, first=partial(self._stop, asyncio.current_task()))

    @override
    def at_once(self, call: Callable[[], bool]) -> bool:
        return self.is_here() and not self._lock.locked() and call()

    def is_here(self) -> bool:
        """Whether this code runs on the loop."""
        return asyncio.get_running_loop() is self._loop

    async def aown(self, operation: Coroutine[Any, Any, R]) -> R:
        """Await an operation that is awaited at home, as the only one, and gently."""
        task = asyncio.current_task()
        return await Gently(self._in_turn(operation, task), first=partial(self._stop, task))

    async def _in_turn(
        self, operation: Coroutine[Any, Any, R], task: asyncio.Task[Any] | None
    ) -> R:
        try:
            await self._lock.acquire()
        except BaseException:
            operation.close()
            raise
        self._owner, self._task = operation, task
        try:
            return await operation
        finally:
            self._owner = self._task = None
            self._lock.release()

    async def aowned(self, call: Callable[[], R]) -> R:
        """Run a call that may wait for the database, as part of the operation whose turn it is."""

        def owned() -> R:
            self._owner = _current_greenlet()
            return call()

        result: R = await greenlet_spawn(owned)
        return result

    async def _stop(self, task: asyncio.Task[Any] | None) -> None:
        mine = self._task is task  # not one that waits for its turn
        if mine and self.tenant is not None and self.tenant.drops_statements:
            limiter = anyio.CapacityLimiter(1)
            await anyio.to_thread.run_sync(self.tenant.interrupt, limiter=limiter)

    async def _spawn(self, call: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        here: Callable[..., Any] = self.run
        result: R = await greenlet_spawn(partial(here, call, *args, **kwargs))
        return result


def callers_level() -> int:
    """How many frames up the first one is that is neither ours nor SQLAlchemy's."""
    level, frame = 0, sys._getframe()
    while frame.f_back is not None and f"{frame.f_globals.get('__name__')}.".startswith(_HERE):
        frame = frame.f_back
        level += 1
    return level
