"""A transaction that is never committed, and a savepoint in it for what is.

What an application commits becomes part of the transaction: the savepoint is set anew after it.
What it rolls back is undone up to there.  One savepoint serves all of it, so that a read, which
needs neither, costs nothing.
"""

from __future__ import annotations

import re
import sqlite3
from abc import ABC, abstractmethod
from typing import Any, Final

from sqlalchemy import Dialect
from typing_extensions import override

from .exceptions import IsolationError

__all__ = ["Ground", "ground_of"]

_CHANGES: Final = re.compile(r"\s*(INSERT|UPDATE|DELETE|REPLACE)\b", re.IGNORECASE)

_NAME: Final = "fastapi_sqlalchemy_ground_"
_BASE: Final = "fastapi_sqlalchemy_base_"
"""Where a block within another one began."""


class Ground(ABC):
    """That transaction on the connection of a driver.

    Args:
        connection: The driver's.
        dialect: SQLAlchemy's for it.
    """

    implicit_commits: re.Pattern[str] | None = None
    """Statements before which the database commits by itself."""

    def __init__(self, connection: Any, dialect: Dialect) -> None:
        self.connection, self.dialect = connection, dialect
        self.lost = False
        """Whether the database gave the transaction up, and all that was in it."""
        self.level = 0
        """How many blocks are within each other."""
        self.wrote = False
        """Whether it holds rows, which a statement could commit for good."""
        self.read_only = False
        """Whether changes are refused until the next `keep` or `back`."""

    def begin(self) -> None:
        """Begin it, or a part of it that can be rolled back alone."""
        self.level += 1
        if self.level == 1:
            self._begin()
        else:
            self.send(f"SAVEPOINT {_BASE}{self.level}")
        self.send(f"SAVEPOINT {_NAME}{self.level}")

    @abstractmethod
    def _begin(self) -> None: ...

    def keep(self) -> None:
        """Let what was written since stay until the end."""
        name = f"{_NAME}{self.level}"
        try:
            self.send(f"RELEASE SAVEPOINT {name}", f"SAVEPOINT {name}")
        except self.errors:
            self.lost = True
            raise
        self.read_only = False

    def back(self) -> None:
        """Undo what was written since."""
        self.read_only = False
        try:
            self.send(f"ROLLBACK TO SAVEPOINT {_NAME}{self.level}")
        except self.errors:
            self.lost = True

    def end(self) -> None:
        """Roll back what the innermost block did, or all of it."""
        if self.level > 1 and not self.lost:
            base = f"{_BASE}{self.level}"
            self.send(f"ROLLBACK TO SAVEPOINT {base}", f"RELEASE SAVEPOINT {base}")
        elif self.level == 1:
            self.connection.rollback()
        self.level -= 1

    def require(self) -> None:
        """Refuse to go on once it is lost.

        Raises:
            IsolationError: It is.
        """
        if self.lost:
            raise IsolationError(
                "The transaction of `db.testing()` was lost, with all that the block had written: "
                "by a deadlock, an interrupted write or the end of the connection."
            )

    def begin_again(self) -> None:
        """After a statement that the database committed by itself."""
        self._begin()
        self.send(f"SAVEPOINT {_NAME}{self.level}")

    def check(self) -> None:  # noqa: B027 - most constraints are checked at once
        """Raise what a real commit would: constraints may be checked as late as that."""

    def refuse_writes(self) -> None:
        """Refuse changes until the next `keep` or `back`."""
        self.read_only = True

    def before(self, statement: str) -> None:  # noqa: B027 - most databases refuse it themselves
        """Raise what the database would, where it cannot be told to."""

    def send(self, *statements: str) -> None:
        """Send statements that return nothing."""
        cursor = self.connection.cursor()
        try:
            for statement in statements:
                cursor.execute(statement)
        finally:
            cursor.close()

    @property
    def errors(self) -> type[Exception]:
        """The ancestor of the driver's errors."""
        return self.dialect.loaded_dbapi.Error


class _PostgreSQL(Ground):
    @override
    def _begin(self) -> None:
        if getattr(self.connection, "autocommit", False):  # the driver begins by itself otherwise
            self.send("BEGIN")

    @override
    def check(self) -> None:
        # undone at once: the constraints are deferred again, and what waits for a check still does
        self.send(
            f"SAVEPOINT {_NAME}check",
            "SET CONSTRAINTS ALL IMMEDIATE",
            f"ROLLBACK TO SAVEPOINT {_NAME}check",
            f"RELEASE SAVEPOINT {_NAME}check",
        )

    @override
    def send(self, *statements: str) -> None:
        super().send("; ".join(statements))

    @override
    def refuse_writes(self) -> None:
        self.send("SET TRANSACTION READ ONLY")  # ends with the savepoint it is in


class _SQLite(Ground):
    @override
    def _begin(self) -> None:
        self.send("BEGIN IMMEDIATE")

    @override
    def check(self) -> None:
        cursor = self.connection.cursor()
        try:
            late = "SELECT 1 FROM sqlite_master WHERE sql LIKE '%INITIALLY DEFERRED%' LIMIT 1"
            if (
                cursor.execute(late).fetchone()
                and cursor.execute("PRAGMA foreign_keys").fetchone()[0]
                and cursor.execute("PRAGMA foreign_key_check").fetchone()
            ):
                error = sqlite3.IntegrityError("FOREIGN KEY constraint failed")
                error.sqlite_errorcode = sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY
                error.sqlite_errorname = "SQLITE_CONSTRAINT_FOREIGNKEY"
                raise error
        finally:
            cursor.close()


class _MySQL(Ground):
    # https://mariadb.com/kb/en/sql-statements-that-cause-an-implicit-commit/
    implicit_commits = re.compile(
        r"\s*(ALTER|ANALYZE|CREATE(?!\s+TEMPORARY)|DROP(?!\s+TEMPORARY)|FLUSH|GRANT|LOCK|OPTIMIZE"
        r"|RENAME|REPAIR|REVOKE|TRUNCATE|UNLOCK)\b",
        re.IGNORECASE,
    )

    @override
    def _begin(self) -> None:
        self.send("START TRANSACTION")

    @override
    def before(self, statement: str) -> None:
        if self.read_only and _CHANGES.match(statement):
            raise self.dialect.loaded_dbapi.InternalError(
                1792, "Cannot execute statement in a READ ONLY transaction"
            )


_GROUNDS: Final[dict[str, type[Ground]]] = {
    "mariadb": _MySQL,
    "mysql": _MySQL,
    "postgresql": _PostgreSQL,
    "sqlite": _SQLite,
}


def ground_of(connection: Any, dialect: Dialect) -> Ground:
    """The ground for a driver's connection.

    Raises:
        IsolationError: How this database nests transactions is not known here.
    """
    kind = _GROUNDS.get(dialect.name)
    if kind is None:
        raise IsolationError(
            f"`db.testing()` expected one of {', '.join(sorted(_GROUNDS))}, found {dialect.name}"
        )
    return kind(connection, dialect)
