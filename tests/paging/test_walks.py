"""Whatever the order: the pages one after another are the plain, sorted list."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func

from fastapi_sqlalchemy import SQLAlchemy
from tests.blog import created
from tests.paging import model
from tests.paging.model import Box, Thing

COLUMNS: list[Any] = [
    Thing.shelf,
    Thing.rank,
    Thing.name,
    Thing.weight,
    Thing.sold,
    Thing.id,
    func.coalesce(Thing.rank, Thing.shelf),
    Thing.rank - Thing.shelf,
    func.lower(Thing.name),
]
PLACES: list[Any] = [
    lambda column: column,
    lambda column: column.desc(),
    lambda column: column.nulls_first(),
    lambda column: column.nulls_last(),
    lambda column: column.desc().nulls_first(),
    lambda column: column.desc().nulls_last(),
]
ORDERS = st.lists(
    st.builds(
        lambda place, column: place(column), st.sampled_from(PLACES), st.sampled_from(COLUMNS)
    ),
    max_size=4,
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "shelf": st.integers(0, 2),
            "rank": st.none() | st.integers(-1, 1),
            "name": st.none() | st.sampled_from(["", "a", "A", "b"]),
            "weight": st.none() | st.sampled_from([0.1, -0.0, 0.0, 1e300]),
            "sold": st.none() | st.booleans(),
            "box_id": st.none() | st.integers(1, 3),
        }
    ),
    max_size=12,
)


@pytest.fixture(scope="module")
def db() -> Iterator[SQLAlchemy]:
    with created(model.db, "sqlite://") as database:
        with database(commit_on_exit=True):
            for label in ("b", "a", "b"):
                Box.new(label=label)
        yield database


def store(rows: list[dict[str, Any]]) -> None:
    with model.db.transaction():
        model.db.session.execute(delete(Thing))
        model.db.session.add_all(Thing(**row) for row in rows)


def walk_forth(query: Any, limit: int) -> tuple[list[Any], str | None]:
    found: list[Any] = []
    after = end = None
    while True:
        page = query.cursor_paginate(limit, after=after)
        found += page
        after, end = page.next, page.previous or end
        if after is None:
            return found, end


def walk_back(query: Any, limit: int, before: str | None) -> list[Any]:
    found: list[Any] = []
    while before is not None:
        page = query.cursor_paginate(limit, before=before)
        found, before = [*page, *found], page.previous
    return found


@pytest.mark.usefixtures("db")
@settings(deadline=None, max_examples=60)
@given(rows=ROWS, order=ORDERS, limit=st.integers(1, 5))
def test_the_pages_of_any_order_are_the_sorted_list(
    rows: list[dict[str, Any]], order: list[Any], limit: int
) -> None:
    with model.db():
        store(rows)
        query = Thing.query.order_by(*order)
        expected = query.order_by(Thing.id).all()
        found, end = walk_forth(query, limit)
        assert found == expected
        back = walk_back(query, limit, end)
        assert back == expected[: len(back)]
        assert len(expected) - len(back) <= limit
        assert [record for records in query.in_batches(limit) for record in records] == expected
        numbered = [
            record
            for number in range(1, len(expected) // limit + 2)
            for record in query.paginate(number, limit)
        ]
        assert numbered == expected


@pytest.mark.usefixtures("db")
@settings(deadline=None, max_examples=60)
@given(
    rows=ROWS,
    order=ORDERS,
    of_roots=st.sampled_from([(), (Box.label,), (Box.label.desc(),)]),
    limit=st.integers(1, 3),
    outer=st.booleans(),
)
def test_the_pages_of_any_joined_collection_are_its_records(
    rows: list[dict[str, Any]], order: list[Any], of_roots: Any, limit: int, *, outer: bool
) -> None:
    with model.db():
        store(rows)
        query = Box.query.join(Box.things, isouter=outer).order_by(*of_roots, *order)
        expected = query.order_by(Box.id).all()
        found, end = walk_forth(query, limit)
        assert found == expected
        back = walk_back(query, limit, end)
        assert back == expected[: len(back)]
        page = query.paginate(1, limit)
        assert (page.items, page.total) == (expected[:limit], len(expected))


@pytest.mark.usefixtures("db")
@settings(deadline=None, max_examples=60)
@given(rows=ROWS, order=ORDERS, limit=st.integers(1, 4), data=st.data())
def test_a_row_that_goes_between_two_pages_hides_no_other(
    rows: list[dict[str, Any]], order: list[Any], limit: int, data: st.DataObject
) -> None:
    with model.db():
        store(rows)
        query = Thing.query.order_by(*order)
        remaining = query.order_by(Thing.id).all()
        after = None
        met: list[Any] = []
        while True:
            page = query.cursor_paginate(limit, after=after)
            met += page
            if page.next is None:
                break
            after = page.next
            gone = data.draw(st.sampled_from(remaining))
            remaining.remove(gone)
            gone.delete()
        assert [record for record in remaining if record not in met] == []
        assert len(met) == len(set(met))
