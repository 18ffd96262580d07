"""The terminals that give a query's records in pages, by number or by cursor.

A page is whole records, also where the query joins a collection, in an order that tells equals
apart by their primary key, so that no record is on two pages and none on no page.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Row, exc, orm

from ._cursors import Cursor
from ._keyset import Keyset, whole_order
from ._operations import Read
from ._plans.asking import RECORDS
from ._slices import Slice
from ._types import AnySelect, T
from .batches import Batches
from .exceptions import InvalidCursorError, answered
from .pagination import CursorPage, Page, check_size, offset_of

__all__ = ["Paging"]


class Paging(Batches[T]):
    """What a query gives in pages."""

    __slots__ = ()

    def paginate(
        self,
        page: int = 1,
        per_page: int = 20,
        *,
        max_per_page: int | None = 100,
        count: bool = True,
    ) -> Page[T]:
        """A numbered page, by the order of the query and then by primary key.

        Sends a second statement for the total where the page does not tell it. A page past the
        end is empty.

        >>> with echo():
        ...     page = User.query.paginate(1, per_page=1)
        SELECT users.id, users.name, users.age FROM users ORDER BY users.id LIMIT ? OFFSET ?
        SELECT count(*) AS count_1 FROM users
        >>> page.items, page.total, page.has_next
        ([<User id=1>], 2, True)

        Args:
            page: Its number, from 1.
            per_page: How many records it has at most.
            max_per_page: How many it may have at most; None for any number.
            count: Whether to count the records. Without, `total` and `pages` are None.

        Raises:
            InvalidPageError: There can be no such page. Over HTTP it is an answer of 422.
            InvalidRequestError: The query has a limit or an offset of its own, or joins a
                collection and is sorted by text (`sqlalchemy.exc`).
        """
        return self._runner.run(self._paginate(page, per_page, max_per_page, count=count))

    async def apaginate(
        self,
        page: int = 1,
        per_page: int = 20,
        *,
        max_per_page: int | None = 100,
        count: bool = True,
    ) -> Page[T]:
        """Awaitable twin of `paginate`."""
        operation = self._paginate(page, per_page, max_per_page, count=count)
        return await self._runner.arun(operation)

    def _paginate(
        self, page: int, per_page: int, most: int | None, *, count: bool
    ) -> Read[Page[T]]:
        check_size("page", page)
        check_size("per_page", per_page, most=most)
        offset = offset_of(page, per_page)
        self._refuse_slice("paginate")
        records = self._numbered(per_page + (not count), offset)
        counted = self._count()

        def ask(session: orm.Session) -> Page[T]:
            found = records(session)
            if not count:
                more = len(found) > per_page
                return Page(found[:per_page], page=page, per_page=per_page, has_next=more)
            total = offset + len(found)
            if len(found) == per_page or (offset and not found):
                # what was added or deleted meanwhile does not contradict the page
                total = max(total if found else 0, counted.ask(session))
            return Page(found, page=page, per_page=per_page, total=total)

        return Read(ask)

    def _numbered(self, limit: int, offset: int) -> Callable[[orm.Session], list[T]]:
        if self._repeats():
            keyset = Keyset.of("paginate", self._model, self._statement)
            part = Slice(self, keyset, limit, offset)
            return lambda session: [row[0] for row in part.read(session)]
        pages = self._limited(limit)._skipping(offset or None)

        def read(session: orm.Session) -> list[T]:
            def statement() -> AnySelect:
                dialect = session.get_bind(self._model).dialect
                order = whole_order(self._model, self._statement, dialect)
                return pages.statement.order_by(None).order_by(*order)

            shape = pages._shape(RECORDS, "page", statement)
            found = None if shape is None else shape.answer(session)
            return list(session.scalars(statement()).unique()) if found is None else found

        return read

    def cursor_paginate(
        self,
        limit: int = 20,
        *,
        after: str | None = None,
        before: str | None = None,
        max_limit: int | None = 100,
    ) -> CursorPage[T]:
        """A page that begins after the last record of another one, or ends before its first.

        One statement, as fast for the last page as for the first where an index has the order.
        Records that are added or deleted meanwhile shift nothing.

        >>> query = User.query.order_by(User.id)
        >>> page = query.cursor_paginate(limit=1)
        >>> with echo():
        ...     query.cursor_paginate(limit=1, after=page.next).items
        SELECT users.id, users.name, users.age, users.id AS sort_0
        FROM users WHERE users.id > ? ORDER BY users.id LIMIT ? OFFSET ?
        [<User id=2>]

        Args:
            limit: How many records it has at most.
            after: `next` of the page before it.
            before: `previous` of the page after it.
            max_limit: How many it may have at most; None for any number.

        Raises:
            InvalidCursorError: This query gave out no such cursor, or there are two of them. Over
                HTTP an answer of 422.
            InvalidPageError: There can be no such page. Over HTTP an answer of 422.
            InvalidRequestError: The query is sorted by text, or has a limit or offset of its own.
        """
        operation = self._cursor_paginate(limit, after, before, max_limit)
        return self._runner.run(operation)

    async def acursor_paginate(
        self,
        limit: int = 20,
        *,
        after: str | None = None,
        before: str | None = None,
        max_limit: int | None = 100,
    ) -> CursorPage[T]:
        """Awaitable twin of `cursor_paginate`."""
        operation = self._cursor_paginate(limit, after, before, max_limit)
        return await self._runner.arun(operation)

    def _cursor_paginate(
        self, limit: int, after: str | None, before: str | None, most: int | None
    ) -> Read[CursorPage[T]]:
        check_size("limit", limit, most=most)
        if after is not None and before is not None:
            raise answered(InvalidCursorError)("two, `after` and `before`")
        self._refuse_slice("cursor_paginate")
        keyset = Keyset.of("cursor_paginate", self._model, self._statement)
        secret, text = self._runner.cursor_secret, before if after is None else after
        order, place = keyset.fingerprint, None
        if text is not None:
            kinds = keyset.enumerations
            place = Cursor.decode(text, order=order, kinds=kinds, secret=secret)
        backwards = before is not None
        part = Slice(self, keyset, limit + 1, place=place, backwards=backwards)

        def ask(session: orm.Session) -> CursorPage[T]:
            rows = _read(part, session)
            more = len(rows) > limit
            rows = rows[-limit:] if backwards else rows[:limit]
            ends = _ends(rows, order, place)
            first, last = (None if end is None else end.encode(secret) for end in ends)
            preceded, followed = (more, True) if backwards else (place is not None, more)
            return CursorPage(
                [row[0] for row in rows],
                next=last if followed else None,
                previous=first if preceded else None,
            )

        return Read(ask)


def _read(part: Slice[T], session: orm.Session) -> list[Row[Any]]:
    """What `part.read()` gives, where its place may be one that a client made up."""
    if part.place is None:
        return part.read(session)
    if not part.keyset.accepts(session.get_bind(part.chain._model).dialect, part.place.values):
        raise answered(InvalidCursorError)("one with values of another kind")
    if session.autoflush:
        session.flush()  # apart, because what fails in it is not the cursor's fault
    try:
        return part.read(session)
    except exc.StatementError as error:
        refused = isinstance(error, exc.DataError) or type(error) in _REFUSALS
        if not refused:
            raise
        raise answered(InvalidCursorError)("one with values that the database refuses") from error


_REFUSALS = (exc.StatementError, exc.DBAPIError)
"""What a value that a driver refuses is wrapped in, where it is no `DataError`."""


def _ends(
    rows: list[Row[Any]], order: str, place: Cursor | None
) -> tuple[Cursor | None, Cursor | None]:
    """The places of the first and of the last record, else the one that nothing was found at."""
    if rows:
        return Cursor(order, tuple(rows[0][1:])), Cursor(order, tuple(rows[-1][1:]))
    if place is None:
        return None, None
    turned = Cursor(order, place.values, inclusive=not place.inclusive)
    return turned, turned
