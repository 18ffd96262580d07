"""psycopg made to keep a connection in autocommit, where every transaction begins with a BEGIN.

Left to itself psycopg begins one before any statement, and to switch that off and on an asyncio
connection may have to wait: a cancellation could come between a connection and its pool.  Here a
lone read is one round trip with nothing before or after it, and whatever else is sent has BEGIN
sent first.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import URL, Engine, event
from sqlalchemy.engine import ExecutionContext
from sqlalchemy.util.concurrency import await_

from ._types import Options

__all__ = ["EXPLICIT", "LONE", "applies", "begin_explicitly"]

EXPLICIT: Final = "fastapi_sqlalchemy_explicit_begin"
"""Execution option of an engine whose transactions begin here."""

LONE: Final = "fastapi_sqlalchemy_lone"
"""Execution option of an engine for reads that need no transaction."""

_IDLE: Final = 0
"""https://www.postgresql.org/docs/current/libpq-status.html: PQTRANS_IDLE."""


def applies(url: URL, options: Options) -> bool:
    """Whether the engine at this URL is one for it.

    Args:
        url: The engine's.
        options: What the caller gives `create_engine()`, who may decide otherwise.
    """
    decided = "isolation_level" in options or "autocommit" in (options.get("connect_args") or ())
    return (
        url.get_backend_name() == "postgresql"
        and not decided
        and (url.get_dialect().driver in ("psycopg", "psycopg_async"))
    )


def begin_explicitly(engine: Engine) -> None:
    """Have an engine, whose connections are in autocommit, begin its transactions with BEGIN.

    A connection that SQLAlchemy gives an isolation level leaves autocommit for that time.
    """
    dialect: Any = engine.dialect  # its hooks are public, and overridden on this one alone

    def rollback(connection: Any) -> None:
        if connection.driver_connection.pgconn.transaction_status != _IDLE:
            connection.rollback()

    def reset_isolation_level(connection: Any) -> None:
        dialect.set_isolation_level(connection, "AUTOCOMMIT")

    dialect.do_rollback = rollback
    dialect.reset_isolation_level = reset_isolation_level

    # the listeners of these events return True to say that they ran the statement: ours never do
    @event.listens_for(engine, "do_execute")
    def execute(cursor: Any, statement: str, parameters: Any, context: ExecutionContext) -> None:
        _begin(context)

    @event.listens_for(engine, "do_executemany")
    def executemany(
        cursor: Any, statement: str, parameters: Any, context: ExecutionContext
    ) -> None:
        _begin(context)

    @event.listens_for(engine, "do_execute_no_params")
    def execute_no_params(cursor: Any, statement: str, context: ExecutionContext) -> None:
        _begin(context)

    engine.update_execution_options(**{EXPLICIT: True})


def _begin(context: ExecutionContext) -> None:
    options = context.execution_options
    driver: Any = context.root_connection.connection.driver_connection
    if LONE in options or not driver.autocommit or options.get("isolation_level") == "AUTOCOMMIT":
        return
    if driver.pgconn.transaction_status != _IDLE:
        return
    command = "BEGIN"
    if driver.read_only is not None:
        command += " READ ONLY" if driver.read_only else " READ WRITE"
    if driver.deferrable is not None:
        command += " DEFERRABLE" if driver.deferrable else " NOT DEFERRABLE"
    begun = driver.execute(command, prepare=False)
    if context.dialect.is_async:
        await_(begun)
