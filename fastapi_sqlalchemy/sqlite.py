"""SQLite made to keep its promises: real transactions, foreign keys, memory that threads share.

Left to itself Python's driver begins a transaction before the first INSERT, UPDATE or DELETE, and
before nothing else: what a SAVEPOINT or a CREATE TABLE came first is kept although it was rolled
back, and a transaction that reads before it writes can fail on "database is locked" at once.
Ours begins with the write lock, for which SQLite waits in line.
"""

from __future__ import annotations

import itertools
import os
import re
import sqlite3
import weakref
from typing import Any, Final, cast

from sqlalchemy import URL, Connection, Engine, event
from sqlalchemy.engine import Compiled, ExecutionContext
from sqlalchemy.pool import ConnectionPoolEntry

__all__ = [
    "BUSY_TIMEOUT",
    "IMMEDIATE",
    "begin_for_real",
    "configure",
    "keep_memory",
    "shared_memory",
]

BUSY_TIMEOUT: Final = 30.0
"""Seconds that a write waits for another one to end."""

IMMEDIATE: Final = "fastapi_sqlalchemy_immediate"
"""Execution option of an engine: begin before the first statement, a SELECT included."""

_QUERY_ONLY: Final = "fastapi_sqlalchemy_query_only"

_WRITES = re.compile(
    r"\s*(INSERT|UPDATE|DELETE|REPLACE|WITH|CREATE|ALTER|DROP|SAVEPOINT|ANALYZE|REINDEX)\b",
    re.IGNORECASE,
)

_memories = itertools.count()


def shared_memory(url: URL) -> URL:
    """The URL of one in-memory database for all threads, where SQLite's own is one for each.

    https://www.sqlite.org/src/doc/trunk/src/memdb.c: a name that starts with a slash is shared
    by all connections of the process.
    """
    if url.get_backend_name() != "sqlite" or url.database not in (None, "", ":memory:"):
        return url
    name = f"file:/fastapi-sqlalchemy-{os.getpid()}-{next(_memories)}"
    return url.set(database=name, query={**url.query, "vfs": "memdb", "uri": "true"})


def configure(engine: Engine) -> None:
    """Settings for an engine of ours; one that the caller made keeps the caller's."""
    in_memory = engine.url.query.get("vfs") == "memdb"
    read_only = engine.url.query.get("mode") == "ro" or "immutable" in engine.url.query

    @event.listens_for(engine, "connect")
    def connect(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
        connection.execute("PRAGMA foreign_keys = ON").close()

    if in_memory or read_only:
        return

    @event.listens_for(engine, "first_connect")
    def first_connect(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
        # readers and the writer of a file do not wait for each other then; the file remembers it
        connection.execute("PRAGMA journal_mode = WAL").close()


def keep_memory(engine: Engine) -> None:
    """Hold a connection for as long as the engine exists: the database lives while one does."""
    keeper = engine.raw_connection()
    connection = cast(sqlite3.Connection, keeper.driver_connection)
    keeper.detach()
    weakref.finalize(engine, connection.close)


def begin_for_real(engine: Engine) -> None:
    """Send BEGIN IMMEDIATE before the first statement that needs a transaction."""

    def begin(cursor: sqlite3.Cursor, statement: str, context: ExecutionContext) -> None:
        connection = cursor.connection
        if connection.in_transaction or connection.isolation_level is None:  # None: autocommit
            return
        if IMMEDIATE in context.execution_options or _writes(statement, context):
            cursor.execute("BEGIN IMMEDIATE")

    @event.listens_for(engine, "checkin")
    def checkin(connection: sqlite3.Connection, record: ConnectionPoolEntry) -> None:
        if record.info.pop(_QUERY_ONLY, False):
            connection.execute("PRAGMA query_only = OFF").close()

    # the listeners of these events return True to say that they ran the statement: ours never do
    @event.listens_for(engine, "do_execute")
    def execute(
        cursor: sqlite3.Cursor, statement: str, parameters: Any, context: ExecutionContext
    ) -> None:
        begin(cursor, statement, context)

    @event.listens_for(engine, "do_executemany")
    def executemany(
        cursor: sqlite3.Cursor, statement: str, parameters: Any, context: ExecutionContext
    ) -> None:
        begin(cursor, statement, context)

    @event.listens_for(engine, "do_execute_no_params")
    def execute_no_params(
        cursor: sqlite3.Cursor, statement: str, context: ExecutionContext
    ) -> None:
        begin(cursor, statement, context)


def refuse_writes(connection: Connection) -> None:
    """Begin a transaction that reads one state of the database, and no more."""
    connection.exec_driver_sql("BEGIN DEFERRED")
    connection.exec_driver_sql("PRAGMA query_only = ON")
    connection.info[_QUERY_ONLY] = True


def _writes(statement: str, context: ExecutionContext) -> bool:
    compiled = cast("Compiled | None", getattr(context, "compiled", None))
    if compiled is not None and getattr(compiled.statement, "is_select", False):
        # it may start with WITH; and a row can be locked in no other way than with all of them
        return getattr(compiled.statement, "_for_update_arg", None) is not None
    return _WRITES.match(statement) is not None
