"""SQLModel, a session per task, as its documentation has it: `session.exec(select(...))`.

Otherwise as SQLAlchemy's ORM beside it, whose sessions these are.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import create_engine, exists, func, insert, text, update
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import selectinload
from sqlmodel import Field, Relationship, Session, SQLModel, select
from sqlmodel.ext.asyncio.session import AsyncSession

from benchmarks.contestants.sqlalchemy_orm import foreign_keys_on, with_driver
from benchmarks.tasks import PAGE, SPAN, Values, read_all, read_posts


class User(SQLModel, table=True):
    __tablename__ = "bench_users"

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(max_length=100)
    email: str = Field(max_length=200, index=True)
    age: int
    bio: str | None = None
    team: int = Field(index=True)
    posts: list["Post"] = Relationship(sa_relationship_kwargs={"passive_deletes": True})


class Post(SQLModel, table=True):
    __tablename__ = "bench_posts"

    id: int | None = Field(default=None, primary_key=True)
    user_id: int = Field(foreign_key="bench_users.id", ondelete="CASCADE")
    title: str = Field(max_length=200)


class Blocking:
    def open(self, url: str) -> None:
        self._engine = create_engine(with_driver(url))
        foreign_keys_on(self._engine)

    def close(self) -> None:
        self._engine.dispose()

    def _session(self) -> Any:
        return Session(self._engine, expire_on_commit=False)

    def setting(self, sql: str) -> Any:
        with self._session() as session:
            return session.scalar(text(sql))

    def insert_one(self, values: Values) -> Any:
        with self._session() as session:
            user = User(**values)
            session.add(user)
            session.commit()
            return user

    def insert_many(self, rows: Sequence[Values]) -> Sequence[Any]:
        with self._session() as session:
            users = [User(**row) for row in rows]
            session.add_all(users)
            session.commit()
            return users

    def bulk_insert(self, rows: Sequence[Values]) -> None:
        with self._session() as session:
            session.exec(insert(User), params=rows)
            session.commit()

    def get(self, key: int) -> Any:
        with self._session() as session:
            return session.get(User, key)

    def first(self, email: str) -> Any:
        with self._session() as session:
            return session.exec(select(User).where(User.email == email).limit(1)).first()

    def some(self, team: int) -> Sequence[Any]:
        with self._session() as session:
            return session.exec(select(User).where(User.team == team).order_by(User.id)).all()

    def some_range(self, after: int) -> Sequence[Any]:
        with self._session() as session:
            statement = select(User).where(User.id > after).order_by(User.id).limit(PAGE)
            return session.exec(statement).all()

    def many(self, after: int) -> Sequence[Any]:
        with self._session() as session:
            return session.exec(select(User).where(User.id > after).order_by(User.id)).all()

    def read(self, after: int) -> int:
        return read_all(self.many(after))

    def dicts(self, after: int) -> list[dict[str, Any]]:
        with self._session() as session:
            columns = select(*User.__table__.columns)
            found = session.exec(columns.where(User.id > after).order_by(User.id))
            return [dict(row) for row in found.mappings()]

    def tuples(self, after: int) -> Sequence[Sequence[Any]]:
        with self._session() as session:
            columns = select(User.id, User.name, User.email)
            return session.exec(columns.where(User.id > after).order_by(User.id)).all()

    def modify(self, change: tuple[int, int]) -> None:
        with self._session() as session:
            user = session.get_one(User, change[0])
            user.age = change[1]
            session.add(user)
            session.commit()

    def update_where(self, change: tuple[int, int]) -> int:
        team, age = change
        with self._session() as session:
            found = session.exec(update(User).where(User.team == team).values(age=age))
            session.commit()
            return int(found.rowcount)

    def update_range(self, change: tuple[int, int]) -> int:
        after, age = change
        with self._session() as session:
            statement = update(User).where(User.id > after, User.id <= after + SPAN)
            found = session.exec(statement.values(age=age))
            session.commit()
            return int(found.rowcount)

    def delete(self, key: int) -> None:
        with self._session() as session:
            session.delete(session.get_one(User, key))
            session.commit()

    def eager(self, authors: int) -> int:
        with self._session() as session:
            statement = select(User).where(User.id <= authors).options(selectinload(User.posts))
            return read_posts(session.exec(statement).all())

    def count(self, team: int) -> int:
        with self._session() as session:
            statement = select(func.count()).select_from(User).where(User.team == team)
            return int(session.exec(statement).one())

    def count_range(self, after: int) -> int:
        with self._session() as session:
            statement = select(func.count()).select_from(User).where(User.id > after)
            return int(session.exec(statement).one())

    def exists(self, email: str) -> bool:
        with self._session() as session:
            return bool(session.exec(select(exists().where(User.email == email))).one())

    def page(self, number: int) -> tuple[Sequence[Any], int]:
        with self._session() as session:
            statement = select(User).order_by(User.id).limit(PAGE).offset((number - 1) * PAGE)
            users = session.exec(statement).all()
            return users, session.exec(select(func.count()).select_from(User)).one()


class Awaited:
    async def open(self, url: str) -> None:
        self._engine = create_async_engine(with_driver(url, awaited=True))
        foreign_keys_on(self._engine.sync_engine)

    async def close(self) -> None:
        await self._engine.dispose()

    def _session(self) -> Any:
        return AsyncSession(self._engine, expire_on_commit=False)

    async def setting(self, sql: str) -> Any:
        async with self._session() as session:
            return await session.scalar(text(sql))

    async def insert_one(self, values: Values) -> Any:
        async with self._session() as session:
            user = User(**values)
            session.add(user)
            await session.commit()
            return user

    async def insert_many(self, rows: Sequence[Values]) -> Sequence[Any]:
        async with self._session() as session:
            users = [User(**row) for row in rows]
            session.add_all(users)
            await session.commit()
            return users

    async def bulk_insert(self, rows: Sequence[Values]) -> None:
        async with self._session() as session:
            await session.exec(insert(User), params=rows)
            await session.commit()

    async def get(self, key: int) -> Any:
        async with self._session() as session:
            return await session.get(User, key)

    async def first(self, email: str) -> Any:
        async with self._session() as session:
            found = await session.exec(select(User).where(User.email == email).limit(1))
            return found.first()

    async def some(self, team: int) -> Sequence[Any]:
        async with self._session() as session:
            statement = select(User).where(User.team == team).order_by(User.id)
            found: Sequence[Any] = (await session.exec(statement)).all()
            return found

    async def some_range(self, after: int) -> Sequence[Any]:
        async with self._session() as session:
            statement = select(User).where(User.id > after).order_by(User.id).limit(PAGE)
            found: Sequence[Any] = (await session.exec(statement)).all()
            return found

    async def many(self, after: int) -> Sequence[Any]:
        async with self._session() as session:
            statement = select(User).where(User.id > after).order_by(User.id)
            found: Sequence[Any] = (await session.exec(statement)).all()
            return found

    async def read(self, after: int) -> int:
        return read_all(await self.many(after))

    async def dicts(self, after: int) -> list[dict[str, Any]]:
        async with self._session() as session:
            columns = select(*User.__table__.columns)
            found = await session.exec(columns.where(User.id > after).order_by(User.id))
            return [dict(row) for row in found.mappings()]

    async def tuples(self, after: int) -> Sequence[Sequence[Any]]:
        async with self._session() as session:
            columns = select(User.id, User.name, User.email)
            statement = columns.where(User.id > after).order_by(User.id)
            found: Sequence[Sequence[Any]] = (await session.exec(statement)).all()
            return found

    async def modify(self, change: tuple[int, int]) -> None:
        async with self._session() as session:
            user = await session.get_one(User, change[0])
            user.age = change[1]
            session.add(user)
            await session.commit()

    async def update_where(self, change: tuple[int, int]) -> int:
        team, age = change
        async with self._session() as session:
            statement = update(User).where(User.team == team).values(age=age)
            found = await session.exec(statement)
            await session.commit()
            return int(found.rowcount)

    async def update_range(self, change: tuple[int, int]) -> int:
        after, age = change
        async with self._session() as session:
            statement = update(User).where(User.id > after, User.id <= after + SPAN)
            found = await session.exec(statement.values(age=age))
            await session.commit()
            return int(found.rowcount)

    async def delete(self, key: int) -> None:
        async with self._session() as session:
            await session.delete(await session.get_one(User, key))
            await session.commit()

    async def eager(self, authors: int) -> int:
        async with self._session() as session:
            statement = select(User).where(User.id <= authors).options(selectinload(User.posts))
            return read_posts((await session.exec(statement)).all())

    async def count(self, team: int) -> int:
        async with self._session() as session:
            statement = select(func.count()).select_from(User).where(User.team == team)
            return int((await session.exec(statement)).one())

    async def count_range(self, after: int) -> int:
        async with self._session() as session:
            statement = select(func.count()).select_from(User).where(User.id > after)
            return int((await session.exec(statement)).one())

    async def exists(self, email: str) -> bool:
        async with self._session() as session:
            found = await session.exec(select(exists().where(User.email == email)))
            return bool(found.one())

    async def page(self, number: int) -> tuple[Sequence[Any], int]:
        async with self._session() as session:
            statement = select(User).order_by(User.id).limit(PAGE).offset((number - 1) * PAGE)
            users = (await session.exec(statement)).all()
            return users, (await session.exec(select(func.count()).select_from(User))).one()
