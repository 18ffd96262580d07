"""A library whose readers, books and copies have a column of each kind that a schema knows."""

import enum
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID, uuid4

from pydantic import Field
from sqlalchemy import (
    JSON,
    Computed,
    DateTime,
    Enum,
    ForeignKey,
    LargeBinary,
    Numeric,
    String,
    func,
    text,
)
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    column_property,
    mapped_column,
    relationship,
)

from fastapi_sqlalchemy import ModelBase, SQLAlchemy, UTCDateTime


class Base(ModelBase, DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class Rank(enum.Enum):
    GUEST = "guest"
    MEMBER = "member"


Email = Annotated[
    str, mapped_column(String(100)), Field(min_length=3, examples=["ada@example.com"])
]


class Reader(Base):
    """Who borrows."""

    __tablename__ = "readers"
    __guarded__ = {"is_admin"}  # noqa: RUF012 - as one writes it

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[Email]
    name: Mapped[str | None] = mapped_column(String(40), doc="What to call them.")
    rank: Mapped[Rank] = mapped_column(default=Rank.GUEST)
    is_admin: Mapped[bool] = mapped_column(default=False)
    notes: Mapped[str | None] = mapped_column(deferred=True)
    joined: Mapped[datetime] = mapped_column(UTCDateTime, server_default=func.now())
    books: Mapped[list["Book"]] = relationship(back_populates="reader", order_by="Book.id")

    @hybrid_property
    def title(self) -> str:
        """How they are addressed."""
        return f"Reader {self.name}"

    @property
    def initial(self) -> str | None:
        return self.name and self.name[0]

    @hybrid_property
    def untold(self):  # type: ignore[no-untyped-def]  # as untyped code writes it
        return 1


class Book(Base):
    __tablename__ = "books"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(60), comment="As on its cover.")
    pages: Mapped[int] = mapped_column(server_default=text("1"))
    reader_id: Mapped[int | None] = mapped_column(ForeignKey("readers.id"))
    reader: Mapped[Reader | None] = relationship(back_populates="books")
    copies: Mapped[set["Copy"]] = relationship(back_populates="book", order_by="Copy.id")


class Copy(Base):
    __tablename__ = "copies"

    id: Mapped[int] = mapped_column(primary_key=True)
    shelf: Mapped[str] = mapped_column(String(10))
    book_id: Mapped[int] = mapped_column(ForeignKey("books.id"))
    book: Mapped[Book] = relationship(back_populates="copies")


class Shelf(Base):
    """A shelf in a shelf."""

    __tablename__ = "shelves"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(10))
    width: Mapped[int] = mapped_column(default=1)
    above_id: Mapped[int | None] = mapped_column(ForeignKey("shelves.id"))
    below: Mapped[list["Shelf"]] = relationship(order_by="Shelf.id")


class Everything(Base):
    __tablename__ = "everything"

    key: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    price: Mapped[Decimal] = mapped_column(Numeric(8, 2))
    born: Mapped[date]
    seen: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    lasted: Mapped[timedelta]
    tags: Mapped[list[str]] = mapped_column(JSON)
    options: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(Enum("open", "shut", name="state"))
    cover: Mapped[bytes] = mapped_column(LargeBinary)
    ratio: Mapped[float]
    twice: Mapped[int] = mapped_column(Computed("1 + 1"))
    sum: Mapped[int] = column_property(func.abs(-3))
