"""The tables of a database object: made and dropped, by blocking calls and by awaited ones."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING

import anyio
from sqlalchemy import Connection, Engine, MetaData, Table

from ._types import R
from .engines import Engines
from .tables import create_missing

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["Tables"]


class Tables(ABC):
    """What a database object does to the tables of its models."""

    _engines: Engines

    @property
    @abstractmethod
    def engine(self) -> Engine:
        """The engine of blocking access."""

    @property
    @abstractmethod
    def async_engine(self) -> AsyncEngine:
        """The engine of awaited access, for the running event loop."""

    @property
    @abstractmethod
    def metadata(self) -> MetaData:
        """The tables."""

    def create_all(self) -> None:
        """Create the tables of `db.Base` that are missing; several processes take turns."""
        with self.engine.connect() as connection:
            create_missing(connection, self.metadata)

    async def acreate_all(self) -> None:
        """Awaitable twin of `create_all`."""
        await self._on_connection(lambda connection: create_missing(connection, self.metadata))

    async def acreate_missing(self, *, patience: float | None = None) -> list[Table]:
        """Create missing tables unless the database is under migration control.

        Args:
            patience: Seconds that the connection may take.

        Returns:
            The tables that were created.

        Raises:
            TimeoutError: It took longer.
        """
        return await self._on_connection(
            lambda connection: create_missing(connection, self.metadata, unless_migrated=True),
            patience=patience,
        )

    def drop_all(self) -> None:
        """Drop the tables of `db.Base`, and what they hold."""
        with self.engine.begin() as connection:
            self.metadata.drop_all(connection)

    async def adrop_all(self) -> None:
        """Awaitable twin of `drop_all`."""
        await self._on_connection(self._drop)

    def _drop(self, connection: Connection) -> None:
        with connection.begin():
            self.metadata.drop_all(connection)

    async def _on_connection(
        self, work: Callable[[Connection], R], *, patience: float | None = None
    ) -> R:
        if self._engines.awaits:
            async with asyncio.timeout(patience) as reaching, self.async_engine.connect() as there:
                reaching.reschedule(None)
                return await there.run_sync(work)

        def blocking() -> R:
            with self.engine.connect() as connection:
                return work(connection)

        return await anyio.to_thread.run_sync(blocking)
