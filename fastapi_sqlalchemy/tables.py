"""Creating the tables that are missing, by one process at a time."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Connection, MetaData, Table, inspect, text

from . import sqlite
from ._cleanup import never_hiding

__all__ = ["create_missing"]

_MIGRATIONS: Final = "alembic_version"


def create_missing(
    connection: Connection, metadata: MetaData, *, unless_migrated: bool = False
) -> list[Table]:
    """Create the tables of `metadata` that the database lacks.

    Several processes may do so at once: they take turns.

    Args:
        connection: A connection without a transaction; what it does here is committed.
        metadata: The tables.
        unless_migrated: Leave a database alone that has the table in which Alembic keeps its
            version.

    Returns:
        The tables that were created.
    """
    if not metadata.tables:
        return []
    with connection.begin():
        if not _missing(connection, metadata):
            return []
        if unless_migrated and inspect(connection).has_table(_MIGRATIONS):
            return []
    connection = connection.execution_options(**{sqlite.IMMEDIATE: True})
    with _turn(connection, metadata), connection.begin():
        missing = _missing(connection, metadata)
        metadata.create_all(connection, tables=missing)
    return missing


def _missing(connection: Connection, metadata: MetaData) -> list[Table]:
    inspector = inspect(connection)
    schemas = {table.schema for table in metadata.sorted_tables}
    present = {
        (schema, name)
        for schema in schemas
        for name in (*inspector.get_table_names(schema), *inspector.get_view_names(schema))
    }
    return [t for t in metadata.sorted_tables if (t.schema, t.name) not in present]


@contextmanager
def _turn(connection: Connection, metadata: MetaData) -> Iterator[None]:
    """Hold the server's lock of this name; SQLite's BEGIN IMMEDIATE is one already."""
    name = "fastapi_sqlalchemy"
    if connection.dialect.name == "postgresql":
        lock, unlock = "pg_advisory_lock(:key)", "pg_advisory_unlock(:key)"
        key: int | str = zlib.crc32(name.encode())
    elif connection.dialect.name in ("mysql", "mariadb"):
        lock, unlock = "GET_LOCK(:key, 60)", "RELEASE_LOCK(:key)"
        key = name
    else:
        yield
        return
    with connection.begin():
        connection.execute(text(f"SELECT {lock}"), {"key": key})
    error: BaseException | None = None
    try:
        yield
    except BaseException as failure:
        error = failure
        raise
    finally:
        with never_hiding(error), connection.begin():
            connection.execute(text(f"SELECT {unlock}"), {"key": key})
