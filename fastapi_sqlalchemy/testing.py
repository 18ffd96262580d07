"""What a test asks of the statements that were sent: how many, and from where.

Isolating a test is `db.testing()`; the fixtures of pytest are in `pytest_plugin`.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Engine, event
from typing_extensions import override

from ._caller import caller, watching
from .database import SQLAlchemy
from .exceptions import QueryCountError

__all__ = ["Sent", "assert_queries", "max_queries"]

_CONTROL: Final = re.compile(
    r"\s*(BEGIN|START\s+TRANSACTION|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|SET\s+TRANSACTION)\b",
    re.IGNORECASE,
)


class Sent(NamedTuple):
    """A statement, with placeholders for its values, and the line of the application it is from."""

    statement: str
    place: str


class _Counted(ABC):
    """A block whose statements are counted when it ends, unless an exception leaves it.

    Args:
        count: How many.
        database: Whose statements; those of every engine by default.
    """

    def __init__(self, count: int, database: SQLAlchemy | None = None) -> None:
        self._count, self._database = count, database
        self._open = ExitStack()
        self._statements: list[Sent] = []

    def __enter__(self) -> list[Sent]:
        event.listen(Engine, "before_cursor_execute", self._note)
        self._open.callback(event.remove, Engine, "before_cursor_execute", self._note)
        self._open.enter_context(watching())
        return self._statements

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open.close()
        if error is None and not self._is_met(len(self._statements)):
            raise QueryCountError(self._expected(), self._statements)

    async def __aenter__(self) -> list[Sent]:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)

    def _note(self, connection: Connection, _: object, statement: str, *__: Any) -> None:
        of_another = self._database is not None and not self._database.sends_through(connection)
        if not (of_another or _CONTROL.match(statement)):
            self._statements.append(Sent(statement, caller()))

    @abstractmethod
    def _is_met(self, found: int) -> bool: ...

    @abstractmethod
    def _expected(self) -> str: ...


class assert_queries(_Counted):  # noqa: N801 - it is called like a function
    """Expect that a block sends a number of statements: `with` or `async with`.

    Statements that begin and end transactions do not count. The block yields the list of what was
    sent, as pairs of statement and line.

    >>> from fastapi_sqlalchemy.testing import assert_queries
    >>> with assert_queries(1) as sent:
    ...     users = User.query.options(selectinload(User.posts)).filter_by(name="Nobody").all()
    >>> sent[0].statement.partition(" ")[0]
    'SELECT'

    Args:
        count: How many.
        database: Whose statements; those of every engine by default.

    Raises:
        QueryCountError: There were more or fewer; it lists each with the line it is from.
    """

    @override
    def _is_met(self, found: int) -> bool:
        return found == self._count

    @override
    def _expected(self) -> str:
        return f"{self._count} statement{'s' if self._count != 1 else ''}"


class max_queries(_Counted):  # noqa: N801 - it is called like a function
    """Expect that a block sends at most a number of statements, as `assert_queries` does.

    >>> from fastapi_sqlalchemy.testing import max_queries
    >>> with max_queries(2):
    ...     titles = [
    ...         p.title for u in User.query.options(selectinload(User.posts)) for p in u.posts
    ...     ]

    Args:
        count: How many at most.
        database: Whose statements; those of every engine by default.

    Raises:
        QueryCountError: There were more; it lists each with the line it is from.
    """

    @override
    def _is_met(self, found: int) -> bool:
        return found <= self._count

    @override
    def _expected(self) -> str:
        return f"at most {self._count} statement{'s' if self._count != 1 else ''}"
