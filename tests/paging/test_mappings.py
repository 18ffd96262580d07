"""Pages and batches of models whose order is by more than columns of one table."""
# ruff: noqa: RUF012 - `__mapper_args__` is SQLAlchemy's, which declares it

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import ForeignKey, String, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column, relationship

from fastapi_sqlalchemy import ModelBase, Query, SoftDeleteMixin, SQLAlchemy
from tests.blog import created
from tests.paging.conftest import URLS
from tests.verbs import Verb


class Base(ModelBase, DeclarativeBase):
    pass


zoo = SQLAlchemy(model_class=Base)


class Visit(SoftDeleteMixin, Base):
    __tablename__ = "visits"

    id: Mapped[int] = mapped_column(primary_key=True)
    animal_id: Mapped[int] = mapped_column(ForeignKey("animals.id"))


class Animal(Base):
    """One table for all of them."""

    __tablename__ = "animals"
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    visits: Mapped[list[Visit]] = relationship(order_by=Visit.id)
    fame: Mapped[int] = column_property(
        select(func.count(Visit.id))
        .where(Visit.animal_id == id)
        .correlate_except(Visit)
        .scalar_subquery()
    )


class Cat(Animal):
    __mapper_args__ = {"polymorphic_identity": "cat"}

    lives: Mapped[int | None]


class Vehicle(Base):
    """A table for each of them, which are all joined."""

    __tablename__ = "vehicles"
    __mapper_args__ = {
        "polymorphic_on": "kind",
        "polymorphic_identity": "vehicle",
        "with_polymorphic": "*",
    }

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    wheels: Mapped[list["Wheel"]] = relationship()


class Wheel(Base):
    __tablename__ = "wheels"

    id: Mapped[int] = mapped_column(primary_key=True)
    vehicle_id: Mapped[int] = mapped_column(ForeignKey("vehicles.id"))


class Car(Vehicle):
    __tablename__ = "cars"
    __mapper_args__ = {"polymorphic_identity": "car"}

    id: Mapped[int] = mapped_column(ForeignKey("vehicles.id"), primary_key=True)
    doors: Mapped[int]


class Boat(Vehicle):
    __tablename__ = "boats"
    __mapper_args__ = {"polymorphic_identity": "boat"}

    id: Mapped[int] = mapped_column(ForeignKey("vehicles.id"), primary_key=True)
    sails: Mapped[int]


@pytest.fixture(params=list(URLS))
def db(request: pytest.FixtureRequest) -> Iterator[SQLAlchemy]:
    fixture = URLS[request.param]
    url = "sqlite://" if fixture is None else request.getfixturevalue(fixture)
    with created(zoo, url) as database:
        with database(commit_on_exit=True):
            for number in (2, 0, 3, 1):
                Cat.new(lives=number, visits=[Visit() for _ in range(number)])
                Car.new(doors=number, wheels=[Wheel(), Wheel()])
            Animal.new(visits=[Visit(), Visit()])
            Boat.new(sails=1, wheels=[Wheel()])
        with database(commit_on_exit=True):
            Visit.query.filter_by(animal_id=1).delete()  # so that the first has none
        yield database


def visits() -> Any:
    counted = select(func.count(Visit.id)).where(Visit.animal_id == Animal.id)
    return counted.correlate(Animal).scalar_subquery()


QUERIES: dict[str, Query[Any]] = {
    "a subquery": Animal.query.order_by(visits()),
    "a subquery, descending": Animal.query.order_by(visits().desc()),
    "an expression with a subquery": Animal.query.order_by(visits() * 2 + 1),
    "a column_property": Animal.query.order_by(Animal.fame),
    "a column_property, descending": Animal.query.order_by(Animal.fame.desc()),
    "a column_property by name": Animal.query.order_by("fame"),
    "a subquery beside a join": Animal.query.join(Animal.visits).order_by(visits().desc()),
    "a subclass's column of the same table": Animal.query.order_by(Cat.lives),
    "a subclass's expression": Animal.query.order_by(func.coalesce(Cat.lives, 9).desc()),
    "a subclass's column of another table": Vehicle.query.order_by(Car.doors),
    "an expression of two subclasses": Vehicle.query.order_by(
        func.coalesce(Car.doors, Boat.sails).desc()
    ),
    "a subclass's column beside a join": Vehicle.query.join(Vehicle.wheels).order_by(Car.doors),
}


@pytest.mark.parametrize("name", QUERIES)
def test_pages_and_batches_are_the_sorted_list_in_pieces(
    verb: Verb, db: SQLAlchemy, name: str
) -> None:
    query = QUERIES[name]
    key: Any = query._model.id
    with verb.scope(db):
        expected = verb(query.order_by(key), "all")
        assert len(expected) >= 3
        assert verb.each(query, "find_each", 2) == expected
        first = verb(query, "cursor_paginate", 2)
        second = verb(query, "cursor_paginate", 2, after=first.next)
        back = verb(query, "cursor_paginate", 2, before=second.previous)
        assert [*first, *second] == expected[:4]
        assert back.items == first.items
        assert verb(query, "paginate", 2, 2).items == expected[2:4]
