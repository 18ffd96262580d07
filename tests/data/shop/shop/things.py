"""Models with annotations, and repositories."""

from dataclasses import field
from typing import Annotated, Any, Literal

from sqlalchemy import JSON, Computed, ForeignKey, Integer, String
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    MappedAsDataclass,
    WriteOnlyMapped,
    mapped_column,
    relationship,
)

from fastapi_sqlalchemy import CheckedConstructorMixin, ModelBase, Repository, TimestampMixin

from . import database
from .kinds import Kind, Priced
from .people import Person

Short = Annotated[str, mapped_column(String(20))]


class Thing(TimestampMixin, Priced, ModelBase, database.db.Base):
    __tablename__ = "things"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[Kind]
    extra: Mapped[dict[str, Any]] = mapped_column(JSON)
    label: Mapped[Short | None]
    state: Mapped[Literal["new", "old"]] = mapped_column(String(10))
    twice = mapped_column(Integer, Computed("price * 2"))
    owner_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    owner: Mapped[Person] = relationship(back_populates="things")
    sales: WriteOnlyMapped["Sale"] = relationship()

    class Sale(database.db.Base):
        __tablename__ = "sales"

        id: Mapped[int] = mapped_column(primary_key=True)
        thing_id: Mapped[int] = mapped_column(ForeignKey("things.id"))


class Special(Thing):
    reason: Mapped[str | None]


class Point(MappedAsDataclass, database.db.Base):
    __tablename__ = "points"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    x: Mapped[int]


class Checked(CheckedConstructorMixin, database.db.Base):
    __tablename__ = "checked"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Plain(DeclarativeBase):
    """A base of SQLAlchemy's own."""


class Author(Plain):
    __tablename__ = "authors"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Things(Repository[Thing]):
    def books(self) -> list[Thing]:
        return self.find(kind=Kind.book)


class Authors(Repository[Author]):
    def get_by(self, name: str) -> Author | None:
        return self.query.filter_by(name=name).first()


class Basket:
    things: list[Thing] = field(default_factory=list)
