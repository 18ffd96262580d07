"""Rows that PostgreSQL is sent as arrays: the same rows, keys and errors as by SQLAlchemy."""

import uuid
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Enum,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
    TypeDecorator,
    exc,
    inspect,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from fastapi_sqlalchemy import SQLAlchemy
from fastapi_sqlalchemy._plans.arrays import Arrays

Values = dict[str, Any]

FULL: Values = {
    "name": "lamp",
    "odd": "ü%s ::",
    "number": 3,
    "small": -(2**15),
    "large": 2**62,
    "price": Decimal("9.505"),
    "ratio": 0.25,
    "sold": True,
    "token": uuid.UUID(int=7),
    "since": date(2024, 2, 29),
    "seen": datetime(2024, 2, 29, 12, tzinfo=UTC),
    "noted": datetime(2024, 2, 29, 12, 30, 1, 5, UTC).replace(tzinfo=None),
}


class Loud(TypeDecorator[str]):
    impl = String(20)
    cache_ok = True

    def process_bind_param(self, value: str | None, _: object) -> str | None:
        return value and value.upper()


def database(url: str, *, plans: bool) -> tuple[SQLAlchemy, Any]:
    db = SQLAlchemy(url, plans=plans, metadata=MetaData())

    class Thing(db.Base):
        __tablename__ = "odd things"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str | None] = mapped_column(String(20), unique=True)
        odd: Mapped[str | None] = mapped_column("an odd name: %", Text)
        number: Mapped[int | None] = mapped_column(CheckConstraint("number > 0"))
        small: Mapped[int | None] = mapped_column(SmallInteger)
        large: Mapped[int | None] = mapped_column(BigInteger)
        price: Mapped[Decimal | None] = mapped_column(Numeric(10, 2))
        ratio: Mapped[float | None]
        sold: Mapped[bool | None]
        token: Mapped[uuid.UUID | None]
        since: Mapped[date | None]
        seen: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
        noted: Mapped[datetime | None]
        state: Mapped[str] = mapped_column(default="new")

    return db, Thing


def several(*rows: Values) -> list[Values]:
    """Rows among others, each with a name unless it has one."""
    among = [FULL, *rows, {}]
    return [{**values, "name": values.get("name") or f"n{n}"} for n, values in enumerate(among)]


TAKEN: dict[str, list[Values]] = {
    "values of every type": several(),
    "NULLs": several(dict.fromkeys(FULL), {"odd": None}),
    "nothing but NULLs": [{"name": None}, {"name": None, "number": None}],
    "the ends of numbers": several(
        {"number": 2**31 - 1, "small": 2**15 - 1, "large": 2**63 - 1}, {"large": -(2**63)}
    ),
    "odd numbers": several(
        {"ratio": float("inf")},
        {"ratio": float("nan")},
        {"ratio": -0.0},
        {"price": Decimal("1E+3")},
    ),
    "odd texts": several(
        *({"odd": odd} for odd in ('{"a", NULL}\\', "NULL", "", " ", '"', "\\\\n", ","))
    ),
    "a price with too many digits": several({"price": Decimal(10) ** 9}),
    "a text that is too long": several({"name": "n" * 30}),
    "a check that fails": several({"number": 0}),
    "a name that is taken": [{"name": "a"}, {"name": "a"}],
    "many, in an order of their own": [{"name": f"n{n * 7919 % 2500}"} for n in range(2500)],
}
LEFT: dict[str, list[Values]] = {
    "numbers that are too large": several({"number": 2**31}),
    "small numbers that are too large": several({"small": -(2**15) - 1}),
    "large numbers that are too large": several({"large": 2**63}),
    "numbers that no column takes": several({"large": 2**70}),
    "half a character": several({"odd": "\ud800"}),
    "a NUL": several({"odd": "a\0b"}),
    "a number as a text": several({"number": "3"}),
    "a text that is none": several({"odd": 3}),
    "a truth as a number": several({"number": True}),
    "a whole ratio": several({"ratio": 3}),
    "a float as a price": several({"price": 0.1}),
    "a price that is none": several({"price": Decimal("NaN")}),
    "a moment for a date": several({"since": FULL["seen"]}),
    "a date for a moment": several({"noted": FULL["since"]}),
    "a moment without a zone": several({"seen": FULL["noted"]}),
    "the last moment": several({"noted": datetime.combine(date.max, time.max)}),
    "the last moment with a zone": several({"seen": datetime(9999, 12, 31, tzinfo=UTC)}),
    "an offset of less than a second": several(
        {"seen": datetime(2026, 1, 2, tzinfo=timezone(timedelta(microseconds=1)))}
    ),
    "the last day": several({"since": date.max}),
    "the first day": several({"since": date.min}),
    "a moment with one": several({"noted": FULL["seen"]}),
    "a token as a text": several({"token": str(FULL["token"])}),
    "a name of a class of its own": several({"name": type("Name", (str,), {})("own")}),
}


