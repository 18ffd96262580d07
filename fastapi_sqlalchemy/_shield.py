"""Awaiting what must not be cut short.

`asyncio` cancels a task once; anyio cancels everything within a scope again at every await.  A
driver that answers a cancellation by awaiting more (cancel the statement at the server, close the
connection) needs peace from both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic

import anyio

from ._cleanup import never_hiding
from ._types import R

__all__ = ["Gently", "uninterrupted"]


class Gently(Generic[R]):
    """Await a database operation; once it is cancelled, let the driver clean up in peace.

    Args:
        coroutine: The operation.
        first: What to do, once it is cancelled, before the driver hears of it.
    """

    __slots__ = ("_coroutine", "_first")

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, R],
        *,
        first: Callable[[], Coroutine[Any, Any, None]] | None = None,
    ) -> None:
        self._coroutine, self._first = coroutine, first

    def __await__(self) -> Generator[Any, Any, R]:
        steps = self._coroutine.__await__()
        error: BaseException | None = None
        try:
            while True:
                waiting = steps.send(None) if error is None else steps.throw(error)
                error = None
                try:
                    yield waiting
                except GeneratorExit:
                    steps.close()
                    raise
                except asyncio.CancelledError as cancelled:
                    return (yield from uninterrupted(self._clean_up(steps, cancelled)).__await__())
                except BaseException as thrown:  # that of the future waited for
                    error = thrown
        except StopIteration as end:
            result: R = end.value
            return result

    async def _clean_up(
        self, steps: Generator[Any, Any, R], cancelled: asyncio.CancelledError
    ) -> R:
        if self._first is not None:
            with never_hiding(cancelled):
                await self._first()
        return await _Rest(steps, cancelled)


class _Rest(Generic[R]):
    """What an operation still does once it is cancelled.

    It goes on in a task of its own, which a second cancellation does not reach.
    """

    __slots__ = ("_cancelled", "_steps")

    def __init__(self, steps: Generator[Any, Any, R], cancelled: asyncio.CancelledError) -> None:
        self._steps, self._cancelled = steps, cancelled

    def __await__(self) -> Generator[Any, Any, R]:
        error: BaseException | None = self._cancelled
        try:
            while True:
                waiting = self._steps.send(None) if error is None else self._steps.throw(error)
                error = None
                try:
                    yield waiting
                except GeneratorExit:
                    self._steps.close()
                    raise
                except BaseException as thrown:
                    error = thrown
        except StopIteration as end:
            result: R = end.value
            return result


async def uninterrupted(coroutine: Coroutine[Any, Any, R]) -> R:
    """Run to the end, then let a cancellation through."""
    task = asyncio.ensure_future(coroutine)
    cancelled: asyncio.CancelledError | None = None
    with anyio.CancelScope(shield=True):
        while not task.done():
            try:
                await asyncio.shield(task)
            except asyncio.CancelledError as error:
                cancelled = error
            except BaseException:
                if not task.done():
                    raise
    if cancelled is not None:  # it came first: what the task made of it must not hide it
        raise cancelled from (None if task.cancelled() else task.exception())
    return task.result()
