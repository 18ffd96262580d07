"""Pages and batches."""

from collections.abc import AsyncIterator, Iterator
from typing import assert_type

from fastapi_sqlalchemy import CursorPage, Page
from tests.blog import User


def numbered() -> None:
    """`paginate` is a `Page[User]`"""
    page = User.query.paginate(2, 10)
    assert_type(page, Page[User])
    assert_type(page.items, list[User])
    assert_type([user.name for user in page], list[str | None])
    assert_type(page.total, int | None)
    assert_type(page.next_num, int | None)
    assert_type(page.map(lambda user: user.id), Page[int])
    User.query.paginate("2")  # type: ignore[arg-type]
    User.query.paginate(per_pgae=2)  # type: ignore[call-arg]
    page.item  # type: ignore[attr-defined] # noqa: B018


def keyset() -> None:
    """`cursor_paginate` is a `CursorPage[User]`"""
    page = User.query.order_by(User.id).cursor_paginate(10, after=None)
    assert_type(page, CursorPage[User])
    assert_type(page.next, str | None)
    assert_type(page.map(lambda user: user.id).items, list[int])
    User.query.cursor_paginate(after=1)  # type: ignore[arg-type]


def batches() -> None:
    """`find_each`, `in_batches`"""
    assert_type(User.query.find_each(), Iterator[User])
    assert_type(User.query.in_batches(10), Iterator[list[User]])
    User.query.find_each("10")  # type: ignore[arg-type]


async def awaited() -> None:
    """the same, awaited"""
    assert_type(await User.query.apaginate(), Page[User])
    assert_type(await User.query.acursor_paginate(), CursorPage[User])
    assert_type(User.query.afind_each(), AsyncIterator[User])
    assert_type(User.query.ain_batches(), AsyncIterator[list[User]])
    await User.query.apaginate("2")  # type: ignore[arg-type]
