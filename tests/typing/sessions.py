"""What makes sessions for libraries. Never run."""

from typing import assert_type

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import Session, sessionmaker

from fastapi_sqlalchemy import SQLAlchemy


def blocking(db: SQLAlchemy) -> None:
    assert_type(db.sessionmaker(expire_on_commit=True), sessionmaker[Session])
    with db.sessionmaker()() as session:
        assert_type(session, Session)
    with db.sessionmaker().begin() as session:
        assert_type(session, Session)
    db.sessionmaker(db.engine)  # type: ignore[call-arg]  # it has one


async def awaited(db: SQLAlchemy) -> None:
    assert_type(db.async_sessionmaker(), async_sessionmaker[AsyncSession])
    async with db.async_sessionmaker()() as session:
        assert_type(session, AsyncSession)
    db.async_sessionmaker(db.async_engine)  # type: ignore[call-arg]  # it has one
