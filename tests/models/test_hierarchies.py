"""Verbs on models with a key of two columns, and on models that derive from one another."""
# ruff: noqa: RUF012 - `__mapper_args__` is SQLAlchemy's, which declares it

from collections.abc import Iterator

import pytest
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fastapi_sqlalchemy import ModelBase, SQLAlchemy
from tests.blog import created
from tests.verbs import Verb


class Base(ModelBase, DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class Seat(Base):
    __tablename__ = "seats"

    row: Mapped[str] = mapped_column(String(2), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    guest: Mapped[str | None] = mapped_column(String(100))


class Animal(Base):
    """One table for all of them."""

    __tablename__ = "animals"
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(100))


class Cat(Animal):
    __mapper_args__ = {"polymorphic_identity": "cat"}

    lives: Mapped[int | None] = mapped_column()


class Vehicle(Base):
    """A table for each of them."""

    __tablename__ = "vehicles"
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "vehicle"}

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    wheels: Mapped[int]


class Car(Vehicle):
    __tablename__ = "cars"
    __mapper_args__ = {"polymorphic_identity": "car"}

    id: Mapped[int] = mapped_column(ForeignKey("vehicles.id"), primary_key=True)
    seats: Mapped[int]


@pytest.fixture(autouse=True)
def tables(url: str) -> Iterator[None]:
    with created(db, url):
        yield


def test_a_key_of_two_columns_is_saved_and_found(verb: Verb) -> None:
    with verb.scope(db):
        seat = verb(Seat, "new", row="A", number=1, guest="Ada")
        assert verb(Seat, "get", ("A", 1)) is seat


def test_a_record_with_a_key_of_two_columns_is_updated_alone(verb: Verb) -> None:
    with verb.scope(db):
        seat = verb(Seat, "new", row="A", number=1, guest="Ada")
        verb(Seat, "new", row="A", number=2, guest="Bob")
        verb(seat, "update", guest="Eve")
    with verb.scope(db):
        seats = verb(Seat.query.order_by(Seat.number), "all")
        assert [seat.guest for seat in seats] == ["Eve", "Bob"]


def test_a_record_with_a_key_of_two_columns_is_deleted_alone(verb: Verb) -> None:
    with verb.scope(db):
        seat = verb(Seat, "new", row="A", number=1)
        verb(Seat, "new", row="A", number=2)
        verb(seat, "delete")
        assert [seat.number for seat in verb(Seat, "get_all")] == [2]


def test_the_key_itself_can_be_updated(verb: Verb) -> None:
    with verb.scope(db):
        seat = verb(Seat, "new", row="A", number=1)
        verb(seat, "update", number=9)
        assert verb(Seat, "get", ("A", 9)) is seat
        assert verb(Seat, "get", ("A", 1)) is None


def test_a_record_of_a_single_table_is_found_as_its_own_class(verb: Verb) -> None:
    with verb.scope(db):
        cat = verb(Cat, "new", name="Tom", lives=9)
    with verb.scope(db):
        found = verb(Animal, "get", cat.id)
        assert type(found) is Cat
        assert found.name == "Tom"


def test_a_record_of_a_single_table_is_not_found_as_another_class(verb: Verb) -> None:
    with verb.scope(db):
        animal = verb(Animal, "new", name="Rex")
        verb(Cat, "new", name="Tom")
    with verb.scope(db):
        assert verb(Cat, "get", animal.id) is None
        assert verb(Cat, "get", name="Rex") is None
        assert [cat.name for cat in verb(Cat, "get_all")] == ["Tom"]


def test_a_single_table_counts_each_class(verb: Verb) -> None:
    with verb.scope(db):
        verb(Animal, "new", name="Rex")
        verb(Cat, "new", name="Tom")
        assert verb(Animal.query, "count") == 2
        assert verb(Cat.query, "count") == 1


def test_a_record_of_two_tables_is_saved_updated_and_found(verb: Verb) -> None:
    with verb.scope(db):
        car = verb(Car, "new", wheels=4, seats=5)
        verb(car, "update", wheels=3, seats=2)
    with verb.scope(db):
        found = verb(Car, "get", car.id)
        assert (found.wheels, found.seats) == (3, 2)


def test_a_record_of_two_tables_is_found_as_its_own_class(verb: Verb) -> None:
    with verb.scope(db):
        car = verb(Car, "new", wheels=4, seats=5)
    with verb.scope(db):
        assert type(verb(Vehicle, "get", car.id)) is Car


def test_a_record_of_two_tables_is_deleted_from_both(verb: Verb) -> None:
    with verb.scope(db):
        verb(Vehicle, "new", wheels=2)
        verb(verb(Car, "new", wheels=4, seats=5), "delete")
        assert verb(Vehicle.query, "count") == 1
        assert verb(Car.query, "count") == 0


def test_two_tables_count_each_class(verb: Verb) -> None:
    with verb.scope(db):
        verb(Vehicle, "new", wheels=2)
        verb(Car, "new", wheels=4, seats=5)
        assert verb(Vehicle.query, "count") == 2
        assert verb(Car.query, "count") == 1


def test_a_criterion_may_be_of_either_of_two_tables(verb: Verb) -> None:
    with verb.scope(db):
        verb(Car, "new", wheels=4, seats=5)
        car = verb(Car, "new", wheels=3, seats=2)
        assert verb(Car, "get_all", Car.seats < 5, wheels=3) == [car]
