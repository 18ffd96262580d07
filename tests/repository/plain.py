"""Models that know nothing of this package, in a database that is given to their repositories."""

from typing import Any, Self

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, registry, relationship

from fastapi_sqlalchemy import Query, Repository, SQLAlchemy


class Base(DeclarativeBase):
    pass


library = SQLAlchemy(metadata=Base.metadata)


class Author(Base):
    __tablename__ = "authors"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50), unique=True)
    age: Mapped[int | None]
    books: Mapped[list["Book"]] = relationship(back_populates="author")


class Book(Base):
    __tablename__ = "books"
    __table_args__ = (UniqueConstraint("title"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(50))
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))
    author: Mapped[Author] = relationship(back_populates="books")


class Shelf(Base):
    """Found by two columns."""

    __tablename__ = "shelves"

    room: Mapped[str] = mapped_column(String(10), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    label: Mapped[str | None] = mapped_column(String(50))


class Letters(Query["Letter"]):
    """A query class of a model of ours or of anybody's."""

    def old(self) -> Self:
        return self.filter(Letter.id < 10)


class Letter(Base):
    __tablename__ = "letters"
    query_class = Letters

    id: Mapped[int] = mapped_column(primary_key=True)


lax = registry(metadata=Base.metadata)


@lax.mapped
class Reader:
    """As SQLModel makes them: its constructor drops what it does not know."""

    __tablename__ = "readers"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))

    def __init__(self, **values: Any) -> None:
        for name in ("id", "name"):
            if name in values:
                setattr(self, name, values[name])


class Authors(Repository[Author]):
    db = library


class Books(Repository[Book]):
    db = library


class Shelves(Repository[Shelf]):
    db = library


class Readers(Repository[Reader]):
    db = library
