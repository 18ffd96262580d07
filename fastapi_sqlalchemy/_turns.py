"""Who may use a connection that many share: statements one at a time, transactions too.

What only reads takes part for the length of a statement.  Who has written keeps the connection
until the end of the transaction, so that nobody sees, commits or rolls back a part of it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ._caller import caller
from .exceptions import IsolationError, IsolationTimeoutError
from .pool import lending

__all__ = ["Turns"]


class Turns:
    """The turns on one connection.

    Args:
        timeout: Seconds that a statement waits for its turn.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._changed = threading.Condition()
        self._holder: object = None
        self._held_at = ""
        self._running: object = None
        self._waiting: list[object] = []
        self._abandoned: list[object] = []

    @contextmanager
    def statement(self, who: object, *, hold: bool) -> Iterator[None]:
        """Wait for a turn, and have it for one statement.

        Args:
            who: The same object for all of a transaction.
            hold: Whether the turn lasts until it is given back.

        Raises:
            IsolationTimeoutError: Another transaction did not end.
        """
        if not self._enter(who, hold=hold, wait=0):
            with lending():
                if not self._enter(who, hold=hold, wait=self._timeout):
                    raise IsolationTimeoutError(self._timeout, self._held_at)
        try:
            yield
        finally:
            with self._changed:
                self._running = None
                self._changed.notify_all()

    @contextmanager
    def last(self) -> Iterator[None]:
        """Have the connection when nobody's statement runs, whoever had the turn has it no more."""
        with self._changed:
            self._changed.wait_for(lambda: self._running is None, self._timeout)
            self._holder, self._running = None, self
        try:
            yield
        finally:
            with self._changed:
                self._running = None
                self._changed.notify_all()

    def _enter(self, who: object, *, hold: bool, wait: float) -> bool:
        deadline = time.monotonic() + wait
        with self._changed:
            self._waiting.append(who)
            try:
                while not self._is_free_for(who):
                    left = deadline - time.monotonic()
                    if left <= 0:
                        return False
                    self._changed.wait(left)
                    if who in self._abandoned:
                        self._abandoned.remove(who)
                        raise IsolationError("Cancelled while it waited for the connection.")
            finally:
                self._waiting.remove(who)
            self._running = who
            if hold and self._holder is not who:
                self._holder, self._held_at = who, caller()
            return True

    def _is_free_for(self, who: object) -> bool:
        return self._running is None and (self._holder is None or self._holder is who)

    def holds(self, who: object) -> bool:
        """Whether the turn is this one's until it is given back."""
        return self._holder is who

    @property
    def taken(self) -> bool:
        """Whether a transaction has the turn."""
        return self._holder is not None

    def give_back(self, who: object) -> None:
        """End a turn that lasted."""
        with self._changed:
            if self._holder is who:
                self._holder = None
                self._changed.notify_all()

    def interrupt(self, who: object, stop: Callable[[], None]) -> None:
        """End what this one is doing: its statement, by `stop`, or its waiting."""
        with self._changed:
            if self._running is who:
                stop()
            elif who in self._waiting:
                self._abandoned.append(who)
                self._changed.notify_all()