def error_seen(error: Exception) -> Any:
    orig = getattr(error, "orig", None)
    said = str(error).partition("\n")[0]
    return type(error), said, type(orig), getattr(orig, "sqlstate", None)


async def outcome(db: SQLAlchemy, thing: Any, rows: list[Values]) -> dict[str, Any]:
    """What becomes of rows, and of the records that they were given as."""
    async with db.async_engine.begin() as connection:
        await connection.execute(thing.__table__.delete())
        await connection.execute(text('ALTER SEQUENCE "odd things_id_seq" RESTART'))
    seen: dict[str, Any] = {}
    things = [thing(**values) for values in rows]
    async with db():
        try:
            await thing.ainsert_many(things)
        except exc.SQLAlchemyError as error:
            seen["error"] = error_seen(error)
        seen["keys"] = [(each.id, each.name) for each in things]
        seen["lives"] = {(inspect(each).persistent, inspect(each).transient) for each in things}
    async with db():
        seen["rows"] = [tuple(map(repr, row)) for row in await thing.query.arows()]
    return seen


async def outcomes(url: str, cases: dict[str, list[Values]], *, plans: bool) -> dict[str, Any]:
    db, thing = database(url, plans=plans)
    await db.acreate_all()
    try:
        return {name: await outcome(db, thing, rows) for name, rows in cases.items()}
    finally:
        await db.adrop_all()
        await db.adispose()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether rows were sent as arrays."""
    noted: list[bool] = []
    ready = Arrays.ready

    def noting(self: Arrays, columns: Any) -> Any:
        made = ready(self, columns)
        noted.append(made is not None)
        return made

    monkeypatch.setattr(Arrays, "ready", noting)
    return noted


@pytest.mark.parametrize("cases", [TAKEN, LEFT], ids=["as arrays", "as they were"])
@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
async def test_what_becomes_of_rows_is_the_same(
    postgres_url: str, sent: list[bool], driver: str, cases: dict[str, list[Values]]
) -> None:
    url = postgres_url.replace("+psycopg", f"+{driver}")
    plain = await outcomes(url, cases, plans=False)
    assert sent == []
    planned = await outcomes(url, cases, plans=True)
    assert set(sent) == {cases is TAKEN}
    assert len(sent) >= len(cases)
    assert {
        f"{name}: {key}": (planned[name].get(key), plain[name].get(key))
        for name in plain
        for key in plain[name] | planned[name]
        if planned[name].get(key) != plain[name].get(key)
    } == {}


@pytest.mark.parametrize(
    "kind",
    [
        Loud(),
        Enum("a", "b"),
        JSON(),
        Float(24),
        LargeBinary(),
        String(collation="C"),
        Integer().with_variant(BigInteger(), "postgresql"),
        type("Own", (String,), {"cache_ok": True})(),
    ],
    ids=lambda kind: type(kind).__name__,
)
def test_a_type_that_may_do_more_is_not_sent_as_arrays(kind: Any) -> None:
    dialect: Any = postgresql.dialect()  # type: ignore[no-untyped-call]  # it has no types
    table = Table("things", MetaData(), Column("id", Integer, primary_key=True), Column("a", kind))
    assert Arrays.of(table, [table.c.a], dialect, returns=True) is None
    assert Arrays.of(table, [table.c.id], dialect, returns=True) is not None
    assert Arrays.of(table, [table.c.id], sqlite.dialect(), returns=True) is None
