"""Legacy models, and what stands beside them in a module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from sqlalchemy import Column, Integer, String
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import relationship, synonym

from fastapi_sqlalchemy import ModelBase, Query

from .database import db

if TYPE_CHECKING:
    from .things import Thing

try:
    import json
except ImportError:  # pragma: no cover
    json = None

LIMIT = 3
_Any = "a name that a stub would use"


class BaseModel(ModelBase):
    @classmethod
    def get(cls, **kwargs):
        return cls.query.filter_by(**kwargs).first()


    def update(self, *, quiet: bool = False, **kwargs: Any) -> Self:
        for name, value in kwargs.items():
            setattr(self, name, value)
        return self.save()


class People(Query["Person"]):
    def minors(self):
        return self.filter(Person.age < 18)

    def adults(self) -> Self:
        return self.filter(Person.age > 17)


class Person(db.Base):
    __tablename__ = "people"
    query_class: ClassVar[type[People]] = People

    id = Column(Integer, primary_key=True)
    name = Column(String, nullable=False)
    age = Column(Integer)
    alias = synonym("name")
    things = relationship("Thing", back_populates="owner")

    @hybrid_property
    def upper(self) -> str:
        return self.name.upper()

    def greet(self, other: Person, times: int = LIMIT) -> str:
        return f"{self.name} greets {other.name}" * times

    def first_thing(self) -> Thing | None:
        return next(iter(self.things), None)


class Old(BaseModel, db.Base):
    __tablename__ = "olds"

    id = Column(Integer, primary_key=True)

    @classmethod
    def new(cls, *, number: int) -> Self:
        return cls(id=number).save()


class Counter:
    def __init__(self, start: int) -> None:
        self.start = start
        self.total: float = 0
        self.notes = {}

    def count(self) -> int:
        return self.start


def first_adult() -> Person | None:
    return Person.query.adults().first()


def shown(**values: Any) -> str:
    return json.dumps(values)


if __name__ == "__main__":
    first_adult()
