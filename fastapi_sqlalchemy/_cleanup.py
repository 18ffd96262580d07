"""Cleaning up after an error without hiding it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["never_hiding"]


@contextmanager
def never_hiding(first: BaseException | None) -> Iterator[None]:
    """Run a cleanup whose own failure becomes a note on the error that came first, if one did."""
    try:
        yield
    except Exception as another:
        if first is None:
            raise
        first.add_note(f"Cleaning up after it failed as well: {type(another).__name__}.")
