"""SQLAlchemy's ORM, a session per task, as its documentation has it.

`expire_on_commit=False` is what it recommends for web applications that go on using a record;
many rows are inserted by an `insert()` with a list, its fastest way; relationships are loaded by
`selectinload`, and deletions leave posts to the database (`passive_deletes`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    Engine,
    ForeignKey,
    String,
    create_engine,
    event,
    exists,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    mapped_column,
    relationship,
    selectinload,
    sessionmaker,
)

from benchmarks.tasks import PAGE, SPAN, Values, read_all, read_posts


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "bench_users"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    email: Mapped[str] = mapped_column(String(200), index=True)
    age: Mapped[int]
    bio: Mapped[str | None]
    team: Mapped[int] = mapped_column(index=True)
    posts: Mapped[list[Post]] = relationship(passive_deletes=True)


class Post(Base):
    __tablename__ = "bench_posts"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("bench_users.id", ondelete="CASCADE"))
    title: Mapped[str] = mapped_column(String(200))


def foreign_keys_on(engine: Engine) -> None:
    """Have SQLite see to foreign keys, as every contestant does."""
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def connect(connection: Any, _: Any) -> None:
            connection.execute("PRAGMA foreign_keys = ON")


def with_driver(url: str, *, awaited: bool = False) -> str:
    sqlite = "sqlite+aiosqlite:" if awaited else "sqlite:"
    return url.replace("postgresql:", "postgresql+psycopg:").replace("sqlite:", sqlite)


class Blocking:
    def open(self, url: str) -> None:
        self._engine = create_engine(with_driver(url))
        foreign_keys_on(self._engine)
        self._session = sessionmaker(self._engine, expire_on_commit=False)

    def close(self) -> None:
        self._engine.dispose()

    def setting(self, sql: str) -> Any:
        with self._session() as session:
            return session.scalar(text(sql))

    def insert_one(self, values: Values) -> User:
        with self._session() as session:
            user = User(**values)
            session.add(user)
            session.commit()
            return user

    def insert_many(self, rows: Sequence[Values]) -> list[User]:
        with self._session() as session:
            users = [User(**row) for row in rows]
            session.add_all(users)
            session.commit()
            return users

    def bulk_insert(self, rows: Sequence[Values]) -> None:
        with self._session() as session:
            session.execute(insert(User), rows)
            session.commit()

    def get(self, key: int) -> User | None:
        with self._session() as session:
            return session.get(User, key)

    def first(self, email: str) -> User | None:
        with self._session() as session:
            return session.scalars(select(User).filter_by(email=email).limit(1)).first()

    def some(self, team: int) -> Sequence[User]:
        with self._session() as session:
            statement = select(User).filter_by(team=team).order_by(User.id)
            return session.scalars(statement).all()

    def some_range(self, after: int) -> Sequence[User]:
        with self._session() as session:
            statement = select(User).where(User.id > after).order_by(User.id).limit(PAGE)
            return session.scalars(statement).all()

    def many(self, after: int) -> Sequence[User]:
        with self._session() as session:
            return session.scalars(select(User).where(User.id > after).order_by(User.id)).all()

    def read(self, after: int) -> int:
        return read_all(self.many(after))

    def dicts(self, after: int) -> list[dict[str, Any]]:
        with self._session() as session:
            columns = select(User.id, User.name, User.email, User.age, User.bio, User.team)
            found = session.execute(columns.where(User.id > after).order_by(User.id))
            return [dict(row) for row in found.mappings()]

    def tuples(self, after: int) -> Sequence[Sequence[Any]]:
        with self._session() as session:
            columns = select(User.id, User.name, User.email)
            return session.execute(columns.where(User.id > after).order_by(User.id)).all()

    def modify(self, change: tuple[int, int]) -> None:
        with self._session() as session:
            user = session.get_one(User, change[0])
            user.age = change[1]
            session.commit()

    def update_where(self, change: tuple[int, int]) -> int:
        team, age = change
        with self._session() as session:
            statement = update(User).filter_by(team=team).values(age=age)
            found: Any = session.execute(statement)
            session.commit()
            return int(found.rowcount)

    def update_range(self, change: tuple[int, int]) -> int:
        after, age = change
        with self._session() as session:
            statement = update(User).where(User.id > after, User.id <= after + SPAN)
            found: Any = session.execute(statement.values(age=age))
            session.commit()
            return int(found.rowcount)

    def delete(self, key: int) -> None:
        with self._session() as session:
            session.delete(session.get_one(User, key))
            session.commit()

    def eager(self, authors: int) -> int:
        with self._session() as session:
            statement = select(User).where(User.id <= authors).options(selectinload(User.posts))
            return read_posts(session.scalars(statement).all())

    def count(self, team: int) -> int:
        with self._session() as session:
            statement = select(func.count()).select_from(User).filter_by(team=team)
            return session.scalars(statement).one()

    def count_range(self, after: int) -> int:
        with self._session() as session:
            statement = select(func.count()).select_from(User).where(User.id > after)
            return session.scalars(statement).one()

    def exists(self, email: str) -> bool:
        with self._session() as session:
            return bool(session.scalar(select(exists().where(User.email == email))))

    def page(self, number: int) -> tuple[Sequence[User], int]:
        with self._session() as session:
            statement = select(User).order_by(User.id).limit(PAGE).offset((number - 1) * PAGE)
            users = session.scalars(statement).all()
            return users, session.scalars(select(func.count()).select_from(User)).one()


class Awaited:
    def __init__(self) -> None:
        self._engine: AsyncEngine
        self._session: async_sessionmaker[AsyncSession]

    async def open(self, url: str) -> None:
        self._engine = create_async_engine(with_driver(url, awaited=True))
        foreign_keys_on(self._engine.sync_engine)
        self._session = async_sessionmaker(self._engine, expire_on_commit=False)

    async def close(self) -> None:
        await self._engine.dispose()

    async def setting(self, sql: str) -> Any:
        async with self._session() as session:
            return await session.scalar(text(sql))

    async def insert_one(self, values: Values) -> User:
        async with self._session() as session:
            user = User(**values)
            session.add(user)
            await session.commit()
            return user

    async def insert_many(self, rows: Sequence[Values]) -> list[User]:
        async with self._session() as session:
            users = [User(**row) for row in rows]
            session.add_all(users)
            await session.commit()
            return users

    async def bulk_insert(self, rows: Sequence[Values]) -> None:
        async with self._session() as session:
            await session.execute(insert(User), rows)
            await session.commit()

    async def get(self, key: int) -> User | None:
        async with self._session() as session:
            return await session.get(User, key)

    async def first(self, email: str) -> User | None:
        async with self._session() as session:
            found = await session.scalars(select(User).filter_by(email=email).limit(1))
            return found.first()

    async def some(self, team: int) -> Sequence[User]:
        async with self._session() as session:
            statement = select(User).filter_by(team=team).order_by(User.id)
            return (await session.scalars(statement)).all()

    async def some_range(self, after: int) -> Sequence[User]:
        async with self._session() as session:
            statement = select(User).where(User.id > after).order_by(User.id).limit(PAGE)
            return (await session.scalars(statement)).all()

    async def many(self, after: int) -> Sequence[User]:
        async with self._session() as session:
            statement = select(User).where(User.id > after).order_by(User.id)
            return (await session.scalars(statement)).all()

    async def read(self, after: int) -> int:
        return read_all(await self.many(after))

    async def dicts(self, after: int) -> list[dict[str, Any]]:
        async with self._session() as session:
            columns = select(User.id, User.name, User.email, User.age, User.bio, User.team)
            found = await session.execute(columns.where(User.id > after).order_by(User.id))
            return [dict(row) for row in found.mappings()]

    async def tuples(self, after: int) -> Sequence[Sequence[Any]]:
        async with self._session() as session:
            columns = select(User.id, User.name, User.email)
            return (await session.execute(columns.where(User.id > after).order_by(User.id))).all()

    async def modify(self, change: tuple[int, int]) -> None:
        async with self._session() as session:
            user = await session.get_one(User, change[0])
            user.age = change[1]
            await session.commit()

    async def update_where(self, change: tuple[int, int]) -> int:
        team, age = change
        async with self._session() as session:
            statement = update(User).filter_by(team=team).values(age=age)
            found: Any = await session.execute(statement)
            await session.commit()
            return int(found.rowcount)

    async def update_range(self, change: tuple[int, int]) -> int:
        after, age = change
        async with self._session() as session:
            statement = update(User).where(User.id > after, User.id <= after + SPAN)
            found: Any = await session.execute(statement.values(age=age))
            await session.commit()
            return int(found.rowcount)

    async def delete(self, key: int) -> None:
        async with self._session() as session:
            await session.delete(await session.get_one(User, key))
            await session.commit()

    async def eager(self, authors: int) -> int:
        async with self._session() as session:
            statement = select(User).where(User.id <= authors).options(selectinload(User.posts))
            return read_posts((await session.scalars(statement)).all())

    async def count(self, team: int) -> int:
        async with self._session() as session:
            statement = select(func.count()).select_from(User).filter_by(team=team)
            return (await session.scalars(statement)).one()

    async def count_range(self, after: int) -> int:
        async with self._session() as session:
            statement = select(func.count()).select_from(User).where(User.id > after)
            return (await session.scalars(statement)).one()

    async def exists(self, email: str) -> bool:
        async with self._session() as session:
            return bool(await session.scalar(select(exists().where(User.email == email))))

    async def page(self, number: int) -> tuple[Sequence[User], int]:
        async with self._session() as session:
            statement = select(User).order_by(User.id).limit(PAGE).offset((number - 1) * PAGE)
            users = (await session.scalars(statement)).all()
            return users, (await session.scalars(select(func.count()).select_from(User))).one()
