"""Peewee, on one connection that stays open, in the driver's autocommit as is its default.

Rows are inserted by `insert_many` in batches, records by `bulk_create`, which knows their keys with
`returning_clause`; models save what has changed only.  psycopg 3 is preferred, as everybody has it.
Awaited: `playhouse.pwasyncio`, over aiosqlite and asyncpg.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from peewee import (
    AutoField,
    CharField,
    DatabaseProxy,
    ForeignKeyField,
    IntegerField,
    Model,
    PostgresqlDatabase,
    SqliteDatabase,
    TextField,
    chunked,
    prefetch,
)
from sqlalchemy import make_url

from benchmarks.contestants.addresses import server
from benchmarks.tasks import PAGE, SPAN, Values, read_all, read_posts

BATCH = 1000
PRAGMAS = {"journal_mode": "wal", "foreign_keys": 1}
proxy = DatabaseProxy()


class User(Model):
    id = AutoField()
    name = CharField(max_length=100)
    email = CharField(max_length=200, index=True)
    age = IntegerField()
    bio = TextField(null=True)
    team = IntegerField(index=True)

    class Meta:
        database = proxy
        table_name = "bench_users"
        only_save_dirty = True


class Post(Model):
    id = AutoField()
    user = ForeignKeyField(User, backref="posts", column_name="user_id", on_delete="CASCADE")
    title = CharField(max_length=200)

    class Meta:
        database = proxy
        table_name = "bench_posts"


class Blocking:
    def open(self, url: str) -> None:
        name = make_url(url).database
        if url.startswith("sqlite"):
            self._database = SqliteDatabase(name, pragmas=PRAGMAS, returning_clause=True)
        else:
            self._database = PostgresqlDatabase(name, prefer_psycopg3=True, **server(url))
        proxy.initialize(self._database)
        self._database.connect()

    def close(self) -> None:
        self._database.close()

    def setting(self, sql: str) -> Any:
        return self._database.execute_sql(sql).fetchone()[0]

    def insert_one(self, values: Values) -> Any:
        return User.create(**values)

    def insert_many(self, rows: Sequence[Values]) -> Sequence[Any]:
        users = [User(**row) for row in rows]
        with self._database.atomic():
            User.bulk_create(users)
        return users

    def bulk_insert(self, rows: Sequence[Values]) -> None:
        with self._database.atomic():
            for batch in chunked(rows, BATCH):
                User.insert_many(batch).execute()

    def get(self, key: int) -> Any:
        return User.get_by_id(key)

    def first(self, email: str) -> Any:
        return User.select().where(User.email == email).first()

    def some(self, team: int) -> Sequence[Any]:
        return list(User.select().where(User.team == team).order_by(User.id))

    def some_range(self, after: int) -> Sequence[Any]:
        return list(User.select().where(User.id > after).order_by(User.id).limit(PAGE))

    def many(self, after: int) -> Sequence[Any]:
        return list(User.select().where(User.id > after).order_by(User.id))

    def read(self, after: int) -> int:
        return read_all(self.many(after))

    def dicts(self, after: int) -> list[dict[str, Any]]:
        return list(User.select().where(User.id > after).order_by(User.id).dicts())

    def tuples(self, after: int) -> Sequence[Sequence[Any]]:
        columns = User.select(User.id, User.name, User.email)
        return list(columns.where(User.id > after).order_by(User.id).tuples())

    def modify(self, change: tuple[int, int]) -> None:
        user = User.get_by_id(change[0])
        user.age = change[1]
        user.save()

    def update_where(self, change: tuple[int, int]) -> int:
        team, age = change
        return int(User.update(age=age).where(User.team == team).execute())

    def update_range(self, change: tuple[int, int]) -> int:
        after, age = change
        statement = User.update(age=age).where(User.id > after, User.id <= after + SPAN)
        return int(statement.execute())

    def delete(self, key: int) -> None:
        User.get_by_id(key).delete_instance()

    def eager(self, authors: int) -> int:
        return read_posts(prefetch(User.select().where(User.id <= authors), Post.select()))

    def count(self, team: int) -> int:
        return int(User.select().where(User.team == team).count())

    def count_range(self, after: int) -> int:
        return int(User.select().where(User.id > after).count())

    def exists(self, email: str) -> bool:
        return bool(User.select().where(User.email == email).exists())

    def page(self, number: int) -> tuple[Sequence[Any], int]:
        users = User.select().order_by(User.id)
        return list(users.paginate(number, PAGE)), users.count()


class Awaited:
    async def open(self, url: str) -> None:
        from playhouse.pwasyncio import AsyncPostgresqlDatabase, AsyncSqliteDatabase

        name = make_url(url).database
        if url.startswith("sqlite"):
            self._database = AsyncSqliteDatabase(name, pragmas=PRAGMAS, returning_clause=True)
        else:
            self._database = AsyncPostgresqlDatabase(name, **server(url))
        proxy.initialize(self._database)

    async def close(self) -> None:
        await self._database.close_pool()

    async def setting(self, sql: str) -> Any:
        return (await self._database.aexecute_sql(sql)).fetchone()[0]

    async def insert_one(self, values: Values) -> Any:
        return await self._database.run(User.create, **values)

    async def insert_many(self, rows: Sequence[Values]) -> Sequence[Any]:
        users = [User(**row) for row in rows]
        async with self._database.atomic():
            await self._database.run(User.bulk_create, users)
        return users

    async def bulk_insert(self, rows: Sequence[Values]) -> None:
        async with self._database.atomic():
            for batch in chunked(rows, BATCH):
                await self._database.aexecute(User.insert_many(batch))

    async def get(self, key: int) -> Any:
        return await self._database.run(User.get_by_id, key)

    async def first(self, email: str) -> Any:
        return await self._database.first(User.select().where(User.email == email))

    async def some(self, team: int) -> Sequence[Any]:
        query = User.select().where(User.team == team).order_by(User.id)
        return list(await self._database.list(query))

    async def some_range(self, after: int) -> Sequence[Any]:
        query = User.select().where(User.id > after).order_by(User.id).limit(PAGE)
        return list(await self._database.list(query))

    async def many(self, after: int) -> Sequence[Any]:
        query = User.select().where(User.id > after).order_by(User.id)
        return list(await self._database.list(query))

    async def read(self, after: int) -> int:
        return read_all(await self.many(after))

    async def dicts(self, after: int) -> list[dict[str, Any]]:
        query = User.select().where(User.id > after).order_by(User.id).dicts()
        return list(await self._database.list(query))

    async def tuples(self, after: int) -> Sequence[Sequence[Any]]:
        columns = User.select(User.id, User.name, User.email)
        query = columns.where(User.id > after).order_by(User.id).tuples()
        return list(await self._database.list(query))

    async def modify(self, change: tuple[int, int]) -> None:
        user = await self.get(change[0])
        user.age = change[1]
        await self._database.run(user.save)

    async def update_where(self, change: tuple[int, int]) -> int:
        team, age = change
        statement = User.update(age=age).where(User.team == team)
        return int(await self._database.aexecute(statement))

    async def update_range(self, change: tuple[int, int]) -> int:
        after, age = change
        statement = User.update(age=age).where(User.id > after, User.id <= after + SPAN)
        return int(await self._database.aexecute(statement))

    async def delete(self, key: int) -> None:
        user = await self.get(key)
        await self._database.run(user.delete_instance)

    async def eager(self, authors: int) -> int:
        users = User.select().where(User.id <= authors)
        return read_posts(await self._database.aprefetch(users, Post.select()))

    async def count(self, team: int) -> int:
        return int(await self._database.count(User.select().where(User.team == team)))

    async def count_range(self, after: int) -> int:
        return int(await self._database.count(User.select().where(User.id > after)))

    async def exists(self, email: str) -> bool:
        return bool(await self._database.exists(User.select().where(User.email == email)))

    async def page(self, number: int) -> tuple[Sequence[Any], int]:
        users = User.select().order_by(User.id)
        found = await self._database.list(users.paginate(number, PAGE))
        return list(found), await self._database.count(users)
