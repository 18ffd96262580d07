"""What can be asked of the database, decided before anything is sent.

An operation is a value that says what a session has to do.  Making one performs no I/O, so the
blocking and the awaitable API share every decision and differ only in the line that runs it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy import Select, orm
from sqlalchemy.engine import ScalarResult

from ._plans.asking import Shape
from ._types import R, T

__all__ = ["Operation", "Perform", "Read", "Runner", "Send", "Steps", "Write"]

U = TypeVar("U")
"""What becomes of an answer."""


@dataclass(frozen=True, slots=True)
class Read(Generic[R]):
    """A question: outside a transaction its connection goes back as soon as it is answered.

    `shape` tells its plan, where there may be one; `read` makes the answer of what a plan finds.
    """

    ask: Callable[[orm.Session], R]
    shape: Shape | None = None
    read: Callable[[list[Any]], R] | None = None

    @classmethod
    def of(cls, statement: Select[T], read: Callable[[ScalarResult[T]], R]) -> Read[R]:
        """A statement, and how its result is read."""
        return Read(lambda session: read(session.scalars(statement)))

    def then(self, change: Callable[[R], U]) -> Read[U]:
        """The same question, with what becomes of its answer."""
        ask, read = self.ask, self.read
        return Read(
            lambda session: change(ask(session)),
            self.shape,
            None if read is None else lambda found: change(read(found)),
        )


@dataclass(frozen=True, slots=True)
class Write(Generic[R]):
    """A change to records: flushed, and committed unless a transaction around it does that.

    `records` are what the change is about; what the database gave them by itself is loaded
    before the operation ends.  `commit` overrides who commits: True this operation, False
    somebody later, None the policy of the scope.  With `puts_back` the change itself sets values,
    and the records lose them again if it fails; `undo` is called then for what is more than that.
    """

    change: Callable[[orm.Session], R]
    records: tuple[Any, ...] = ()
    commit: bool | None = None
    puts_back: bool = False
    undo: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class Send(Generic[R]):
    """Statements that change rows: all of them or none, and committed as a `Write` is.

    What the session had to flush goes before them.
    """

    send: Callable[[orm.Session], R]


class Perform(Protocol):
    """Has a session do one step of several."""

    def __call__(self, step: Operation[R]) -> R: ...


@dataclass(frozen=True, slots=True)
class Steps(Generic[R]):
    """Operations of which a later one depends on what became of an earlier one.

    Each is done as if it came alone: they are one transaction only where one is around them.
    """

    take: Callable[[Perform], R]


Operation = Read[R] | Write[R] | Send[R] | Steps[R]
"""One of the four."""


class Runner(Protocol):
    """Has operations done: by the session of a scope, or by one that it was given."""

    cursor_secret: bytes | None
    """What the cursors of pages are signed with."""

    def require_session(self) -> None:
        """Raise what `run()` would raise where there is no session."""

    def run(self, operation: Operation[R]) -> R:
        """Have an operation done, and block until it is."""
        ...

    async def arun(self, operation: Operation[R]) -> R:
        """Awaitable twin of `run`."""
        ...
