"""Attributes of a model: read at once what is loaded, and SQLAlchemy's in every other respect."""

import pickle
from typing import Any

import pytest
from sqlalchemy import ForeignKey, event, inspect, orm, select
from sqlalchemy.ext.mutable import MutableDict
from sqlalchemy.orm import Mapped, MappedAsDataclass, mapped_column
from sqlalchemy.types import JSON

from fastapi_sqlalchemy import SQLAlchemy
from fastapi_sqlalchemy._plans import private


@pytest.fixture
def database(sqlite_file_url: str) -> SQLAlchemy:
    return SQLAlchemy(sqlite_file_url)


@pytest.fixture
def thing(database: SQLAlchemy) -> Any:
    """A model with an attribute of every kind."""

    class Thing(database.Base):
        __tablename__ = "things"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]
        notes: Mapped[str | None] = mapped_column(deferred=True)
        data: Mapped[dict[str, Any] | None] = mapped_column(MutableDict.as_mutable(JSON()))
        parent_id: Mapped[int | None] = mapped_column(ForeignKey("things.id"))
        parent: Mapped[Any] = orm.relationship("Thing", remote_side=id, back_populates="parts")
        parts: Mapped[list[Any]] = orm.relationship("Thing", back_populates="parent")
        later: orm.WriteOnlyMapped[Any] = orm.relationship("Thing", viewonly=True)

        @orm.validates("name")
        def check(self, _: str, name: str) -> str:
            return name.strip()

    orm.configure_mappers()
    database.create_all()
    with database():
        Thing.new(name="whole", notes="long", data={"a": 1}, parts=[Thing(name="part")])
    return Thing


def test_an_attribute_is_one_of_sqlalchemys(thing: Any) -> None:
    own = vars(thing)["name"]
    assert thing.name is own
    assert isinstance(own, orm.InstrumentedAttribute)
    assert inspect(thing).all_orm_descriptors["name"] is own
    assert str(select(thing.name).where(thing.name == "a")).endswith("things.name = :name_1")
    assert own.property is inspect(thing).attrs["name"]


def test_it_is_read_by_a_class_of_its_name(thing: Any) -> None:
    assert type(thing.name) is not orm.InstrumentedAttribute
    assert type(thing.name) is type(thing.name)
    assert type(thing.parts) is not orm.InstrumentedAttribute
    assert type(thing.later) is orm.InstrumentedAttribute


def test_an_alias_has_attributes_of_the_same_class(thing: Any) -> None:
    other = orm.aliased(thing, name="other")
    assert type(other.name) is type(thing.name)
    assert "FROM things AS other" in str(select(other.name))


def test_what_is_loaded_is_read_and_what_is_not_is_loaded(database: SQLAlchemy, thing: Any) -> None:
    with database():
        record = thing.get(1)
        assert "notes" not in vars(record)
        assert (record.name, record.notes, record.data) == ("whole", "long", {"a": 1})
        assert [each.name for each in record.parts] == ["part"]
        assert record.parts[0].parent is record
        database.session.expire(record)
        assert record.name == "whole"
    assert thing(name="new").notes is None


def test_what_cannot_be_loaded_is_an_error_of_its_own(database: SQLAlchemy, thing: Any) -> None:
    with database():
        record = thing.get(1)
    with pytest.raises(orm.exc.DetachedInstanceError) as raised:
        record.notes  # noqa: B018 - reading is what fails
    assert not isinstance(raised.value.__context__, KeyError)


def test_a_read_of_something_else_is_refused_as_by_sqlalchemy(thing: Any) -> None:
    class Other:
        pass

    with pytest.raises(orm.exc.UnmappedInstanceError):
        thing.name.__get__(Other(), Other)


def test_changes_are_validated_heard_and_recorded(database: SQLAlchemy, thing: Any) -> None:
    heard: list[Any] = []
    event.listen(thing.name, "set", lambda _, value, old, __: heard.append((value, old)))
    with database():
        record = thing.get(1)
        record.name = " new "
        assert (record.name, heard) == ("new", [("new", "whole")])
        assert inspect(record).attrs.name.history == (["new"], (), ["whole"])
        record.data["b"] = 2
        assert inspect(record).attrs.data.history.has_changes()
        del record.name
        assert "name" not in vars(record)


def test_collections_and_backrefs_are_tracked(database: SQLAlchemy, thing: Any) -> None:
    with database():
        record, part = thing.get(1), thing.get(2)
        record.parts.remove(part)
        assert part.parent is None
        assert pickle.loads(pickle.dumps(part.name)) == "part"


def test_a_dataclass_has_its_own_defaults(database: SQLAlchemy) -> None:
    class Point(MappedAsDataclass, database.Base):
        __tablename__ = "points"
        id: Mapped[int] = mapped_column(init=False, primary_key=True)
        x: Mapped[int] = mapped_column(default=7)

    assert Point().x == 7
    assert Point(x=8) == Point(x=8)


def test_on_an_untested_release_attributes_are_left_alone(
    monkeypatch: pytest.MonkeyPatch, database: SQLAlchemy
) -> None:
    monkeypatch.setattr(private, "TESTED", frozenset())

    class Plain(database.Base):
        __tablename__ = "plain"
        id: Mapped[int] = mapped_column(primary_key=True)

    orm.configure_mappers()
    assert type(vars(Plain)["id"]) is orm.InstrumentedAttribute
