"""Tortoise, over aiosqlite and asyncpg, its recommended driver.

`bulk_create` does not tell keys, so records whose keys are wanted are saved one by one in a
transaction; of a changed record the changed field is saved (`update_fields`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import make_url
from tortoise import Tortoise, connections, fields
from tortoise.models import Model
from tortoise.transactions import in_transaction

from benchmarks.contestants.addresses import server
from benchmarks.tasks import PAGE, SPAN, Values, read_all, read_posts

BATCH = 1000


class User(Model):
    id = fields.IntField(primary_key=True)
    name = fields.CharField(max_length=100)
    email = fields.CharField(max_length=200, db_index=True)
    age = fields.IntField()
    bio = fields.TextField(null=True)
    team = fields.IntField(db_index=True)
    posts: Any

    class Meta:
        table = "bench_users"


class Post(Model):
    id = fields.IntField(primary_key=True)
    user: Any = fields.ForeignKeyField("models.User", related_name="posts")
    title = fields.CharField(max_length=200)

    class Meta:
        table = "bench_posts"


class Awaited:
    async def open(self, url: str) -> None:
        name = make_url(url).database
        if url.startswith("sqlite"):
            engine, credentials = "tortoise.backends.sqlite", {"file_path": name}
        else:
            engine, credentials = "tortoise.backends.asyncpg", {"database": name, **server(url)}
        config = {
            "connections": {"default": {"engine": engine, "credentials": credentials}},
            "apps": {"models": {"models": [__name__], "default_connection": "default"}},
        }
        await Tortoise.init(config=config)

    async def close(self) -> None:
        await Tortoise.close_connections()

    async def setting(self, sql: str) -> Any:
        _, rows = await connections.get("default").execute_query(sql)
        return next(iter(dict(rows[0]).values()))

    async def insert_one(self, values: Values) -> Any:
        return await User.create(**values)

    async def insert_many(self, rows: Sequence[Values]) -> Sequence[Any]:
        async with in_transaction() as connection:
            return [await User.create(using_db=connection, **row) for row in rows]

    async def bulk_insert(self, rows: Sequence[Values]) -> None:
        await User.bulk_create([User(**row) for row in rows], batch_size=BATCH)

    async def get(self, key: int) -> Any:
        return await User.get(id=key)

    async def first(self, email: str) -> Any:
        return await User.filter(email=email).first()

    async def some(self, team: int) -> Sequence[Any]:
        return await User.filter(team=team).order_by("id")

    async def some_range(self, after: int) -> Sequence[Any]:
        return await User.filter(id__gt=after).order_by("id").limit(PAGE)

    async def many(self, after: int) -> Sequence[Any]:
        return await User.filter(id__gt=after).order_by("id")

    async def read(self, after: int) -> int:
        return read_all(await self.many(after))

    async def dicts(self, after: int) -> list[dict[str, Any]]:
        return await User.filter(id__gt=after).order_by("id").values()

    async def tuples(self, after: int) -> Sequence[Sequence[Any]]:
        return await User.filter(id__gt=after).order_by("id").values_list("id", "name", "email")

    async def modify(self, change: tuple[int, int]) -> None:
        user = await User.get(id=change[0])
        user.age = change[1]
        await user.save(update_fields=["age"])

    async def update_where(self, change: tuple[int, int]) -> int:
        team, age = change
        return await User.filter(team=team).update(age=age)

    async def update_range(self, change: tuple[int, int]) -> int:
        after, age = change
        return await User.filter(id__gt=after, id__lte=after + SPAN).update(age=age)

    async def delete(self, key: int) -> None:
        user = await User.get(id=key)
        await user.delete()

    async def eager(self, authors: int) -> int:
        return read_posts(await User.filter(id__lte=authors).prefetch_related("posts"))

    async def count(self, team: int) -> int:
        return await User.filter(team=team).count()

    async def count_range(self, after: int) -> int:
        return await User.filter(id__gt=after).count()

    async def exists(self, email: str) -> bool:
        return await User.filter(email=email).exists()

    async def page(self, number: int) -> tuple[Sequence[Any], int]:
        users = User.all().order_by("id")
        found = await users.offset((number - 1) * PAGE).limit(PAGE)
        return found, await User.all().count()
