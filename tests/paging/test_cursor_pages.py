"""`cursor_paginate`: a page begins where another one ended, whatever the order is by."""

from typing import Any

import pytest
from sqlalchemy import exc, func, literal, nulls_first, text
from sqlalchemy.orm import aliased, contains_eager, joinedload, selectinload

from fastapi_sqlalchemy import CursorPage, Query, SQLAlchemy
from fastapi_sqlalchemy.exceptions import InvalidPageError
from tests.paging.model import VALUES, Box, Pair, Thing
from tests.statements import sent, verbs_of
from tests.verbs import Verb

pytestmark = pytest.mark.filterwarnings(
    # that of SQLite, which stores floats, for the column of Decimals
    "ignore:Dialect sqlite.*Decimal:sqlalchemy.exc.SAWarning"
)


@pytest.fixture(autouse=True)
def things(db: SQLAlchemy) -> None:
    """Nine things in three boxes or none; each column has ties and NULLs."""
    with db(commit_on_exit=True):
        boxes = [Box(label=label) for label in ("b", "a", "c")]
        for number in range(9):
            n = number // 2
            values = {name: value(n) for name, value in VALUES.items()} if number % 3 else {}
            box = boxes[number % 4] if number % 4 < 3 else None
            Thing.new(shelf=number % 2, box=box, **values)


def walk(verb: Verb, query: Query[Any], limit: int, **start: Any) -> list[list[Any]]:
    """All pages, forth to the end."""
    pages: list[list[Any]] = []
    page: CursorPage[Any] = verb(query, "cursor_paginate", limit, **start)
    while True:
        assert len(page) <= limit
        pages.append([key(record) for record in page])
        if not page.has_next:
            return pages
        assert len(page) == limit, "a page that another one follows is full"
        page = verb(query, "cursor_paginate", limit, after=page.next)


def walk_back(verb: Verb, query: Query[Any], limit: int, start: str) -> list[list[Any]]:
    """All pages before a cursor, back to the start, in the order of the query."""
    pages: list[list[Any]] = []
    before: str | None = start
    while before is not None:
        page = verb(query, "cursor_paginate", limit, before=before)
        pages.insert(0, [key(record) for record in page])
        before = page.previous
    return pages


def key(record: Any) -> Any:
    return (record.left, record.right) if isinstance(record, Pair) else record.id


def flat(pages: list[list[Any]]) -> list[Any]:
    return [each for page in pages for each in page]


def check(verb: Verb, query: Query[Any], *tie_break: Any) -> None:
    """Pages of every size, in both directions, are the plain list in pieces."""
    expected = [key(record) for record in verb(query.order_by(*tie_break), "all")]
    assert expected
    for limit in (2, 20):
        assert flat(walk(verb, query, limit)) == expected, limit
    first = verb(query, "cursor_paginate", 2)
    second = verb(query, "cursor_paginate", 2, after=first.next)
    assert [key(r) for r in verb(query, "cursor_paginate", 2, before=second.previous)] == [
        key(r) for r in first
    ]
    size, last = 2, first
    while last.has_next:
        last = verb(query, "cursor_paginate", size, after=last.next)
    back = flat(walk_back(verb, query, 3, last.previous))
    assert back + [key(r) for r in last] == expected


@pytest.mark.parametrize("column", list(VALUES))
def test_every_kind_of_value_is_sorted_by(verb: Verb, db: SQLAlchemy, column: str) -> None:
    if column == "raw" and db.engine.name in ("mysql", "mariadb") and not verb.blocking:
        pytest.skip("aiomysql sends no bytes: it calls what PyMySQL has made a text")
    attribute = getattr(Thing, column)
    with verb.scope(db):
        check(verb, Thing.query.order_by(attribute), Thing.id)
        check(verb, Thing.query.order_by(attribute.desc()), Thing.id)


