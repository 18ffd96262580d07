"""What is awaited on the driver itself: the same values and errors as by SQLAlchemy's own path."""

import enum
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import (
    ARRAY,
    JSON,
    CheckConstraint,
    Date,
    DateTime,
    Enum,
    ForeignKey,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    String,
    cast,
    exc,
    func,
    literal,
    text,
)
from sqlalchemy.dialects.postgresql import CIDR, INET, INT4RANGE, JSONB, Range
from sqlalchemy.orm import Mapped, mapped_column

from fastapi_sqlalchemy import SQLAlchemy
from tests.plans.both import seen_in


class Colour(enum.Enum):
    RED = "r"
    BLUE = "b"


class Shop:
    """Models of many types at a database, and whether they have plans."""

    def __init__(self, url: str, **options: Any) -> None:
        db = self.db = SQLAlchemy(url, **options)

        class Thing(db.Base):
            __tablename__ = "things"

            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str | None] = mapped_column(String(20), unique=True)
            price: Mapped[Decimal | None] = mapped_column(Numeric(10, 2))
            ratio: Mapped[float | None]
            sold: Mapped[bool | None]
            number: Mapped[int | None] = mapped_column(CheckConstraint("number > 0"))
            token: Mapped[uuid.UUID | None]
            since: Mapped[date | None]
            seen: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
            opens: Mapped[time | None]
            lasts: Mapped[timedelta | None] = mapped_column(Interval)
            picture: Mapped[bytes | None] = mapped_column(LargeBinary)
            colour: Mapped[Colour | None]
            shade: Mapped[Colour | None] = mapped_column(Enum(Colour, native_enum=False))
            document: Mapped[Any] = mapped_column(JSON, nullable=True)
            other: Mapped[Any] = mapped_column(JSONB, nullable=True)
            numbers: Mapped[list[int] | None] = mapped_column(ARRAY(Integer))
            address: Mapped[Any] = mapped_column(INET, nullable=True)
            network: Mapped[Any] = mapped_column(CIDR, nullable=True)
            span: Mapped[Any] = mapped_column(INT4RANGE, nullable=True)

        class Part(db.Base):
            __tablename__ = "parts"

            id: Mapped[int] = mapped_column(primary_key=True)
            thing_id: Mapped[int] = mapped_column(
                ForeignKey("things.id", deferrable=True, initially="DEFERRED")
            )

        self.thing: Any = Thing
        self.part: Any = Part


FULL: dict[str, Any] = {
    "name": "lamp",
    "price": Decimal("9.50"),
    "ratio": 0.25,
    "sold": True,
    "number": 3,
    "token": uuid.UUID(int=7),
    "since": date(2024, 2, 29),
    "seen": datetime(2024, 2, 29, 12, tzinfo=UTC),
    "opens": time(9, 30),
    "lasts": timedelta(days=1, seconds=2),
    "picture": b"\x00\xff",
    "colour": Colour.RED,
    "shade": Colour.BLUE,
    "document": {"a": [1, None]},
    "other": {"b": "ü"},
    "numbers": [1, 2],
    "address": "10.0.0.1",
    "network": "10.0.0.0/8",
    "span": Range(1, 5),
}

Act = Callable[[Shop], Awaitable[Any]]


@pytest.fixture(params=["psycopg", "asyncpg"])
def shops(request: pytest.FixtureRequest, postgres_url: str) -> Callable[..., Any]:
    """Shops with one connection each, without plans and with them, with one thing in each."""
    url = postgres_url.replace("+psycopg", f"+{request.param}")

    @asynccontextmanager
    async def open_shop(*, plans: bool) -> AsyncIterator[Shop]:
        one: dict[str, Any] = {"pool_size": 1, "max_overflow": 0}
        shop = Shop(url, plans=plans, engine_args=one)
        await shop.db.acreate_all()
        try:
            yield shop
        finally:
            await shop.db.adrop_all()
            await shop.db.adispose()

    return open_shop


async def begin_anew(shop: Shop) -> None:
    async with shop.db.async_engine.begin() as connection:
        for table in reversed(shop.db.metadata.sorted_tables):  # a TRUNCATE takes ten times longer
            await connection.execute(table.delete())
            await connection.execute(text(f"ALTER SEQUENCE {table.name}_id_seq RESTART"))
    async with shop.db():
        await shop.thing.anew(**FULL)


def error_seen(error: BaseException) -> Any:
    """All that an error tells, and those that it was made of."""
    if not isinstance(error, exc.DBAPIError):
        return type(error), str(error)
    orig = error.orig
    return (
        (type(error), str(error), error.statement, str(error.params)),
        (type(orig), str(orig), getattr(orig, "sqlstate", None)),
        (type(getattr(orig, "__cause__", None)), error.connection_invalidated),
    )


def told(found: Any) -> Any:
    seen = seen_in(found)
    if isinstance(seen, dict) and "model" in seen:
        seen["model"], seen["key"] = seen["model"].__name__, str(seen["key"])[-8:]
    return seen


async def outcome(shop: Shop, act: Act) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    async with shop.db():
        try:
            found = await act(shop)
        except Exception as error:
            seen["error"] = error_seen(error)
            found = None
        records = found if isinstance(found, list) else [found]
        seen["found"] = [told(each) for each in records]
        pool: Any = shop.db.async_engine.pool
        session: Any = shop.db.async_session.sync_session
        seen["waits"] = len(session.new), len(session.dirty), session.in_transaction()
        seen["lent"] = pool.checkedout()
        seen["rows"] = [tuple(row) for row in await shop.thing.query.order_by("id").arows()]
        seen["parts"] = await shop.part.query.acount()
    return seen


