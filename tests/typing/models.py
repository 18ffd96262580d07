"""Models, and the declarative bases they stand on."""
# mypy: disable-error-code="unused-awaitable"

from typing import Any, Self, assert_type

from sqlalchemy import Column, ForeignKey, Integer, String
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import (
    DeclarativeBase,
    InstrumentedAttribute,
    Mapped,
    MappedAsDataclass,
    mapped_column,
)

from fastapi_sqlalchemy import ModelBase, Query, SQLAlchemy


class Base(ModelBase, DeclarativeBase):
    pass


db = SQLAlchemy("sqlite://", model_class=Base)


class Named:
    """A mixin without a base."""

    name: Mapped[str] = mapped_column(String(50))

    def rename(self, name: str) -> Self:
        self.name = name
        return self


class BaseModel(ModelBase):
    """As in the README of 0.2.1, with verbs of its own."""

    @classmethod
    def new(cls, **kwargs: Any) -> Self:
        return cls(**kwargs).save()

    @classmethod
    def get(cls, **kwargs: Any) -> Self | None:
        return cls.query.filter_by(**kwargs).first()

    @classmethod
    def get_all(cls, **kwargs: Any) -> list[Self]:
        return cls.query.filter_by(**kwargs).all()

    def update(self, **kwargs: Any) -> Self:
        for column, value in kwargs.items():
            setattr(self, column, value)
        return self.save()


class OwnBase(BaseModel, DeclarativeBase):
    pass


class Person(Named, Base):
    __tablename__ = "people"

    id: Mapped[int] = mapped_column(primary_key=True)
    born: Mapped[int | None]

    @hybrid_property
    def upper(self) -> str:
        return self.name.upper()


class Engineer(Person):
    __tablename__ = "engineers"

    id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True)
    machine: Mapped[str]


class Membership(Base):
    __tablename__ = "memberships"

    person: Mapped[int] = mapped_column(primary_key=True)
    club: Mapped[int] = mapped_column(primary_key=True)


class Point(MappedAsDataclass, Base):
    __tablename__ = "points"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    x: Mapped[int]


class Owned(OwnBase):
    __tablename__ = "owned"

    id: Mapped[int] = mapped_column(primary_key=True)


class Legacy(Base):
    __tablename__ = "legacy"

    id = Column(Integer, primary_key=True)


def written_out() -> None:
    """`class Base(ModelBase, DeclarativeBase)`: columns on the class, values on a record"""
    assert_type(Person.query, Query[Person])
    assert_type(Person.id, InstrumentedAttribute[int])
    assert_type(Person.born, InstrumentedAttribute[int | None])
    assert_type(Person().id, int)
    assert_type(Person().born, int | None)
    assert_type(Person.query.pluck(Person.born), list[int | None])
    Person().id = "1"  # type: ignore[assignment]


def mixins_and_hierarchies(engineer: Engineer) -> None:
    """mixins, single and joined inheritance, hybrid properties"""
    assert_type(engineer.rename("Ada"), Engineer)
    assert_type(Engineer.query.first(), Engineer | None)
    assert_type(Engineer.get(1), Engineer | None)
    assert_type(engineer.name, str)
    assert_type(engineer.upper, str)
    assert_type(engineer.machine, str)
    assert_type(Engineer.machine, InstrumentedAttribute[str])
    Person().machine  # type: ignore[attr-defined] # noqa: B018


def keys_and_dataclasses() -> None:
    """composite keys, dataclass-mapped models, legacy `Column` models"""
    assert_type(Membership.get((1, 2)), Membership | None)
    assert_type(Point(x=1), Point)
    assert_type(Point.query.one().x, int)
    Point(y=1)  # type: ignore[call-arg]
    Point(x="1")  # type: ignore[arg-type]
    assert_type(Legacy.query.all(), list[Legacy])


def own_verbs(owned: Owned) -> None:
    """`class BaseModel(ModelBase)` with verbs that override ours"""
    assert_type(Owned.new(id=1), Owned)
    assert_type(Owned.get(id=1), Owned | None)
    assert_type(Owned.get_all(), list[Owned])
    assert_type(owned.update(id=1), Owned)
    assert_type(Owned.query, Query[Owned])
    Owned.get(1)  # type: ignore[call-arg]
