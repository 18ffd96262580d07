"""`eager()` loads relationships with the records, `strict()` refuses to load them later."""

import asyncio
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, immediateload, joinedload, selectinload, undefer

from fastapi_sqlalchemy import SQLAlchemy
from fastapi_sqlalchemy.exceptions import LazyLoadError, NotARelationshipError
from tests.blog import created
from tests.catalogue import Book, Person, Rating, Writer, catalogue, fill
from tests.statements import sent
from tests.verbs import Verb


@pytest.fixture(params=["sqlite", "postgresql"])
def db(request: pytest.FixtureRequest) -> Iterator[SQLAlchemy]:
    url = "sqlite://" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    with created(catalogue, url):
        fill()
        yield catalogue


def paths(query: Any) -> list[str]:
    """The loader options as SQLAlchemy would write them."""
    return [
        " ".join(f"{dict(e.strategy)['lazy']}:{e.path.path[1::2][-1].key}" for e in option.context)
        for option in query._options
    ]


@pytest.mark.parametrize(
    ("model", "relationships", "expected"),
    [
        (Writer, (Writer.books,), ["selectin:books"]),
        (Book, (Book.writer,), ["joined:writer"]),
        (
            Writer,
            (Writer.books, Book.ratings, Rating.person),
            [
                "selectin:books",
                "selectin:books selectin:ratings",
                "selectin:books selectin:ratings joined:person",
            ],
        ),
        (Book, (Book.writer, Book.ratings), ["joined:writer", "selectin:ratings"]),
        (Book, (Book.writer, Writer.books), ["joined:writer", "joined:writer selectin:books"]),
        (Book, (Book.writer, Writer.books, Book.ratings), None),
        (
            Rating,
            (Rating.book, Book.writer, Rating.person.of_type(Writer), Writer.books),
            [
                "joined:book",
                "joined:book joined:writer",
                "joined:person",
                "joined:person selectin:books",
            ],
        ),
        (Writer, (Writer.books.and_(Book.pages > 100),), ["selectin:books"]),
    ],
)
def test_a_loader_fits_what_the_relationship_leads_to(
    model: type[Any], relationships: tuple[Any, ...], expected: list[str] | None
) -> None:
    found = paths(model.query.eager(*relationships))
    if expected is None:  # of two that have it, the query's own model
        expected = ["joined:writer", "joined:writer selectin:books", "selectin:ratings"]
    assert found == expected


def test_what_was_loaded_eagerly_needs_no_statement(verb: Verb, db: SQLAlchemy) -> None:
    query = Writer.query.eager(Writer.books, Book.ratings, Rating.person).order_by(Writer.id)
    with verb.scope(db):
        writers = verb(query, "all")
        with sent() as statements:
            names = verb.inside(
                lambda: [r.person.name for w in writers for b in w.books for r in b.ratings]
            )
    assert names == ["Bob", "Ada", "Bob"]
    assert statements == []


