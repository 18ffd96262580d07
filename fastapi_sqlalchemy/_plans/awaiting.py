"""A plan's statement alone, awaited on the driver itself, with no greenlet in between.

SQLAlchemy's asyncio dialects run a statement in a greenlet, which costs about as much as the driver
does.  Here only what goes wrong is handled in one: by SQLAlchemy, as for a statement of its own.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final, NoReturn

from sqlalchemy import Engine
from sqlalchemy.util.concurrency import await_, greenlet_spawn
from typing_extensions import override

from fastapi_sqlalchemy._shield import uninterrupted

from .idle import UNMADE, Idle
from .running import Answer, Sent, fail

__all__ = ["Lone"]

_COUNTED: Final = re.compile(r"(?:SELECT|UPDATE|DELETE|INSERT \d+) (\d+)")
"""The number of rows in what PostgreSQL says of a statement, as SQLAlchemy reads it."""


class _Driver(ABC):
    """What is asked of a connection as SQLAlchemy has adapted it; the types are the drivers' own.

    Whatever fails is raised as the driver raises it.
    """

    @abstractmethod
    def is_alone(self, connection: Any) -> bool:
        """Whether the next statement is a transaction of its own."""

    @abstractmethod
    async def ask(
        self, connection: Any, dialect: Any, sql: str, parameters: Any, *, describe: bool
    ) -> Answer: ...

    @abstractmethod
    async def send(
        self, connection: Any, dialect: Any, sql: str, parameters: Any, *, returns: bool
    ) -> Sent: ...


class _Psycopg(_Driver):
    @override
    def is_alone(self, connection: Any) -> bool:
        driver = connection.driver_connection
        # https://www.postgresql.org/docs/current/libpq-status.html: PQTRANS_IDLE is 0
        return driver.autocommit and not driver.pgconn.transaction_status

    @override
    async def ask(
        self, connection: Any, dialect: Any, sql: str, parameters: Any, *, describe: bool
    ) -> Answer:
        cursor = connection.driver_connection.cursor()
        await cursor.execute(sql, parameters)
        rows = await cursor.fetchall()
        answer = rows, cursor.description if describe else None
        await cursor.close()
        return answer

    @override
    async def send(
        self, connection: Any, dialect: Any, sql: str, parameters: Any, *, returns: bool
    ) -> Sent:
        cursor = connection.driver_connection.cursor()
        await cursor.execute(sql, parameters)
        row = await cursor.fetchone() if returns else None
        sent = cursor.rowcount, None if row is None else row[0]
        await cursor.close()
        return sent


class _Asyncpg(_Driver):
    """Over the statements that SQLAlchemy's dialect has prepared on a connection, and keeps."""

    @override
    def is_alone(self, connection: Any) -> bool:
        # without its cache there may be a pooler, over which only a transaction is one connection
        keeps = connection._prepared_statement_cache is not None
        return (
            keeps
            and connection._transaction is None
            and not connection.driver_connection.is_in_transaction()
        )

    @override
    async def ask(
        self, connection: Any, dialect: Any, sql: str, parameters: Any, *, describe: bool
    ) -> Answer:
        prepared, columns = await connection._prepare(sql, dialect._invalidate_schema_cache_asof)
        rows = await prepared.fetch(*parameters)
        if not describe:
            return rows, None
        return rows, [(each.name, each.type.oid, *(None,) * 5) for each in columns]

    @override
    async def send(
        self, connection: Any, dialect: Any, sql: str, parameters: Any, *, returns: bool
    ) -> Sent:
        prepared, _ = await connection._prepare(sql, dialect._invalidate_schema_cache_asof)
        rows = await prepared.fetch(*parameters)
        counted = _COUNTED.match(prepared.get_statusmsg() or "")
        key = rows[0][0] if returns and rows else None
        return -1 if counted is None else int(counted[1]), key


_DRIVERS: Final[dict[str, _Driver]] = {"asyncpg": _Asyncpg(), "psycopg": _Psycopg()}


class Lone:
    """Runs statements alone.

    Args:
        pool: Whose connections are used.
    """

    __slots__ = ("_dialect", "_driver", "_idle", "_pool")

    def __init__(self, pool: Any) -> None:
        self._pool, self._dialect = pool, pool._dialect
        self._driver = _DRIVERS[pool._dialect.driver]
        self._idle = Idle(pool)

    def run(self, session: Any, sql: str, parameters: Any, *, describe: bool) -> Answer | None:
        """Ask with one, in a greenlet; None as for `arun`."""
        return await_(self.arun(session, sql, parameters, describe=describe))

    async def arun(
        self, session: Any, sql: str, parameters: Any, *, describe: bool
    ) -> Answer | None:
        """Ask with one; None where there is no idle connection that can be used as it is."""
        if (record := self._take()) is None:
            return None
        ask, connection = self._driver.ask, record.dbapi_connection
        try:
            answer = await ask(connection, self._dialect, sql, parameters, describe=describe)
        except BaseException as error:
            await self._fail(session, record, error, sql, parameters)
        if not self._idle.keep(record):
            await self._close(record)
        return answer

    def send(
        self, session: Any, sql: str, make: Callable[[], Any], *, returns: bool
    ) -> Sent | None:
        """Change rows with one, in a greenlet; None as for `asend`."""
        return await_(self.asend(session, sql, make, returns=returns))

    async def asend(
        self, session: Any, sql: str, make: Callable[[], Any], *, returns: bool
    ) -> Sent | None:
        """Change rows with one, as a transaction of its own; None as for `arun`.

        Args:
            session: Whose statement it is.
            sql: The statement.
            make: Makes its parameters; where that fails, SQLAlchemy is to say how.
            returns: Whether it returns the key that the database gave.
        """
        if (record := self._take()) is None:
            return None
        if (parameters := self._idle.made_for(record, make)) is UNMADE:
            return None
        send, connection = self._driver.send, record.dbapi_connection
        try:
            sent = await send(connection, self._dialect, sql, parameters, returns=returns)
        except BaseException as error:
            await self._fail(session, record, error, sql, parameters)
        if not self._idle.keep(record):
            await self._close(record)
        return sent

    def _take(self) -> Any:
        """An idle connection that can be used as it is: nothing may wait here."""
        record = self._idle.take(awaited=True)
        if record is None or self._driver.is_alone(record.dbapi_connection):
            return record
        self._idle.keep(record)  # where there was room before
        return None

    async def _close(self, record: Any) -> None:
        """Have the pool close one more than it keeps, for which it has to wait."""
        await uninterrupted(greenlet_spawn(self._pool._do_return_conn, record))

    async def _fail(
        self, session: Any, record: Any, error: BaseException, sql: str, parameters: Any
    ) -> NoReturn:
        # what SQLAlchemy does then may wait, for which it needs a greenlet
        await greenlet_spawn(_fail, session.get_bind(), self._pool, record, error, sql, parameters)
        raise error


def _fail(
    engine: Engine, pool: Any, record: Any, error: BaseException, sql: str, parameters: Any
) -> NoReturn:
    try:
        if isinstance(error, Exception):  # as one of those that SQLAlchemy knows
            record.dbapi_connection._handle_exception(error)
    except Exception as raised:
        error = raised
    fail(engine, pool, record, error, sql, parameters, None)
