"""Keys that need no database to be made, and sort by the time they were made."""

from __future__ import annotations

import os
import secrets
import threading
import time
from uuid import UUID

__all__ = ["uuid7"]

_COUNTER_BITS = 42
_TAIL_BITS = 32


class _Clock:
    """Milliseconds, and a counter that orders the keys of one: RFC 9562, section 6.2, method 1."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = self._counter = 0

    def tick(self) -> tuple[int, int]:
        """A pair that is greater than every one before, over all threads.

        A clock that was set back stands still until it has caught up.
        """
        with self._lock:
            now = time.time_ns() // 1_000_000
            if now > self._last:
                self._last, self._counter = now, _start()
            else:
                self._counter += 1
                if self._counter >> _COUNTER_BITS:
                    self._last, self._counter = self._last + 1, _start()
            return self._last, self._counter

    def renew(self) -> None:
        """In a forked process: a thread that held the lock is not there to release it."""
        self._lock = threading.Lock()


def _start() -> int:
    # the highest bit is left free, so that there is room to count
    return secrets.randbits(_COUNTER_BITS - 1)


_clock = _Clock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_clock.renew)


def uuid7() -> UUID:
    """A new UUID of version 7, which sorts after all that this process made before.

    48 bits are milliseconds since 1970, 42 a counter, 32 random
    (https://www.rfc-editor.org/rfc/rfc9562#section-5.7).

    >>> from fastapi_sqlalchemy import uuid7
    >>> first, second = uuid7(), uuid7()
    >>> first < second, first.version
    (True, 7)
    """
    milliseconds, counter = _clock.tick()
    high, low = counter >> 30, counter & 0x3FFF_FFFF
    return UUID(
        int=(milliseconds & 0xFFFF_FFFF_FFFF) << 80
        | 0x7 << 76
        | high << 64
        | 0b10 << 62
        | low << _TAIL_BITS
        | secrets.randbits(_TAIL_BITS)
    )
