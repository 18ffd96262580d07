"""What is to happen once the data is stored: mails, messages, caches.

Hooks run in order after the commit.  None of them can undo it any more, so one that fails is
logged with its traceback, and the next one runs.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from inspect import isawaitable, iscoroutine, iscoroutinefunction
from typing import Any

import anyio

__all__ = ["Hook", "Hooks"]

Hook = Callable[[], Any | Awaitable[Any]]

_log = logging.getLogger(__name__)


class Hooks:
    """Hooks that wait for one commit."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: list[Hook] = []

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, hook: Hook) -> None:
        """Append one."""
        self._waiting.append(hook)

    def extend(self, others: Hooks) -> None:
        """Append those of a savepoint that became part of this transaction."""
        self._waiting += others._waiting

    def clear(self) -> None:
        """Forget them: the transaction was rolled back."""
        self._waiting = []

    def run(self) -> None:
        """Run them."""
        waiting, self._waiting = self._waiting, []
        for hook in waiting:
            try:
                _call(hook)
            except Exception:
                _log.exception("A hook failed after the commit; what was committed stays")

    def run_plain(self) -> None:
        """Run those that need not be awaited; the others wait on, for somebody who awaits."""
        waiting, self._waiting = self._waiting, []
        now = Hooks()
        for hook in waiting:
            (self if iscoroutinefunction(hook) else now).add(hook)
        now.run()

    async def arun(self) -> None:
        """Run them, those that block in a worker thread."""
        waiting, self._waiting = self._waiting, []
        for hook in waiting:
            try:
                if iscoroutinefunction(hook):
                    await hook()
                elif isawaitable(result := await anyio.to_thread.run_sync(hook)):
                    await result  # of a partial, or of an object that is called
            except Exception:
                _log.exception("A hook failed after the commit; what was committed stays")


def _call(hook: Hook) -> None:
    if iscoroutine(result := hook()):
        result.close()
        raise TypeError("expected a hook that returns nothing to await, where a `with` block ends")
