"""Verbs on records that hang together: parents, children, and what each relationship loads."""

from collections.abc import Iterator

import pytest
from sqlalchemy import ForeignKey, String, inspect
from sqlalchemy.orm import DeclarativeBase, Mapped, WriteOnlyMapped, mapped_column, relationship

from fastapi_sqlalchemy import ModelBase, SQLAlchemy
from tests.blog import created
from tests.statements import sent, verbs_of
from tests.verbs import Verb


class Base(ModelBase, DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class Author(Base):
    __tablename__ = "authors"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    books: Mapped[list["Book"]] = relationship(
        back_populates="author", cascade="all, delete-orphan", order_by="Book.id"
    )
    letters: WriteOnlyMapped["Letter"] = relationship(back_populates="author", passive_deletes=True)


class Book(Base):
    __tablename__ = "books"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(100))
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))
    author: Mapped[Author] = relationship(back_populates="books")


class Letter(Base):
    __tablename__ = "letters"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(String(100))
    author_id: Mapped[int | None] = mapped_column(ForeignKey("authors.id"))
    author: Mapped[Author | None] = relationship(back_populates="letters", lazy="raise")


@pytest.fixture(autouse=True)
def tables(url: str) -> Iterator[None]:
    with created(db, url):
        yield


def test_save_of_a_parent_inserts_its_new_children(verb: Verb) -> None:
    with verb.scope(db):
        author = verb(Author(name="Ada", books=[Book(title="a"), Book(title="b")]), "save")
        with verb.scope(db):
            books = verb(Book.query.order_by(Book.id), "all")
            assert [(book.title, book.author_id) for book in books] == [
                ("a", author.id),
                ("b", author.id),
            ]


def test_save_of_a_child_inserts_its_new_parent(verb: Verb) -> None:
    with verb.scope(db):
        book = verb(Book, "new", title="a", author=Author(name="Ada"))
        with verb.scope(db):
            assert verb(Author.query, "one").id == book.author_id


def test_the_children_of_a_saved_parent_are_saved_records(verb: Verb) -> None:
    with verb.scope(db):
        author = verb(Author, "new", name="Ada", books=[Book(title="a")])
        [book] = author.books
        with sent() as statements:
            assert verb(Book, "get", book.id) is book
    assert statements == []


def test_delete_of_a_parent_deletes_its_children(verb: Verb) -> None:
    with verb.scope(db):
        verb(Author, "new", name="Ada", books=[Book(title="a"), Book(title="b")])
    with verb.scope(db):
        verb(verb(Author.query, "one"), "delete")
        assert verb(Book.query, "count") == 0


def test_save_deletes_a_child_that_was_taken_away(verb: Verb) -> None:
    with verb.scope(db):
        author = verb(Author, "new", name="Ada", books=[Book(title="a"), Book(title="b")])
        author.books.pop(0)
        verb(author, "save")
        with verb.scope(db):
            assert [book.title for book in verb(Book.query, "all")] == ["b"]


def test_update_sets_a_relationship(verb: Verb) -> None:
    with verb.scope(db):
        book = verb(Book, "new", title="a", author=Author(name="Ada"))
    with verb.scope(db):
        bob = verb(Author, "new", name="Bob")
        book = verb(Book, "get", title="a")
        verb(book, "update", author=bob)
        assert book.author_id == bob.id


def test_update_replaces_a_collection(verb: Verb) -> None:
    with verb.scope(db):
        verb(Author, "new", name="Ada", books=[Book(title="a"), Book(title="b")])
    with verb.scope(db):
        author = verb(Author.query, "one")
        verb(author, "update", books=[Book(title="c")])
        with verb.scope(db):
            assert [book.title for book in verb(Book.query, "all")] == ["c"]


def test_update_of_a_column_loads_no_relationship(verb: Verb) -> None:
    with verb.scope(db):
        verb(Author, "new", name="Ada", books=[Book(title="a")])
    with verb.scope(db):
        author = verb(Author.query, "one")
        with sent() as statements:
            verb(author, "update", name="Augusta")
        assert inspect(author).unloaded >= {"books", "letters"}
    assert verbs_of(statements) == ["UPDATE"]


def test_update_of_a_column_leaves_a_relationship_that_refuses_to_load(verb: Verb) -> None:
    with verb.scope(db):
        author = verb(Author, "new", name="Ada")
        verb(Letter, "new", text="Dear Charles", author_id=author.id)
    with verb.scope(db):
        letter = verb(Letter.query, "one")
        with sent() as statements:
            verb(letter, "update", text="Dear Mr Babbage")
    assert verbs_of(statements) == ["UPDATE"]


def test_update_of_a_parent_adds_to_a_collection_that_is_only_written(verb: Verb) -> None:
    with verb.scope(db):
        author = verb(Author, "new", name="Ada")
    with verb.scope(db):
        author = verb(Author.query, "one")
        author.letters.add(Letter(text="Dear Charles"))
        with sent() as statements:
            verb(author, "save")
        assert verb(Letter.query, "one").author_id == author.id
    assert verbs_of(statements) == ["INSERT"]


def test_refresh_loads_no_relationship(verb: Verb) -> None:
    with verb.scope(db):
        verb(Author, "new", name="Ada", books=[Book(title="a")])
    with verb.scope(db):
        author = verb(Author.query, "one")
        with sent() as statements:
            verb(author, "refresh")
    assert verbs_of(statements) == ["SELECT"]


def test_refresh_loads_a_relationship_by_name(verb: Verb) -> None:
    with verb.scope(db):
        verb(Author, "new", name="Ada", books=[Book(title="a")])
    with verb.scope(db):
        author = verb(Author.query, "one")
        verb(author, "refresh", "books")
        with sent() as statements:
            assert [book.title for book in verb.inside(lambda: author.books)] == ["a"]
    assert statements == []


def test_refresh_loads_a_relationship_that_refuses_to_load_by_itself(verb: Verb) -> None:
    with verb.scope(db):
        verb(Letter, "new", text="Dear Charles", author=Author(name="Ada"))
    with verb.scope(db):
        letter = verb(Letter.query, "one")
        verb(letter, "refresh", "author")
        assert letter.author.name == "Ada"


def test_a_merged_copy_is_saved(verb: Verb) -> None:
    with verb.scope(db):
        author: Author = verb(Author, "new", name="Ada")
    author.name = "Augusta"

    def merge() -> Author:
        return db.session.merge(author)

    async def merge_awaited() -> Author:
        return await db.async_session.merge(author)

    with verb.scope(db):
        verb(verb.inside(merge if verb.blocking else merge_awaited), "save")
        with verb.scope(db):
            assert verb(Author.query, "one").name == "Augusta"
