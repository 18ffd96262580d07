"""A plan's statement on the driver's cursor: within the session's transaction, or alone.

Alone it needs neither a transaction nor a `Connection`: an idle connection of the pool that is in
the driver's autocommit, taken and put back.  An error goes through SQLAlchemy's own handling, which
translates it, tells its listeners, and drops connections that were lost.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NoReturn

from sqlalchemy import AsyncAdaptedQueuePool, Connection, Engine, Pool, QueuePool
from sqlalchemy.pool.base import _ConnectionFairy as Fairy

from fastapi_sqlalchemy import autocommit, sqlite
from fastapi_sqlalchemy._types import R
from fastapi_sqlalchemy.pool import LendingPool
from fastapi_sqlalchemy.violations import UNSENDABLE

from .idle import UNMADE, Idle

__all__ = [
    "OPTIONS",
    "Answer",
    "Lone",
    "Sent",
    "changed_within",
    "fail",
    "inserted_within",
    "is_known",
    "repeated_within",
    "stored_within",
    "within",
]

OPTIONS: Final = frozenset(
    {
        *(autocommit.EXPLICIT, autocommit.LONE, sqlite.IMMEDIATE),
        *("isolation_level", "postgresql_readonly"),
    }
)
"""Execution options that change nothing about a statement."""


# a named tuple takes as long to make as three calls
Answer = tuple[Sequence[Any], Sequence[Any] | None]
"""What the driver gave: the rows, and the description of the columns where it was asked for."""

Sent = tuple[int, Any]
"""What became of a change: how many rows it found, and the key that a new one was given."""


def is_known(pool: Pool) -> bool:
    """Whether a pool hands out connections for one at a time, as SQLAlchemy's do."""
    return type(pool) in (LendingPool, QueuePool, AsyncAdaptedQueuePool)


class _Context:
    """What our own listeners ask of a statement, who may begin a transaction, and its dialect."""

    __slots__ = ("dialect", "execution_options", "root_connection")

    compiled = None

    def __init__(self, connection: Connection) -> None:
        self.root_connection, self.dialect = connection, connection.dialect
        self.execution_options = connection._execution_options


def within(connection: Connection, sql: str, parameters: Any, *, describe: bool) -> Answer | None:
    """Run a statement that reads in a transaction; None where SQLAlchemy has to.

    Raises:
        sqlalchemy.exc.DBAPIError: The database refused it.
    """
    return _within(connection, sql, parameters, _described if describe else _fetched)


def changed_within(connection: Connection, sql: str, parameters: Any) -> int | None:
    """Run a statement that changes rows in a transaction, and count them; None as for `within`.

    Raises:
        sqlalchemy.exc.DBAPIError: The database refused it.
    """
    return _within(connection, sql, parameters, _counted)


def repeated_within(connection: Connection, sql: str, rows: Sequence[Any]) -> int | None:
    """Run a statement once with each of many parameters, and count as `changed_within` does.

    Raises:
        sqlalchemy.exc.DBAPIError: The database refused it.
    """
    return _within(connection, sql, rows, _counted, call="executemany")


def stored_within(
    connection: Connection, sql: str, make: Callable[[], Any], *, returns: bool
) -> Sent | None:
    """Run a statement for one record in a transaction; None as for `within`.

    Args:
        connection: That of the transaction.
        sql: The statement.
        make: Makes its parameters; where that fails, SQLAlchemy is to say how.
        returns: Whether it returns the key that the database gave.

    Raises:
        sqlalchemy.exc.DBAPIError: The database refused it.
    """
    if _usable(connection) is None:
        return None
    try:
        parameters = make()
    except Exception:
        return None
    return _within(connection, sql, parameters, _returned if returns else _given)


def inserted_within(
    connection: Connection, sql: str, rows: Iterable[tuple[Any, ...]]
) -> list[Any] | None:
    """Insert rows in a transaction one by one, and the keys they were given; None as for `within`.

    A key is None where a row was kept out.

    Raises:
        sqlalchemy.exc.DBAPIError: The database refused one.
    """
    if (fairy := _usable(connection)) is None:
        return None
    cursor, keys = fairy.cursor(), list[Any]()
    row: tuple[Any, ...] = ()
    try:
        for begin in connection.dialect.dispatch.do_execute:
            begin(cursor, sql, row, _Context(connection))
        for row in rows:
            cursor.execute(sql, row)
            keys.append(cursor.lastrowid if cursor.rowcount == 1 else None)
    except BaseException as error:
        _handle(connection, error, sql, row, cursor)
    cursor.close()
    return keys


