"""`paginate`: a page is whole records, in a known order, with the number of all of them."""

from typing import Any

import pytest
from sqlalchemy import exc, text
from sqlalchemy.orm import contains_eager, joinedload

from fastapi_sqlalchemy import Page, Query, SQLAlchemy
from fastapi_sqlalchemy.exceptions import InvalidPageError
from tests.paging.model import Box, Thing
from tests.statements import sent, verbs_of
from tests.verbs import Verb


@pytest.fixture(autouse=True)
def boxes(db: SQLAlchemy) -> None:
    """Seven boxes of three things each, and one of none; their labels have ties."""
    with db(commit_on_exit=True):
        for number in range(8):
            things = [Thing(name=f"{n}", rank=n) for n in range(3 if number < 7 else 0)]
            Box.new(label="ab"[number % 2], things=things)


def ids(page: Page[Any]) -> list[int]:
    return [record.id for record in page]


def test_a_page_has_its_records_and_the_numbers_of_its_neighbours(
    verb: Verb, db: SQLAlchemy
) -> None:
    with verb.scope(db):
        page = verb(Box.query, "paginate", 2, 3)
    assert ids(page) == [4, 5, 6]
    assert (page.page, page.per_page, page.total, page.pages) == (2, 3, 8, 3)
    assert (page.prev_num, page.next_num) == (1, 3)


