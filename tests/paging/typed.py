"""What a type checker knows of pages; never executed."""

from typing import assert_type

from fastapi_sqlalchemy import CursorPage, Page
from tests.paging.model import Box


def pages() -> None:
    page = Box.query.paginate()
    assert_type(page, Page[Box])
    assert_type(page.items, list[Box])
    assert_type([box.label for box in page], list[str])
    assert_type(page.map(lambda box: box.label), Page[str])
    assert_type(page.total, int | None)
    assert_type(list(page.iter_pages()), list[int | None])
    Box.query.paginate(page="1")  # type: ignore[arg-type]  # a number
    Box.query.paginate(1, 20, 100)  # type: ignore[call-arg]  # `max_per_page` is named
    page.page = 2  # a Page refuses it only when it runs


def cursor_pages() -> None:
    page = Box.query.cursor_paginate(after=None)
    assert_type(page, CursorPage[Box])
    assert_type(page.next, str | None)
    assert_type(page.map(lambda box: box.id), CursorPage[int])
    Box.query.cursor_paginate(after=1)  # type: ignore[arg-type]  # a text


def batches() -> None:
    for box in Box.query.find_each(progress=print):
        assert_type(box, Box)
    for boxes in Box.query.in_batches(10):
        assert_type(boxes, list[Box])


async def awaited() -> None:
    assert_type(await Box.query.apaginate(), Page[Box])
    assert_type(await Box.query.acursor_paginate(), CursorPage[Box])
    async for box in Box.query.afind_each():
        assert_type(box, Box)
    async for boxes in Box.query.ain_batches():
        assert_type(boxes, list[Box])
