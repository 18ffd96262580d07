"""advanced-alchemy, a repository over a session per task.

What it would read again is switched off (`auto_refresh=False`), a page with its total is its one
query with a window function, and where a repository has no verb (columns, UPDATE by filter) its
session is used, as SQLAlchemy's contestant does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from advanced_alchemy.filters import LimitOffset
from advanced_alchemy.repository import SQLAlchemyAsyncRepository, SQLAlchemySyncRepository

from benchmarks.contestants import sqlalchemy_orm
from benchmarks.contestants.sqlalchemy_orm import User
from benchmarks.tasks import PAGE, Values, read_all, read_posts


class Users(SQLAlchemySyncRepository[User]):
    model_type = User


class AsyncUsers(SQLAlchemyAsyncRepository[User]):
    model_type = User


def _users(session: Any) -> Any:
    return Users(session=session, auto_refresh=False)


def _async_users(session: Any) -> Any:
    return AsyncUsers(session=session, auto_refresh=False)


BY_KEY = [("id", False)]


class Blocking(sqlalchemy_orm.Blocking):
    def insert_one(self, values: Values) -> Any:
        with self._session() as session:
            return _users(session).add(User(**values), auto_commit=True)

    def insert_many(self, rows: Sequence[Values]) -> Any:
        with self._session() as session:
            return _users(session).add_many([User(**row) for row in rows], auto_commit=True)

    def bulk_insert(self, rows: Sequence[Values]) -> None:
        with self._session() as session:
            _users(session).add_many([User(**row) for row in rows], auto_commit=True)

    def get(self, key: int) -> Any:
        with self._session() as session:
            return _users(session).get(key)

    def first(self, email: str) -> Any:
        with self._session() as session:
            return _users(session).get_one_or_none(email=email)

    def some(self, team: int) -> Any:
        with self._session() as session:
            return _users(session).get_many(team=team, order_by=BY_KEY)

    def some_range(self, after: int) -> Any:
        with self._session() as session:
            return _users(session).get_many(User.id > after, LimitOffset(PAGE, 0), order_by=BY_KEY)

    def many(self, after: int) -> Any:
        with self._session() as session:
            return _users(session).get_many(User.id > after, order_by=BY_KEY)

    def read(self, after: int) -> int:
        return read_all(self.many(after))

    def modify(self, change: tuple[int, int]) -> None:
        with self._session() as session:
            user = _users(session).get(change[0])
            user.age = change[1]
            session.commit()

    def delete(self, key: int) -> None:
        with self._session() as session:
            _users(session).delete(key, auto_commit=True)

    def eager(self, authors: int) -> int:
        with self._session() as session:
            return read_posts(_users(session).get_many(User.id <= authors, load=User.posts))

    def count(self, team: int) -> int:
        with self._session() as session:
            return int(_users(session).count(team=team))

    def count_range(self, after: int) -> int:
        with self._session() as session:
            return int(_users(session).count(User.id > after))

    def exists(self, email: str) -> bool:
        with self._session() as session:
            return bool(_users(session).exists(email=email))

    def page(self, number: int) -> Any:
        with self._session() as session:
            part = LimitOffset(PAGE, (number - 1) * PAGE)
            return _users(session).get_many_and_count(part, order_by=BY_KEY)


class Awaited(sqlalchemy_orm.Awaited):
    async def insert_one(self, values: Values) -> Any:
        async with self._session() as session:
            return await _async_users(session).add(User(**values), auto_commit=True)

    async def insert_many(self, rows: Sequence[Values]) -> Any:
        async with self._session() as session:
            users = [User(**row) for row in rows]
            return await _async_users(session).add_many(users, auto_commit=True)

    async def bulk_insert(self, rows: Sequence[Values]) -> None:
        async with self._session() as session:
            users = [User(**row) for row in rows]
            await _async_users(session).add_many(users, auto_commit=True)

    async def get(self, key: int) -> Any:
        async with self._session() as session:
            return await _async_users(session).get(key)

    async def first(self, email: str) -> Any:
        async with self._session() as session:
            return await _async_users(session).get_one_or_none(email=email)

    async def some(self, team: int) -> Any:
        async with self._session() as session:
            return await _async_users(session).get_many(team=team, order_by=BY_KEY)

    async def some_range(self, after: int) -> Any:
        async with self._session() as session:
            part = LimitOffset(PAGE, 0)
            return await _async_users(session).get_many(User.id > after, part, order_by=BY_KEY)

    async def many(self, after: int) -> Any:
        async with self._session() as session:
            return await _async_users(session).get_many(User.id > after, order_by=BY_KEY)

    async def read(self, after: int) -> int:
        return read_all(await self.many(after))

    async def modify(self, change: tuple[int, int]) -> None:
        async with self._session() as session:
            user = await _async_users(session).get(change[0])
            user.age = change[1]
            await session.commit()

    async def delete(self, key: int) -> None:
        async with self._session() as session:
            await _async_users(session).delete(key, auto_commit=True)

    async def eager(self, authors: int) -> int:
        async with self._session() as session:
            users = _async_users(session)
            return read_posts(await users.get_many(User.id <= authors, load=User.posts))

    async def count(self, team: int) -> int:
        async with self._session() as session:
            return int(await _async_users(session).count(team=team))

    async def count_range(self, after: int) -> int:
        async with self._session() as session:
            return int(await _async_users(session).count(User.id > after))

    async def exists(self, email: str) -> bool:
        async with self._session() as session:
            return bool(await _async_users(session).exists(email=email))

    async def page(self, number: int) -> Any:
        async with self._session() as session:
            part = LimitOffset(PAGE, (number - 1) * PAGE)
            return await _async_users(session).get_many_and_count(part, order_by=BY_KEY)