ORDERS = {
    "none": (),
    "key": (Thing.id,),
    "key, descending": (Thing.id.desc(),),
    "two": (Thing.shelf, Thing.name),
    "two, mixed": (Thing.shelf.desc(), Thing.name),
    "three, mixed": (Thing.shelf, Thing.rank.desc(), Thing.name),
    "after the key": (Thing.id, Thing.name),
    "expression": (func.coalesce(Thing.rank, 2).desc(),),
    "expression, nullable": (Thing.rank * 2 + Thing.shelf,),
    "function of a name": (func.lower(Thing.name),),
    "label": (Thing.name.label("called").desc(),),
    "name": ("name",),
    "constant": (literal(1) + 1, Thing.rank),
    "criterion": (Thing.rank > 1,),
}


@pytest.mark.parametrize("name", ORDERS)
def test_every_order_is_walked(verb: Verb, db: SQLAlchemy, name: str) -> None:
    with verb.scope(db):
        check(verb, Thing.query.order_by(*ORDERS[name]), Thing.id)


@pytest.mark.parametrize(
    ("order", "ids"),
    [
        (Thing.rank.nulls_first(), [1, 4, 7, 2, 3, 5, 6, 8, 9]),
        (Thing.rank.nulls_last(), [2, 3, 5, 6, 8, 9, 1, 4, 7]),
        (Thing.rank.desc().nulls_first(), [1, 4, 7, 9, 8, 5, 6, 3, 2]),
        (Thing.rank.desc().nulls_last(), [9, 8, 5, 6, 3, 2, 1, 4, 7]),
        (nulls_first(Thing.rank.desc()), [1, 4, 7, 9, 8, 5, 6, 3, 2]),
    ],
    ids=["first", "last", "descending, first", "descending, last", "written the other way"],
)
def test_null_stands_where_the_order_says_on_every_database(
    verb: Verb, db: SQLAlchemy, order: Any, ids: list[int]
) -> None:
    # MariaDB, which knows no NULLS FIRST, included
    query = Thing.query.order_by(order)
    with verb.scope(db):
        for limit in (1, 2, 20):
            assert flat(walk(verb, query, limit)) == ids
        page = verb(query, "cursor_paginate", 8)
        last = verb(query, "cursor_paginate", 8, after=page.next)
        assert flat(walk_back(verb, query, 3, last.previous)) == ids[:-1]


def test_null_stands_where_the_database_puts_it_by_itself(verb: Verb, db: SQLAlchemy) -> None:
    query = Thing.query.order_by(Thing.rank)
    with verb.scope(db):
        expected = [thing.rank is None for thing in verb(query, "all")]
        pages = flat(walk(verb, query, 2))
    assert [number in {1, 4, 7} for number in pages] == expected
    assert expected[-1] is (db.engine.dialect.name == "postgresql")


def test_a_key_of_two_columns_is_walked(verb: Verb, db: SQLAlchemy) -> None:
    with db(commit_on_exit=True):
        for left in "ba":
            for right in (3, 1, 2):
                Pair.new(left=left, right=right)
    with verb.scope(db):
        check(verb, Pair.query, Pair.left, Pair.right)
        check(verb, Pair.query.order_by(Pair.right.desc()), Pair.left)


def test_a_page_is_one_statement(verb: Verb, db: SQLAlchemy) -> None:
    query = Thing.query.order_by(Thing.name)
    with verb.scope(db), sent() as statements:
        page = verb(query, "cursor_paginate", 2)
        verb(query, "cursor_paginate", 2, after=page.next)
    assert verbs_of(statements) == ["SELECT", "SELECT"]


@pytest.mark.parametrize("db", ["sqlite"], indirect=True)
def test_a_page_is_asked_for_by_values(verb: Verb, db: SQLAlchemy) -> None:
    query = Thing.query.options(selectinload(Thing.box)).order_by(Thing.shelf.desc())
    with verb.scope(db), sent() as statements:
        page = verb(query, "cursor_paginate", 2)
        verb(query, "cursor_paginate", 2, after=page.next)
    where = "WHERE things.shelf <= ? AND (things.shelf < ? OR things.shelf = ? AND things.id > ?)"
    assert f"{where} ORDER BY things.shelf DESC, things.id LIMIT ?" in statements[-2]


