"""The line of the application that asked the database, for reports.

A call that is carried to a worker thread or to an event loop leaves the stack of its caller behind.
While somebody wants to know, what carries it notes the line first.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from inspect import CO_GENERATOR
from types import FrameType
from typing import Final

__all__ = ["caller", "held_for_others", "note_caller", "watching"]

_LIBRARIES: Final = frozenset(
    {
        *sys.stdlib_module_names,
        __name__.partition(".")[0],
        "anyio",
        "fastapi",
        "greenlet",
        "pydantic",
        "sqlalchemy",
        "sqlmodel",
        "starlette",
        "uvicorn",
    }
)

_PLUMBING: Final = _LIBRARIES - {"fastapi", "pydantic", "starlette"}
"""Whose lines say nothing, not even where no line of the application is on the stack."""

_LOOPS: Final = frozenset({"asyncio.base_events", "asyncio.events", "asyncio.runners"})
"""What is below them on the stack runs the event loop, and has nothing to do with its tasks."""

_carried: ContextVar[str] = ContextVar("fastapi_sqlalchemy_caller", default="")

_lock = threading.Lock()
_watchers = 0


@contextmanager
def watching() -> Iterator[None]:
    """Have callers noted meanwhile."""
    global _watchers  # noqa: PLW0603 - it counts for the process
    with _lock:
        _watchers += 1
    try:
        yield
    finally:
        with _lock:
            _watchers -= 1


def note_caller() -> None:
    """Remember who is calling, for what runs elsewhere in this context."""
    if _watchers:
        _carried.set(caller())


def caller() -> str:
    """Where the application stands, as `path:line in function`."""
    own = _first(_LIBRARIES)
    return own or _carried.get() or _first(_PLUMBING) or "somewhere"


def held_for_others() -> bool:
    """Whether the caller's `with` block outlasts the function that a worker thread runs.

    So FastAPI treats a `def` dependency with `yield`, and Starlette the generator of a stream: what
    it sets stays in a context that ends with the thread's turn, whereas the block stays open until
    the generator goes on.
    """
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        module = str(frame.f_globals.get("__name__"))
        if module != "contextlib" and not frame.f_code.co_flags & CO_GENERATOR:
            return module.startswith(("anyio.", "starlette."))
        frame = frame.f_back
    return False


def _first(skipped: frozenset[str]) -> str:
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        module = str(frame.f_globals.get("__name__"))
        if module in _LOOPS:
            return ""
        if module.partition(".")[0] not in skipped:
            code = frame.f_code
            return f"{code.co_filename}:{frame.f_lineno} in {code.co_qualname}"
        frame = frame.f_back or _parent_of_greenlet(frame)
    return ""


def _parent_of_greenlet(top: FrameType) -> FrameType | None:
    """The frame that waits for the greenlet whose first one this is."""
    greenlet = sys.modules.get("greenlet")
    if greenlet is None:
        return None
    current = greenlet.getcurrent()
    while current is not None:
        frame = current.gr_frame or sys._getframe()
        while frame.f_back is not None:
            frame = frame.f_back
        current = current.parent
        if frame is top and current is not None:
            found: FrameType | None = current.gr_frame
            return found
    return None