def _within(
    connection: Connection,
    sql: str,
    parameters: Any,
    read: Callable[[Any], R],
    *,
    call: str = "execute",
) -> R | None:
    if (fairy := _usable(connection)) is None:
        return None
    cursor, sent = fairy.cursor(), sql
    dialect: Any = connection.dialect
    if hasattr(dialect, "_invalidate_schema_cache_asof"):  # asyncpg's knows what it has prepared
        cursor._invalidate_schema_cache_asof = dialect._invalidate_schema_cache_asof
    try:
        for begin in getattr(dialect.dispatch, f"do_{call}"):
            begin(cursor, sql, parameters, _Context(connection))
        getattr(cursor, call)(sql, parameters)
        sent = ""
        answer = read(cursor)
    except BaseException as error:
        _handle(connection, error, sent, parameters, cursor)
    cursor.close()
    return answer


def _usable(connection: Connection) -> Any:
    """The pool's connection within one that is in an ordinary transaction; None otherwise."""
    outer, nested = connection._transaction, connection._nested_transaction
    if outer is None or not outer.is_active or (nested is not None and not nested.is_active):
        return None
    if connection._has_events or not connection._execution_options.keys() <= OPTIONS:
        return None
    return connection._dbapi_connection


def _described(cursor: Any) -> Answer:
    return cursor.fetchall(), cursor.description


def _fetched(cursor: Any) -> Answer:
    return cursor.fetchall(), None


def _counted(cursor: Any) -> int:
    return int(cursor.rowcount)


def _returned(cursor: Any) -> Sent:
    row = cursor.fetchone()
    return cursor.rowcount, None if row is None else row[0]


def _given(cursor: Any) -> Sent:
    return cursor.rowcount, getattr(cursor, "lastrowid", None)


def _handle(
    connection: Connection, error: BaseException, sent: str, parameters: Any, cursor: Any
) -> NoReturn:
    dialect: Any = connection.dialect
    # any other error is wrapped where a statement is named
    told = (dialect.loaded_dbapi.Error, *UNSENDABLE)
    if not sent or not isinstance(error, told):
        connection._handle_dbapi_exception(error, None, None, cursor, None)
    # by SQLAlchemy only for statements of its own: what was prepared may be void
    dialect.execution_ctx_cls.handle_dbapi_exception(_Context(connection), error)
    connection._handle_dbapi_exception(error, sent, parameters, cursor, None)


class Lone:
    """Runs statements alone.

    Args:
        pool: Whose connections are used.
    """

    __slots__ = ("_idle", "_pool")

    def __init__(self, pool: Any) -> None:
        self._pool, self._idle = pool, Idle(pool)

    def run(self, session: Any, sql: str, parameters: Any, *, describe: bool) -> Answer | None:
        """Ask with one; None where there is no idle connection that can be used as it is."""
        if (record := self._idle.take()) is None:
            return None
        cursor, sent = None, sql
        session._lone = record
        try:
            cursor = record.dbapi_connection.cursor()
            cursor.execute(sql, parameters)
            sent = ""
            answer = cursor.fetchall(), cursor.description if describe else None
            cursor.close()
        except BaseException as error:
            fail(session.get_bind(), self._pool, record, error, sent, parameters, cursor)
        finally:
            session._lone = None
        self._idle.put_back(record)
        return answer

    def send(
        self, session: Any, sql: str, make: Callable[[], Any], *, returns: bool
    ) -> Sent | None:
        """Change rows with one, as a transaction of its own; None as for `run`.

        Args:
            session: Whose statement it is.
            sql: The statement.
            make: Makes its parameters; where that fails, SQLAlchemy is to say how.
            returns: Whether it returns the key that the database gave.
        """
        if (record := self._idle.take()) is None:
            return None
        if (parameters := self._idle.made_for(record, make)) is UNMADE:
            return None
        cursor, sent = None, sql
        session._lone = record
        try:
            connection = record.dbapi_connection
            cursor = connection.cursor()
            cursor.execute(sql, parameters)
            answer = _returned(cursor) if returns else _given(cursor)
            cursor.close()
            sent = ""
            self._pool._dialect.do_commit(connection)
        except BaseException as error:
            fail(session.get_bind(), self._pool, record, error, sent, parameters, cursor)
        finally:
            session._lone = None
        self._idle.put_back(record)
        return answer


def fail(
    engine: Engine,
    pool: Any,
    record: Any,
    error: BaseException,
    sent: str,
    parameters: Any,
    cursor: Any,
) -> NoReturn:
    """Let SQLAlchemy handle an error, as if the connection had been one of its own."""
    fairy = Fairy(pool, record.dbapi_connection, record, pool._should_log_debug())
    fairy._counter = 1  # how often it was taken: closing it puts the connection back
    record.fairy_ref = weakref.ref(fairy)
    connection = Connection(engine, fairy)
    try:
        # SQLAlchemy asks which one is being handled, and in a new greenlet none is yet
        raise error  # noqa: TRY301
    except BaseException:
        _handle(connection, error, sent, parameters, cursor)
    finally:
        connection.close()