def test_a_row_that_is_deleted_between_two_pages_shifts_nothing(verb: Verb, db: SQLAlchemy) -> None:
    query = Thing.query.order_by(Thing.id)
    with verb.scope(db):
        page = verb(query, "cursor_paginate", 3)
        verb(verb(Thing, "get", 3), "delete")
        verb(verb(Thing, "get", 1), "delete")
        following = verb(query, "cursor_paginate", 3, after=page.next)
        assert [thing.id for thing in following] == [4, 5, 6]
        before = verb(query, "cursor_paginate", 3, before=following.previous)
        assert [thing.id for thing in before] == [2]
        assert not before.has_prev


def test_a_way_back_leads_from_a_page_that_became_empty(verb: Verb, db: SQLAlchemy) -> None:
    query = Thing.query.order_by(Thing.id)
    with verb.scope(db):
        page = verb(query, "cursor_paginate", 7)
        for number in (8, 9):
            verb(verb(Thing, "get", number), "delete")
        empty = verb(query, "cursor_paginate", 7, after=page.next)
        assert (empty.items, empty.next) == ([], None)
        back = verb(query, "cursor_paginate", 2, before=empty.previous)
        assert [thing.id for thing in back] == [6, 7]
        assert [t.id for t in verb(query, "cursor_paginate", 2, before=back.previous)] == [4, 5]


def test_a_way_forth_leads_from_a_page_that_became_empty(verb: Verb, db: SQLAlchemy) -> None:
    query = Thing.query.order_by(Thing.id)
    with verb.scope(db):
        page = verb(query, "cursor_paginate", 2)
        second = verb(query, "cursor_paginate", 2, after=page.next)
        for number in (1, 2):
            verb(verb(Thing, "get", number), "delete")
        empty = verb(query, "cursor_paginate", 2, before=second.previous)
        assert (empty.items, empty.previous) == ([], None)
        forth = verb(query, "cursor_paginate", 2, after=empty.next)
        assert [thing.id for thing in forth] == [3, 4]


