"""Saving records of models that are more than they look: the same with plans and without."""

import json
from typing import Any

import pytest
from sqlalchemy import Column, ForeignKey, String, Table, inspect
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, column_property, mapped_column, relationship
from sqlalchemy.types import TypeDecorator
from typing_extensions import override

from fastapi_sqlalchemy import SQLAlchemy


class Answer:
    """What arrays say of being equal: neither yes nor no."""

    def __bool__(self) -> bool:
        raise ValueError("it is ambiguous whether this is true")


class Array:
    """Numbers that are compared one by one, as by numpy."""

    def __init__(self, *numbers: int) -> None:
        self.numbers = numbers

    @override
    def __eq__(self, other: object) -> Any:
        return Answer()

    __hash__: Any = None  # as of what can change


class ArrayType(TypeDecorator[Array]):
    impl = String
    cache_ok = True

    @override
    def process_bind_param(self, value: Array | None, dialect: Any) -> str | None:
        return None if value is None else json.dumps(value.numbers)

    @override
    def process_result_value(self, value: str | None, dialect: Any) -> Array | None:
        return None if value is None else Array(*json.loads(value))


@pytest.mark.parametrize("plans", [False, True])
def test_values_that_cannot_tell_whether_they_are_equal_are_saved(plans: bool) -> None:
    db = SQLAlchemy("sqlite://", plans=plans)

    class Vector(db.Base):
        __tablename__ = "vectors"

        id: Mapped[int] = mapped_column(primary_key=True)
        numbers: Mapped[Array | None] = mapped_column(ArrayType)

    db.create_all()
    with db():
        vector = Vector.new(numbers=Array(1, 2))
        vector.numbers = Array(3)
        vector.save()
    with db():
        vector = Vector.get_one(1)
        assert vector.numbers is not None
        assert vector.numbers.numbers == (3,)
        vector.update(numbers=None)
    with db():
        assert Vector.get_one(1).numbers is None


@pytest.mark.parametrize("plans", [False, True])
@pytest.mark.parametrize("from_owner", [False, True])
def test_a_value_that_others_refer_to_is_changed_with_theirs(plans: bool, from_owner: bool) -> None:
    db = SQLAlchemy("sqlite://", plans=plans)

    class Town(db.Base):
        __tablename__ = "towns"

        id: Mapped[int] = mapped_column(primary_key=True)
        code: Mapped[str] = mapped_column(String(9), unique=True)
        if from_owner:
            houses: Mapped[list["House"]] = relationship(passive_updates=False)

    class House(db.Base):
        __tablename__ = "houses"

        id: Mapped[int] = mapped_column(primary_key=True)
        town_code: Mapped[str] = mapped_column(
            ForeignKey("towns.code", deferrable=True, initially="DEFERRED")
        )
        if not from_owner:
            town: Mapped[Town] = relationship(passive_updates=False)

    db.create_all()
    with db():
        town = Town.new(code="old")
        house = House.new(town_code="old")
        if not from_owner:
            assert house.town is town  # the only ones that it then sees to
        town.update(code="new")
    with db():
        assert House.get_one(1).town_code == "new"


def no_key_at(db: SQLAlchemy) -> Any:
    """A model whose key is none of the table's, as over a view."""
    table = Table("notes", db.Base.metadata, Column("code", String(9)), Column("text", String(9)))

    class Note(db.Base):
        __table__ = table
        __mapper_args__ = {"primary_key": [table.c.code]}  # noqa: RUF012 - as SQLAlchemy has it

    db.create_all()
    return Note


@pytest.mark.parametrize("plans", [False, True])
def test_a_record_without_a_key_that_only_its_model_has_is_not_stored(plans: bool) -> None:
    db = SQLAlchemy("sqlite://", plans=plans)
    note = no_key_at(db)
    with db():
        note.query.count()  # a connection waits in the pool
        with pytest.raises(SQLAlchemyError, match="NULL identity"):
            note.new(text="lost")
        assert note.query.count() == 0


@pytest.mark.parametrize("plans", [False, True])
def test_a_record_has_the_key_that_it_was_given(plans: bool) -> None:
    db = SQLAlchemy("sqlite://", plans=plans)
    note = no_key_at(db)
    with db():
        note.query.count()
        record = note.new(code="a", text="kept")
        record.update(code="b")
        assert inspect(record).identity == ("b",)
        assert note.get("b") is record
        assert note.get("a") is None


@pytest.mark.parametrize("plans", [False, True])
def test_a_model_that_is_defined_later_is_known_to_the_next_delete(plans: bool) -> None:
    db = SQLAlchemy("sqlite://", plans=plans)

    class User(db.Base):
        __tablename__ = "users"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]

    db.create_all()
    with db():
        User.new(name="Ada")
        User.new(name="Grace").delete()

    class Post(db.Base):
        __tablename__ = "posts"

        id: Mapped[int] = mapped_column(primary_key=True)
        author_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
        author: Mapped[User | None] = relationship(backref="posts")

    db.create_all()
    with db():
        Post.new(author_id=1)
    with db():
        User.get_one(1).delete()
        assert Post.get_one(1).author_id is None


@pytest.mark.parametrize("plans", [False, True])
def test_a_property_that_is_added_later_is_known_to_the_next_update(plans: bool) -> None:
    db = SQLAlchemy("sqlite://", plans=plans)

    class Item(db.Base):
        __tablename__ = "items"

        id: Mapped[int] = mapped_column(primary_key=True)
        price: Mapped[int]

    db.create_all()
    with db():
        Item.new(price=1).update(price=2)
    twice: Any = column_property(Item.price * 2)
    Item.twice = twice
    with db():
        item: Any = Item.get_one(1)
        assert item.twice == 4
        item.update(price=3)
        assert item.twice == 6
