"""What is loaded beside records: the same rows, records and collections on both paths."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, ForeignKey, ForeignKeyConstraint, String, Table, event
from sqlalchemy.exc import SAWarning
from sqlalchemy.orm import (
    Mapped,
    attribute_keyed_dict,
    defer,
    joinedload,
    lazyload,
    mapped_column,
    relationship,
    selectinload,
)

from fastapi_sqlalchemy import SoftDeleteMixin, SQLAlchemy
from fastapi_sqlalchemy._plans import beside
from fastapi_sqlalchemy.testing import assert_queries
from tests.plans.both import SOME_EXAMPLES, assert_equal_on_both_paths
from tests.plans.test_equality import address
from tests.statements import sent

__all__ = ["address"]  # a fixture


class Town(NamedTuple):
    """A database, and its models."""

    db: SQLAlchemy
    house: Any
    flat: Any
    tenant: Any
    key: Any
    street: Any


def town_at(url: str) -> Town:
    db = SQLAlchemy(url)
    friendships = Table(
        "friends",
        db.metadata,
        Column("one", ForeignKey("tenants.id"), primary_key=True),
        Column("other", ForeignKey("tenants.id"), primary_key=True),
    )

    class Street(db.Base):
        __tablename__ = "streets"

        name: Mapped[str] = mapped_column(String(20), primary_key=True)
        houses: Mapped[list["House"]] = relationship(back_populates="street", lazy="selectin")

    class House(db.Base):
        __tablename__ = "houses"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str | None] = mapped_column(String(20))
        street_name: Mapped[str | None] = mapped_column(ForeignKey("streets.name"))
        street: Mapped[Street | None] = relationship(back_populates="houses")
        flats: Mapped[list["Flat"]] = relationship(
            back_populates="house", order_by="Flat.floor.desc(), Flat.id"
        )
        by_floor: Mapped[dict[int, "Flat"]] = relationship(
            viewonly=True, collection_class=attribute_keyed_dict("floor")
        )
        first: Mapped["Flat | None"] = relationship(
            viewonly=True, uselist=False, order_by="Flat.id"
        )
        written: Mapped[list["Flat"]] = relationship(viewonly=True, lazy="raise")

    class Flat(db.Base):
        __tablename__ = "flats"

        id: Mapped[int] = mapped_column(primary_key=True)
        floor: Mapped[int]
        where: Mapped[int | None] = mapped_column("house", ForeignKey("houses.id"))
        house: Mapped[House | None] = relationship(back_populates="flats")
        tenants: Mapped[list["Tenant"]] = relationship(back_populates="flat", order_by="Tenant.id")

    class Tenant(db.Base):
        __tablename__ = "tenants"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(String(20))
        flat_id: Mapped[int | None] = mapped_column(ForeignKey("flats.id"))
        host_id: Mapped[int | None] = mapped_column(ForeignKey("tenants.id"))
        flat: Mapped[Flat | None] = relationship(back_populates="tenants")
        guests: Mapped[list["Tenant"]] = relationship(back_populates="host")
        host: Mapped["Tenant | None"] = relationship(back_populates="guests", remote_side=[id])
        friends: Mapped[list["Tenant"]] = relationship(
            secondary=friendships,
            primaryjoin=lambda: Tenant.id == friendships.c.one,
            secondaryjoin=lambda: Tenant.id == friendships.c.other,
        )
        keys: Mapped[list["Key"]] = relationship(back_populates="tenant")

    class Key(db.Base):
        __tablename__ = "keys"
        __table_args__ = (ForeignKeyConstraint(["door", "copy"], ["keys.number", "keys.part"]),)

        number: Mapped[int] = mapped_column(primary_key=True)
        part: Mapped[int] = mapped_column(primary_key=True)
        door: Mapped[int | None]
        copy: Mapped[int | None]
        tenant_id: Mapped[int | None] = mapped_column(ForeignKey("tenants.id"))
        tenant: Mapped[Tenant | None] = relationship(back_populates="keys")
        copies: Mapped[list["Key"]] = relationship(back_populates="original")
        original: Mapped["Key | None"] = relationship(
            back_populates="copies", remote_side=[number, part]
        )

    db.create_all()
    return Town(db, House, Flat, Tenant, Key, Street)


def settle(town: Town) -> None:
    with town.db():
        town.street.insert_many([{"name": "Elm"}, {"name": "Oak"}])
        town.house.insert_many(
            {"id": n, "name": f"h{n}", "street_name": [None, "Elm", "Elm"][n % 3]}
            for n in range(1, 6)
        )
        town.flat.insert_many(
            {"id": n, "floor": n % 3, "where": n % 4 or None} for n in range(1, 10)
        )
        town.tenant.insert_many(
            {"id": n, "name": f"t{n}", "flat_id": n % 6 or None, "host_id": n // 4 or None}
            for n in range(1, 13)
        )
        town.key.insert_many(
            {"number": n // 2, "part": n % 2, "tenant_id": n % 5 or None} for n in range(8)
        )


@pytest.fixture
def town(address: str) -> Iterator[Town]:
    made = town_at(address)
    settle(made)
    yield made
    made.db.metadata.drop_all(made.db.engine)
    made.db.dispose()


def and_all_else(db: SQLAlchemy, found: Any) -> list[Any]:
    """What was found, and all that the session has after it."""
    records = found if isinstance(found, list) else [found]
    held = sorted(db.session.identity_map.values(), key=repr)
    return [*records, *held]


Ask = Callable[[Town], Any]

QUERIES: dict[str, tuple[Ask, bool]] = {
    "a collection": (lambda t: t.house.query.options(selectinload(t.house.flats)), True),
    "by eager()": (lambda t: t.house.query.eager(t.house.flats), True),
    "a reference": (lambda t: t.flat.query.options(selectinload(t.flat.house)), True),
    "two": (
        lambda t: t.flat.query.options(selectinload(t.flat.tenants), selectinload(t.flat.house)),
        True,
    ),
    "two levels": (
        lambda t: t.house.query.options(selectinload(t.house.flats).selectinload(t.flat.tenants)),
        True,
    ),
    "three levels, back and forth": (
        lambda t: t.house.query.eager(t.house.flats, t.flat.tenants, t.tenant.keys),
        True,
    ),
    "there and back": (
        lambda t: t.house.query.options(selectinload(t.house.flats).selectinload(t.flat.house)),
        True,
    ),
    "a part of two": (
        lambda t: t.house.query.options(
            selectinload(t.house.flats).options(selectinload(t.flat.tenants)),
            selectinload(t.house.street).lazyload(t.street.houses),
        ),
        False,
    ),
    "itself": (lambda t: t.tenant.query.options(selectinload(t.tenant.guests)), True),
    "its own owner": (lambda t: t.tenant.query.options(selectinload(t.tenant.host)), True),
    "one of several": (lambda t: t.house.query.options(selectinload(t.house.first)), True),
    "a dictionary": (lambda t: t.house.query.options(selectinload(t.house.by_floor)), True),
    "what is refused otherwise": (
        lambda t: t.house.query.options(selectinload(t.house.written)),
        True,
    ),
    "always": (lambda t: t.street.query, True),
    "always, on the way": (lambda t: t.house.query.options(selectinload(t.house.street)), True),
    "not this time": (lambda t: t.street.query.options(lazyload(t.street.houses)), False),
    "many to many": (lambda t: t.tenant.query.options(selectinload(t.tenant.friends)), False),
    "by two columns": (lambda t: t.key.query.options(selectinload(t.key.copies)), False),
    "by a reference of two columns": (
        lambda t: t.key.query.options(selectinload(t.key.original)),
        False,
    ),
    "beside a key of two columns": (
        lambda t: t.key.query.options(selectinload(t.key.tenant)),
        True,
    ),
    "a part of a collection": (
        lambda t: t.house.query.options(selectinload(t.house.flats.and_(t.flat.floor > 1))),
        False,
    ),
    "by a join": (lambda t: t.house.query.options(joinedload(t.house.flats)), False),
    "by a join below": (
        lambda t: t.house.query.options(selectinload(t.house.flats).joinedload(t.flat.house)),
        False,
    ),
    "with less of it": (
        lambda t: t.house.query.options(selectinload(t.house.flats), defer(t.house.name)),
        False,
    ),
    "in chunks": (
        lambda t: t.house.query.options(selectinload(t.house.flats, chunksize=2)),
        False,
    ),
    "recursively": (
        lambda t: t.tenant.query.options(selectinload(t.tenant.guests, recursion_depth=-1)),
        False,
    ),
    "strictly": (lambda t: t.house.query.eager(t.house.flats).strict(), False),
    "of a refined query": (
        lambda t: t.house.query.filter(t.house.id.in_([2, 3])).eager(t.house.flats).limit(1),
        True,
    ),
    "of nothing": (lambda t: t.house.query.filter_by(id=99).eager(t.house.flats), True),
}


@pytest.mark.parametrize("name", QUERIES)
@pytest.mark.parametrize("terminal", ["all", "first", "count"])
def test_all_is_loaded_as_by_sqlalchemy(town: Town, name: str, terminal: str) -> None:
    query = QUERIES[name][0](town)

    def ask() -> Any:
        return and_all_else(town.db, getattr(query, terminal)())

    assert_equal_on_both_paths(town.db, ask)


@pytest.mark.parametrize("name", QUERIES)
def test_a_plan_loads_what_it_can(town: Town, name: str) -> None:
    query, planned = QUERIES[name][0](town), QUERIES[name][1]
    with town.db():
        assert (query.explain_plan() == "a plan") is planned


@pytest.mark.parametrize("at_once", [2, 3, 500])
def test_many_are_asked_for_in_parts(
    town: Town, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(beside, "AT_ONCE", at_once)
    for query in (town.house.query.eager(town.house.flats, town.flat.tenants), town.street.query):

        def ask(query: Any = query) -> Any:
            return and_all_else(town.db, query.all())

        assert_equal_on_both_paths(town.db, ask)


def after_touching(town: Town, touch: Callable[[Any], object]) -> Callable[[], Any]:
    def ask() -> Any:
        with town.db.session.no_autoflush:
            touched = town.house.query.order_by(town.house.id).all()
            for each in touched:
                touch(each)
            query = town.house.query.eager(town.house.flats, town.flat.tenants)
            found = query.filter(town.house.id > 1).all()
            return and_all_else(town.db, found)

    return ask


def moved(house: Any) -> object:
    flat = next(iter(house.flats), None)
    if flat is not None:
        flat.where = 5
    return flat


TOUCHES: dict[str, Callable[[Any], object]] = {
    "not at all": lambda house: None,
    "by reading": lambda house: house.flats,
    "by reading on": lambda house: [flat.tenants for flat in house.flats],
    "by setting": lambda house: setattr(house, "flats", []),
    "by appending, unread": lambda house: house.flats.append(
        type(house).flats.property.mapper.class_(floor=7)
    ),
    "by moving": moved,
}


@pytest.mark.parametrize("touch", TOUCHES)
def test_what_was_there_stays_as_it_was(town: Town, touch: str) -> None:
    assert_equal_on_both_paths(town.db, after_touching(town, TOUCHES[touch]))


def test_what_was_expired_is_loaded_again(town: Town) -> None:
    def ask() -> Any:
        house = town.house.query.eager(town.house.flats).filter_by(id=1).one()
        flat = house.flats[0]
        town.db.session.expire(house)
        town.db.session.expire(flat, ["floor"])
        found = town.house.query.eager(town.house.flats).filter_by(id=1).one()
        return and_all_else(town.db, [found])

    assert_equal_on_both_paths(town.db, ask)


def test_records_in_memory_are_added_to_a_collection_that_is_loaded_late(town: Town) -> None:
    def ask() -> Any:
        with town.db.session.no_autoflush:
            house = town.house.get(1)
            town.flat(id=50, floor=1, house=house)  # the collection is not loaded, and told later
            found = town.house.query.eager(town.house.flats).filter_by(id=1).one()
            return [[flat.id for flat in found.flats], sorted(found.__dict__.keys())]

    assert_equal_on_both_paths(town.db, ask)


def test_no_more_is_asked_afterwards(town: Town) -> None:
    with town.db():
        houses = town.house.query.eager(town.house.flats, town.flat.tenants).all()
        with assert_queries(0):
            floors = [[flat.floor for flat in house.flats] for house in houses]
            names = [t.name for house in houses for flat in house.flats for t in flat.tenants]
    assert (sum(map(len, floors)), len(names)) == (7, 8)


def test_the_statements_are_those_of_sqlalchemy(town: Town) -> None:
    for name, (make, planned) in QUERIES.items():
        if not planned or name == "one of several":  # of which there is a warning
            continue
        query = make(town)
        with town.db():
            query.all()
            plans = town.db.session._plans
            assert plans is not None
            plan: Any = list(plans.known.values())[-1]
        with town.db(), sent() as statements:
            query.all()
        pending, written = list(plan.branches), set[str]()
        while pending:
            branch = pending.pop()
            pending += branch.branches
            sql = branch._statement.sql.partition("__[POST")[0]
            written.add(" ".join(sql.split()))
        told = {each.partition(" IN (")[0] + " IN (" for each in statements[1:]}
        assert told <= written, name


def test_a_listener_to_what_is_loaded_beside_hears_it(town: Town) -> None:
    query = town.house.query.eager(town.house.flats)
    heard: list[Any] = []

    def listener(*args: Any) -> None:
        heard.append(args)

    with town.db():
        query.all()
    event.listen(town.flat, "load", listener)
    with town.db():
        assert query.explain_plan().endswith("somebody listens to the loading of records")
        query.all()
    assert len(heard) == 7


def test_a_listener_to_collections_hears_of_them(town: Town) -> None:
    heard: list[Any] = []
    event.listen(town.house.flats, "init_collection", lambda *args: heard.append(args))
    with town.db():
        town.house.query.eager(town.house.flats).all()
    assert len(heard) == 5


def test_one_of_several_is_warned_of(town: Town) -> None:
    warned: list[str] = []
    for plans in (True, False):
        with town.db():
            if not plans:
                town.db.session._plans = None
            query = town.house.query.options(selectinload(town.house.first))
            with pytest.warns(SAWarning, match="Multiple rows returned") as caught:
                query.all()
            warned.append(str(caught[0].message))
    assert warned[0] == warned[1]


def test_a_transaction_sees_its_own(town: Town) -> None:
    def ask() -> Any:
        with town.db.transaction():
            town.db.session.add(town.flat(id=60, floor=9, where=2))
            found = town.house.query.eager(town.house.flats).filter_by(id=2).one()
            floors = [flat.floor for flat in found.flats]
            town.flat.query.filter_by(id=60).delete()
        return floors

    assert assert_equal_on_both_paths(town.db, ask)["found"][0] == 9


def test_deleted_records_are_left_out(address: str) -> None:
    db = SQLAlchemy(address)

    class Shelf(db.Base):
        __tablename__ = "shelves"

        id: Mapped[int] = mapped_column(primary_key=True)
        books: Mapped[list["Book"]] = relationship(order_by="Book.id")

    class Book(SoftDeleteMixin, db.Base):
        __tablename__ = "books"

        id: Mapped[int] = mapped_column(primary_key=True)
        shelf_id: Mapped[int] = mapped_column(ForeignKey("shelves.id"))

    db.create_all()
    try:
        with db():
            Shelf.insert_many([{"id": 1}, {"id": 2}])
            Book.insert_many({"id": n, "shelf_id": 1} for n in range(1, 4))
            Book.get_one(2).delete()
        query = Shelf.query.options(selectinload(Shelf.books))
        assert_equal_on_both_paths(db, lambda: and_all_else(db, query.all()))
        shown = query.with_deleted()
        assert_equal_on_both_paths(db, lambda: and_all_else(db, shown.all()))
        with db():
            assert query.explain_plan() == "a plan"
            assert [[book.id for book in shelf.books] for shelf in query.all()] == [[1, 3], []]
    finally:
        db.metadata.drop_all(db.engine)
        db.dispose()


async def test_awaited_all_is_loaded_as_well(town: Town) -> None:
    query = town.house.query.eager(town.house.flats, town.flat.tenants).order_by(town.house.id)
    async with town.db():
        awaited = [[len(flat.tenants) for flat in house.flats] for house in await query.aall()]
    assert awaited == [[2, 2, 0], [2, 0], [0, 2], [], []]
    await town.db.adispose()


@SOME_EXAMPLES
@given(data=st.data())
def test_any_path_through_the_models_is_the_same(town: Town, data: st.DataObject) -> None:
    model = data.draw(st.sampled_from([town.house, town.flat, town.tenant, town.street]))
    query = model.query

    def grow(option: Any, mapper: Any, depth: int) -> Any:
        relation = data.draw(st.sampled_from(sorted({*mapper.relationships.keys()} - {"first"})))
        attribute = getattr(mapper.class_, relation)
        option = selectinload(attribute) if option is None else option.selectinload(attribute)
        reached = mapper.relationships[relation].mapper
        return grow(option, reached, depth - 1) if depth else option

    for _ in range(data.draw(st.integers(0, 2))):
        option = grow(None, model.__mapper__, data.draw(st.integers(0, 2)))
        query = query.options(option)
    keys = [getattr(model, key.key) for key in model.__mapper__.primary_key]
    query = query.order_by(*keys).limit(data.draw(st.integers(1, 9)))
    assert_equal_on_both_paths(town.db, lambda: and_all_else(town.db, query.all()))
