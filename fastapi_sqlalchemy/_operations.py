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
from ._plans.saving import Storing
from ._types import R, T

__all__ = ["Operation", "Perform", "Read", "Runner", "Send", "Steps", "Write"]

R_co = TypeVar("R_co", covariant=True)

U = TypeVar("U")
"""What becomes of an answer."""


class Read(Generic[R]):
    """A question: outside a transaction its connection goes back as soon as it is answered.

    Args:
        plainly: Asks SQLAlchemy.
        shape: Tells its plan, where there may be one.
        read: Makes the answer of what a plan finds.
    """

    __slots__ = ("plainly", "read", "shape")

    plainly: Callable[[orm.Session], R]
    read: Callable[[list[Any]], R] | None
    shape: Shape | None

    def __init__(
        self,
        plainly: Callable[[orm.Session], R],
        shape: Shape | None = None,
        read: Callable[[list[Any]], R] | None = None,
    ) -> None:
        self.plainly, self.shape, self.read = plainly, shape, read

    @classmethod
    def of(cls, statement: Select[T], read: Callable[[ScalarResult[T]], R]) -> Read[R]:
        """A statement, and how its result is read."""
        return Read(lambda session: read(session.scalars(statement)))

    def ask(self, session: orm.Session) -> R:
        """The answer: by a plan, where there is one that can be used."""
        if self.shape is not None and self.read is not None:
            found = self.shape.answer(session)
            if found is not None:
                return self.read(found)
        return self.plainly(session)

    def then(self, change: Callable[[R], U]) -> Read[U]:
        """The same question, with what becomes of its answer."""
        plainly, read = self.plainly, self.read
        return Read(
            lambda session: change(plainly(session)),
            self.shape,
            None if read is None else lambda found: change(read(found)),
        )


class Write(Generic[R]):
    """A change to records: flushed, and committed unless a transaction around it does that.

    Args:
        change: Makes it.
        records: What it is about; what the database gave them by itself is loaded before the
            operation ends.
        commit: Who commits: True this operation, False somebody later, None as the scope says.
        puts_back: Whether the change itself sets values, which the records lose if it fails.
        undo: Called then, for what is more than that.
        alone: Does all of it by one statement, in a session that has nothing to flush; gives False,
            and has done nothing, where it cannot.
        result: What the change returns, for that case.
        together: Gives what stores many records in the session's transaction, past the unit of
            work, and tells whether it did; None where that cannot be.
    """

    __slots__ = (
        *("alone", "change", "commit", "puts_back", "records", "result", "together", "undo"),
    )

    alone: Callable[[orm.Session], Storing] | None
    change: Callable[[orm.Session], R]
    commit: bool | None
    puts_back: bool
    records: tuple[Any, ...]
    result: Any
    together: Callable[[orm.Session], Callable[[], bool] | None] | None
    undo: Callable[[], None] | None

    def __init__(
        self,
        change: Callable[[orm.Session], R],
        records: tuple[Any, ...] = (),
        *,
        commit: bool | None = None,
        puts_back: bool = False,
        undo: Callable[[], None] | None = None,
        alone: Callable[[orm.Session], Storing] | None = None,
        result: Any = None,
        together: Callable[[orm.Session], Callable[[], bool] | None] | None = None,
    ) -> None:
        self.change, self.records, self.commit = change, records, commit
        self.puts_back, self.undo = puts_back, undo
        self.alone, self.together, self.result = alone, together, result


class Alone(Protocol[R_co]):
    """A single statement that changes rows, and is all there is to do."""

    def alone(self, session: orm.Session) -> R_co | None:
        """What it gives; None where it cannot be sent alone, and was not."""

    async def aalone(self, session: orm.Session) -> R_co | None:
        """The same, awaited on the driver itself."""


@dataclass(frozen=True, slots=True)
class Send(Generic[R]):
    """Statements that change rows: all of them or none, and committed as a `Write` is.

    What the session had to flush goes before them.  `alone` does it by one statement in a session
    that has neither a transaction nor anything to flush, and gives None where it cannot.
    """

    send: Callable[[orm.Session], R]
    alone: Alone[R] | None = None


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
