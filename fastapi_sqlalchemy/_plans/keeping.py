"""What was made once and is kept for the next time, up to a number."""

from __future__ import annotations

from typing import TypeVar

__all__ = ["keep"]

K = TypeVar("K")
V = TypeVar("V")


def keep(known: dict[K, V], key: K, value: V, *, most: int) -> None:
    """Keep a value; where there are as many as may be, the oldest goes."""
    while len(known) >= most:
        known.pop(next(iter(list(known))), None)  # other threads change it meanwhile
    known[key] = value
