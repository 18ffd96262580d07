"""Scopes, sessions and transactions."""

from typing import assert_type

from sqlalchemy import URL, Engine, MetaData
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Session

from fastapi_sqlalchemy import SQLAlchemy


class Database(SQLAlchemy):
    """One of an application's own."""


db = Database("sqlite://")


@db.transaction(retries=3)
def transfer(source: int, target: int = 1, *, amount: float) -> str:
    return f"{source} {target} {amount}"


@db.transaction()
async def atransfer(source: int) -> list[str]:
    return [str(source)]


@db()
def count(least: int) -> int:
    return least


def made() -> None:
    """`SQLAlchemy(url, ...)` and its options"""
    assert_type(db.url, URL | None)
    assert_type(db.engine, Engine)
    assert_type(db.async_engine, AsyncEngine)
    assert_type(db.metadata, MetaData)
    SQLAlchemy(1)  # type: ignore[arg-type]
    SQLAlchemy(uri="sqlite://")  # type: ignore[call-arg]
    SQLAlchemy(blocking="never")  # type: ignore[arg-type]
    SQLAlchemy(plans="off")  # type: ignore[arg-type]
    SQLAlchemy(autocommit_reads=None)  # type: ignore[arg-type]


def sessions() -> None:
    """`with db():`, `db.session`, `db.async_session`"""
    with db() as same:
        assert_type(same, Database)
    session: Session = db.session
    session.commit()
    assert_type(db.async_session, AsyncSession)
    db(True)  # type: ignore[arg-type]
    db(joined=True)  # type: ignore[call-arg]


async def awaited() -> None:
    """`async with db():`, `await db.run(function)`"""
    async with db(join=True) as same:
        assert_type(same, Database)
    assert_type(await db.run(count, 1), int)
    await db.run(count, "1")  # type: ignore[arg-type]
    await db.acreate_all()


def transactions() -> None:
    """`with db.transaction():`, `db.on_commit`"""
    with db.transaction(isolation_level="SERIALIZABLE"):
        db.on_commit(lambda: print("stored"))  # noqa: T201
    db.on_commit(transfer)  # type: ignore[arg-type]
    db.transaction(3)  # type: ignore[call-arg]
    db.transaction(retries="3")  # type: ignore[arg-type]


async def decorated() -> None:
    """`@db.transaction()` and `@db()` keep the signatures of functions of both kinds"""
    assert_type(transfer(1, amount=2), str)
    assert_type(await atransfer(1), list[str])
    assert_type(count(1), int)
    transfer("1", amount=2)  # type: ignore[arg-type]
    transfer(1)  # type: ignore[call-arg]
    transfer(1, amuont=2, amount=1)  # type: ignore[call-arg]
    await atransfer("1")  # type: ignore[arg-type]
    count()  # type: ignore[call-arg]