def test_no_record_is_one_empty_page(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        page = verb(Thing.query.filter_by(name="none"), "cursor_paginate")
    assert (page.items, page.next, page.previous) == ([], None, None)


@pytest.mark.parametrize("order", [(), (Box.label.desc(), Thing.rank)], ids=["none", "two"])
def test_a_joined_parent_is_sorted_by(verb: Verb, db: SQLAlchemy, order: Any) -> None:
    query = Thing.query.join(Thing.box, isouter=True).order_by(*order)
    with verb.scope(db), sent() as statements:
        check(verb, query, Thing.id)
    assert not any("row_number" in statement for statement in statements)


JOINS = {
    "none": (),
    "root": (Box.label.desc(),),
    "child": (Thing.rank,),
    "child, descending": (Thing.rank.desc(), Thing.name),
    "both": (Thing.shelf, Box.label, Thing.rank.desc()),
}


@pytest.mark.parametrize("name", JOINS)
@pytest.mark.parametrize("distinct", [False, True], ids=["joined", "distinct"])
def test_a_joined_collection_gives_each_record_once(
    verb: Verb, db: SQLAlchemy, name: str, distinct: bool
) -> None:
    query = Box.query.join(Box.things).order_by(*JOINS[name])
    ordered = query.order_by(Box.id)
    with verb.scope(db):
        expected = [box.id for box in verb(ordered, "all")]
        for limit in (1, 2):
            paged = query.distinct() if distinct else query
            assert flat(walk(verb, paged, limit)) == expected
        page = verb(query, "cursor_paginate", 2)
        last = verb(query, "cursor_paginate", 2, after=page.next)
        back = verb(query, "cursor_paginate", 2, before=last.previous)
        assert [box.id for box in back] == expected[:2]


def test_an_outer_join_of_a_collection_is_walked(verb: Verb, db: SQLAlchemy) -> None:
    with db():
        Box.new(label="empty")
    query = Box.query.join(Box.things, isouter=True).order_by(Thing.shelf)
    with verb.scope(db):
        expected = [box.id for box in verb(query.order_by(Box.id), "all")]
        assert flat(walk(verb, query, 1)) == expected
        assert len(expected) == 4


@pytest.mark.parametrize("load", [joinedload, selectinload])
def test_a_collection_that_is_loaded_with_its_record_is_whole(
    verb: Verb, db: SQLAlchemy, load: Any
) -> None:
    query = Box.query.options(load(Box.things)).order_by(Box.label)
    with verb.scope(db):
        page = verb(query, "cursor_paginate", 2)
        sizes = verb.inside(lambda: [(box.label, len(box.things)) for box in page])
    assert sizes == [("a", 2), ("b", 3)]


def test_a_collection_that_is_joined_and_loaded_is_whole_and_in_order(
    verb: Verb, db: SQLAlchemy
) -> None:
    query = (
        Box.query.join(Box.things)
        .options(contains_eager(Box.things))
        .order_by(Box.label, Thing.id.desc())
    )
    with verb.scope(db):
        page = verb(query, "cursor_paginate", 2)
        assert verb.inside(lambda: [[t.id for t in box.things] for box in page]) == [
            [6, 2],
            [9, 5, 1],
        ]
        last = verb(query, "cursor_paginate", 2, after=page.next)
    with verb.scope(db):
        back = verb(query, "cursor_paginate", 1, before=last.previous)
        assert verb.inside(lambda: [[t.id for t in box.things] for box in back]) == [[9, 5, 1]]


def test_an_alias_is_sorted_by(verb: Verb, db: SQLAlchemy) -> None:
    other = aliased(Box)
    query = Thing.query.join(other, Thing.box_id == other.id).order_by(other.label)
    with verb.scope(db):
        check(verb, query, Thing.id)


@pytest.mark.parametrize("db", ["postgresql"], indirect=True)
def test_distinct_on_is_walked(verb: Verb, db: SQLAlchemy) -> None:
    query = Thing.query.distinct(Thing.rank).order_by(Thing.rank, Thing.id.desc())
    with verb.scope(db):
        expected = [thing.id for thing in verb(query, "all")]
        assert flat(walk(verb, query, 1)) == expected
        assert flat(walk(verb, query, 2)) == expected


@pytest.mark.parametrize("of", [None, Box], ids=["all", "of one"])
def test_a_joined_collection_is_locked_in_pages(verb: Verb, db: SQLAlchemy, of: Any) -> None:
    query = Box.query.join(Box.things).order_by(Box.label)
    locked = query.with_for_update(of=of)
    with verb.scope(db), verb.within(db.transaction), sent() as statements:
        check(verb, locked, Box.id)
        assert verb.each(locked, "find_each", 2) == verb(query, "all")
        page = verb(locked, "paginate", 1, 2)
        assert (len(page), page.total) == (2, 3)
    pages = [statement for statement in statements if "row_number" in statement]
    if db.engine.name != "sqlite":
        assert {statement.count("FOR UPDATE") for statement in pages} == {1}


def test_an_order_by_text_is_refused(verb: Verb, db: SQLAlchemy) -> None:
    query = Thing.query.order_by(text("name DESC"))
    with verb.scope(db), pytest.raises(exc.InvalidRequestError, match=r"found text: `name DESC`"):
        verb(query, "cursor_paginate")


@pytest.mark.parametrize(
    "part", [Thing.query.limit(3), Thing.query.offset(1)], ids=["limit", "offset"]
)
def test_a_query_with_a_limit_is_refused(verb: Verb, db: SQLAlchemy, part: Any) -> None:
    with verb.scope(db), pytest.raises(exc.InvalidRequestError, match="without `limit"):
        verb(part, "cursor_paginate")


@pytest.mark.parametrize("limit", [0, -1, 101, True, "3", 2.0, None])
def test_a_limit_that_is_none_is_refused(verb: Verb, db: SQLAlchemy, limit: Any) -> None:
    with verb.scope(db), pytest.raises(InvalidPageError, match="expected `limit` to be"):
        verb(Thing.query, "cursor_paginate", limit)
