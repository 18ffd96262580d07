"""Pony, a `db_session` per task.

Equality with a team is said by keywords; other queries are generators and lambdas, which it
translates once.

It has no UPDATE by a query and no bulk insert: records are loaded and changed, or made and flushed,
as its documentation does it.  Dictionaries are made of tuples, which is faster than `to_dict()`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pony.orm import Database, Optional, PrimaryKey, Required, Set, db_session, select
from sqlalchemy import make_url

from benchmarks.contestants.addresses import server
from benchmarks.tasks import COLUMNS, PAGE, SPAN, Values, read_all

database = Database()


class User(database.Entity):
    _table_ = "bench_users"

    id = PrimaryKey(int, auto=True)
    name = Required(str, 100)
    email = Required(str, 200, index=True)
    age = Required(int)
    bio = Optional(str, nullable=True)
    team = Required(int, index=True)
    posts = Set("Post")


class Post(database.Entity):
    _table_ = "bench_posts"

    id = PrimaryKey(int, auto=True)
    user = Required(User, column="user_id")
    title = Required(str, 200)


class Blocking:
    def open(self, url: str) -> None:
        if url.startswith("sqlite"):
            database.bind("sqlite", make_url(url).database, timeout=30)
        else:
            database.bind("postgres", dbname=make_url(url).database, **server(url))
        database.generate_mapping(create_tables=False, check_tables=False)

    def close(self) -> None:
        database.disconnect()

    def setting(self, sql: str) -> Any:
        with db_session:
            return database.execute(sql).fetchone()[0]

    def insert_one(self, values: Values) -> Any:
        with db_session:
            return User(**values)

    def insert_many(self, rows: Sequence[Values]) -> Sequence[Any]:
        with db_session:
            return [User(**row) for row in rows]

    def bulk_insert(self, rows: Sequence[Values]) -> None:
        with db_session:
            for row in rows:
                User(**row)

    def get(self, key: int) -> Any:
        with db_session:
            return User[key]

    def first(self, email: str) -> Any:
        with db_session:
            return User.select(lambda user: user.email == email).first()

    def some(self, team: int) -> Sequence[Any]:
        with db_session:
            return list(User.select(team=team).order_by(User.id))

    def some_range(self, after: int) -> Sequence[Any]:
        with db_session:
            users = User.select(lambda user: user.id > after).order_by(User.id)
            return list(users.limit(PAGE))

    def many(self, after: int) -> Sequence[Any]:
        with db_session:
            return list(User.select(lambda user: user.id > after).order_by(User.id))

    def read(self, after: int) -> int:
        return read_all(self.many(after))

    def dicts(self, after: int) -> list[dict[str, Any]]:
        with db_session:
            rows = select(
                (u.id, u.name, u.email, u.age, u.bio, u.team) for u in User if u.id > after
            )
            return [dict(zip(COLUMNS, row, strict=False)) for row in rows.order_by(1)]

    def tuples(self, after: int) -> Sequence[Sequence[Any]]:
        with db_session:
            rows = select((u.id, u.name, u.email) for u in User if u.id > after)
            return list(rows.order_by(1))

    def modify(self, change: tuple[int, int]) -> None:
        with db_session:
            User[change[0]].age = change[1]

    def update_where(self, change: tuple[int, int]) -> int:
        team, age = change
        with db_session:
            users = list(User.select(team=team))
            for user in users:
                user.age = age
        return len(users)

    def update_range(self, change: tuple[int, int]) -> int:
        after, age = change
        last = after + SPAN
        with db_session:
            users = list(User.select(lambda user: user.id > after and user.id <= last))
            for user in users:
                user.age = age
        return len(users)

    def delete(self, key: int) -> None:
        with db_session:
            User[key].delete()

    def eager(self, authors: int) -> int:
        with db_session:
            users = User.select(lambda user: user.id <= authors).prefetch(User.posts)
            return sum(len(post.title) for user in users for post in user.posts)

    def count(self, team: int) -> int:
        with db_session:
            return int(User.select(team=team).count())

    def count_range(self, after: int) -> int:
        with db_session:
            return int(User.select(lambda user: user.id > after).count())

    def exists(self, email: str) -> bool:
        with db_session:
            return bool(User.exists(email=email))

    def page(self, number: int) -> tuple[Sequence[Any], int]:
        with db_session:
            users = User.select().order_by(User.id)
            return list(users.page(number, PAGE)), users.count()
