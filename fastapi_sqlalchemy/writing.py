"""The verbs of a model that write many rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, Self, overload

from . import _rows, _upsert
from ._rows import Progress
from ._upsert import NameOrNames
from .scope import scopes_of

__all__ = ["WritingVerbs"]


class WritingVerbs:
    """Class verbs of every model."""

    @overload
    @classmethod
    def insert_many(
        cls,
        rows: Iterable[Mapping[str, Any] | Self],
        *,
        batch: int | None = ...,
        returning: Literal[False] = ...,
        progress: Progress | None = ...,
    ) -> int: ...

    @overload
    @classmethod
    def insert_many(
        cls,
        rows: Iterable[Mapping[str, Any] | Self],
        *,
        batch: int | None = ...,
        returning: Literal[True],
        progress: Progress | None = ...,
    ) -> list[Self]: ...

    @overload
    @classmethod
    def insert_many(
        cls,
        rows: Iterable[Mapping[str, Any] | Self],
        *,
        batch: int | None = ...,
        returning: bool,
        progress: Progress | None = ...,
    ) -> int | list[Self]: ...

    @classmethod
    def insert_many(
        cls,
        rows: Iterable[Mapping[str, Any] | Self],
        *,
        batch: int | None = None,
        returning: bool = False,
        progress: Progress | None = None,
    ) -> int | list[Self]:
        """Insert rows, in batches and in one transaction: all of them or none.

        Rows are mappings of attribute names to values, or unsaved records. Mappings go past the
        unit of work, which makes them fast: no record is made, and of its events none happens.
        Names that a row leaves out have their default; None is NULL.

        >>> with echo():
        ...     User.insert_many({"name": name} for name in ("Charles", "Mary"))
        INSERT INTO users (name) VALUES (?)
        2

        Args:
            rows: Any iterable; it is consumed once, a batch at a time, and no row is kept.
            batch: Rows in one batch, 1000 unless given. Fewer where rows are so large that a
                batch exceeds what the server takes at once (`max_allowed_packet`).
            returning: Whether to return the records, in the order of the rows.
            progress: Called after each batch with the number of rows sent, and of all rows where
                `rows` has a length, else None. What it raises undoes the insertion.

        Returns:
            How many rows were inserted, or their records.

        Raises:
            UnknownNameError: A row names what is no column; `row` is its index.
            RowError: A row is neither a mapping nor a record of this model.
            ValueError: There can be no such batch.
            IntegrityError: The database refused a row (`sqlalchemy.exc`); no row stays.
        """
        operation = _rows.insert_many(
            cls, rows, batch=batch, returning=returning, progress=progress
        )
        return scopes_of(cls).run(operation)

    @overload
    @classmethod
    async def ainsert_many(
        cls,
        rows: Iterable[Mapping[str, Any] | Self],
        *,
        batch: int | None = ...,
        returning: Literal[False] = ...,
        progress: Progress | None = ...,
    ) -> int: ...

    @overload
    @classmethod
    async def ainsert_many(
        cls,
        rows: Iterable[Mapping[str, Any] | Self],
        *,
        batch: int | None = ...,
        returning: Literal[True],
        progress: Progress | None = ...,
    ) -> list[Self]: ...

    @overload
    @classmethod
    async def ainsert_many(
        cls,
        rows: Iterable[Mapping[str, Any] | Self],
        *,
        batch: int | None = ...,
        returning: bool,
        progress: Progress | None = ...,
    ) -> int | list[Self]: ...

    @classmethod
    async def ainsert_many(
        cls,
        rows: Iterable[Mapping[str, Any] | Self],
        *,
        batch: int | None = None,
        returning: bool = False,
        progress: Progress | None = None,
    ) -> int | list[Self]:
        """Awaitable twin of `insert_many`."""
        operation = _rows.insert_many(
            cls, rows, batch=batch, returning=returning, progress=progress
        )
        return await scopes_of(cls).arun(operation)

    @overload
    @classmethod
    def upsert(
        cls,
        rows: Iterable[Mapping[str, Any]],
        *,
        on: NameOrNames | None = ...,
        update: NameOrNames | None = ...,
        batch: int | None = ...,
        returning: Literal[False] = ...,
        progress: Progress | None = ...,
    ) -> int: ...

    @overload
    @classmethod
    def upsert(
        cls,
        rows: Iterable[Mapping[str, Any]],
        *,
        on: NameOrNames | None = ...,
        update: NameOrNames | None = ...,
        batch: int | None = ...,
        returning: Literal[True],
        progress: Progress | None = ...,
    ) -> list[Self]: ...

    @overload
    @classmethod
    def upsert(
        cls,
        rows: Iterable[Mapping[str, Any]],
        *,
        on: NameOrNames | None = ...,
        update: NameOrNames | None = ...,
        batch: int | None = ...,
        returning: bool,
        progress: Progress | None = ...,
    ) -> int | list[Self]: ...

    @classmethod
    def upsert(
        cls,
        rows: Iterable[Mapping[str, Any]],
        *,
        on: NameOrNames | None = None,
        update: NameOrNames | None = None,
        batch: int | None = None,
        returning: bool = False,
        progress: Progress | None = None,
    ) -> int | list[Self]:
        """Insert rows, or update those that are there: one statement decides, race-safe.

        Sends `INSERT ... ON CONFLICT DO UPDATE` on PostgreSQL and SQLite, and on MariaDB and MySQL
        `INSERT ... ON DUPLICATE KEY UPDATE`, which goes by every unique key of the table and not
        by `on` alone. `onupdate` columns are set as by an UPDATE. Records of these rows that are
        loaded have the new values.

        >>> with echo():
        ...     User.upsert([{"id": 1, "name": "Lovelace"}, {"id": 3, "name": "Mary"}])
        INSERT INTO users (id, name) VALUES (?, ?)
        ON CONFLICT (id) DO UPDATE SET name = excluded.name
        2

        Args:
            rows: Mappings of attribute names to values, each with those of `on`. None is NULL.
            on: Names of a primary key, unique constraint or unique index, which say what row is
                there already. The primary key, unless given.
            update: Names to overwrite where the row is there: all that it gives but its key,
                unless given. `()` leaves it as it is.
            batch: Rows in one batch, 1000 unless given.
            returning: Whether to return the records, one for each key, in the order of the rows.
            progress: As for `insert_many`.

        Returns:
            How many rows were given, or their records.

        Raises:
            ConflictTargetError: No unique constraint covers `on`.
            UnknownNameError: A name is no column; `row` is the index of its row.
            RowError: A row is no mapping, or lacks a value of `on`.
            ValueError: There can be no such batch.
            SeveralTablesError: The model has several tables (joined-table inheritance).
            UpsertUnsupportedError: Another database.
            IntegrityError: The database refused a row (`sqlalchemy.exc`); no row stays.
        """
        operation = _upsert.upsert(
            cls,
            rows,
            on=on,
            update=update,
            batch=batch,
            returning=returning,
            progress=progress,
        )
        return scopes_of(cls).run(operation)

    @overload
    @classmethod
    async def aupsert(
        cls,
        rows: Iterable[Mapping[str, Any]],
        *,
        on: NameOrNames | None = ...,
        update: NameOrNames | None = ...,
        batch: int | None = ...,
        returning: Literal[False] = ...,
        progress: Progress | None = ...,
    ) -> int: ...

    @overload
    @classmethod
    async def aupsert(
        cls,
        rows: Iterable[Mapping[str, Any]],
        *,
        on: NameOrNames | None = ...,
        update: NameOrNames | None = ...,
        batch: int | None = ...,
        returning: Literal[True],
        progress: Progress | None = ...,
    ) -> list[Self]: ...

    @overload
    @classmethod
    async def aupsert(
        cls,
        rows: Iterable[Mapping[str, Any]],
        *,
        on: NameOrNames | None = ...,
        update: NameOrNames | None = ...,
        batch: int | None = ...,
        returning: bool,
        progress: Progress | None = ...,
    ) -> int | list[Self]: ...

    @classmethod
    async def aupsert(
        cls,
        rows: Iterable[Mapping[str, Any]],
        *,
        on: NameOrNames | None = None,
        update: NameOrNames | None = None,
        batch: int | None = None,
        returning: bool = False,
        progress: Progress | None = None,
    ) -> int | list[Self]:
        """Awaitable twin of `upsert`."""
        operation = _upsert.upsert(
            cls,
            rows,
            on=on,
            update=update,
            batch=batch,
            returning=returning,
            progress=progress,
        )
        return await scopes_of(cls).arun(operation)
