"""Keywords and columns, with the stubs that `fastapi-sqlalchemy stubs` writes."""

from typing import Any, Literal, assert_type

from shop.kinds import Kind
from shop.people import LIMIT, Counter, Old, People, Person, first_adult, shown
from shop.things import Author, Authors, Checked, Point, Special, Thing, Things
from sqlalchemy import func

from fastapi_sqlalchemy import Query


def models(person: Person, thing: Thing) -> None:
    """right keywords of models, and the types of their attributes"""
    assert_type(person.name, str)
    assert_type(person.age, int | None)
    assert_type(person.things, list[Thing])
    assert_type(person.first_thing(), Thing | None)
    assert_type(person.greet(person), str)
    assert_type(thing.owner, Person)
    assert_type(thing.twice, int | None)
    assert_type(Person.new(name="Ada", age=None), Person)
    assert_type(Person(name=func.lower("ADA"), things=[Thing()]).save(), Person)
    assert_type(Thing().update(extra={"a": 1}, since=None, state="new"), Thing)
    assert_type(Thing.get(owner=person, kind=Kind.pen), Thing | None)
    assert_type(Thing.get_all(Thing.price > 1, owner_id=1), list[Thing])
    assert_type(Thing.get_or_create({"price": 1}, kind=Kind.pen), tuple[Thing, bool])
    assert_type(Thing.Sale.new(thing_id=1), Thing.Sale)
    assert_type(Special.new(reason="why", price=1, created_at=func.now()), Special)
    assert_type(Point(x=1), Point)
    assert_type(Checked(name="Ada"), Checked)
    assert_type(Author(name="Ada"), Author)
    assert_type(Old.get(id=1), Old | None)
    assert_type(Old.new(number=1), Old)
    assert_type(Old.new(number=1).update(quiet=True, id=1), Old)


def queries() -> None:
    """right keywords of queries; after a `join` any"""
    assert_type(Person.query.filter_by(alias="Ada", upper="ADA").first(), Person | None)
    assert_type(Person.query.adults().filter_by(name="Ada").all(), list[Person])
    assert_type(Person.query.minors().filter_by(name="Ada").all(), list[Person])
    assert_type(Person.query.join(Person.things).filter_by(kind=Kind.pen), People)
    assert_type(Thing.query.join(Thing.owner).filter_by(name="Ada"), Query[Thing])
    assert_type(Thing.query.filter_by(label=None, state="old").one().state, Literal["new", "old"])
    query: Query[Thing] = Thing.query.filter_by(price=1)
    assert_type(query.all(), list[Thing])


def repositories(things: Things, authors: Authors, person: Person) -> None:
    """right keywords of repository classes"""
    assert_type(things.find(kind=Kind.pen), list[Thing])
    assert_type(things.create(price=1, owner=person), Thing)
    assert_type(things.update(1, price=2), Thing)
    assert_type(things.books(), list[Thing])
    assert_type(things.query.filter_by(price=1).count(), int)
    assert_type(authors.create(name="Ada"), Author)
    assert_type(authors.get_by("Ada"), Author | None)


def all_the_rest() -> None:
    """what else stands in a module"""
    assert_type(first_adult(), Person | None)
    assert_type(Counter(1).total, float)
    assert_type(Counter(1).count(), int)
    assert_type(Counter(1).notes, Any)
    assert_type(LIMIT, int)
    assert_type(shown(a=1), str)


def wrong_models(person: Person, thing: Thing) -> None:
    """wrong keywords of models and constructors"""
    Person(nmae="Ada")  # type: ignore[call-arg]
    Person(name=1)  # type: ignore[arg-type]
    Person.new(nmae="Ada")  # type: ignore[call-arg]
    Person.get(nmae="Ada")  # type: ignore[call-arg]
    person.update(nmae="Ada")  # type: ignore[call-arg]
    person.update(upper="ADA")  # type: ignore[call-arg]
    Thing.get_or_create(nmae="Ada")  # type: ignore[call-arg]
    Thing.update_or_create(price="1")  # type: ignore[arg-type]
    Thing.get(owner=thing)  # type: ignore[arg-type]
    Thing.new(state="sold")  # type: ignore[arg-type]
    Thing.new(twice=2)  # type: ignore[call-arg]
    Thing.Sale.new(price=2)  # type: ignore[call-arg]
    Special.new(nmae="Ada")  # type: ignore[call-arg]
    Author(nmae="Ada")  # type: ignore[call-arg]
    Checked()  # type: ignore[call-arg]
    Point(y=1)  # type: ignore[call-arg]
    Old.get(nmae=1)  # type: ignore[call-arg]
    Old.new(id=1)  # type: ignore[call-arg]
    Old.new(number=1).update(idd=1)  # type: ignore[call-arg]
    Counter("1")  # type: ignore[arg-type]


async def wrong_twins(person: Person) -> None:
    """the same, awaited"""
    await Person.anew(nmae="Ada")  # type: ignore[call-arg]
    await Person.aget_all(nmae="Ada")  # type: ignore[call-arg]
    await person.aupdate(age="1")  # type: ignore[arg-type]
    await Thing.aupdate_or_create(nmae=1)  # type: ignore[call-arg]


async def wrong_queries(things: Things, authors: Authors) -> None:
    """wrong keywords of queries and repository classes"""
    Person.query.filter_by(nmae="Ada")  # type: ignore[call-arg]
    Person.query.adults().filter_by(age="1")  # type: ignore[arg-type]
    Person.query.filter_by(things=[])  # type: ignore[call-arg]
    Thing.query.update(nmae=1)  # type: ignore[call-arg]
    await Thing.query.aupdate(nmae=1)  # type: ignore[call-arg]
    things.find(nmae=1)  # type: ignore[call-arg]
    things.create(price="1")  # type: ignore[arg-type]
    things.query.filter_by(nmae=1)  # type: ignore[call-arg]
    await things.aget_by(nmae=1)  # type: ignore[call-arg]
    authors.create(nmae="Ada")  # type: ignore[call-arg]
