"""Queries on models that derive from one another, in one table or in several."""
# ruff: noqa: RUF012 - `__mapper_args__` is SQLAlchemy's, which declares it

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, aliased, mapped_column, relationship

from fastapi_sqlalchemy import ModelBase, Query, SQLAlchemy
from tests.blog import created
from tests.statements import sent, verbs_of
from tests.verbs import Verb


class Base(ModelBase, DeclarativeBase):
    pass


zoo = SQLAlchemy(model_class=Base)


class Keeper(Base):
    __tablename__ = "keepers"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    animals: Mapped[list["Animal"]] = relationship(back_populates="keeper")


class Animal(Base):
    """One table for all of them."""

    __tablename__ = "animals"
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(100))
    keeper_id: Mapped[int | None] = mapped_column(ForeignKey("keepers.id"))
    keeper: Mapped[Keeper | None] = relationship(back_populates="animals")


class Cat(Animal):
    __mapper_args__ = {"polymorphic_identity": "cat"}

    lives: Mapped[int | None]


class Lion(Cat):
    __mapper_args__ = {"polymorphic_identity": "lion"}


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


@pytest.fixture(autouse=True, params=["sqlite", "postgresql"])
def filled(request: pytest.FixtureRequest) -> Iterator[None]:
    url = "sqlite://" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    with created(zoo, url):
        with zoo(commit_on_exit=True):
            keeper = Keeper.new(name="Noah")
            Animal.new(name="Rex", keeper=keeper)
            Cat.new(name="Tom", lives=9, keeper=keeper)
            Lion.new(name="Leo", lives=1)
            Vehicle.new(wheels=2)
            Car.new(wheels=4, seats=5)
            Car.new(wheels=3, seats=2)
        yield


def test_a_child_in_the_same_table_is_told_apart_by_a_criterion() -> None:
    assert str(Lion.query).endswith("FROM animals\nWHERE animals.kind IN (__[POSTCOMPILE_kind_1])")


@pytest.mark.parametrize(("model", "count"), [(Animal, 3), (Cat, 2), (Lion, 1)])
def test_a_count_in_one_table_is_that_of_the_class_and_its_children(
    verb: Verb, model: type[Animal], count: int
) -> None:
    with verb.scope(zoo):
        assert verb(model.query, "count") == count


@pytest.mark.parametrize(("model", "count"), [(Animal, 3), (Cat, 2), (Lion, 1)])
def test_a_limited_count_in_one_table_is_that_of_the_class_and_its_children(
    verb: Verb, model: type[Animal], count: int
) -> None:
    with verb.scope(zoo):
        assert verb(model.query.limit(9), "count") == count


@pytest.mark.parametrize("model", [Animal, Cat, Lion])
def test_exists_in_one_table_heeds_the_class(verb: Verb, model: type[Animal]) -> None:
    with verb.scope(zoo):
        assert verb(model.query.filter_by(name="Rex"), "exists") is (model is Animal)


def test_records_of_one_table_come_as_their_own_classes(verb: Verb) -> None:
    with verb.scope(zoo):
        found = verb(Animal.query.order_by(Animal.id), "all")
    assert [type(animal) for animal in found] == [Animal, Cat, Lion]


def test_a_child_in_the_same_table_has_names_of_its_own(verb: Verb) -> None:
    with verb.scope(zoo):
        assert verb(Cat.query.filter_by(lives=9, name="Tom"), "one").name == "Tom"


def test_get_in_one_table_heeds_the_class(verb: Verb) -> None:
    with verb.scope(zoo):
        rex = verb(Animal.query.filter_by(name="Rex"), "one")
        assert verb(Animal.query, "get", rex.id) is rex
        assert verb(Cat.query, "get", rex.id) is None


def test_a_join_to_a_child_in_the_same_table_heeds_the_class(verb: Verb) -> None:
    query = Keeper.query.join(Keeper.animals.of_type(Cat))
    with verb.scope(zoo):
        assert verb(query.filter_by(name="Tom"), "count") == 1
        assert verb(query.filter_by(name="Rex"), "count") == 0


def test_a_join_to_an_alias_of_a_child_in_the_same_table_heeds_the_class(verb: Verb) -> None:
    cat = aliased(Cat)
    query = Keeper.query.join(cat, cat.keeper_id == Keeper.id)
    with verb.scope(zoo):
        assert verb(query.filter_by(name="Tom"), "exists") is True
        assert verb(query.filter_by(name="Rex"), "exists") is False


def test_a_count_of_a_join_from_a_child_in_the_same_table_heeds_the_class(verb: Verb) -> None:
    with verb.scope(zoo):
        assert verb(Cat.query.join(Cat.keeper), "count") == 1
        assert verb(Animal.query.join(Animal.keeper), "count") == 2