def test_the_first_page_of_twenty_is_the_default(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        page = verb(Box.query, "paginate")
    assert (page.page, page.per_page, len(page), page.has_next) == (1, 20, 8, False)


def test_a_query_without_an_order_is_sorted_by_its_key(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db), sent() as statements:
        verb(Box.query, "paginate", 1, 3)
    assert "FROM boxes ORDER BY boxes.id" in statements[0]


def test_equals_are_sorted_by_their_key(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        pages = [ids(verb(Box.query.order_by(Box.label.desc()), "paginate", n, 3)) for n in (1, 2)]
    assert pages == [[2, 4, 6], [8, 1, 3]]


def test_an_order_by_text_is_kept(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        assert ids(verb(Box.query.order_by(text("label DESC")), "paginate", 1, 3)) == [2, 4, 6]


def test_an_order_by_the_key_is_not_said_twice(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db), sent() as statements:
        verb(Box.query.order_by(Box.id.desc()), "paginate", 1, 3)
    assert statements[0].count("boxes.id DESC") == 1
    assert "boxes.id DESC," not in statements[0]


@pytest.mark.parametrize(
    ("page", "per_page", "total", "statements"),
    [
        pytest.param(1, 8, 8, 2, id="full"),
        pytest.param(1, 9, 8, 1, id="all and no more"),
        pytest.param(2, 5, 8, 1, id="the last one, short"),
        pytest.param(2, 4, 8, 2, id="the last one, full"),
        pytest.param(3, 4, 8, 2, id="past the end"),
        pytest.param(99, 4, 8, 2, id="far past the end"),
    ],
)
def test_a_total_is_counted_where_the_page_does_not_tell_it(
    verb: Verb, db: SQLAlchemy, page: int, per_page: int, total: int, statements: int
) -> None:
    with verb.scope(db), sent() as done:
        found = verb(Box.query, "paginate", page, per_page)
    assert found.total == total
    assert verbs_of(done) == ["SELECT"] * statements


def test_no_record_is_one_empty_page(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db), sent() as statements:
        page = verb(Box.query.filter_by(label="none"), "paginate")
    assert (page.items, page.total, page.pages, page.has_next) == ([], 0, 0, False)
    assert len(statements) == 1


def test_a_page_past_the_end_is_empty_and_has_the_total(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        page = verb(Box.query, "paginate", 4, 3)
    assert (page.items, page.total, page.pages, page.has_next) == ([], 8, 3, False)


@pytest.mark.parametrize(("page", "more"), [(1, True), (2, True), (3, False), (4, False)])
def test_a_page_that_counts_nothing_still_knows_whether_one_follows(
    verb: Verb, db: SQLAlchemy, page: int, more: bool
) -> None:
    with verb.scope(db), sent() as statements:
        found = verb(Box.query, "paginate", page, 3, count=False)
    assert (found.total, found.pages, found.has_next) == (None, None, more)
    assert len(found) <= 3
    assert len(statements) == 1


JOINED = Box.query.join(Box.things)


@pytest.mark.parametrize(
    ("query", "pages", "total"),
    [
        pytest.param(
            Box.query.options(joinedload(Box.things)), [[1, 2, 3], [4, 5, 6]], 8, id="eager"
        ),
        pytest.param(JOINED, [[1, 2, 3], [4, 5, 6]], 7, id="joined"),
        pytest.param(JOINED.distinct(), [[1, 2, 3], [4, 5, 6]], 7, id="joined, distinct"),
        pytest.param(
            JOINED.order_by(Box.label.desc()), [[2, 4, 6], [1, 3, 5]], 7, id="joined, sorted"
        ),
        pytest.param(
            JOINED.order_by(Thing.rank.desc(), Thing.id.desc()),
            [[7, 6, 5], [4, 3, 2]],
            7,
            id="joined, sorted by the children",
        ),
        pytest.param(JOINED.filter_by(rank=1), [[1, 2, 3], [4, 5, 6]], 7, id="joined, criterion"),
        pytest.param(
            JOINED.options(contains_eager(Box.things)),
            [[1, 2, 3], [4, 5, 6]],
            7,
            id="joined and loaded",
        ),
        pytest.param(
            Box.query.join(Box.things, isouter=True), [[1, 2, 3], [4, 5, 6]], 8, id="outer join"
        ),
    ],
)
def test_a_page_of_a_joined_collection_has_as_many_records_as_it_says(
    verb: Verb, db: SQLAlchemy, query: Query[Box], pages: list[list[int]], total: int
) -> None:
    with verb.scope(db):
        found = [verb(query, "paginate", number, 3) for number in (1, 2)]
    assert [ids(page) for page in found] == pages
    assert [page.total for page in found] == [total, total]


@pytest.mark.parametrize("order", [Box.label.desc().nulls_first(), Box.label.nulls_last()])
def test_null_has_its_place_on_a_page_on_every_database(
    verb: Verb, db: SQLAlchemy, order: Any
) -> None:
    # MariaDB, which knows no NULLS FIRST, included
    query = Box.query.order_by(order)
    with verb.scope(db):
        found = [ids(verb(query, "paginate", number, 3)) for number in (1, 2)]
        assert found[0] + found[1] == ids(verb(query, "cursor_paginate", 6))


@pytest.mark.parametrize("load", [joinedload, contains_eager])
def test_a_collection_on_a_page_is_whole(verb: Verb, db: SQLAlchemy, load: Any) -> None:
    query = Box.query if load is joinedload else JOINED
    with verb.scope(db):
        page = verb(query.options(load(Box.things)), "paginate", 1, 3)
        assert verb.inside(lambda: [len(box.things) for box in page]) == [3, 3, 3]


def test_a_joined_parent_costs_no_more_than_a_join(verb: Verb, db: SQLAlchemy) -> None:
    query = Thing.query.join(Thing.box).order_by(Box.label)
    with verb.scope(db), sent() as statements:
        page = verb(query, "paginate", 2, 4)
    assert (ids(page), page.total) == ([8, 9, 13, 14], 21)
    assert "row_number" not in statements[0]
    assert "DISTINCT" not in statements[1]


def test_a_row_that_is_deleted_between_the_two_statements_is_no_contradiction(
    verb: Verb, db: SQLAlchemy
) -> None:
    class Deleting(Query[Box]):
        """As if another session deleted all boxes before the count."""

        __slots__ = ()

        def _counted(self) -> Any:
            return super()._counted().where(Box.id < 2)

    with verb.scope(db):
        page = verb(Deleting(Box), "paginate", 2, 3)
    assert (len(page), page.total, page.pages) == (3, 6, 2)


BAD: list[tuple[str, Any]] = [
    *(("page", value) for value in (0, -1, True, "1", 1.0, None, 2**70, 10**5000)),
    *(("per_page", value) for value in (0, -20, False, "20", 101, None, 10**5000)),
]


@pytest.mark.parametrize(
    ("name", "value"), BAD, ids=[f"{name}{n}" for n, (name, _) in enumerate(BAD)]
)
def test_a_number_that_no_page_has_is_refused_by_name(
    verb: Verb, db: SQLAlchemy, name: str, value: Any
) -> None:
    with verb.scope(db), sent() as statements, pytest.raises(InvalidPageError) as caught:
        verb(Box.query, "paginate", **{name: value})
    assert str(caught.value).startswith(f"expected `{name}` to be a whole number from 1 ")
    assert caught.value.name == name
    assert isinstance(caught.value, ValueError)
    assert statements == []


def test_a_page_beyond_every_table_is_refused(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db), pytest.raises(InvalidPageError, match="beyond every page"):
        verb(Box.query, "paginate", 2**62, 100)


def test_the_largest_page_is_the_callers_to_say(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        assert len(verb(Box.query, "paginate", 1, 500, max_per_page=None)) == 8
        with pytest.raises(InvalidPageError, match="from 1 to 5, found 6"):
            verb(Box.query, "paginate", 1, 6, max_per_page=5)


@pytest.mark.parametrize("part", [Box.query.limit(3), Box.query.offset(1)], ids=["limit", "offset"])
def test_a_query_with_a_limit_of_its_own_is_refused(
    verb: Verb, db: SQLAlchemy, part: Query[Box]
) -> None:
    with verb.scope(db), pytest.raises(exc.InvalidRequestError) as caught:
        verb(part, "paginate")
    assert "paginate() expected a query without `limit()`" in str(caught.value)
    assert str(part) in str(caught.value)


def test_what_was_saved_and_not_committed_is_on_the_page(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db, commit_on_exit=True):
        verb(Box, "new", label="c")
        assert verb(Box.query, "paginate", 3, 3).total == 9
