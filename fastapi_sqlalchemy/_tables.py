"""The missing tables of an application, created when it starts.

A database that cannot be reached then does not keep the application from starting.  Requests try
again, but none of them for long: what has nothing to do with the database must answer meanwhile.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from time import monotonic
from typing import Final

from sqlalchemy import exc

from ._shield import uninterrupted
from .database import SQLAlchemy

__all__ = ["MissingTables"]

_PATIENCE: Final = 10.0
"""Seconds that a connection may take at start-up."""

_PATIENCE_LATER: Final = 1.0
"""Seconds that a connection may take while a request waits."""

_PAUSE: Final = 10
"""How much longer than an attempt the pause after it is."""

_log = logging.getLogger("fastapi_sqlalchemy.middleware")


class MissingTables:
    """Those of some databases.

    Args:
        databases: Where to create them.
    """

    __slots__ = ("_next", "_patience", "_tried", "_trying", "left")

    def __init__(self, databases: Iterable[SQLAlchemy]) -> None:
        self.left: list[SQLAlchemy] = list(databases)
        """Those that were not reached yet."""
        self._patience, self._next = _PATIENCE, 0.0
        self._tried = self._trying = False

    async def create(self) -> None:
        """Create them; a database that is out of reach is left for the next time."""
        unreachable = []
        for database in self.left:
            if database.url is None or not database.metadata.tables:
                continue
            try:
                await database.acreate_missing(patience=self._patience)
            except (exc.DBAPIError, OSError) as error:
                if not _is_out_of_reach(error):
                    error.add_note(
                        "This happened while missing tables were created. "
                        "`DBSessionMiddleware(create_all=False)` leaves that to you."
                    )
                    raise
                unreachable.append(database)
                cause = getattr(error, "orig", None) or error
                _log.warning("No tables created, %r is out of reach: %r", database, cause)
        self.left, self._patience = unreachable, _PATIENCE_LATER
        self._tried = True

    async def create_before_a_request(self) -> None:
        """The same, after the first time by one request at a time, with a pause between attempts.

        A cancellation waits for it.
        """
        began = monotonic()
        if self._trying or began < self._next:
            return
        self._trying = self._tried
        try:
            await uninterrupted(self.create())
        finally:
            self._trying, ended = False, monotonic()
            self._next = ended + _PAUSE * (ended - began)


def _is_out_of_reach(error: exc.DBAPIError | OSError) -> bool:
    if isinstance(error, OSError | exc.OperationalError):
        return True
    return error.statement is None  # asyncpg's word for a database that does not exist, and more
