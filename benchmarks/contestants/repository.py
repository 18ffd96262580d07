"""This library, in the service style: the same tasks through a repository.

The models and the defaults are those of the Active Record style.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import text

from benchmarks.contestants.active_record import User, db
from benchmarks.tasks import PAGE, SPAN, Values, read_all, read_posts
from fastapi_sqlalchemy import Repository


class Users(Repository[User]):
    pass


users = Users()


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
            return users.create(**values)

    def insert_many(self, rows: Sequence[Values]) -> list[User]:
        with db():
            return users.add_all([User(**row) for row in rows])

    def bulk_insert(self, rows: Sequence[Values]) -> None:
        with db():
            users.insert_many(rows)

    def get(self, key: int) -> User | None:
        with db():
            return users.get(key)

    def first(self, email: str) -> User | None:
        with db():
            return users.get_by(email=email)

    def some(self, team: int) -> list[User]:
        with db():
            return users.query.filter_by(team=team).order_by(User.id).all()

    def some_range(self, after: int) -> list[User]:
        with db():
            return users.query.filter(User.id > after).order_by(User.id).limit(PAGE).all()

    def many(self, after: int) -> list[User]:
        with db():
            return users.query.filter(User.id > after).order_by(User.id).all()

    def read(self, after: int) -> int:
        return read_all(self.many(after))

    def dicts(self, after: int) -> list[dict[str, Any]]:
        with db():
            found = users.query.filter(User.id > after).order_by(User.id)
            return found.dicts(User.id, User.name, User.email, User.age, User.bio, User.team)

    def tuples(self, after: int) -> Sequence[Sequence[Any]]:
        with db():
            found = users.query.filter(User.id > after).order_by(User.id)
            return found.rows(User.id, User.name, User.email)

    def modify(self, change: tuple[int, int]) -> None:
        with db():
            users.update(change[0], age=change[1])

    def update_where(self, change: tuple[int, int]) -> int:
        team, age = change
        with db():
            return users.query.filter_by(team=team).update(age=age)

    def update_range(self, change: tuple[int, int]) -> int:
        after, age = change
        with db():
            return users.query.filter(User.id > after, User.id <= after + SPAN).update(age=age)

    def delete(self, key: int) -> None:
        with db():
            users.delete(key)

    def eager(self, authors: int) -> int:
        with db():
            return read_posts(users.query.filter(User.id <= authors).eager(User.posts).all())

    def count(self, team: int) -> int:
        with db():
            return users.count(team=team)

    def count_range(self, after: int) -> int:
        with db():
            return users.count(User.id > after)

    def exists(self, email: str) -> bool:
        with db():
            return users.exists(email=email)

    def page(self, number: int) -> tuple[list[User], int]:
        with db():
            page = users.paginate(number, PAGE)
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
            return await users.acreate(**values)

    async def insert_many(self, rows: Sequence[Values]) -> list[User]:
        async with db():
            return await users.aadd_all([User(**row) for row in rows])

    async def bulk_insert(self, rows: Sequence[Values]) -> None:
        async with db():
            await users.ainsert_many(rows)

    async def get(self, key: int) -> User | None:
        async with db():
            return await users.aget(key)

    async def first(self, email: str) -> User | None:
        async with db():
            return await users.aget_by(email=email)

    async def some(self, team: int) -> list[User]:
        async with db():
            return await users.query.filter_by(team=team).order_by(User.id).aall()

    async def some_range(self, after: int) -> list[User]:
        async with db():
            return await users.query.filter(User.id > after).order_by(User.id).limit(PAGE).aall()

    async def many(self, after: int) -> list[User]:
        async with db():
            return await users.query.filter(User.id > after).order_by(User.id).aall()

    async def read(self, after: int) -> int:
        return read_all(await self.many(after))

    async def dicts(self, after: int) -> list[dict[str, Any]]:
        async with db():
            found = users.query.filter(User.id > after).order_by(User.id)
            return await found.adicts(User.id, User.name, User.email, User.age, User.bio, User.team)

    async def tuples(self, after: int) -> Sequence[Sequence[Any]]:
        async with db():
            found = users.query.filter(User.id > after).order_by(User.id)
            return await found.arows(User.id, User.name, User.email)

    async def modify(self, change: tuple[int, int]) -> None:
        async with db():
            await users.aupdate(change[0], age=change[1])

    async def update_where(self, change: tuple[int, int]) -> int:
        team, age = change
        async with db():
            return await users.query.filter_by(team=team).aupdate(age=age)

    async def update_range(self, change: tuple[int, int]) -> int:
        after, age = change
        async with db():
            found = users.query.filter(User.id > after, User.id <= after + SPAN)
            return await found.aupdate(age=age)

    async def delete(self, key: int) -> None:
        async with db():
            await users.adelete(key)

    async def eager(self, authors: int) -> int:
        async with db():
            found = users.query.filter(User.id <= authors).eager(User.posts)
            return read_posts(await found.aall())

    async def count(self, team: int) -> int:
        async with db():
            return await users.acount(team=team)

    async def count_range(self, after: int) -> int:
        async with db():
            return await users.acount(User.id > after)

    async def exists(self, email: str) -> bool:
        async with db():
            return await users.aexists(email=email)

    async def page(self, number: int) -> tuple[list[User], int]:
        async with db():
            page = await users.apaginate(number, PAGE)
            assert page.total is not None
            return page.items, page.total
