"""Connections that stay in the driver's autocommit, where every transaction begins with a BEGIN.

Left to themselves psycopg begins one before any statement, and MySQL's drivers are always in one.
Here a lone read is one round trip with nothing before or after it, so that no cancellation can come
between a connection and its pool, and whatever else is sent has BEGIN sent first.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Final

from sqlalchemy import URL, Engine, event
from sqlalchemy.engine import ExecutionContext
from sqlalchemy.util.concurrency import await_
from typing_extensions import override

from ._types import Options

__all__ = ["EXPLICIT", "LONE", "applies", "begin_explicitly"]

EXPLICIT: Final = "fastapi_sqlalchemy_explicit_begin"
"""Execution option of an engine whose transactions begin here."""

LONE: Final = "fastapi_sqlalchemy_lone"
"""Execution option of an engine for reads that need no transaction."""


class _Driver(ABC):
    """What is asked of a driver's connection; the types are the drivers' own."""

    @abstractmethod
    def in_autocommit(self, connection: Any) -> bool: ...

    @abstractmethod
    def in_transaction(self, connection: Any) -> bool: ...

    @abstractmethod
    def begin(self, connection: Any) -> Any: ...

    keeps_isolation_level: bool
    """Whether a level stays until another one is set."""


class _Psycopg(_Driver):
    keeps_isolation_level = False

    @override
    def in_autocommit(self, connection: Any) -> bool:
        return bool(connection.autocommit)

    @override
    def in_transaction(self, connection: Any) -> bool:
        # https://www.postgresql.org/docs/current/libpq-status.html: PQTRANS_IDLE is 0
        return bool(connection.pgconn.transaction_status)

    @override
    def begin(self, connection: Any) -> Any:
        command = "BEGIN"
        if connection.read_only is not None:
            command += " READ ONLY" if connection.read_only else " READ WRITE"
        if connection.deferrable is not None:
            command += " DEFERRABLE" if connection.deferrable else " NOT DEFERRABLE"
        return connection.execute(command, prepare=False)


class _MySQL(_Driver):
    keeps_isolation_level = True

    @override
    def in_autocommit(self, connection: Any) -> bool:
        return bool(connection.get_autocommit())

    @override
    def in_transaction(self, connection: Any) -> bool:
        # https://mariadb.com/kb/en/ok_packet/: SERVER_STATUS_IN_TRANS
        return bool(connection.server_status & 1)

    @override
    def begin(self, connection: Any) -> Any:
        return connection.begin()


_DRIVERS: Final[dict[str, _Driver]] = {
    "psycopg": _Psycopg(),
    "psycopg_async": _Psycopg(),
    "pymysql": _MySQL(),
    "aiomysql": _MySQL(),
}


def applies(url: URL, options: Options) -> bool:
    """Whether the engine at this URL is one for it.

    Args:
        url: The engine's.
        options: What the caller gives `create_engine()`, who may decide otherwise.
    """
    if "isolation_level" in options or "autocommit" in (options.get("connect_args") or ()):
        return False
    return url.get_dialect().driver in _DRIVERS


def begin_explicitly(engine: Engine) -> None:
    """Have an engine, whose connections are in autocommit, begin its transactions with BEGIN.

    A connection that SQLAlchemy gives an isolation level leaves autocommit for that time.
    """
    dialect: Any = engine.dialect  # its hooks are public, and overridden on this one alone
    driver = _DRIVERS[dialect.driver]

    def rollback(connection: Any) -> None:
        if driver.in_transaction(connection.driver_connection):
            connection.rollback()

    def reset_isolation_level(connection: Any) -> None:
        if driver.keeps_isolation_level:
            dialect.set_isolation_level(connection, dialect.default_isolation_level)
        dialect.set_isolation_level(connection, "AUTOCOMMIT")

    dialect.do_rollback = rollback
    dialect.reset_isolation_level = reset_isolation_level

    def begin(context: ExecutionContext) -> None:
        options = context.execution_options
        if LONE in options or options.get("isolation_level") == "AUTOCOMMIT":
            return
        connection = context.root_connection.connection.driver_connection
        if driver.in_autocommit(connection) and not driver.in_transaction(connection):
            begun = driver.begin(connection)
            if dialect.is_async:
                await_(begun)

    # the listeners of these events return True to say that they ran the statement: ours never do
    @event.listens_for(engine, "do_execute")
    def execute(cursor: Any, statement: str, parameters: Any, context: ExecutionContext) -> None:
        begin(context)

    @event.listens_for(engine, "do_executemany")
    def executemany(
        cursor: Any, statement: str, parameters: Any, context: ExecutionContext
    ) -> None:
        begin(context)

    @event.listens_for(engine, "do_execute_no_params")
    def execute_no_params(cursor: Any, statement: str, context: ExecutionContext) -> None:
        begin(context)

    engine.update_execution_options(**{EXPLICIT: True})