@pytest.mark.parametrize(("model", "count"), [(Vehicle, 3), (Car, 2)])
def test_a_count_in_several_tables_is_that_of_the_class_and_its_children(
    verb: Verb, model: type[Vehicle], count: int
) -> None:
    with verb.scope(zoo):
        assert verb(model.query, "count") == count
        assert verb(model.query.limit(9), "count") == count


@pytest.mark.parametrize(("model", "exists"), [(Vehicle, True), (Car, False)])
def test_exists_in_several_tables_heeds_the_class(
    verb: Verb, model: type[Vehicle], exists: bool
) -> None:
    with verb.scope(zoo):
        assert verb(model.query.filter_by(wheels=2), "exists") is exists


def test_records_of_several_tables_come_as_their_own_classes(verb: Verb) -> None:
    with verb.scope(zoo):
        found = verb(Vehicle.query.order_by(Vehicle.id), "all")
    assert [type(vehicle) for vehicle in found] == [Vehicle, Car, Car]


def test_criteria_of_both_tables_go_together(verb: Verb) -> None:
    with verb.scope(zoo):
        assert verb(Car.query.filter_by(wheels=3, seats=2), "one").seats == 2
        assert verb(Car.query.filter(Car.seats > 2).filter_by(wheels=4), "count") == 1


def test_a_child_in_a_table_of_its_own_is_loaded_by_one_statement(verb: Verb) -> None:
    with verb.scope(zoo), sent() as statements:
        cars = verb(Car.query.order_by(Car.id), "all")
        assert verb.inside(lambda: [(car.wheels, car.seats) for car in cars]) == [(4, 5), (3, 2)]
    assert verbs_of(statements) == ["SELECT"]


def test_get_in_several_tables_gives_the_own_class(verb: Verb) -> None:
    with verb.scope(zoo):
        car = verb(Car.query.filter_by(seats=5), "one")
    with verb.scope(zoo):
        assert type(verb(Vehicle.query, "get", car.id)) is Car


def test_get_with_criteria_in_several_tables_heeds_both(verb: Verb) -> None:
    with verb.scope(zoo):
        car = verb(Car.query.filter_by(seats=5), "one")
        assert verb(Car.query.filter_by(wheels=4), "get", car.id) is car
        assert verb(Car.query.filter_by(wheels=3), "get", car.id) is None


def test_get_in_several_tables_heeds_the_class(verb: Verb) -> None:
    with verb.scope(zoo):
        bicycle = verb(Vehicle.query.filter_by(wheels=2), "one")
        assert verb(Car.query, "get", bicycle.id) is None


def test_parts_of_a_union_in_several_tables_may_be_limited(verb: Verb) -> None:
    few: Query[Any] = Car.query.order_by(Car.seats).limit(1)
    many = Car.query.order_by(Car.seats.desc())
    with verb.scope(zoo):
        found = verb(few.union(many[:1]).order_by(Car.seats), "all")
        assert [car.seats for car in found] == [2, 5]
        assert verb(Vehicle.query.filter_by(wheels=2).union(few), "count") == 2
        assert verb(Animal.query.filter_by(name="Rex").union(Lion.query), "count") == 2


ORDERS = {
    "none": (),
    "of the parent": (Vehicle.wheels.desc(),),
    "of the child": (Car.seats, Vehicle.wheels),
    "key": (Car.id.desc(),),
}


@pytest.mark.parametrize("name", ORDERS)
def test_a_child_in_a_table_of_its_own_comes_in_pages(verb: Verb, name: str) -> None:
    query = Car.query.order_by(*ORDERS[name])
    with verb.scope(zoo):
        expected = [car.id for car in verb(query.order_by(Car.id), "all")]
        first = verb(query, "cursor_paginate", 1)
        second = verb(query, "cursor_paginate", 1, after=first.next)
        assert [car.id for car in (*first, *second)] == expected
        assert not second.has_next
        assert [car.id for car in verb(query, "paginate", 2, 1)] == expected[1:]
        assert [car.id for car in verb.each(query, "find_each", 1)] == expected


@pytest.mark.parametrize(
    ("model", "names"), [(Animal, ["Leo", "Rex", "Tom"]), (Cat, ["Leo", "Tom"]), (Lion, ["Leo"])]
)
def test_a_page_of_one_table_heeds_the_class(
    verb: Verb, model: type[Animal], names: list[str]
) -> None:
    query = model.query.order_by(model.name)
    with verb.scope(zoo):
        page = verb(query, "paginate", 1, 1)
        assert (page.total, len(page)) == (len(names), 1)
        assert [animal.name for animal in verb.each(query, "find_each", 1)] == names
