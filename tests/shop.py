"""Two small databases that each test opens anew: a shop with items, a ledger that checks late.

The models stand here once, because mapping them takes longer than most tests.
"""

import contextlib
from typing import Any

from sqlalchemy import Engine, ForeignKey, QueuePool, String, exc, insert, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from fastapi_sqlalchemy import ModelBase, SQLAlchemy


class ShopBase(ModelBase, DeclarativeBase):
    pass


db = SQLAlchemy(model_class=ShopBase)


class Item(ShopBase):
    __tablename__ = "items"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50), unique=True)
    parts: Mapped[list["Part"]] = relationship(back_populates="item", order_by="Part.id")


class Part(ShopBase):
    __tablename__ = "parts"

    id: Mapped[int] = mapped_column(primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("items.id"))
    item: Mapped[Item] = relationship(back_populates="parts")


class LedgerBase(ModelBase, DeclarativeBase):
    pass


ledger = SQLAlchemy(model_class=LedgerBase)


class Entry(LedgerBase):
    """A row whose reference is checked by COMMIT: one to nowhere makes the COMMIT fail."""

    __tablename__ = "entries"

    id: Mapped[int] = mapped_column(primary_key=True)
    follows: Mapped[int | None] = mapped_column(
        ForeignKey("entries.id", deferrable=True, initially="DEFERRED")
    )


NOWHERE = 404
"""The key of no entry."""


def open_shop(url: str, *names: str, **options: Any) -> None:
    """Open the shop at this address, with its tables and one item for each name."""
    db.init(url, **options)
    db.create_all()
    if names:
        with db.engine.begin() as connection:
            connection.execute(insert(Item), [{"name": name} for name in names])


def open_ledger(url: str, **options: Any) -> None:
    """Open the ledger at this address, with its table."""
    ledger.init(url, **options)
    ledger.create_all()


def close() -> None:
    """Close both; an engine for awaited calls is closed with its event loop."""
    for database in (db, ledger):
        database.dispose()
        database.init()


def lent(database: SQLAlchemy = db) -> int:
    """How many connections are out of the pools: of blocking calls, and of those on this loop."""
    engines = [database.engine]
    with contextlib.suppress(RuntimeError, exc.InvalidRequestError):  # no loop, no asyncio driver
        engines.append(database.async_engine.sync_engine)
    pools = [engine.pool for engine in engines]
    assert all(isinstance(pool, QueuePool) for pool in pools)
    return sum(pool.checkedout() for pool in pools if isinstance(pool, QueuePool))


def names(engine: Engine | None = None) -> list[str]:
    """What another connection sees: the names of the items that are committed, in order."""
    with (engine or db.engine).connect() as connection:
        return list(connection.scalars(select(Item.name).order_by(Item.name)))


def entries() -> list[int | None]:
    """The same for the ledger: what each committed entry follows."""
    with ledger.engine.connect() as connection:
        return list(connection.scalars(select(Entry.follows).order_by(Entry.id)))
