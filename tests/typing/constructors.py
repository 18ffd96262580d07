"""Constructors, checked for models that ask for it: `CheckedConstructorMixin`."""

from typing import Annotated, assert_type

from sqlalchemy import ForeignKey, String, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from fastapi_sqlalchemy import CheckedConstructorMixin, ModelBase, TimestampMixin


class Base(ModelBase, DeclarativeBase):
    pass


Short = Annotated[str, mapped_column(String(50))]


class Author(CheckedConstructorMixin, TimestampMixin, Base):
    __tablename__ = "authors"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[Short]
    motto: Mapped[str | None] = mapped_column()
    works: Mapped[list["Work"]] = relationship(back_populates="author")


class Novelist(Author):
    genre: Mapped[str]


class Work(Base, CheckedConstructorMixin):
    """After the base, as before it."""

    __tablename__ = "works"

    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))
    author: Mapped[Author] = relationship(back_populates="works")


def right() -> None:
    """a keyword for each attribute, its value or SQL"""
    assert_type(Author(name="Ada"), Author)
    assert_type(Author(id=1, name="Ada", motto=None, works=[Work()]).works, list[Work])
    assert_type(Author(name=func.lower("ADA")).save(), Author)
    assert_type(Work(author=Author(name="Ada"), author_id=1), Work)
    assert_type(Novelist(name="Mary", genre="Gothic"), Novelist)
    assert_type({Author(name="Ada")}, set[Author])


def wrong() -> None:
    """a wrong name, a wrong type, a missing value, a positional one"""
    Author(nmae="Ada")  # type: ignore[call-arg]
    Author(name=1)  # type: ignore[arg-type]
    Author()  # type: ignore[call-arg]
    Author("Ada")  # type: ignore[arg-type, call-arg]
    Author(name="Ada", works=[1])  # type: ignore[list-item]
    Work(author=1)  # type: ignore[arg-type]
    Work(author_id="1")  # type: ignore[arg-type]
    Novelist(name="Mary")  # type: ignore[call-arg]
