"""Things to sort: a column of each kind that a cursor carries, some of them NULL, and parts."""

import enum
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Dialect, ForeignKey, LargeBinary, Numeric, String, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import Float

from fastapi_sqlalchemy import ModelBase, SQLAlchemy


class Base(ModelBase, DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class State(enum.Enum):
    """Declared in an order that is not that of the alphabet."""

    NEW = "n"
    DONE = "d"
    AGED = "a"


class Money:
    """A value that is no text and no number."""

    def __init__(self, cents: int) -> None:
        self.cents = cents


class Cents(TypeDecorator[Money]):
    impl = Numeric(10, 0, asdecimal=False)
    cache_ok = True

    def process_bind_param(self, value: Money | None, dialect: Dialect) -> int | None:
        return None if value is None else value.cents

    def process_result_value(self, value: Any, dialect: Dialect) -> Money | None:
        return None if value is None else Money(int(value))


class Thing(Base):
    __tablename__ = "things"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(String(50))
    rank: Mapped[int | None]
    shelf: Mapped[int] = mapped_column(default=0)
    at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    day: Mapped[date | None]
    hour: Mapped[time | None]
    takes: Mapped[timedelta | None]
    uid: Mapped[UUID | None]
    price: Mapped[Decimal | None] = mapped_column(Numeric(10, 2))
    weight: Mapped[float | None] = mapped_column(Float)
    raw: Mapped[bytes | None] = mapped_column(LargeBinary(20))
    state: Mapped[State | None]
    sold: Mapped[bool | None]
    money: Mapped[Money | None] = mapped_column(Cents)
    box_id: Mapped[int | None] = mapped_column(ForeignKey("boxes.id"))
    box: Mapped["Box | None"] = relationship(back_populates="things")


class Box(Base):
    __tablename__ = "boxes"

    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column(String(50))
    things: Mapped[list[Thing]] = relationship(back_populates="box", order_by=Thing.id)


class Pair(Base):
    """A key of two columns."""

    __tablename__ = "pairs"

    left: Mapped[str] = mapped_column(String(10), primary_key=True)
    right: Mapped[int] = mapped_column(primary_key=True)


VALUES: dict[str, Callable[[int], Any]] = {
    "name": lambda n: f"n{n}ß-'\"",
    "rank": lambda n: n - 1,
    "at": lambda n: datetime(2024, 1, n + 1, 12, 30, 15, tzinfo=UTC),
    "day": lambda n: date(2024, 1, n + 1),
    "hour": lambda n: time(n + 1, 30, 15),
    "takes": lambda n: timedelta(days=1, seconds=n),
    "uid": lambda n: UUID(int=n << 100 | n),
    "price": lambda n: Decimal(n) / 10,
    "weight": lambda n: n / 10,
    "raw": lambda n: bytes([n, 0, 255]),
    "state": lambda n: list(State)[n % 3],
    "sold": lambda n: n % 2 == 0,
    "money": lambda n: Money(n * 100),
}
"""A value of each kind for a small number, growing with it where the kind has that many."""
