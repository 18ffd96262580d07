"""The models on which our query is held against SQLAlchemy's: every kind of mapping once.

People in joined tables, media in a single one, ratings with a key of two columns.
"""
# ruff: noqa: RUF012 - `__mapper_args__` is SQLAlchemy's, which declares it

from decimal import Decimal

from sqlalchemy import ForeignKey, Numeric, String
from sqlalchemy.orm import DeclarativeBase, Mapped, deferred, mapped_column, relationship

from fastapi_sqlalchemy import ModelBase, SQLAlchemy


class Base(ModelBase, DeclarativeBase):
    pass


catalogue = SQLAlchemy(model_class=Base)


class Person(Base):
    __tablename__ = "people"
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "person"}

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(50))
    age: Mapped[int | None]


class Writer(Person):
    __tablename__ = "writers"
    __mapper_args__ = {"polymorphic_identity": "writer"}

    id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True)
    pen_name: Mapped[str | None] = mapped_column(String(50))
    books: Mapped[list["Book"]] = relationship(back_populates="writer", order_by="Book.id")


class Book(Base):
    __tablename__ = "books"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(50))
    pages: Mapped[int]
    price: Mapped[Decimal] = mapped_column(Numeric(8, 2))
    summary: Mapped[str | None] = deferred(mapped_column(String(200)))
    writer_id: Mapped[int] = mapped_column(ForeignKey("writers.id"))
    writer: Mapped[Writer] = relationship(back_populates="books")
    ratings: Mapped[list["Rating"]] = relationship(back_populates="book", order_by="Rating.stars")


class Rating(Base):
    """One person's opinion of one book."""

    __tablename__ = "ratings"

    book_id: Mapped[int] = mapped_column(ForeignKey("books.id"), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True)
    stars: Mapped[int]
    book: Mapped[Book] = relationship(back_populates="ratings")
    person: Mapped[Person] = relationship()


class Medium(Base):
    __tablename__ = "media"
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "medium"}

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    title: Mapped[str] = mapped_column(String(50))


class Film(Medium):
    __mapper_args__ = {"polymorphic_identity": "film"}

    minutes: Mapped[int | None]


def fill() -> None:
    """Three writers, one of whom has no books, a reader, and two media."""
    with catalogue(commit_on_exit=True):
        ada = Writer(id=1, name="Ada", age=36, pen_name="A. A. L.")
        mary = Writer(id=2, name="Mary", age=53)
        jane = Writer(id=3, name="Jane", age=41)
        reader = Person(id=4, name="Bob", age=None)
        books = [
            Book(id=1, title="Notes", pages=60, price=Decimal("9.50"), writer=ada),
            Book(id=2, title="Engines", pages=200, price=Decimal("20.00"), writer=ada),
            Book(id=3, title="Frankenstein", pages=280, price=Decimal("12.25"), writer=mary),
            Book(id=4, title="Lodore", pages=280, price=Decimal("12.25"), writer=mary),
        ]
        catalogue.session.add_all([ada, mary, jane, reader, *books])
        catalogue.session.flush()
        for book_id, person_id, stars in ((1, 4, 3), (3, 4, 5), (3, 1, 4)):
            catalogue.session.add(Rating(book_id=book_id, person_id=person_id, stars=stars))
        catalogue.session.add_all(
            [Medium(id=1, title="Radio"), Film(id=2, title="Metropolis", minutes=153)]
        )
