"""The verbs of a repository that write many rows.

What they do is decided where a model's are (`_rows`, `_upsert`); signatures are most of the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Generic, Literal, overload

from . import _rows, _upsert
from ._operations import Runner
from ._rows import Progress
from ._types import T
from ._upsert import NameOrNames

__all__ = ["RowVerbs"]


class RowVerbs(Generic[T]):
    """Verbs of every repository."""

    model: type[T]
    _runner: Runner

    @overload
    def insert_many(
        self,
        rows: Iterable[Mapping[str, Any] | T],
        *,
        batch: int | None = ...,
        returning: Literal[False] = ...,
        progress: Progress | None = ...,
    ) -> int: ...

    @overload
    def insert_many(
        self,
        rows: Iterable[Mapping[str, Any] | T],
        *,
        batch: int | None = ...,
        returning: Literal[True],
        progress: Progress | None = ...,
    ) -> list[T]: ...

    @overload
    def insert_many(
        self,
        rows: Iterable[Mapping[str, Any] | T],
        *,
        batch: int | None = ...,
        returning: bool,
        progress: Progress | None = ...,
    ) -> int | list[T]: ...

    def insert_many(
        self,
        rows: Iterable[Mapping[str, Any] | T],
        *,
        batch: int | None = None,
        returning: bool = False,
        progress: Progress | None = None,
    ) -> int | list[T]:
        """Insert rows, in batches and in one transaction, as `insert_many()` of a model does.

        >>> with echo():
        ...     Repository(User).insert_many([{"name": "Charles"}, {"name": "Mary"}])
        INSERT INTO users (name) VALUES (?)
        2

        Args:
            rows: Mappings of attribute names to values, or unsaved records; consumed once.
            batch: Rows in one batch, 1000 unless given.
            returning: Whether to return the records, in the order of the rows.
            progress: Called after each batch with the number of rows sent, and of all rows where
                `rows` has a length, else None.

        Returns:
            How many rows were inserted, or their records.

        Raises:
            UnknownNameError: A row names what is no column; `row` is its index.
            RowError: A row is neither a mapping nor a record of this model.
            IntegrityError: The database refused a row (`sqlalchemy.exc`); no row stays.
        """
        operation = _rows.insert_many(
            self.model, rows, batch=batch, returning=returning, progress=progress
        )
        return self._runner.run(operation)

    @overload
    async def ainsert_many(
        self,
        rows: Iterable[Mapping[str, Any] | T],
        *,
        batch: int | None = ...,
        returning: Literal[False] = ...,
        progress: Progress | None = ...,
    ) -> int: ...

    @overload
    async def ainsert_many(
        self,
        rows: Iterable[Mapping[str, Any] | T],
        *,
        batch: int | None = ...,
        returning: Literal[True],
        progress: Progress | None = ...,
    ) -> list[T]: ...

    @overload
    async def ainsert_many(
        self,
        rows: Iterable[Mapping[str, Any] | T],
        *,
        batch: int | None = ...,
        returning: bool,
        progress: Progress | None = ...,
    ) -> int | list[T]: ...

    async def ainsert_many(
        self,
        rows: Iterable[Mapping[str, Any] | T],
        *,
        batch: int | None = None,
        returning: bool = False,
        progress: Progress | None = None,
    ) -> int | list[T]:
        """Awaitable twin of `insert_many`."""
        operation = _rows.insert_many(
            self.model, rows, batch=batch, returning=returning, progress=progress
        )
        return await self._runner.arun(operation)

    @overload
    def upsert(
        self,
        rows: Iterable[Mapping[str, Any]],
        *,
        on: NameOrNames | None = ...,
        update: NameOrNames | None = ...,
        batch: int | None = ...,
        returning: Literal[False] = ...,
        progress: Progress | None = ...,
    ) -> int: ...

    @overload
    def upsert(
        self,
        rows: Iterable[Mapping[str, Any]],
        *,
        on: NameOrNames | None = ...,
        update: NameOrNames | None = ...,
        batch: int | None = ...,
        returning: Literal[True],
        progress: Progress | None = ...,
    ) -> list[T]: ...

    @overload
    def upsert(
        self,
        rows: Iterable[Mapping[str, Any]],
        *,
        on: NameOrNames | None = ...,
        update: NameOrNames | None = ...,
        batch: int | None = ...,
        returning: bool,
        progress: Progress | None = ...,
    ) -> int | list[T]: ...

    def upsert(
        self,
        rows: Iterable[Mapping[str, Any]],
        *,
        on: NameOrNames | None = None,
        update: NameOrNames | None = None,
        batch: int | None = None,
        returning: bool = False,
        progress: Progress | None = None,
    ) -> int | list[T]:
        """Insert rows, or update those that are there, as `upsert()` of a model does.

        >>> with echo():
        ...     Repository(User).upsert([{"id": 1, "name": "Ada"}, {"id": 7, "name": "Eve"}])
        INSERT INTO users (id, name) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET name =
        excluded.name
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
            SeveralTablesError: The model has several tables (joined-table inheritance).
            UpsertUnsupportedError: Another database.
            IntegrityError: The database refused a row (`sqlalchemy.exc`); no row stays.
        """
        operation = _upsert.upsert(
            self.model,
            rows,
            on=on,
            update=update,
            batch=batch,
            returning=returning,
            progress=progress,
        )
        return self._runner.run(operation)

    @overload
    async def aupsert(
        self,
        rows: Iterable[Mapping[str, Any]],
        *,
        on: NameOrNames | None = ...,
        update: NameOrNames | None = ...,
        batch: int | None = ...,
        returning: Literal[False] = ...,
        progress: Progress | None = ...,
    ) -> int: ...

    @overload
    async def aupsert(
        self,
        rows: Iterable[Mapping[str, Any]],
        *,
        on: NameOrNames | None = ...,
        update: NameOrNames | None = ...,
        batch: int | None = ...,
        returning: Literal[True],
        progress: Progress | None = ...,
    ) -> list[T]: ...

    @overload
    async def aupsert(
        self,
        rows: Iterable[Mapping[str, Any]],
        *,
        on: NameOrNames | None = ...,
        update: NameOrNames | None = ...,
        batch: int | None = ...,
        returning: bool,
        progress: Progress | None = ...,
    ) -> int | list[T]: ...

    async def aupsert(
        self,
        rows: Iterable[Mapping[str, Any]],
        *,
        on: NameOrNames | None = None,
        update: NameOrNames | None = None,
        batch: int | None = None,
        returning: bool = False,
        progress: Progress | None = None,
    ) -> int | list[T]:
        """Awaitable twin of `upsert`."""
        operation = _upsert.upsert(
            self.model,
            rows,
            on=on,
            update=update,
            batch=batch,
            returning=returning,
            progress=progress,
        )
        return await self._runner.arun(operation)
