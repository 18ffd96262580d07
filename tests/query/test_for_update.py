"""`with_for_update`: rows that nobody else changes until the transaction ends."""

from typing import Any

import pytest
from sqlalchemy import Connection, exc, text
from sqlalchemy.dialects import mysql, postgresql

from fastapi_sqlalchemy import SQLAlchemy
from tests.blog import Post, User, created
from tests.blog import db as blog
from tests.verbs import Verb


@pytest.fixture(params=["postgresql", "mariadb"])
def db(request: pytest.FixtureRequest) -> Any:
    fixture = {"postgresql": "postgres_url", "mariadb": "mysql_url"}[request.param]
    with created(blog, request.getfixturevalue(fixture)):
        with blog(commit_on_exit=True):
            User.new(email="ada@x", name="Ada")
        yield blog


def rename(connection: Connection, name: str) -> None:
    connection.execute(text("UPDATE users SET name = :name"), {"name": name})
    connection.commit()


@pytest.mark.parametrize("terminal", ["one", "get"])
def test_a_locked_row_is_read_anew(verb: Verb, db: SQLAlchemy, terminal: str) -> None:
    with verb.scope(db):
        user = verb(User, "get", 1)
        with db.engine.connect() as elsewhere:
            rename(elsewhere, "Augusta")
        with verb.within(db.transaction):
            arguments = [1] if terminal == "get" else []
            assert verb(User.query.with_for_update(), terminal, *arguments) is user
            assert user.name == "Augusta"


def test_a_locked_row_waits_for_the_end_of_the_transaction(verb: Verb, db: SQLAlchemy) -> None:
    locked = User.query.filter_by(id=1).with_for_update(nowait=True)
    with verb.scope(db):
        with verb.within(db.transaction):
            verb(locked, "one")
            with db(), pytest.raises(exc.OperationalError):
                locked.one()
            with db():
                assert locked.with_for_update(skip_locked=True).all() == []
        with db():
            assert locked.one().name == "Ada"


def test_a_locked_query_has_every_terminal(verb: Verb, db: SQLAlchemy) -> None:
    locked = User.query.with_for_update()
    joined = User.query.outerjoin(User.posts).with_for_update(of=User)
    with verb.scope(db), verb.within(db.transaction):
        assert verb(locked, "count") == verb(joined, "count") == 1
        assert verb(locked, "exists") is True
        assert verb(locked, "sum", User.id) == 1
        assert verb(locked, "pluck", User.name) == ["Ada"]
        assert verb(locked.limit(1), "first_or_404").id == 1


@pytest.mark.parametrize(
    ("options", "postgresql_sql", "mysql_sql"),
    [
        ({}, "FOR UPDATE", "FOR UPDATE"),
        ({"nowait": True}, "FOR UPDATE NOWAIT", "FOR UPDATE NOWAIT"),
        ({"skip_locked": True}, "FOR UPDATE SKIP LOCKED", "FOR UPDATE SKIP LOCKED"),
        ({"read": True}, "FOR SHARE", "LOCK IN SHARE MODE"),
        ({"key_share": True}, "FOR NO KEY UPDATE", "FOR UPDATE"),
        ({"of": Post}, "FOR UPDATE OF posts", "FOR UPDATE"),
    ],
)
def test_a_lock_has_the_options_of_sqlalchemy(
    options: dict[str, Any], postgresql_sql: str, mysql_sql: str
) -> None:
    statement = Post.query.join(Post.author).with_for_update(**options).statement
    dialects: list[tuple[Any, str]] = [
        (postgresql.dialect, postgresql_sql),
        (mysql.dialect, mysql_sql),
    ]
    for dialect, sql in dialects:
        assert str(statement.compile(dialect=dialect())).endswith(f" {sql}")
