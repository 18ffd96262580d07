"""The raw asyncio drivers, which build plain slotted objects: the limit of awaited access.

One connection, in the driver's autocommit; of aiosqlite's ways the one that changes threads least.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import psycopg
from sqlalchemy import make_url

from benchmarks.contestants.raw import (
    AUTHOR_RANGE,
    BATCH,
    USER,
    Post,
    User,
    flat,
    insert_of,
    parameters,
    users_of,
    with_posts,
)
from benchmarks.tasks import AUTHORS, COLUMNS, PAGE, SPAN, Values, read_all, read_posts


class _Tasks:
    """All that the two drivers share: SQL with its marks, and rows that become objects."""

    mark: str

    def __init__(self) -> None:
        self._insert = insert_of(1, self.mark)
        self._insert_batch = insert_of(BATCH, self.mark)

    def _sql(self, sql: str) -> str:
        return sql.replace("?", self.mark)

    async def _fetch(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        raise NotImplementedError

    async def _send(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """How many rows there were."""
        raise NotImplementedError

    async def setting(self, sql: str) -> Any:
        return (await self._fetch(sql))[0][0]

    async def insert_many(self, rows: Sequence[Values]) -> list[User]:
        users = users_of(rows)
        keys = await self._fetch(self._insert_batch + " RETURNING id", flat(users))
        for user, key in zip(users, keys, strict=True):
            user.id = key[0]
        return users

    async def _send_batches(self, rows: Sequence[Values]) -> None:
        for first in range(0, len(rows), BATCH):
            batch = rows[first : first + BATCH]
            values = list(chain.from_iterable(parameters(row) for row in batch))
            await self._send(self._insert_batch, values)

    async def get(self, key: int) -> User:
        return User(*(await self._fetch(self._sql(USER + " WHERE id = ?"), (key,)))[0])

    async def first(self, email: str) -> User:
        sql = self._sql(USER + " WHERE email = ? LIMIT 1")
        return User(*(await self._fetch(sql, (email,)))[0])

    async def some(self, team: int) -> list[User]:
        sql = self._sql(USER + " WHERE team = ? ORDER BY id")
        return [User(*row) for row in await self._fetch(sql, (team,))]

    async def some_range(self, after: int) -> list[User]:
        sql = self._sql(USER + " WHERE id > ? ORDER BY id LIMIT ?")
        return [User(*row) for row in await self._fetch(sql, (after, PAGE))]

    async def many(self, after: int) -> list[User]:
        sql = self._sql(USER + " WHERE id > ? ORDER BY id")
        return [User(*row) for row in await self._fetch(sql, (after,))]

    async def read(self, after: int) -> int:
        return read_all(await self.many(after))

    async def dicts(self, after: int) -> list[dict[str, Any]]:
        rows = await self._fetch(self._sql(USER + " WHERE id > ? ORDER BY id"), (after,))
        return [dict(zip(COLUMNS, row, strict=False)) for row in rows]

    async def tuples(self, after: int) -> list[tuple[Any, ...]]:
        sql = "SELECT id, name, email FROM bench_users WHERE id > ? ORDER BY id"
        return await self._fetch(self._sql(sql), (after,))

    async def modify(self, change: tuple[int, int]) -> None:
        user = await self.get(change[0])
        user.age = change[1]
        sql = self._sql("UPDATE bench_users SET age = ? WHERE id = ?")
        await self._send(sql, (user.age, user.id))

    async def update_where(self, change: tuple[int, int]) -> int:
        team, age = change
        sql = self._sql("UPDATE bench_users SET age = ? WHERE team = ?")
        return await self._send(sql, (age, team))

    async def update_range(self, change: tuple[int, int]) -> int:
        after, age = change
        sql = self._sql("UPDATE bench_users SET age = ? WHERE id > ? AND id <= ?")
        return await self._send(sql, (age, after, after + SPAN))

    async def delete(self, key: int) -> None:
        user = await self.get(key)
        await self._send(self._sql("DELETE FROM bench_users WHERE id = ?"), (user.id,))

    async def eager(self, authors: int) -> int:
        users = await self._fetch(self._sql(USER + " WHERE id <= ?"), (authors,))
        posts = await self._fetch(self._sql(AUTHOR_RANGE), (AUTHORS,))
        return read_posts(with_posts([User(*row) for row in users], [Post(*row) for row in posts]))

    async def count(self, team: int) -> int:
        sql = self._sql("SELECT count(*) FROM bench_users WHERE team = ?")
        return int((await self._fetch(sql, (team,)))[0][0])

    async def count_range(self, after: int) -> int:
        sql = self._sql("SELECT count(*) FROM bench_users WHERE id > ?")
        return int((await self._fetch(sql, (after,)))[0][0])

    async def exists(self, email: str) -> bool:
        sql = self._sql("SELECT EXISTS (SELECT 1 FROM bench_users WHERE email = ?)")
        return bool((await self._fetch(sql, (email,)))[0][0])

    async def page(self, number: int) -> tuple[list[User], int]:
        sql = self._sql(USER + " ORDER BY id LIMIT ? OFFSET ?")
        rows = await self._fetch(sql, (PAGE, (number - 1) * PAGE))
        total = await self._fetch("SELECT count(*) FROM bench_users")
        return [User(*row) for row in rows], total[0][0]


class SQLite(_Tasks):
    """aiosqlite, whose connection lives in a thread of its own."""

    mark = "?"

    async def open(self, url: str) -> None:
        import aiosqlite

        path = make_url(url).database
        assert path is not None
        self._connection = await aiosqlite.connect(path, isolation_level=None, timeout=30)
        await self._connection.execute("PRAGMA foreign_keys = ON")

    async def close(self) -> None:
        await self._connection.close()

    async def _fetch(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        rows: Any = await self._connection.execute_fetchall(sql, parameters)
        return list(rows)

    async def _send(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        return (await self._connection.execute(sql, parameters)).rowcount

    async def insert_one(self, values: Values) -> User:
        sent = parameters(values)
        user = User(0, *sent)
        cursor = await self._connection.execute(self._insert, sent)
        assert cursor.lastrowid is not None
        user.id = cursor.lastrowid
        return user

    async def bulk_insert(self, rows: Sequence[Values]) -> None:
        await self._send("BEGIN IMMEDIATE")
        await self._send_batches(rows)
        await self._send("COMMIT")


class Psycopg(_Tasks):
    """psycopg's asyncio connection."""

    mark = "%s"

    async def open(self, url: str) -> None:
        self._connection: psycopg.AsyncConnection[Any] = await psycopg.AsyncConnection.connect(
            url, autocommit=True
        )
        self._execute: Any = self._connection.execute

    async def close(self) -> None:
        await self._connection.close()

    async def _fetch(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        cursor = await self._execute(sql, parameters)
        rows: list[Any] = await cursor.fetchall()
        return rows

    async def _send(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        return int((await self._execute(sql, parameters)).rowcount)

    async def insert_one(self, values: Values) -> User:
        sent = parameters(values)
        user = User(0, *sent)
        user.id = (await self._fetch(self._insert + " RETURNING id", sent))[0][0]
        return user

    async def bulk_insert(self, rows: Sequence[Values]) -> None:
        async with self._connection.transaction():
            await self._send_batches(rows)
