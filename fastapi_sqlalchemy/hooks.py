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


class Hooks(list[Hook]):
    """Hooks that wait for one commit."""

    __slots__ = ()

    def run(self) -> None:
        """Run them."""
        waiting = self._take()
        for hook in waiting:
            try:
                _call(hook)
            except Exception:
                _log.exception("A hook failed after the commit; what was committed stays")

    def run_plain(self) -> None:
        """Run those that need not be awaited; the others wait on, for somebody who awaits."""
        waiting = self._take()
        now = Hooks()
        for hook in waiting:
            (self if iscoroutinefunction(hook) else now).append(hook)
        now.run()

    async def arun(self) -> None:
        """Run them, those that block in a worker thread."""
        waiting = self._take()
        for hook in waiting:
            try:
                if iscoroutinefunction(hook):
                    await hook()
                elif isawaitable(result := await anyio.to_thread.run_sync(hook)):
                    await result  # of a partial, or of an object that is called
            except Exception:
                _log.exception("A hook failed after the commit; what was committed stays")

    def _take(self) -> list[Hook]:
        """All that wait, so that a hook that leaves another one does not wait for itself."""
        waiting = list(self)
        self.clear()
        return waiting


def _call(hook: Hook) -> None:
    if iscoroutine(result := hook()):
        result.close()
        raise TypeError("expected a hook that returns nothing to await, where a `with` block ends")
