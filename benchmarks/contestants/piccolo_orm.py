"""Piccolo, over aiosqlite and asyncpg.

On PostgreSQL it has its connection pool; its SQLite engine opens a connection per query, and keeps
one through a transaction.  Records come by `objects()`, dictionaries by `select()`, which has no
tuples: they are made of dictionaries.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from piccolo.columns import ForeignKey, Integer, Serial, Text, Varchar
from piccolo.engine.postgres import PostgresEngine
from piccolo.engine.sqlite import SQLiteEngine, TransactionType
from piccolo.table import Table
from sqlalchemy import make_url

from benchmarks.contestants.addresses import server
from benchmarks.tasks import PAGE, SPAN, CannotDo, Values, read_all

BATCH = 1000


class User(Table, tablename="bench_users"):
    id = Serial(primary_key=True)
    name = Varchar(length=100)
    email = Varchar(length=200, index=True)
    age = Integer()
    bio = Text(null=True, default=None)
    team = Integer(index=True)


class Post(Table, tablename="bench_posts"):
    id = Serial(primary_key=True)
    user = ForeignKey(references=User, db_column_name="user_id")
    title = Varchar(length=200)


class Awaited:
    async def open(self, url: str) -> None:
        name = make_url(url).database
        self._sqlite = url.startswith("sqlite")
        if self._sqlite:
            self._engine: Any = SQLiteEngine(path=name, timeout=30)
        else:
            self._engine = PostgresEngine(config={"database": name, **server(url)})
            await self._engine.start_connection_pool()
        User._meta.db = Post._meta.db = self._engine

    async def close(self) -> None:
        if not self._sqlite:
            await self._engine.close_connection_pool()

    def _transaction(self) -> Any:
        if self._sqlite:
            return self._engine.transaction(transaction_type=TransactionType.immediate)
        return self._engine.transaction()

    async def setting(self, sql: str) -> Any:
        return next(iter((await User.raw(sql))[0].values()))

    async def insert_one(self, values: Values) -> Any:
        user = User(**values)
        await user.save()
        return user

    async def insert_many(self, rows: Sequence[Values]) -> Sequence[Any]:
        users = [User(**row) for row in rows]
        async with self._transaction():
            await User.insert(*users)
        return users

    async def bulk_insert(self, rows: Sequence[Values]) -> None:
        async with self._transaction():
            for first in range(0, len(rows), BATCH):
                await User.insert(*[User(**row) for row in rows[first : first + BATCH]])

    async def get(self, key: int) -> Any:
        return await User.objects().get(User.id == key)

    async def first(self, email: str) -> Any:
        return await User.objects().where(User.email == email).first()

    async def some(self, team: int) -> Sequence[Any]:
        return await User.objects().where(User.team == team).order_by(User.id)

    async def some_range(self, after: int) -> Sequence[Any]:
        return await User.objects().where(User.id > after).order_by(User.id).limit(PAGE)

    async def many(self, after: int) -> Sequence[Any]:
        return await User.objects().where(User.id > after).order_by(User.id)

    async def read(self, after: int) -> int:
        return read_all(await self.many(after))

    async def dicts(self, after: int) -> list[dict[str, Any]]:
        return await User.select().where(User.id > after).order_by(User.id)

    async def tuples(self, after: int) -> Sequence[Sequence[Any]]:
        columns = User.select(User.id, User.name, User.email)
        rows = await columns.where(User.id > after).order_by(User.id)
        return [tuple(row.values()) for row in rows]

    async def modify(self, change: tuple[int, int]) -> None:
        user = await User.objects().get(User.id == change[0])
        user.age = change[1]
        await user.save(columns=[User.age])

    async def update_where(self, change: tuple[int, int]) -> None:
        team, age = change
        await User.update({User.age: age}).where(User.team == team)

    async def update_range(self, change: tuple[int, int]) -> None:
        after, age = change
        await User.update({User.age: age}).where(User.id > after, User.id <= after + SPAN)

    async def delete(self, key: int) -> None:
        user = await User.objects().get(User.id == key)
        await user.remove()

    async def eager(self, authors: int) -> int:
        raise CannotDo("loads no collections: its prefetch is for foreign keys")

    async def count(self, team: int) -> int:
        return int(await User.count().where(User.team == team))

    async def count_range(self, after: int) -> int:
        return int(await User.count().where(User.id > after))

    async def exists(self, email: str) -> bool:
        return bool(await User.exists().where(User.email == email))

    async def page(self, number: int) -> tuple[Sequence[Any], int]:
        users = User.objects().order_by(User.id).limit(PAGE).offset((number - 1) * PAGE)
        return await users, await User.count()
