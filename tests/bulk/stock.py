"""The models of these tests: a stock of items, with what makes writing in bulk hard.

Attributes that are named unlike their columns, defaults of every kind, a constraint of every
kind, a key of two columns, and both kinds of inheritance.
"""
# ruff: noqa: RUF012 - `__mapper_args__` is SQLAlchemy's, which declares it

import itertools
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, String, UniqueConstraint, func, select, text
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column, relationship

from fastapi_sqlalchemy import ModelBase, SQLAlchemy
from tests.verbs import Verb


class Base(ModelBase, DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)
_tokens = itertools.count(1)


def make_token() -> str:
    return f"token {next(_tokens)}"


class Store(Base):
    __tablename__ = "stores"

    id: Mapped[int] = mapped_column(primary_key=True)
    city: Mapped[str] = mapped_column(String(50), unique=True)
    shout: Mapped[str] = column_property(func.upper(city))
    items: Mapped[list["Item"]] = relationship(back_populates="store", order_by="Item.id")


class Item(Base):
    __tablename__ = "items"
    __table_args__ = (CheckConstraint("amount >= 0", name="no_debts"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    sku: Mapped[str] = mapped_column(String(50), unique=True)
    label: Mapped[str | None] = mapped_column("item_label", String(50))
    amount: Mapped[int] = mapped_column(default=1)
    token: Mapped[str] = mapped_column(String(50), default=make_token)
    serial: Mapped[str | None] = mapped_column(String(50), unique=True)
    state: Mapped[str] = mapped_column(String(20), server_default="new")
    revision: Mapped[int] = mapped_column(default=0, onupdate=text("items.revision + 1"))
    store_id: Mapped[int | None] = mapped_column(ForeignKey("stores.id"))
    store: Mapped[Store | None] = relationship(back_populates="items")

    @hybrid_property
    def is_rare(self) -> bool:
        return self.amount < 2


class Shelf(Base):
    __tablename__ = "shelves"
    __table_args__ = (UniqueConstraint("hall", "name"),)

    row: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    column: Mapped[int] = mapped_column("col", primary_key=True, autoincrement=False)
    hall: Mapped[str | None] = mapped_column(String(10))
    name: Mapped[str | None] = mapped_column(String(50))


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


class Animal(Base):
    """One table for all of them."""

    __tablename__ = "animals"
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(50), unique=True)


class Cat(Animal):
    __mapper_args__ = {"polymorphic_identity": "cat"}

    lives: Mapped[int | None]


def rows(*columns: Any) -> list[tuple[Any, ...]]:
    """What another connection sees of these columns, in order."""
    with db.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(select(*columns).order_by(*columns))]


def put(verb: Verb, *amounts: int, **values: Any) -> None:
    """Items `a`, `b`, `c` and so on, of these amounts."""
    with verb.scope(db):
        for sku, amount in zip("abcdefgh", amounts, strict=False):
            verb(Item, "new", sku=sku, amount=amount, **values)
