"""Models with methods that are called in the course of a record's life, and note it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from fastapi_sqlalchemy import ModelBase, SoftDeleteMixin, SQLAlchemy

calls: list[str] = []
"""What was called, in order: `before_save pen`."""

acts: dict[str, Callable[[Any], object]] = {}
"""What a test wants a method to do beside: `{"before_save": ...}`."""


@contextmanager
def doing(**wanted: Callable[[Any], object]) -> Iterator[list[str]]:
    """Have methods do something; gives the calls made meanwhile."""
    calls.clear()
    acts.update(wanted)
    try:
        yield calls
    finally:
        acts.clear()


def note(name: str, record: Any) -> None:
    calls.append(f"{name} {record.name}")
    if name in acts:
        acts[name](record)


class Base(ModelBase, DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class Noting:
    """A mixin of the user's."""

    def before_save(self) -> None:
        note("before_save", self)

    def after_save(self) -> None:
        note("after_save", self)

    def before_delete(self) -> None:
        note("before_delete", self)

    def after_delete(self) -> None:
        note("after_delete", self)

    def after_commit(self) -> None:
        note("after_commit", self)


class Item(Noting, Base):
    __tablename__ = "items"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50), unique=True)
    slug: Mapped[str | None] = mapped_column(String(50))
    parts: Mapped[list["Part"]] = relationship(
        back_populates="item", order_by="Part.id", cascade="all, delete-orphan"
    )


class Part(Noting, Base):
    __tablename__ = "parts"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))
    item_id: Mapped[int] = mapped_column(ForeignKey("items.id"))
    item: Mapped[Item] = relationship(back_populates="parts")


class Plain(Base):
    """Without such a method."""

    __tablename__ = "plains"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))


class Hidden(SoftDeleteMixin, Noting, Base):
    __tablename__ = "hiddens"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))


class Owner(Base):
    """Knows its cars, which know nothing of it but the key."""

    __tablename__ = "owners"

    id: Mapped[int] = mapped_column(primary_key=True)
    cars: Mapped[list["Car"]] = relationship()


class Car(Noting, Base):
    __tablename__ = "cars"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("owners.id"))


class Letter(Base):
    """Sent by awaiting, once it is stored."""

    __tablename__ = "letters"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))

    async def after_commit(self) -> None:
        note("after_commit", self)


class Vehicle(Base):
    """Whose columns are called like methods."""

    __tablename__ = "vehicles"

    id: Mapped[int] = mapped_column(primary_key=True)
    before_save: Mapped[str] = mapped_column(String(50))
    after_commit: Mapped[str] = mapped_column(String(50))
