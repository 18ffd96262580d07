"""What a query of a base class does not load of the classes that derive from it."""

from collections.abc import Iterator

import pytest
from sqlalchemy.orm import selectin_polymorphic

from fastapi_sqlalchemy.exceptions import NotLoadedError
from tests.blog import created
from tests.models.test_hierarchies import Animal, Car, Cat, Vehicle, db
from tests.verbs import Verb


@pytest.fixture(autouse=True)
def tables(url: str) -> Iterator[None]:
    with created(db, url):
        with db():
            Car.new(wheels=4, seats=5)
            Cat.new(name="Tom", lives=9)
        yield


@pytest.mark.parametrize(
    ("base", "model", "name"), [(Vehicle, Car, "seats"), (Animal, Cat, "lives")]
)
def test_a_column_of_a_subclass_names_the_ways_to_load_it(
    verb: Verb, base: type[Vehicle | Animal], model: type[Car | Cat], name: str
) -> None:
    schema = model.schema(include={name})
    with verb.scope(db):
        record = verb(base.query, "one")
        with pytest.raises(NotLoadedError) as caught:
            schema.model_validate(record)
    assert f"expected {model.__name__}.{name} to be loaded" in str(caught.value)
    assert f"`{model.__name__}.query`" in str(caught.value)
    assert f"selectin_polymorphic({base.__name__}, [{model.__name__}])" in str(caught.value)


def test_the_ways_that_it_names_do_load_it(verb: Verb) -> None:
    schema = Car.schema(include={"seats"})
    with verb.scope(db):
        found = verb(Vehicle.query.options(selectin_polymorphic(Vehicle, [Car])), "one")
        assert schema.model_validate(found).model_dump() == {"seats": 5}
    with verb.scope(db):
        assert schema.model_validate(verb(Car.query, "one")).model_dump() == {"seats": 5}


def test_a_record_that_expired_as_a_whole_is_to_be_loaded_again(verb: Verb) -> None:
    with verb.scope(db):
        car = verb(Car.query, "one")
        verb.inside(
            lambda: db.session.expire(car) if verb.blocking else db.async_session.expire(car)
        )
        with pytest.raises(NotLoadedError, match=r"is expired[\s\S]+refresh\(\)"):
            Car.schema(include={"seats"}).model_validate(car)
