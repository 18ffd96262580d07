"""Which constraint a statement violated, or that a value is to blame: from what the driver says.

PostgreSQL tells by SQLSTATE and diagnostics, MySQL and MariaDB by error number and text, SQLite by
extended error code and text.
"""

from __future__ import annotations

import re
import sqlite3
from typing import Any, Final

from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DataError as _DataError
from sqlalchemy.exc import DBAPIError

from .exceptions import (
    CheckViolation,
    DataError,
    ForeignKeyViolation,
    IntegrityError,
    NotNullViolation,
    UniqueViolation,
)

__all__ = ["UNSENDABLE", "translate", "typed"]


UNSENDABLE: Final = (OverflowError, UnicodeEncodeError)
"""What drivers raise for a value that they cannot send: a number too large, half a character."""


def translate(engine: Engine) -> None:
    """Let the engine raise typed errors in place of what SQLAlchemy makes of the driver's."""

    @event.listens_for(engine, "handle_error")
    def handle(context: ExceptionContext) -> BaseException | None:
        error, driver = context.sqlalchemy_exception, context.original_exception
        if isinstance(driver, UNSENDABLE):
            return DataError(_DataError(context.statement, context.parameters, driver))
        return typed(error) if isinstance(error, DBAPIError) else None


def typed(error: DBAPIError) -> IntegrityError | DataError | None:
    """The typed error for one of SQLAlchemy's; None for what is neither."""
    driver: Any = getattr(error.orig, "__cause__", None) or error.orig
    state = getattr(driver, "sqlstate", None)
    if isinstance(driver, sqlite3.Error):
        return _of_sqlite(error, driver)
    if driver.args and isinstance(driver.args[0], int):
        return _of_mysql(error, *driver.args[:2])
    if isinstance(state, str) and state.startswith("23"):
        return _of_postgresql(error, driver, state)
    # psycopg has no state for what it refuses by itself
    by_value = state.startswith("22") if isinstance(state, str) else isinstance(error, _DataError)
    return DataError(error) if by_value and state != _DIVISION_BY_ZERO else None


_DIVISION_BY_ZERO: Final = "22012"
"""Of the states of class 22, data exceptions, the one that the statement is to blame for."""

_BY_STATE: Final = {
    "23502": NotNullViolation,
    "23503": ForeignKeyViolation,
    "23505": UniqueViolation,
    "23514": CheckViolation,
}
"""https://www.postgresql.org/docs/current/errcodes-appendix.html"""

_KEY: Final = re.compile(r"Key \((.+?)\)=\(")


def _of_postgresql(error: DBAPIError, driver: Any, state: str) -> IntegrityError:
    said = getattr(driver, "diag", driver)  # asyncpg has the same names on the error itself
    detail = getattr(said, "message_detail", None) or getattr(said, "detail", None)
    if column := said.column_name:
        columns = [column]
    else:
        key = _KEY.match(detail or "")
        columns = [name.strip('"') for name in key[1].split(", ")] if key else []
    kind = _BY_STATE.get(state, IntegrityError)
    return kind(error, said.constraint_name, said.table_name, columns)


_FOREIGN: Final = re.compile(
    r".*\(`[^`]+`\.`(?P<table>[^`]+)`, CONSTRAINT `(?P<name>[^`]+)` "
    r"FOREIGN KEY \(`(?P<columns>[^)]+)`\)"
)

_BY_NUMBER: Final[dict[int, tuple[type[IntegrityError], re.Pattern[str]]]] = {
    1048: (NotNullViolation, re.compile(r"Column '(?P<columns>.+)' cannot be null")),
    1364: (NotNullViolation, re.compile(r"Field '(?P<columns>.+)' doesn't have")),
    # MySQL names the table too, MariaDB does not; the value before it may be anything
    1062: (
        UniqueViolation,
        re.compile(r".*for key '(?:(?P<table>\w+)\.)?(?P<name>[^']+)'$", re.DOTALL),
    ),
    1451: (ForeignKeyViolation, _FOREIGN),
    1452: (ForeignKeyViolation, _FOREIGN),
    3819: (CheckViolation, re.compile(r"Check constraint '(?P<name>.+)' is violated")),
    4025: (CheckViolation, re.compile(r"CONSTRAINT `(?P<name>.+)` failed for .*`(?P<table>.+)`")),
}
"""https://mariadb.com/kb/en/mariadb-error-code-reference/; 3819 is MySQL's."""


_VALUES: Final = frozenset({1264, 1265, 1292, 1366, 1406})
"""Out of range, truncated, incorrect (twice) and too long."""


def _of_mysql(
    error: DBAPIError, number: int, message: Any = ""
) -> IntegrityError | DataError | None:
    if number in _VALUES:
        return DataError(error)
    if number not in _BY_NUMBER:
        return None
    kind, pattern = _BY_NUMBER[number]
    found = pattern.match(str(message))
    facts = found.groupdict() if found else {}
    columns = facts.get("columns")
    return kind(
        error,
        facts.get("name"),
        facts.get("table"),
        columns.split("`, `") if columns else [],
    )


_BY_NAME: Final[dict[str, type[IntegrityError]]] = {
    "SQLITE_CONSTRAINT_CHECK": CheckViolation,
    "SQLITE_CONSTRAINT_FOREIGNKEY": ForeignKeyViolation,
    "SQLITE_CONSTRAINT_NOTNULL": NotNullViolation,
    "SQLITE_CONSTRAINT_PRIMARYKEY": UniqueViolation,
    "SQLITE_CONSTRAINT_ROWID": UniqueViolation,
    "SQLITE_CONSTRAINT_UNIQUE": UniqueViolation,
}
"""https://www.sqlite.org/rescode.html"""


def _of_sqlite(error: DBAPIError, driver: sqlite3.Error) -> IntegrityError | None:
    kind = _BY_NAME.get(getattr(driver, "sqlite_errorname", ""))
    if kind is None:
        return None
    _, _, named = str(driver).partition(" constraint failed: ")
    if kind is CheckViolation:
        return kind(error, named or None, None, [])
    if named.startswith("index "):
        return kind(error, named.removeprefix("index ").strip("'"), None, [])
    columns = [name.rpartition(".") for name in named.split(", ") if name]
    table = columns[0][0] if columns else None
    return kind(error, None, table, [column for _, _, column in columns])
