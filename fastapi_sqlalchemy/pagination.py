"""Pages and their arithmetic; nothing here asks the database.

`Page` is a numbered slice with a total, `CursorPage` a slice that begins where another one ended.
Both are JSON as they stand: FastAPI answers with one when a route returns it, and
`response_model=Page[UserOut]` says of which form the items are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Final

from ._parts import Part
from ._types import R, T
from .exceptions import InvalidPageError, answered

__all__ = ["CursorPage", "Page", "check_size", "offset_of"]

_LAST: Final = 2**63 - 1
"""The largest number that the databases take for LIMIT and OFFSET."""


class Page(Part[T]):
    """A numbered slice of a query: what `paginate()` returns.

    >>> page = User.query.order_by(User.name).paginate(page=1, per_page=1)
    >>> page.items, page.total, page.pages, page.next_num
    ([<User id=1>], 2, 2, 2)
    >>> [user.name for user in page]
    ['Ada']

    Args:
        items: The records of this page.
        page: Its number, from 1.
        per_page: How many records a page has at most.
        total: How many there are on all pages; None where they were not counted.
        has_next: Whether a page follows; told by the total where there is one.
    """

    __slots__ = ("has_next", "page", "per_page", "total")

    page: int
    """Its number, from 1."""
    per_page: int
    """How many records a page has at most."""
    total: int | None
    """How many records there are on all pages; None where they were not counted."""
    has_next: bool
    """Whether a page follows."""

    _given: ClassVar[tuple[str, ...]] = ("items", "page", "per_page", "total", "has_next")
    _told: ClassVar[dict[str, Any]] = {
        "page": int,
        "per_page": int,
        "total": int | None,
        "pages": int | None,
        "has_next": bool,
        "has_prev": bool,
        "next_num": int | None,
        "prev_num": int | None,
    }

    def __init__(
        self,
        items: list[T],
        *,
        page: int,
        per_page: int,
        total: int | None = None,
        has_next: bool = False,
    ) -> None:
        if total is not None:
            has_next = page * per_page < total
        self._set(items=items, page=page, per_page=per_page, total=total, has_next=has_next)

    @property
    def pages(self) -> int | None:
        """How many pages there are; None where nothing was counted."""
        return None if self.total is None else -(-self.total // self.per_page)

    @property
    def has_prev(self) -> bool:
        """Whether a page precedes."""
        return self.page > 1

    @property
    def next_num(self) -> int | None:
        """The number of the page that follows, or None."""
        return self.page + 1 if self.has_next else None

    @property
    def prev_num(self) -> int | None:
        """The number of the page that precedes, or None."""
        return self.page - 1 if self.has_prev else None

    def map(self, function: Callable[[T], R]) -> Page[R]:
        """The same page of what the function makes of each item.

        >>> User.query.paginate().map(lambda user: user.name).items
        ['Ada', 'Grace']
        """
        page: Page[R] = self._with_items([function(item) for item in self.items])
        return page

    def iter_pages(
        self,
        *,
        left_edge: int = 2,
        left_current: int = 2,
        right_current: int = 4,
        right_edge: int = 2,
    ) -> Iterator[int | None]:
        """The numbers for a row of links, with None where some are left out.

        Arguments and result are those of Flask-SQLAlchemy's `Pagination.iter_pages`.

        >>> from fastapi_sqlalchemy import Page
        >>> list(Page([], page=6, per_page=10, total=195).iter_pages())
        [1, 2, None, 4, 5, 6, 7, 8, 9, 10, None, 19, 20]

        Args:
            left_edge: How many from the first one on.
            left_current: How many before this page.
            right_current: How many after this page.
            right_edge: How many up to the last one.
        """
        last = self.pages or 0
        shown = {
            *range(1, min(left_edge, last) + 1),
            *range(max(1, self.page - left_current), min(self.page + right_current, last) + 1),
            *range(max(1, last - right_edge + 1), last + 1),
        }
        before = 0
        for number in sorted(shown):
            if number > before + 1:
                yield None
            yield number
            before = number
        if before < last:
            yield None


class CursorPage(Part[T]):
    """A slice that begins where another one ended: what `cursor_paginate()` returns.

    >>> page = User.query.order_by(User.name).cursor_paginate(limit=1)
    >>> page.items, page.has_next, page.has_prev
    ([<User id=1>], True, False)
    >>> User.query.order_by(User.name).cursor_paginate(limit=1, after=page.next).items
    [<User id=2>]

    Args:
        items: The records of this page.
        next: The cursor to give as `after`, or None at the end.
        previous: The cursor to give as `before`, or None at the start.
    """

    __slots__ = ("next", "previous")

    next: str | None
    """The cursor to give as `after` for the page that follows; None at the end."""
    previous: str | None
    """The cursor to give as `before` for the page that precedes; None at the start."""

    _given: ClassVar[tuple[str, ...]] = ("items", "next", "previous")
    _told: ClassVar[dict[str, Any]] = {
        "next": str | None,
        "previous": str | None,
        "has_next": bool,
        "has_prev": bool,
    }

    def __init__(
        self, items: list[T], *, next: str | None = None, previous: str | None = None
    ) -> None:
        self._set(items=items, next=next, previous=previous)

    @property
    def has_next(self) -> bool:
        """Whether a page follows."""
        return self.next is not None

    @property
    def has_prev(self) -> bool:
        """Whether a page precedes."""
        return self.previous is not None

    def map(self, function: Callable[[T], R]) -> CursorPage[R]:
        """The same page of what the function makes of each item."""
        page: CursorPage[R] = self._with_items([function(item) for item in self.items])
        return page


def check_size(name: str, size: object, *, most: int | None = None) -> int:
    """A number of records or of a page, from 1 on.

    Raises:
        InvalidPageError: It is no such number, or larger than `most`.
    """
    needs = "a whole number from 1 on" if most is None else f"a whole number from 1 to {most}"
    if not isinstance(size, int) or isinstance(size, bool):
        raise answered(InvalidPageError)(name, needs=needs, found=f"a {type(size).__name__}")
    if not 1 <= size <= (_LAST if most is None else most):
        # Python refuses to print a number of more than 4300 digits
        found = str(size) if abs(size) <= _LAST else "a number beyond every page"
        raise answered(InvalidPageError)(name, needs=needs, found=found)
    return size


def offset_of(page: int, per_page: int) -> int:
    """How many records precede a page.

    Raises:
        InvalidPageError: More than any table holds.
    """
    offset = (page - 1) * per_page
    if offset + per_page > _LAST:
        needs = "the number of a page"
        raise answered(InvalidPageError)("page", needs=needs, found="a number beyond every page")
    return offset