def test_eager_collections_leave_a_limit_to_the_records(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        for query in (
            Writer.query.eager(Writer.books),
            Writer.query.options(joinedload(Writer.books)),
        ):
            writers = verb(query.order_by(Writer.id).limit(2), "all")
            counts = verb.inside(lambda found=writers: [len(writer.books) for writer in found])
            assert counts == [2, 2]
            assert verb(query, "count") == 3


@pytest.mark.parametrize(
    ("relationships", "found"),
    [
        ((Writer.name,), "found Writer.name."),
        (("books",), "found 'books'."),
        ((Rating.person,), "found Rating.person."),
        ((Writer.books, Rating.person), "found Rating.person."),
    ],
)
def test_what_leads_nowhere_is_refused(relationships: tuple[Any, ...], found: str) -> None:
    with pytest.raises(NotARelationshipError) as caught:
        _ = Writer.query.eager(*relationships)
    assert found in str(caught.value)
    assert str(caught.value).endswith("The relationships of Writer: `Writer.books`.")


def test_a_relationship_of_a_child_class_is_not_that_of_its_parent() -> None:
    with pytest.raises(NotARelationshipError, match=r"found Writer\.books\."):
        _ = Person.query.eager(Writer.books)
    assert paths(Rating.query.eager(Rating.person.of_type(Writer), Writer.books))


LAZY: dict[str, tuple[type[Any], Callable[[Any], Any], str, str]] = {
    "collection": (Writer, lambda w: w.books, "Writer.books", "selectinload(Writer.books)"),
    "scalar": (Book, lambda b: b.writer, "Book.writer", "joinedload(Book.writer)"),
    "deferred": (Book, lambda b: b.summary, "Book.summary", "undefer(Book.summary)"),
}


@pytest.mark.parametrize("kind", LAZY)
@pytest.mark.parametrize("terminal", ["first", "all", "get"])
def test_a_strict_record_loads_nothing_by_itself(
    verb: Verb, db: SQLAlchemy, kind: str, terminal: str
) -> None:
    model, read, attribute, option = LAZY[kind]
    with verb.scope(db):
        found = verb(model.query.strict(), terminal, *([1] if terminal == "get" else []))
        record = found[0] if terminal == "all" else found
        with sent() as statements, pytest.raises(LazyLoadError) as caught:
            read(record)  # where it stands, also on an event loop
        assert statements == []
        assert f"{caught.value.model}.{caught.value.attribute}" == attribute
        assert caught.value.option == option
        assert str(caught.value) == (
            f"expected {attribute} to be loaded, found that it is not, and the query that loaded "
            f"the record is `strict()`.\n\nLoad it there: `.options({option})`."
        )
        assert pickle.loads(pickle.dumps(caught.value)).option == option


@pytest.mark.parametrize(
    "option",
    [selectinload(Writer.books), joinedload(Writer.books), immediateload(Writer.books)],
    ids=["selectin", "joined", "immediate"],
)
def test_what_a_strict_query_loads_is_there(verb: Verb, db: SQLAlchemy, option: Any) -> None:
    with verb.scope(db):
        writer = verb(Writer.query.strict().options(option).filter_by(id=1), "one")
        [first, _] = writer.books
        assert first.title == "Notes"
        with pytest.raises(LazyLoadError, match=r"Book\.ratings"):
            _ = first.ratings


def test_a_strict_query_may_undefer(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        assert verb(Book.query.strict().options(undefer(Book.summary)), "first").summary is None


def test_what_expired_may_be_loaded_again(db: SQLAlchemy) -> None:
    with db():
        found = Book.query.strict().eager(Book.writer).filter_by(id=1).one()
        db.session.expire(found)
        assert found.title == "Notes"
        found.refresh()
        db.session.expire(found, ["title"])
        assert found.title == "Notes"


def test_what_the_session_has_needs_no_load(db: SQLAlchemy) -> None:
    with db():
        ada = Writer.get_one(1)
        assert Book.query.strict().filter_by(id=1).one().writer is ada


def test_a_strict_statement_of_the_session_is_strict(db: SQLAlchemy) -> None:
    with db():
        statement = Writer.query.strict().statement
        with pytest.raises(LazyLoadError):
            _ = db.session.scalars(statement).first().books  # type: ignore[union-attr] # there is one


def test_other_records_go_on_loading(db: SQLAlchemy) -> None:
    with db():
        assert Writer.query.strict().filter_by(id=2).one().name == "Mary"
        assert len(Writer.query.filter_by(id=1).one().books) == 2


def test_a_session_of_sqlalchemys_own_goes_on_loading(db: SQLAlchemy) -> None:
    with Session(db.engine) as session:
        found = session.scalars(Writer.query.strict().filter_by(id=1).statement).one()
        assert len(found.books) == 2
        assert len(session.scalars(select(Writer).where(Writer.id == 1)).one().books) == 2


def test_a_lazy_load_on_the_loop_is_refused_with_the_way_out(db: SQLAlchemy) -> None:
    async def main() -> None:
        async with db():
            writer = await Writer.query.strict().afirst()
            assert writer is not None
            with pytest.raises(LazyLoadError):
                _ = writer.books

    asyncio.run(main())
