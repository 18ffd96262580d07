"""The raw drivers, which build plain slotted objects: the limit.

One connection, in the driver's autocommit, so that a lone statement is one round trip; rows
become objects in the shortest way there is.  Many rows are inserted by statements of a thousand
rows, the fastest plain INSERT of both drivers (faster than `executemany`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import psycopg
from sqlalchemy import make_url

from benchmarks.tasks import AUTHORS, COLUMNS, PAGE, SPAN, Values, read_all, read_posts

USER = "SELECT id, name, email, age, bio, team FROM bench_users"
INSERT = "INSERT INTO bench_users (name, email, age, bio, team) VALUES "
AUTHOR_RANGE = "SELECT id, user_id, title FROM bench_posts WHERE user_id BETWEEN 1 AND ?"
BATCH = 1000


@dataclass(slots=True)
class User:
    id: int
    name: str
    email: str
    age: int
    bio: str | None
    team: int
    posts: list[Post] = field(init=False)


@dataclass(slots=True)
class Post:
    id: int
    user_id: int
    title: str


def with_posts(users: list[User], posts: list[Post]) -> list[User]:
    by_key: dict[int, User] = {}
    for user in users:
        by_key[user.id] = user
        user.posts = []
    for post in posts:
        by_key[post.user_id].posts.append(post)
    return users


def parameters(values: Values) -> tuple[Any, ...]:
    return (values["name"], values["email"], values["age"], values["bio"], values["team"])


def insert_of(size: int, mark: str) -> str:
    return INSERT + ", ".join([f"({mark}, {mark}, {mark}, {mark}, {mark})"] * size)


def users_of(rows: Sequence[Values]) -> list[User]:
    return [User(0, row["name"], row["email"], row["age"], row["bio"], row["team"]) for row in rows]


def flat(users: list[User]) -> list[Any]:
    return list(chain.from_iterable((u.name, u.email, u.age, u.bio, u.team) for u in users))


class SQLite:
    """sqlite3 of the standard library."""

    def open(self, url: str) -> None:
        path = make_url(url).database
        assert path is not None
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=30)
        self._execute = self._connection.execute
        self._execute("PRAGMA foreign_keys = ON")
        self._insert = INSERT + "(?, ?, ?, ?, ?)"
        self._insert_batch = insert_of(BATCH, "?")

    def close(self) -> None:
        self._connection.close()

    def setting(self, sql: str) -> Any:
        return self._execute(sql).fetchone()[0]

    def insert_one(self, values: Values) -> User:
        sent = parameters(values)
        user = User(0, *sent)
        cursor = self._execute(self._insert, sent)
        assert cursor.lastrowid is not None
        user.id = cursor.lastrowid
        return user

    def insert_many(self, rows: Sequence[Values]) -> list[User]:
        users = users_of(rows)
        keys = self._execute(self._insert_batch + " RETURNING id", flat(users)).fetchall()
        for user, key in zip(users, keys, strict=True):
            user.id = key[0]
        return users

    def bulk_insert(self, rows: Sequence[Values]) -> None:
        self._execute("BEGIN IMMEDIATE")
        for first in range(0, len(rows), BATCH):
            batch = rows[first : first + BATCH]
            self._execute(
                self._insert_batch, list(chain.from_iterable(parameters(row) for row in batch))
            )
        self._execute("COMMIT")

    def get(self, key: int) -> User:
        return User(*self._execute(USER + " WHERE id = ?", (key,)).fetchone())

    def first(self, email: str) -> User:
        return User(*self._execute(USER + " WHERE email = ? LIMIT 1", (email,)).fetchone())

    def some(self, team: int) -> list[User]:
        cursor = self._execute(USER + " WHERE team = ? ORDER BY id", (team,))
        return [User(*row) for row in cursor]

    def some_range(self, after: int) -> list[User]:
        cursor = self._execute(USER + " WHERE id > ? ORDER BY id LIMIT ?", (after, PAGE))
        return [User(*row) for row in cursor]

    def many(self, after: int) -> list[User]:
        return [User(*row) for row in self._execute(USER + " WHERE id > ? ORDER BY id", (after,))]

    def read(self, after: int) -> int:
        return read_all(self.many(after))

    def dicts(self, after: int) -> list[dict[str, Any]]:
        cursor = self._execute(USER + " WHERE id > ? ORDER BY id", (after,))
        return [dict(zip(COLUMNS, row, strict=False)) for row in cursor]

    def tuples(self, after: int) -> list[tuple[Any, ...]]:
        sql = "SELECT id, name, email FROM bench_users WHERE id > ? ORDER BY id"
        return self._execute(sql, (after,)).fetchall()

    def modify(self, change: tuple[int, int]) -> None:
        user = self.get(change[0])
        user.age = change[1]
        self._execute("UPDATE bench_users SET age = ? WHERE id = ?", (user.age, user.id))

    def update_where(self, change: tuple[int, int]) -> int:
        team, age = change
        sql = "UPDATE bench_users SET age = ? WHERE team = ?"
        return self._execute(sql, (age, team)).rowcount

    def update_range(self, change: tuple[int, int]) -> int:
        after, age = change
        sql = "UPDATE bench_users SET age = ? WHERE id > ? AND id <= ?"
        return self._execute(sql, (age, after, after + SPAN)).rowcount

    def delete(self, key: int) -> None:
        self._execute("DELETE FROM bench_users WHERE id = ?", (self.get(key).id,))

    def eager(self, authors: int) -> int:
        users = [User(*row) for row in self._execute(USER + " WHERE id <= ?", (authors,))]
        posts = [Post(*row) for row in self._execute(AUTHOR_RANGE, (AUTHORS,))]
        return read_posts(with_posts(users, posts))

    def count(self, team: int) -> int:
        sql = "SELECT count(*) FROM bench_users WHERE team = ?"
        return int(self._execute(sql, (team,)).fetchone()[0])

    def count_range(self, after: int) -> int:
        sql = "SELECT count(*) FROM bench_users WHERE id > ?"
        return int(self._execute(sql, (after,)).fetchone()[0])

    def exists(self, email: str) -> bool:
        sql = "SELECT EXISTS (SELECT 1 FROM bench_users WHERE email = ?)"
        return bool(self._execute(sql, (email,)).fetchone()[0])

    def page(self, number: int) -> tuple[list[User], int]:
        cursor = self._execute(USER + " ORDER BY id LIMIT ? OFFSET ?", (PAGE, (number - 1) * PAGE))
        users = [User(*row) for row in cursor]
        return users, self._execute("SELECT count(*) FROM bench_users").fetchone()[0]


class Psycopg:
    """psycopg in C, which prepares what it has seen five times."""

    def open(self, url: str) -> None:
        self._connection: psycopg.Connection[Any] = psycopg.connect(url, autocommit=True)
        self._execute: Any = self._connection.execute
        self._insert = INSERT + "(%s, %s, %s, %s, %s)"
        self._insert_batch = insert_of(BATCH, "%s")

    def close(self) -> None:
        self._connection.close()

    def setting(self, sql: str) -> Any:
        return self._execute(sql).fetchone()[0]

    def insert_one(self, values: Values) -> User:
        sent = parameters(values)
        user = User(0, *sent)
        user.id = self._execute(self._insert + " RETURNING id", sent).fetchone()[0]
        return user

    def insert_many(self, rows: Sequence[Values]) -> list[User]:
        users = users_of(rows)
        keys = self._execute(self._insert_batch + " RETURNING id", flat(users)).fetchall()
        for user, key in zip(users, keys, strict=True):
            user.id = key[0]
        return users

    def bulk_insert(self, rows: Sequence[Values]) -> None:
        with self._connection.transaction():
            for first in range(0, len(rows), BATCH):
                batch = rows[first : first + BATCH]
                self._execute(
                    self._insert_batch, list(chain.from_iterable(parameters(row) for row in batch))
                )

    def get(self, key: int) -> User:
        return User(*self._execute(USER + " WHERE id = %s", (key,)).fetchone())

    def first(self, email: str) -> User:
        return User(*self._execute(USER + " WHERE email = %s LIMIT 1", (email,)).fetchone())

    def some(self, team: int) -> list[User]:
        cursor = self._execute(USER + " WHERE team = %s ORDER BY id", (team,))
        return [User(*row) for row in cursor.fetchall()]

    def some_range(self, after: int) -> list[User]:
        cursor = self._execute(USER + " WHERE id > %s ORDER BY id LIMIT %s", (after, PAGE))
        return [User(*row) for row in cursor.fetchall()]

    def many(self, after: int) -> list[User]:
        cursor = self._execute(USER + " WHERE id > %s ORDER BY id", (after,))
        return [User(*row) for row in cursor.fetchall()]

    def read(self, after: int) -> int:
        return read_all(self.many(after))

    def dicts(self, after: int) -> list[dict[str, Any]]:
        cursor = self._execute(USER + " WHERE id > %s ORDER BY id", (after,))
        return [dict(zip(COLUMNS, row, strict=False)) for row in cursor.fetchall()]

    def tuples(self, after: int) -> list[tuple[Any, ...]]:
        sql = "SELECT id, name, email FROM bench_users WHERE id > %s ORDER BY id"
        rows: list[tuple[Any, ...]] = self._execute(sql, (after,)).fetchall()
        return rows

    def modify(self, change: tuple[int, int]) -> None:
        user = self.get(change[0])
        user.age = change[1]
        self._execute("UPDATE bench_users SET age = %s WHERE id = %s", (user.age, user.id))

    def update_where(self, change: tuple[int, int]) -> int:
        team, age = change
        sql = "UPDATE bench_users SET age = %s WHERE team = %s"
        return int(self._execute(sql, (age, team)).rowcount)

    def update_range(self, change: tuple[int, int]) -> int:
        after, age = change
        sql = "UPDATE bench_users SET age = %s WHERE id > %s AND id <= %s"
        return int(self._execute(sql, (age, after, after + SPAN)).rowcount)

    def delete(self, key: int) -> None:
        self._execute("DELETE FROM bench_users WHERE id = %s", (self.get(key).id,))

    def eager(self, authors: int) -> int:
        users = self._execute(USER + " WHERE id <= %s", (authors,)).fetchall()
        posts = self._execute(AUTHOR_RANGE.replace("?", "%s"), (AUTHORS,)).fetchall()
        return read_posts(with_posts([User(*row) for row in users], [Post(*row) for row in posts]))

    def count(self, team: int) -> int:
        sql = "SELECT count(*) FROM bench_users WHERE team = %s"
        return int(self._execute(sql, (team,)).fetchone()[0])

    def count_range(self, after: int) -> int:
        sql = "SELECT count(*) FROM bench_users WHERE id > %s"
        return int(self._execute(sql, (after,)).fetchone()[0])

    def exists(self, email: str) -> bool:
        sql = "SELECT EXISTS (SELECT 1 FROM bench_users WHERE email = %s)"
        return bool(self._execute(sql, (email,)).fetchone()[0])

    def page(self, number: int) -> tuple[list[User], int]:
        users = self._execute(
            USER + " ORDER BY id LIMIT %s OFFSET %s", (PAGE, (number - 1) * PAGE)
        ).fetchall()
        total = self._execute("SELECT count(*) FROM bench_users").fetchone()[0]
        return [User(*row) for row in users], total
