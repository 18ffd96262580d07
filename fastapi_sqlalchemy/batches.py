"""The terminals that read all records of a query, a batch at a time, in the memory of one.

A batch begins where the one before it ended, as a cursor page does: nothing is held open between
two of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

from sqlalchemy import exc, orm

from ._keyset import Keyset
from ._operations import Read
from ._planned import Planned
from ._slices import Slice
from ._types import T
from .pagination import check_size

__all__ = ["Batches", "Progress"]

Progress = Callable[[int, int], object]
"""Told after each batch how many records are done, and how many there were at the start."""


class Batches(Planned[T]):
    """What a query gives in batches."""

    __slots__ = ()

    def find_each(self, batch: int = 1000, *, progress: Progress | None = None) -> Iterator[T]:
        """Every record, read in batches: a million of them need the memory of one batch.

        Between batches no connection is held and a commit is no harm. A record that is added or
        changed meanwhile is met if its place in the order is still to come.

        >>> with echo():
        ...     for user in User.query.find_each():
        ...         print(user.name)
        SELECT users.id, users.name, users.age, users.id AS sort_0
        FROM users ORDER BY users.id LIMIT ? OFFSET ?
        Ada
        Grace

        Args:
            batch: How many records are read at once.
            progress: Called after each batch with the number of records done and that of all.

        Raises:
            InvalidRequestError: The query is sorted by text, or has a limit or offset of its own.
            ValueError: There can be no such batch.
        """
        check_size("batch", batch)
        return _each(self._here(self._first_batch("find_each", batch), progress))

    async def afind_each(
        self, batch: int = 1000, *, progress: Progress | None = None
    ) -> AsyncIterator[T]:
        """Awaitable twin of `find_each`."""
        check_size("batch", batch)
        first = self._first_batch("find_each", batch)
        async for records in self._abatches(first, progress):
            records.reverse()
            while records:  # none of them is kept until the next ones come
                yield records.pop()

    def in_batches(
        self, size: int = 1000, *, progress: Progress | None = None
    ) -> Iterator[list[T]]:
        """Every record, in lists of this size, as `find_each` does it.

        >>> with echo():
        ...     for users in User.query.in_batches(2):
        ...         print(users)
        SELECT users.id, users.name, users.age, users.id AS sort_0
        FROM users ORDER BY users.id LIMIT ? OFFSET ?
        [<User id=1>, <User id=2>]
        SELECT users.id, users.name, users.age, users.id AS sort_0
        FROM users WHERE users.id > ? ORDER BY users.id LIMIT ? OFFSET ?

        Args:
            size: How many records a list has; the last one has the rest.
            progress: Called after each batch with the number of records done and that of all.

        Raises:
            InvalidRequestError: The query is sorted by text, or has a limit or offset of its own.
            ValueError: There can be no such batch.
        """
        check_size("size", size)
        return self._here(self._first_batch("in_batches", size), progress)

    def _here(self, first: Slice[T], progress: Progress | None) -> Iterator[list[T]]:
        self._runner.require_session()  # a missing one is told here, not in the loop
        return self._batches(first, progress)

    def _batches(self, part: Slice[T] | None, progress: Progress | None) -> Iterator[list[T]]:
        run = self._runner.run
        total, done = 0 if progress is None else run(self._total()), 0
        while part is not None:
            records, part = run(_batch(part))
            met = len(records)
            done += met
            if records:
                yield records
            del records  # before the next ones come
            if progress is not None and (met or not done):
                progress(done, total)

    async def ain_batches(
        self, size: int = 1000, *, progress: Progress | None = None
    ) -> AsyncIterator[list[T]]:
        """Awaitable twin of `in_batches`."""
        check_size("size", size)
        async for records in self._abatches(self._first_batch("in_batches", size), progress):
            yield records
            del records

    async def _abatches(
        self, part: Slice[T] | None, progress: Progress | None
    ) -> AsyncIterator[list[T]]:
        run = self._runner.arun
        total, done = 0 if progress is None else await run(self._total()), 0
        while part is not None:
            records, part = await run(_batch(part))
            met = len(records)
            done += met
            if records:
                yield records
            del records
            if progress is not None and (met or not done):
                progress(done, total)

    def _first_batch(self, verb: str, size: int) -> Slice[T]:
        self._refuse_slice(verb)
        return Slice(self, Keyset.of(verb, self._model, self._statement), limit=size)

    def _total(self) -> Read[int]:
        return self._count()

    def _refuse_slice(self, verb: str) -> None:
        if self._sliced:
            raise exc.InvalidRequestError(
                f"{verb}() expected a query without `limit()` and `offset()`, found one with them"
                f"\n\n{self}\n\nLeave them out: {verb}() sets its own."
            )


def _each(batches: Iterator[list[T]]) -> Iterator[T]:
    for records in batches:
        yield from records
        del records  # before the next ones come


def _batch(part: Slice[T]) -> Read[tuple[list[T], Slice[T] | None]]:
    """A batch, and the part that follows it; None after the last."""

    def ask(session: orm.Session) -> tuple[list[T], Slice[T] | None]:
        rows = part.read(session)
        following = part.following(rows[-1][1:]) if len(rows) == part.limit else None
        return [row[0] for row in rows], following

    return Read(ask)