def by(shop: Shop, **eq: Any) -> Any:
    return shop.thing.query.filter_by(**eq)


ASKED: dict[str, Act] = {
    "a record": lambda s: s.thing.aget(1),
    "a record that is not there": lambda s: s.thing.aget(2),
    "records": lambda s: s.thing.query.aall(),
    "dicts": lambda s: s.thing.query.adicts(),
    "rows": lambda s: s.thing.query.arows(s.thing.id, s.thing.document, s.thing.span),
    "by each value": lambda s: s.thing.query.filter_by(
        **{key: FULL[key] for key in FULL if key != "document"}
    ).aall(),
    "a key of another type": lambda s: s.thing.aget("1"),
    "a key out of range": lambda s: s.thing.aget(2**70),
    "a value of another type": lambda s: by(s, since="soon").aall(),
    "a division by zero": lambda s: s.thing.query.filter(literal(1) / (s.thing.id - 1) > 0).aall(),
    "what ends its connection": lambda s: s.thing.query.filter(
        func.pg_terminate_backend(func.pg_backend_pid())
    ).aall(),
    "a day that has no date": lambda s: s.thing.query.with_entities(
        cast("infinity", Date)
    ).ascalar(),
}


async def outcomes(shop: Shop, acts: dict[str, Act]) -> dict[str, Any]:
    """Those of each, twice: a plan is made at first, and used again then."""
    seen = {}
    for name, act in acts.items():
        for turn in ("at first", "again"):
            await begin_anew(shop)
            seen[f"{name}, {turn}"] = await outcome(shop, act)
    return seen


async def assert_equal(shops: Any, acts: dict[str, Act]) -> None:
    async with shops(plans=False) as shop:
        plain = await outcomes(shop, acts)
    async with shops(plans=True) as shop:
        planned = await outcomes(shop, acts)
    assert {
        f"{name}: {key}": (planned[name].get(key), plain[name].get(key))
        for name in plain
        for key in plain[name] | planned[name]
        if planned[name].get(key) != plain[name].get(key)
    } == {}


async def test_what_is_found_is_the_same(shops: Any) -> None:
    await assert_equal(shops, ASKED)


def new(shop: Shop, **values: Any) -> Any:
    return shop.thing.anew(**{"document": 1, "other": None} | values)


async def given(shop: Shop, **values: Any) -> Any:
    thing = await shop.thing.aget(1)
    for name, value in values.items():
        setattr(thing, name, value)
    return thing


async def save_what_was_refused(shop: Shop) -> Any:
    thing = await given(shop, number=-1)
    with pytest.raises(exc.IntegrityError):
        await thing.asave()
    thing.number = 5
    return await thing.asave()


async def change_what_is_gone(shop: Shop) -> Any:
    thing = await new(shop, name="gone")
    async with shop.db():
        await (await shop.thing.aget_one(thing.id)).adelete()
    thing.name = "still there"
    return await thing.asave()


async def delete_what_is_new(shop: Shop) -> Any:
    thing = await new(shop, name="new")
    await thing.adelete()
    return thing


async def change(shop: Shop, **values: Any) -> Any:
    return await (await shop.thing.aget_one(1)).aupdate(**values)


async def delete(shop: Shop) -> None:
    await (await shop.thing.aget_one(1)).adelete()


async def delete_what_is_needed(shop: Shop) -> None:
    await shop.part.anew(thing_id=1)
    await delete(shop)


async def save_beside_another(shop: Shop) -> Any:
    other = await shop.thing.aget(1)
    other.number = 8
    return [await new(shop, name="new"), other]


SENT: dict[str, Act] = {
    "a new record": lambda s: new(s, name="new", colour=Colour.BLUE, numbers=[3]),
    "a new record of every value": lambda s: s.thing.anew(**FULL | {"name": "new"}),
    "a new record with a key": lambda s: new(s, id=70, name="new"),
    "a record and a changed one": save_beside_another,
    "a record without a document": lambda s: s.thing.anew(name="new"),
    "a name that is taken": lambda s: new(s, name="lamp"),
    "a check that fails": lambda s: new(s, number=-1),
    "a value that is too long": lambda s: new(s, name="n" * 30),
    "a value of another type": lambda s: new(s, number="many"),
    "a value that nothing takes": lambda s: new(s, name=Ellipsis),
    "a reference": lambda s: s.part.anew(thing_id=1),
    "a change": lambda s: change(s, number=6, other=[1], document=None),
    "a change to NULL": lambda s: change(s, name=None, other=None),
    "a change that is refused": lambda s: change(s, number=-2),
    "a save after one that was refused": save_what_was_refused,
    "a change of what is gone": change_what_is_gone,
    "a delete of a new record": delete_what_is_new,
    "a delete": delete,
}


async def test_what_is_stored_is_the_same(shops: Any) -> None:
    await assert_equal(shops, SENT)


async def kind_of_error(act: Awaitable[Any]) -> Any:
    """Without the statement: a COMMIT, or the one that is a transaction of its own."""
    with pytest.raises(exc.IntegrityError) as refused:
        await act
    _, *rest = error_seen(refused.value)
    return type(refused.value), rest


LATE: dict[str, Act] = {
    "a reference to nothing": lambda s: kind_of_error(s.part.anew(thing_id=99)),
    "a delete of what is needed": lambda s: kind_of_error(delete_what_is_needed(s)),
}


async def test_what_is_checked_at_the_end_is_refused_the_same(shops: Any) -> None:
    await assert_equal(shops, LATE)
