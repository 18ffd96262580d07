"""One chain through SQLAlchemy's own `Query` and through ours: the same SQL, the same outcome.

Where ours differs on purpose the table says why; what it does instead has a test of its own.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Row, exists, func, inspect, orm
from sqlalchemy.exc import CompileError, InvalidRequestError, LegacyAPIWarning
from sqlalchemy.orm import aliased, contains_eager, joinedload, selectinload

from fastapi_sqlalchemy import SQLAlchemy
from fastapi_sqlalchemy.exceptions import InvalidSliceError, NotAColumnError, UnknownNameError
from fastapi_sqlalchemy.query import query_of
from tests.blog import created
from tests.catalogue import Book, Film, Medium, Person, Rating, Writer, catalogue, fill
from tests.verbs import Verb

Ask = Callable[[type[Any]], Any]
Chain = Callable[[Ask], Any]
other = aliased(Writer, name="other")
book = aliased(Book, name="book")


class Case(NamedTuple):
    name: str
    chain: Chain
    same_sql: bool = True
    because: str = ""


class Difference(NamedTuple):
    name: str
    chain: Chain
    theirs: Any
    ours: Any
    because: str


CHAINS = [
    Case("everything", lambda ask: ask(Book)),
    Case("filter", lambda ask: ask(Book).filter(Book.pages > 100, Book.pages < 250)),
    Case("where", lambda ask: ask(Book).where(Book.pages > 100)),
    Case("filter_by", lambda ask: ask(Book).filter_by(title="Notes", pages=60)),
    Case("filter_by None", lambda ask: ask(Person).filter_by(age=None)),
    Case("filter_by a record", lambda ask: ask(Book).filter_by(writer_id=1).filter_by(pages=60)),
    Case("in", lambda ask: ask(Book).filter(Book.id.in_([1, 3]))),
    Case("in nothing", lambda ask: ask(Book).filter(Book.id.in_([]))),
    Case("not in nothing", lambda ask: ask(Book).filter(Book.id.not_in([]))),
    Case("order_by", lambda ask: ask(Book).order_by(Book.pages.desc(), Book.id)),
    Case("order_by twice", lambda ask: ask(Book).order_by(Book.pages).order_by(Book.id)),
    Case("order_by a name", lambda ask: ask(Book).order_by("title")),
    Case("order_by None", lambda ask: ask(Book).order_by(Book.pages).order_by(None)),
    Case("limit", lambda ask: ask(Book).order_by(Book.id).limit(2)),
    Case("offset", lambda ask: ask(Book).order_by(Book.id).limit(2).offset(1)),
    Case("distinct", lambda ask: ask(Book).distinct()),
    Case("distinct, order_by", lambda ask: ask(Book).distinct().order_by(Book.title)),
    Case("distinct column", lambda ask: ask(Book).with_entities(Book.pages).distinct()),
    Case("join", lambda ask: ask(Book).join(Book.writer)),
    Case("join, filter_by", lambda ask: ask(Writer).join(Writer.books).filter_by(title="Notes")),
    Case("join, filter_by both", lambda ask: ask(Book).join(Book.ratings).filter_by(book_id=3)),
    Case("join twice", lambda ask: ask(Writer).join(Writer.books).join(Book.ratings)),
    Case(
        "join twice, filter_by",
        lambda ask: ask(Writer).join(Writer.books).join(Book.ratings).filter_by(stars=5),
    ),
    Case("join a model", lambda ask: ask(Book).join(Rating).filter_by(stars=3)),
    Case("join on", lambda ask: ask(Book).join(Person, Person.id == Book.writer_id)),
    Case("outerjoin", lambda ask: ask(Writer).outerjoin(Writer.books).filter(Book.id.is_(None))),
    Case("join isouter", lambda ask: ask(Writer).join(Writer.books, isouter=True)),
    Case("join an alias", lambda ask: ask(Writer).join(book, Writer.books).filter_by(pages=60)),
    Case(
        "join of_type",
        lambda ask: ask(Writer).join(Writer.books.of_type(book)).filter(book.pages > 100),
    ),
    Case(
        "join itself",
        lambda ask: ask(Writer).join(other, other.id > Writer.id).filter(other.name == "Jane"),
    ),
    Case("select_from", lambda ask: ask(Writer).select_from(Book).join(Book.writer)),
    Case(
        "select_from, filter_by",
        lambda ask: ask(Writer).select_from(Book).filter_by(title="Notes").join(Book.writer),
    ),
    Case("any", lambda ask: ask(Writer).filter(Writer.books.any(Book.pages > 250))),
    Case("has", lambda ask: ask(Book).filter(Book.writer.has(Writer.age > 40))),
    Case("of a record", lambda ask: ask(Rating).filter(Rating.book_id == 3, Rating.stars > 4)),
    Case("exists", lambda ask: ask(Writer).filter(exists().where(Book.writer_id == Writer.id))),
    Case(
        "group_by, having",
        lambda ask: (
            ask(Book)
            .with_entities(Book.writer_id, func.count(Book.id))
            .group_by(Book.writer_id)
            .having(func.sum(Book.pages) > 300)
        ),
    ),
    Case(
        "group_by records",
        lambda ask: (
            ask(Rating)
            .join(Rating.book)
            .group_by(Rating.book_id, Rating.person_id, Rating.stars)
            .having(func.count() > 0)
        ),
    ),
    Case("joined inheritance", lambda ask: ask(Writer).filter(Writer.name == "Ada")),
    Case("joined inheritance, own", lambda ask: ask(Writer).filter_by(pen_name="A. A. L.")),
    Case("joined inheritance, base", lambda ask: ask(Person).filter(Person.age > 40)),
    Case("single table", lambda ask: ask(Film).filter_by(minutes=153)),
    Case("single table, base", lambda ask: ask(Medium).order_by(Medium.title)),
    Case("single table, column", lambda ask: ask(Film).with_entities(Film.title)),
    Case("composite key", lambda ask: ask(Rating).filter_by(book_id=3).order_by(Rating.stars)),
    Case("columns", lambda ask: ask(Book).with_entities(Book.id, Book.title)),
    Case("columns of a join", lambda ask: ask(Book).join(Book.writer).with_entities(Writer.name)),
    Case("an expression", lambda ask: ask(Book).with_entities((Book.pages + 1).label("more"))),
    Case("records and columns", lambda ask: ask(Book).with_entities(Book, Book.pages)),
    Case(
        "records of two models",
        lambda ask: ask(Book).join(Book.writer).with_entities(Book, Writer),
    ),
    Case(
        "joined records and columns",
        lambda ask: ask(Writer).join(Writer.books).with_entities(Writer, Writer.age),
    ),
    Case("a joined load", lambda ask: ask(Writer).options(joinedload(Writer.books))),
    Case(
        "a joined load, limit",
        lambda ask: ask(Writer).options(joinedload(Writer.books)).order_by(Writer.id).limit(2),
    ),
    Case("a load by SELECT IN", lambda ask: ask(Writer).options(selectinload(Writer.books))),
    Case(
        "contains_eager",
        lambda ask: ask(Writer).join(Writer.books).options(contains_eager(Writer.books)),
    ),
    Case(
        "a subquery",
        lambda ask: ask(Book).filter(
            Book.pages == ask(Book).with_entities(func.max(Book.pages)).statement.scalar_subquery()
        ),
        because="both are asked for their statement: a subquery of ours is SQLAlchemy's",
    ),
    Case(
        "count of the table",
        lambda ask: ask(Book).with_entities(func.count()).select_from(Book),
    ),
    Case(
        "union",
        lambda ask: ask(Book).filter_by(id=1).union(ask(Book).filter_by(id=3)),
        same_sql=False,
        because="ours looks the keys up, so that options and criteria go on as before",
    ),
    Case(
        "union, filter",
        lambda ask: (
            ask(Book)
            .filter(Book.pages > 100)
            .union(ask(Book).filter_by(id=1))
            .filter(Book.id < 4)
            .order_by(Book.title.desc())
        ),
        same_sql=False,
        because="see union",
    ),
    Case(
        "union, limit",
        lambda ask: (
            ask(Book)
            .filter_by(id=4)
            .union(ask(Book).filter_by(id=1), ask(Book).filter_by(id=2))
            .order_by(Book.id)
            .offset(1)
            .limit(1)
        ),
        same_sql=False,
        because="see union",
    ),
    Case(
        "union of joins",
        lambda ask: (
            ask(Writer)
            .join(Writer.books)
            .filter(Book.pages > 250)
            .union(ask(Writer).filter_by(name="Jane"))
        ),
        same_sql=False,
        because="see union",
    ),
    Case(
        "union of composite keys",
        lambda ask: ask(Rating).filter_by(stars=3).union(ask(Rating).filter_by(person_id=1)),
        same_sql=False,
        because="see union",
    ),
    Case(
        "union of joined tables",
        lambda ask: ask(Writer).filter_by(pen_name=None).union(ask(Writer).filter_by(id=1)),
        same_sql=False,
        because="see union",
    ),
    Case(
        "union of distinct records",
        lambda ask: ask(Writer).distinct().union(ask(Writer).filter_by(id=1).distinct()),
        same_sql=False,
        because="see union",
    ),
    Case(
        "union of a single table",
        lambda ask: ask(Film).filter_by(minutes=153).union(ask(Film).filter_by(minutes=1)),
        same_sql=False,
        because="see union",
    ),
    Case(
        "union all",
        lambda ask: ask(Book).filter_by(id=1).union_all(ask(Book).filter_by(id=3)),
        same_sql=False,
        because="see union",
    ),
]

TERMINALS = [
    Case("count", lambda ask: (ask(Book), "count")),
    Case("count, filter", lambda ask: (ask(Book).filter(Book.pages > 100), "count")),
    Case("count, limit", lambda ask: (ask(Book).limit(2), "count")),
    Case("count, offset", lambda ask: (ask(Book).limit(9).offset(3), "count")),
    Case("count, distinct", lambda ask: (ask(Book).distinct(), "count")),
    Case(
        "count, distinct column",
        lambda ask: (ask(Book).with_entities(Book.pages).distinct(), "count"),
    ),
    Case("count of rows", lambda ask: (ask(Book).with_entities(Book.pages), "count")),
    Case("count, to-one join", lambda ask: (ask(Book).join(Book.writer), "count")),
    Case(
        "count, group_by",
        lambda ask: (
            ask(Book).with_entities(Book.pages, func.count()).group_by(Book.pages),
            "count",
        ),
    ),
    Case(
        "count, having",
        lambda ask: (
            ask(Rating).group_by(Rating.book_id, Rating.person_id).having(Rating.stars > 3),
            "count",
        ),
    ),
    Case("count, joined inheritance", lambda ask: (ask(Writer), "count")),
    Case("count, joined inheritance, base", lambda ask: (ask(Person), "count")),
    Case("count, single table", lambda ask: (ask(Film), "count")),
    Case("count, composite key", lambda ask: (ask(Rating), "count")),
    Case(
        "count, joined load",
        lambda ask: (ask(Writer).options(joinedload(Writer.books)), "count"),
    ),
    Case("count, union", lambda ask: (ask(Film).union(ask(Film).filter_by(id=2)), "count")),
    Case("first", lambda ask: (ask(Book).order_by(Book.pages), "first")),
    Case("first of none", lambda ask: (ask(Book).filter_by(id=9), "first")),
    Case("first, offset", lambda ask: (ask(Book).order_by(Book.id).offset(2), "first")),
    Case(
        "first of rows", lambda ask: (ask(Book).order_by(Book.id).with_entities(Book.id), "first")
    ),
    Case(
        "first of a joined load",
        lambda ask: (ask(Writer).options(joinedload(Writer.books)).order_by(Writer.id), "first"),
    ),
    Case("one", lambda ask: (ask(Book).filter_by(id=3), "one")),
    Case(
        "one of a join",
        lambda ask: (ask(Writer).join(Writer.books).filter(Writer.id == 1), "one"),
    ),
    Case("one_or_none", lambda ask: (ask(Book).filter_by(id=9), "one_or_none")),
    Case("scalar", lambda ask: (ask(Book).with_entities(func.max(Book.pages)), "scalar")),
    Case(
        "scalar of none", lambda ask: (ask(Book).with_entities(Book.id).filter_by(id=9), "scalar")
    ),
    Case("scalar of a record", lambda ask: (ask(Book).filter_by(id=3), "scalar")),
    Case("slice", lambda ask: (ask(Book).order_by(Book.id)[1:3], "all")),
    Case("slice from", lambda ask: (ask(Book).order_by(Book.id)[2:], "all")),
    Case("slice to", lambda ask: (ask(Book).order_by(Book.id)[:1], "all")),
    Case("slice of all", lambda ask: (ask(Book).order_by(Book.id)[:], "all")),
    Case("slice of nothing", lambda ask: (ask(Book).order_by(Book.id)[2:2], "all")),
    Case("slice backwards", lambda ask: (ask(Book).order_by(Book.id)[3:1], "all")),
    Case("slice beyond", lambda ask: (ask(Book).order_by(Book.id)[9:12], "all")),
    Case("slice of an offset", lambda ask: (ask(Book).order_by(Book.id).offset(1)[1:2], "all")),
]

DIFFERENCES = [
    Difference(
        "a count of a join",
        lambda ask: (ask(Writer).join(Writer.books), "count"),
        theirs=4,
        ours=2,
        because="count() is the number of what all() returns, which is the same in both",
    ),
    Difference(
        "a count of two tables in FROM",
        lambda ask: (ask(Writer).filter(Book.writer_id == Writer.id), "count"),
        theirs=4,
        ours=2,
        because="the same",
    ),
    Difference(
        "a count of UNION ALL",
        lambda ask: (ask(Book).union_all(ask(Book)), "count"),
        theirs=8,
        ours=4,
        because="the same",
    ),
    Difference(
        "an expression alone",
        lambda ask: (ask(Book).with_entities(func.count()), "scalar"),
        theirs=1,
        ours=4,
        because="the rows of a query stay those of its model",
    ),
    Difference(
        "first within no limit at all",
        lambda ask: (ask(Book).limit(0), "first"),
        theirs=("Book", 1),
        ours=None,
        because="first() is the first of what all() returns",
    ),
    Difference(
        "a criterion after a limit",
        lambda ask: (ask(Book).order_by(Book.id).limit(1).filter(Book.id > 2), "all"),
        theirs=InvalidRequestError,
        ours=[("Book", 3)],
        because="as with select(), parts of a statement come in any order",
    ),
    Difference(
        "a negative index",
        lambda ask: (ask(Book)[-1], "all"),
        theirs=IndexError,
        ours=InvalidSliceError,
        because="the message tells the way out; it is an IndexError too",
    ),
    Difference(
        "a slice with a step",
        lambda ask: (ask(Book).order_by(Book.id)[0:4:2], "all"),
        theirs=[("Book", 1), ("Book", 3)],
        ours=InvalidSliceError,
        because="theirs loads all and throws half away",
    ),
    Difference(
        "a slice of a limit",
        lambda ask: (ask(Book).order_by(Book.id).limit(2)[1:4], "all"),
        theirs=[("Book", 2), ("Book", 3), ("Book", 4)],
        ours=[("Book", 2)],
        because="a slice is a part of what is there, as of a list",
    ),
    Difference(
        "an order by an unknown name",
        lambda ask: (ask(Book).order_by("titel"), "all"),
        theirs=CompileError,
        ours=UnknownNameError,
        because="it is refused where it is said, with the closest name",
    ),
    Difference(
        "a relationship as a column",
        lambda ask: (ask(Writer).with_entities(Writer.books).limit(1), "all"),
        theirs=[(True,)],
        ours=NotAColumnError,
        because="theirs is the condition of a join, and a cartesian product",
    ),
]


def ours(model: type[Any]) -> Any:
    return query_of(model)


def theirs(model: type[Any]) -> Any:
    return orm.Query(model)


def plain(sql: object) -> str:
    """SQL without what names differ in: blanks, and the numbers of parameters."""
    return re.sub(r"\s+", " ", re.sub(r"_\d+\b", "", str(sql))).strip()


def shown(found: Any) -> Any:
    """A record by its model and key, which compares between sessions."""
    if isinstance(found, list):
        return sorted((shown(each) for each in found), key=repr)
    if isinstance(found, Row):
        return tuple(shown(each) for each in found)
    state = inspect(found, raiseerr=False)
    return (type(found).__name__, *state.identity) if state is not None else found


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "mariadb"])
def db(request: pytest.FixtureRequest) -> Iterator[SQLAlchemy]:
    """Filled once for all: nothing here writes."""
    fixture = {"postgresql": "postgres_database", "mariadb": "mysql_database"}.get(request.param)
    url = "sqlite://" if fixture is None else request.getfixturevalue(fixture).empty_url()
    with created(catalogue, url):
        fill()
        yield catalogue


@pytest.mark.parametrize("case", [pytest.param(c, id=c.name) for c in CHAINS if c.same_sql])
def test_a_chain_says_the_same_sql(case: Case) -> None:
    assert plain(case.chain(ours)) == plain(case.chain(theirs).statement)


def test_a_chain_that_says_another_sql_has_a_reason() -> None:
    assert all(case.same_sql or case.because for case in CHAINS)


@pytest.mark.parametrize("case", [pytest.param(c, id=c.name) for c in CHAINS])
def test_a_chain_finds_the_same(verb: Verb, db: SQLAlchemy, case: Case) -> None:
    with orm.Session(db.engine) as session:
        expected = shown(case.chain(session.query).all())
    with verb.scope(db):
        assert shown(verb(case.chain(ours), "all")) == expected


@pytest.mark.parametrize("case", [pytest.param(c, id=c.name) for c in TERMINALS])
def test_a_terminal_gives_the_same(verb: Verb, db: SQLAlchemy, case: Case) -> None:
    with orm.Session(db.engine) as session:
        query, terminal = case.chain(session.query)
        # a slice of theirs is the list already
        expected = shown(query if isinstance(query, list) else getattr(query, terminal)())
    query, terminal = case.chain(ours)
    with verb.scope(db):
        assert shown(verb(query, terminal)) == expected


def outcome(chain: Chain, ask: Ask, call: Callable[[Any, str], Any]) -> Any:
    """What comes of it: a value, or the class of an error."""
    try:
        query, terminal = chain(ask)
        return shown(query if isinstance(query, list) else call(query, terminal))
    except Exception as error:
        return type(error)


@pytest.mark.filterwarnings("ignore:SELECT statement has a cartesian product")
@pytest.mark.parametrize("case", [pytest.param(c, id=c.name) for c in DIFFERENCES])
def test_what_differs_differs_on_purpose(verb: Verb, db: SQLAlchemy, case: Difference) -> None:
    with orm.Session(db.engine) as session:
        found = outcome(case.chain, session.query, lambda query, name: getattr(query, name)())
    assert found == case.theirs
    with verb.scope(db):
        assert outcome(case.chain, ours, verb) == case.ours


def test_get_says_nothing_of_a_legacy(verb: Verb, db: SQLAlchemy) -> None:
    with orm.Session(db.engine) as session, pytest.warns(LegacyAPIWarning):
        expected = shown(session.query(Rating).get((3, 1)))
    with verb.scope(db):
        assert shown(verb(Rating.query, "get", (3, 1))) == expected
        assert shown(verb(Rating.query, "get", {"book_id": 3, "person_id": 1})) == expected
        assert shown(verb(Rating.query.filter_by(stars=4), "get", (3, 1))) == expected
        assert verb(Rating.query.filter_by(stars=5), "get", (3, 1)) is None
