"""What a failed statement took with it, although nobody rolled back.

A transaction outlives an error on some databases and not on others: PostgreSQL refuses all that
follows and answers COMMIT with a rollback, MariaDB rolls all of it back on a deadlock, SQLite when
a write was interrupted or the disk is full.  None of them says so when the rest is committed.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

__all__ = ["Loss", "first_error", "loss_by"]


class Loss(Enum):
    """How much of a transaction an error took."""

    NOTHING = auto()
    SAVEPOINT = auto()
    """All since the last savepoint, which can be gone back to."""
    EVERYTHING = auto()


_DEADLOCK = 1213
"""https://mariadb.com/kb/en/mariadb-error-code-reference/: it rolls the transaction back."""


def loss_by(error: DBAPIError, connection: Connection) -> Loss:
    """What a transaction lost by a statement's error on its connection."""
    if connection.dialect.name == "postgresql":
        return Loss.SAVEPOINT
    cause: Any = error.orig
    if connection.dialect.name in ("mysql", "mariadb"):
        number = cause.args[0] if getattr(cause, "args", ()) else None
        return Loss.EVERYTHING if number == _DEADLOCK else Loss.NOTHING
    if connection.dialect.name == "sqlite" and not connection.invalidated:
        driver: Any = connection.connection.driver_connection
        return Loss.NOTHING if driver.in_transaction else Loss.EVERYTHING
    return Loss.NOTHING


def first_error(error: DBAPIError) -> DBAPIError:
    """The error itself, or the one before it whose rollback to a savepoint failed too.

    SQLAlchemy goes back to a savepoint when a flush fails, and raises what that raises: on MariaDB
    the savepoint is gone with the transaction.
    """
    if not (error.statement or "").startswith("ROLLBACK TO SAVEPOINT"):
        return error
    before = error.__context__
    while before is not None and not isinstance(before, DBAPIError):
        before = before.__context__
    return error if before is None else before
