"""`db.testing()`: a block after which the database is as it was before."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Generic, TypeVar

import anyio.to_thread

from ._cleanup import never_hiding
from ._shield import uninterrupted

__all__ = ["Isolated"]

D = TypeVar("D")
"""The database object, which a block yields."""


class Isolated(Generic[D]):
    """`with db.testing():` and `async with db.testing():`.

    Args:
        database: What the block yields.
        begin: Begins the isolation, and returns what ends it.
    """

    __slots__ = ("_begin", "_database", "_ends")

    def __init__(self, database: D, begin: Callable[[], Callable[[], None]]) -> None:
        self._database, self._begin = database, begin
        self._ends: list[Callable[[], None]] = []

    def __enter__(self) -> D:
        self._ends.append(self._begin())
        return self._database

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with never_hiding(error):
            self._ends.pop()()

    async def __aenter__(self) -> D:
        try:
            await uninterrupted(anyio.to_thread.run_sync(self.__enter__))
        except BaseException:
            if self._ends:  # it had begun when a cancellation came
                await self.__aexit__(None, None, None)
            raise
        return self._database

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await uninterrupted(anyio.to_thread.run_sync(self.__exit__, kind, error, traceback))
