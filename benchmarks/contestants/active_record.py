"""This library, in the Active Record style: a scope per task, as a request has one.

Everything is the default.  Records are saved together by `insert_many` with records; where none are
needed, rows go past the unit of work by `insert_many` with rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ForeignKey, String, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from benchmarks.tasks import PAGE, SPAN, Values, read_all, read_posts
from fastapi_sqlalchemy import ModelBase, SQLAlchemy


class Base(ModelBase, DeclarativeBase):
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


db = SQLAlchemy(model_class=Base)


class Blocking:
    def open(self, url: str) -> None:
        db.init(url.replace("postgresql:", "postgresql+psycopg:"))

    def close(self) -> None:
        db.dispose()

    def setting(self, sql: str) -> Any:
        with db():
            return db.session.scalar(text(sql))

    def insert_one(self, values: Values) -> User:
        with db():
            return User.new(**values)

    def insert_many(self, rows: Sequence[Values]) -> list[User]:
        with db():
            users = [User(**row) for row in rows]
            User.insert_many(users)
            return users

    def bulk_insert(self, rows: Sequence[Values]) -> None:
        with db():
            User.insert_many(rows)

    def get(self, key: int) -> User | None:
        with db():
            return User.get(key)

    def first(self, email: str) -> User | None:
        with db():
            return User.query.filter_by(email=email).first()

    def some(self, team: int) -> list[User]:
        with db():
            return User.query.filter_by(team=team).order_by(User.id).all()

    def some_range(self, after: int) -> list[User]:
        with db():
            return User.query.filter(User.id > after).order_by(User.id).limit(PAGE).all()

    def many(self, after: int) -> list[User]:
        with db():
            return User.query.filter(User.id > after).order_by(User.id).all()

    def read(self, after: int) -> int:
        return read_all(self.many(after))

    def dicts(self, after: int) -> list[dict[str, Any]]:
        with db():
            users = User.query.filter(User.id > after).order_by(User.id)
            return users.dicts(User.id, User.name, User.email, User.age, User.bio, User.team)

    def tuples(self, after: int) -> Sequence[Sequence[Any]]:
        with db():
            users = User.query.filter(User.id > after).order_by(User.id)
            return users.rows(User.id, User.name, User.email)

    def modify(self, change: tuple[int, int]) -> None:
        with db():
            User.get_one(change[0]).update(age=change[1])

    def update_where(self, change: tuple[int, int]) -> int:
        team, age = change
        with db():
            return User.query.filter_by(team=team).update(age=age)

    def update_range(self, change: tuple[int, int]) -> int:
        after, age = change
        with db():
            return User.query.filter(User.id > after, User.id <= after + SPAN).update(age=age)

    def delete(self, key: int) -> None:
        with db():
            User.get_one(key).delete()

    def eager(self, authors: int) -> int:
        with db():
            return read_posts(User.query.filter(User.id <= authors).eager(User.posts).all())

    def count(self, team: int) -> int:
        with db():
            return User.query.filter_by(team=team).count()

    def count_range(self, after: int) -> int:
        with db():
            return User.query.filter(User.id > after).count()

    def exists(self, email: str) -> bool:
        with db():
            return User.query.filter_by(email=email).exists()

    def page(self, number: int) -> tuple[list[User], int]:
        with db():
            page = User.query.order_by(User.id).paginate(number, PAGE)
            assert page.total is not None
            return page.items, page.total


class Awaited:
    async def open(self, url: str) -> None:
        db.init(url.replace("postgresql:", "postgresql+psycopg:"))

    async def close(self) -> None:
        await db.adispose()

    async def setting(self, sql: str) -> Any:
        async with db():
            return await db.async_session.scalar(text(sql))

    async def insert_one(self, values: Values) -> User:
        async with db():
            return await User.anew(**values)

    async def insert_many(self, rows: Sequence[Values]) -> list[User]:
        async with db():
            users = [User(**row) for row in rows]
            await User.ainsert_many(users)
            return users

    async def bulk_insert(self, rows: Sequence[Values]) -> None:
        async with db():
            await User.ainsert_many(rows)

    async def get(self, key: int) -> User | None:
        async with db():
            return await User.aget(key)

    async def first(self, email: str) -> User | None:
        async with db():
            return await User.query.filter_by(email=email).afirst()

    async def some(self, team: int) -> list[User]:
        async with db():
            return await User.query.filter_by(team=team).order_by(User.id).aall()

    async def some_range(self, after: int) -> list[User]:
        async with db():
            return await User.query.filter(User.id > after).order_by(User.id).limit(PAGE).aall()

    async def many(self, after: int) -> list[User]:
        async with db():
            return await User.query.filter(User.id > after).order_by(User.id).aall()

    async def read(self, after: int) -> int:
        return read_all(await self.many(after))

    async def dicts(self, after: int) -> list[dict[str, Any]]:
        async with db():
            users = User.query.filter(User.id > after).order_by(User.id)
            return await users.adicts(User.id, User.name, User.email, User.age, User.bio, User.team)

    async def tuples(self, after: int) -> Sequence[Sequence[Any]]:
        async with db():
            users = User.query.filter(User.id > after).order_by(User.id)
            return await users.arows(User.id, User.name, User.email)

    async def modify(self, change: tuple[int, int]) -> None:
        async with db():
            user = await User.aget_one(change[0])
            await user.aupdate(age=change[1])

    async def update_where(self, change: tuple[int, int]) -> int:
        team, age = change
        async with db():
            return await User.query.filter_by(team=team).aupdate(age=age)

    async def update_range(self, change: tuple[int, int]) -> int:
        after, age = change
        async with db():
            users = User.query.filter(User.id > after, User.id <= after + SPAN)
            return await users.aupdate(age=age)

    async def delete(self, key: int) -> None:
        async with db():
            user = await User.aget_one(key)
            await user.adelete()

    async def eager(self, authors: int) -> int:
        async with db():
            users = User.query.filter(User.id <= authors).eager(User.posts)
            return read_posts(await users.aall())

    async def count(self, team: int) -> int:
        async with db():
            return await User.query.filter_by(team=team).acount()

    async def count_range(self, after: int) -> int:
        async with db():
            return await User.query.filter(User.id > after).acount()

    async def exists(self, email: str) -> bool:
        async with db():
            return await User.query.filter_by(email=email).aexists()

    async def page(self, number: int) -> tuple[list[User], int]:
        async with db():
            page = await User.query.order_by(User.id).apaginate(number, PAGE)
            assert page.total is not None
            return page.items, page.total
