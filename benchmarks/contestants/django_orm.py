"""Django, with connections that stay open (`CONN_MAX_AGE=None`) and no debugging.

Deletions leave posts to the database (`DO_NOTHING`); of a changed record the changed field is saved
(`update_fields`).  Its asyncio interface runs the same in a thread; transactions it has none there,
but `abulk_create` is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import django
from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.paginator import Paginator
from django.db import connection, connections, models, transaction
from sqlalchemy import make_url

from benchmarks.tasks import PAGE, SPAN, Values, read_all

settings.configure(DEBUG=False, USE_TZ=True, DEFAULT_AUTO_FIELD="django.db.models.AutoField")
django.setup()

BATCH = 1000


class User(models.Model):
    name = models.CharField(max_length=100)
    email = models.CharField(max_length=200, db_index=True)
    age = models.IntegerField()
    bio = models.TextField(null=True)
    team = models.IntegerField(db_index=True)

    class Meta:
        app_label = "bench"
        db_table = "bench_users"
        managed = False


class Post(models.Model):
    user = models.ForeignKey(User, models.DO_NOTHING, related_name="posts")
    title = models.CharField(max_length=200)

    class Meta:
        app_label = "bench"
        db_table = "bench_posts"
        managed = False


def connect(url: str) -> None:
    at = make_url(url)
    found: dict[str, Any] = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": at.database,
        "CONN_MAX_AGE": None,
    }
    if url.startswith("sqlite"):
        found["OPTIONS"] = {"transaction_mode": "IMMEDIATE", "timeout": 30}
    else:
        found["ENGINE"] = "django.db.backends.postgresql"
        found |= {"HOST": at.host or "", "PORT": at.port or "", "USER": at.username or ""}
        found["PASSWORD"] = at.password or ""
        found["OPTIONS"] = {"server_side_binding": True}
    connections.settings = connections.configure_settings({"default": found})


def setting(sql: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


def titles(users: Any) -> int:
    return sum(len(post.title) for user in users for post in user.posts.all())


class Blocking:
    def open(self, url: str) -> None:
        connect(url)

    def close(self) -> None:
        connections.close_all()

    def setting(self, sql: str) -> Any:
        return setting(sql)

    def insert_one(self, values: Values) -> Any:
        return User.objects.create(**values)

    def insert_many(self, rows: Sequence[Values]) -> Sequence[Any]:
        with transaction.atomic():
            return list(User.objects.bulk_create([User(**row) for row in rows]))

    def bulk_insert(self, rows: Sequence[Values]) -> None:
        User.objects.bulk_create([User(**row) for row in rows], batch_size=BATCH)

    def get(self, key: int) -> Any:
        return User.objects.get(pk=key)

    def first(self, email: str) -> Any:
        return User.objects.filter(email=email).first()

    def some(self, team: int) -> Sequence[Any]:
        return list(User.objects.filter(team=team).order_by("id"))

    def some_range(self, after: int) -> Sequence[Any]:
        return list(User.objects.filter(id__gt=after).order_by("id")[:PAGE])

    def many(self, after: int) -> Sequence[Any]:
        return list(User.objects.filter(id__gt=after).order_by("id"))

    def read(self, after: int) -> int:
        return read_all(self.many(after))

    def dicts(self, after: int) -> list[dict[str, Any]]:
        return list(User.objects.filter(id__gt=after).order_by("id").values())

    def tuples(self, after: int) -> Sequence[Sequence[Any]]:
        users = User.objects.filter(id__gt=after).order_by("id")
        return list(users.values_list("id", "name", "email"))

    def modify(self, change: tuple[int, int]) -> None:
        user = User.objects.get(pk=change[0])
        user.age = change[1]
        user.save(update_fields=["age"])

    def update_where(self, change: tuple[int, int]) -> int:
        team, age = change
        return int(User.objects.filter(team=team).update(age=age))

    def update_range(self, change: tuple[int, int]) -> int:
        after, age = change
        return int(User.objects.filter(id__gt=after, id__lte=after + SPAN).update(age=age))

    def delete(self, key: int) -> None:
        User.objects.get(pk=key).delete()

    def eager(self, authors: int) -> int:
        return titles(User.objects.filter(id__lte=authors).prefetch_related("posts"))

    def count(self, team: int) -> int:
        return int(User.objects.filter(team=team).count())

    def count_range(self, after: int) -> int:
        return int(User.objects.filter(id__gt=after).count())

    def exists(self, email: str) -> bool:
        return bool(User.objects.filter(email=email).exists())

    def page(self, number: int) -> tuple[Sequence[Any], int]:
        pages = Paginator(User.objects.order_by("id"), PAGE)
        return list(pages.page(number).object_list), pages.count


class Awaited:
    async def open(self, url: str) -> None:
        connect(url)

    async def close(self) -> None:
        await sync_to_async(connections.close_all)()

    async def setting(self, sql: str) -> Any:
        return await sync_to_async(setting)(sql)

    async def insert_one(self, values: Values) -> Any:
        return await User.objects.acreate(**values)

    async def insert_many(self, rows: Sequence[Values]) -> Sequence[Any]:
        return list(await User.objects.abulk_create([User(**row) for row in rows]))

    async def bulk_insert(self, rows: Sequence[Values]) -> None:
        await User.objects.abulk_create([User(**row) for row in rows], batch_size=BATCH)

    async def get(self, key: int) -> Any:
        return await User.objects.aget(pk=key)

    async def first(self, email: str) -> Any:
        return await User.objects.filter(email=email).afirst()

    async def some(self, team: int) -> Sequence[Any]:
        return [user async for user in User.objects.filter(team=team).order_by("id")]

    async def some_range(self, after: int) -> Sequence[Any]:
        users = User.objects.filter(id__gt=after).order_by("id")[:PAGE]
        return [user async for user in users]

    async def many(self, after: int) -> Sequence[Any]:
        return [user async for user in User.objects.filter(id__gt=after).order_by("id")]

    async def read(self, after: int) -> int:
        return read_all(await self.many(after))

    async def dicts(self, after: int) -> list[dict[str, Any]]:
        return [row async for row in User.objects.filter(id__gt=after).order_by("id").values()]

    async def tuples(self, after: int) -> Sequence[Sequence[Any]]:
        users = User.objects.filter(id__gt=after).order_by("id")
        return [row async for row in users.values_list("id", "name", "email")]

    async def modify(self, change: tuple[int, int]) -> None:
        user = await User.objects.aget(pk=change[0])
        user.age = change[1]
        await user.asave(update_fields=["age"])

    async def update_where(self, change: tuple[int, int]) -> int:
        team, age = change
        return int(await User.objects.filter(team=team).aupdate(age=age))

    async def update_range(self, change: tuple[int, int]) -> int:
        after, age = change
        users = User.objects.filter(id__gt=after, id__lte=after + SPAN)
        return int(await users.aupdate(age=age))

    async def delete(self, key: int) -> None:
        user = await User.objects.aget(pk=key)
        await user.adelete()

    async def eager(self, authors: int) -> int:
        users = User.objects.filter(id__lte=authors).prefetch_related("posts")
        return titles([user async for user in users])

    async def count(self, team: int) -> int:
        return int(await User.objects.filter(team=team).acount())

    async def count_range(self, after: int) -> int:
        return int(await User.objects.filter(id__gt=after).acount())

    async def exists(self, email: str) -> bool:
        return bool(await User.objects.filter(email=email).aexists())

    async def page(self, number: int) -> tuple[Sequence[Any], int]:
        users = User.objects.order_by("id")
        first = (number - 1) * PAGE
        found = [user async for user in users[first : first + PAGE]]
        return found, await users.acount()
