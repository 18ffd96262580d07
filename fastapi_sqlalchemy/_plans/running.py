"""A plan's statement on the driver's cursor: within the session's transaction, or alone.

Alone it needs neither a transaction nor a `Connection`: an idle connection of the pool that is in
the driver's autocommit, taken and put back.  An error goes through SQLAlchemy's own handling, which
translates it, tells its listeners, and drops connections that were lost.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, NoReturn

from sqlalchemy import AsyncAdaptedQueuePool, Connection, Engine, Pool, QueuePool
from sqlalchemy.pool.base import _ConnectionFairy as Fairy
from sqlalchemy.util.concurrency import greenlet_spawn
from sqlalchemy.util.queue import Empty

from fastapi_sqlalchemy import autocommit, sqlite
from fastapi_sqlalchemy._ping import is_trusted
from fastapi_sqlalchemy.pool import LendingPool

from .listeners import OfPool

__all__ = ["OPTIONS", "Answer", "Lone", "Sent", "is_known", "within"]

OPTIONS: Final = frozenset(
    {
        *(autocommit.EXPLICIT, autocommit.LONE, sqlite.IMMEDIATE),
        *("isolation_level", "postgresql_readonly"),
    }
)
"""Execution options that change nothing about a statement."""


class Answer(NamedTuple):
    """What the driver gave."""

    rows: Sequence[Any]
    description: Sequence[Any] | None
    """Of the columns, where it was asked for."""


class Sent(NamedTuple):
    """What became of a change."""

    rows: int
    """How many it found."""

    key: Any
    """What the database gave a new row, where it did."""


def is_known(pool: Pool) -> bool:
    """Whether a pool hands out connections for one at a time, as SQLAlchemy's do."""
    return type(pool) in (LendingPool, QueuePool, AsyncAdaptedQueuePool)


_UNMADE: Final = object()


class _Context:
    """What our own listeners ask of a statement before it is run: they may begin a transaction."""

    __slots__ = ("execution_options", "root_connection")

    compiled = None

    def __init__(self, connection: Connection) -> None:
        self.root_connection = connection
        self.execution_options = connection._execution_options


def within(connection: Connection, sql: str, parameters: Any, *, describe: bool) -> Answer | None:
    """Run a statement that reads in a transaction; None where SQLAlchemy has to.

    Raises:
        sqlalchemy.exc.DBAPIError: The database refused it.
    """
    outer, nested = connection._transaction, connection._nested_transaction
    if outer is None or not outer.is_active or (nested is not None and not nested.is_active):
        return None
    fairy: Any = connection._dbapi_connection
    if (
        connection._has_events
        or fairy is None
        or not connection._execution_options.keys() <= OPTIONS
    ):
        return None
    cursor, sent = fairy.cursor(), sql
    try:
        for begin in connection.dialect.dispatch.do_execute:
            begin(cursor, sql, parameters, _Context(connection))
        cursor.execute(sql, parameters)
        sent = ""
        answer = Answer(cursor.fetchall(), cursor.description if describe else None)
    except BaseException as error:
        _handle(connection, error, sent, parameters, cursor)
    cursor.close()
    return answer


def _handle(
    connection: Connection, error: BaseException, sent: str, parameters: Any, cursor: Any
) -> NoReturn:
    # an error that is not the driver's is wrapped where a statement is named
    if not sent or not isinstance(error, connection.dialect.loaded_dbapi.Error):
        connection._handle_dbapi_exception(error, None, None, cursor, None)
    connection._handle_dbapi_exception(error, sent, parameters, cursor, None)


class Lone:
    """Runs statements alone.

    Args:
        pool: Whose connections are used.
    """

    __slots__ = ("_listeners", "_pool", "_recycles")

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._listeners = OfPool(pool)
        self._recycles = pool._recycle > -1

    def run(self, session: Any, sql: str, parameters: Any, *, describe: bool) -> Answer | None:
        """Ask with one; None where there is no idle connection that can be used as it is."""
        if (record := self._take()) is None:
            return None
        cursor, sent = None, sql
        session._lone = record
        try:
            cursor = record.dbapi_connection.cursor()
            cursor.execute(sql, parameters)
            sent = ""
            answer = Answer(cursor.fetchall(), cursor.description if describe else None)
            cursor.close()
        except BaseException as error:
            _fail(session.get_bind(), self._pool, record, error, sent, parameters, cursor)
        finally:
            session._lone = None
        self._pool._do_return_conn(record)
        return answer

    async def arun(
        self, session: Any, sql: str, parameters: Any, *, describe: bool
    ) -> Answer | None:
        """The same as `run`, awaited on the driver itself, with no greenlet in between."""
        if (record := self._take(awaited=True)) is None:
            return None
        cursor, sent = None, sql
        session._lone = record
        try:
            cursor = record.driver_connection.cursor()
            await cursor.execute(sql, parameters)
            sent = ""
            rows = await cursor.fetchall()
            answer = Answer(rows, cursor.description if describe else None)
            await cursor.close()
        except BaseException as error:
            # what SQLAlchemy does then may wait, for which it needs a greenlet
            await greenlet_spawn(
                _fail, session.get_bind(), self._pool, record, error, sent, parameters, None
            )
            raise
        finally:
            session._lone = None
        self._pool._do_return_conn(record)
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
        if (record := self._take()) is None:
            return None
        parameters = _UNMADE
        try:
            parameters = make()
        except Exception:
            return None
        finally:
            if parameters is _UNMADE:
                self._pool._do_return_conn(record)
        cursor, sent = None, sql
        session._lone = record
        try:
            connection = record.dbapi_connection
            cursor = connection.cursor()
            cursor.execute(sql, parameters)
            row = cursor.fetchone() if returns else (getattr(cursor, "lastrowid", None),)
            answer = Sent(cursor.rowcount, None if row is None else row[0])
            cursor.close()
            sent = ""
            self._pool._dialect.do_commit(connection)
        except BaseException as error:
            _fail(session.get_bind(), self._pool, record, error, sent, parameters, cursor)
        finally:
            session._lone = None
        self._pool._do_return_conn(record)
        return answer

    def _take(self, *, awaited: bool = False) -> Any:
        """An idle connection of the pool, if it can be used as it is.

        Args:
            awaited: Whether nothing may wait here for the server.
        """
        pool = self._pool
        if self._recycles or self._listeners.any():
            return None
        try:
            record = pool._pool.get(False)
        except Empty:
            return None
        connection = record.dbapi_connection
        if (
            connection is None
            or record._is_hard_or_soft_invalidated()
            or (pool._pre_ping and not _answers(pool, record, awaited=awaited))
        ):
            pool._do_return_conn(record)  # SQLAlchemy sees to it
            return None
        return record


def _answers(pool: Any, record: Any, *, awaited: bool) -> bool:
    connection = record.dbapi_connection
    if awaited:
        return is_trusted(pool._dialect, pool._dialect.get_driver_connection(connection))
    try:
        return bool(pool._dialect._do_ping_w_event(connection))
    except pool._dialect.loaded_dbapi.Error:
        return False
    except BaseException as error:  # cancelled: the server's answer would come for somebody else
        try:
            record.invalidate(error)
        finally:
            pool._do_return_conn(record)
        raise


def _fail(
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
