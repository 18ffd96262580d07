"""A read outside a transaction: when it returns, its connection is back in the pool."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Pool, event
from sqlalchemy.orm import selectinload

from fastapi_sqlalchemy import SQLAlchemy
from tests.blog import Post, User
from tests.blog import created_at as created
from tests.blog import db as blog
from tests.databases import Databases
from tests.verbs import Verb


def fill(db: SQLAlchemy) -> None:
    with db():
        User.new(email="ada@x", name="Ada", posts=[Post(title="On engines")])


class Out:
    """How many connections are out of the pools of this process, and how many were at most."""

    def __init__(self) -> None:
        self.now = self.most = 0

    def taken(self, *_: Any) -> None:
        self.now += 1
        self.most = max(self.most, self.now)

    def given_back(self, *_: Any) -> None:
        self.now -= 1


@pytest.fixture
def out(every_db: SQLAlchemy) -> Iterator[Out]:
    fill(every_db)
    out = Out()
    event.listen(Pool, "checkout", out.taken)
    event.listen(Pool, "checkin", out.given_back)
    yield out
    event.remove(Pool, "checkout", out.taken)
    event.remove(Pool, "checkin", out.given_back)


READS: dict[str, Callable[[Verb], object]] = {
    "all": lambda verb: verb(User.query, "all"),
    "first": lambda verb: verb(User.query, "first"),
    "one": lambda verb: verb(User.query, "one"),
    "one_or_none": lambda verb: verb(User.query, "one_or_none"),
    "get": lambda verb: verb(User.query, "get", 1),
    "count": lambda verb: verb(User.query, "count"),
    "exists": lambda verb: verb(User.query, "exists"),
    "iterate": lambda verb: verb.each(User.query),
    "Model.get": lambda verb: verb(User, "get", name="Ada"),
    "Model.get_all": lambda verb: verb(User, "get_all"),
    "refresh": lambda verb: verb(verb(User.query, "one"), "refresh"),
    "refresh of a relationship": lambda verb: verb(verb(User.query, "one"), "refresh", "posts"),
    "eager": lambda verb: verb(User.query.options(selectinload(User.posts)), "all"),
    "nothing found": lambda verb: verb(User.query.filter_by(name="Eve"), "first"),
}


@pytest.mark.parametrize("read", READS)
def test_a_read_leaves_no_transaction_and_no_connection(
    verb: Verb, every_db: SQLAlchemy, out: Out, read: str
) -> None:
    with verb.scope(every_db):
        READS[read](verb)
        assert not verb.inside(lambda: every_db.session.in_transaction())
        assert (out.now, out.most) == (0, 1)


def test_a_read_that_fails_leaves_no_connection(verb: Verb, every_db: SQLAlchemy, out: Out) -> None:
    with verb.scope(every_db):
        for _ in range(2):
            with pytest.raises(Exception, match="expected one User, found none"):
                verb(User.query.filter_by(name="Eve"), "one")
        assert (out.now, out.most) == (0, 1)


def test_a_read_in_a_scope_that_commits_on_exit_leaves_no_connection(
    verb: Verb, every_db: SQLAlchemy, out: Out
) -> None:
    with verb.scope(every_db, commit_on_exit=True):
        verb(User.query, "all")
        assert out.now == 0


def test_a_lazy_load_leaves_no_connection(verb: Verb, every_db: SQLAlchemy, out: Out) -> None:
    def load(user: User) -> int:
        return len(user.posts)

    with verb.scope(every_db):
        user = verb(User.query, "one")
        if verb.blocking:
            assert load(user) == 1
        else:
            assert verb.inside(every_db.run, load, user) == 1
        assert not verb.inside(lambda: every_db.session.in_transaction())
        assert (out.now, out.most) == (0, 1)


def test_what_expired_is_loaded_and_leaves_no_connection(
    verb: Verb, every_db: SQLAlchemy, out: Out
) -> None:
    def load(user: User) -> str | None:
        every_db.session.expire(user)
        return user.name

    with verb.scope(every_db):
        user = verb(User.query, "one")
        if verb.blocking:
            assert load(user) == "Ada"
        else:
            assert verb.inside(every_db.run, load, user) == "Ada"
        assert out.now == 0


def test_a_save_leaves_no_connection(verb: Verb, every_db: SQLAlchemy, out: Out) -> None:
    with verb.scope(every_db):
        verb(verb(User.query, "one"), "update", name="Augusta")
        assert not verb.inside(lambda: every_db.session.in_transaction())
        assert (out.now, out.most) == (0, 1)


def test_a_read_after_a_save_that_was_not_committed_stays_in_its_transaction(
    verb: Verb, every_db: SQLAlchemy, out: Out
) -> None:
    with verb.scope(every_db, commit_on_exit=True):
        verb(User, "new", email="bob@x")
        assert verb(User.query, "count") == 2
        assert verb.inside(lambda: every_db.session.in_transaction())
        assert (out.now, out.most) == (1, 1)
    assert out.now == 0


def test_what_was_set_and_not_saved_keeps_its_transaction(
    verb: Verb, every_db: SQLAlchemy, out: Out
) -> None:
    with verb.scope(every_db):
        user = verb(User.query, "one")
        user.name = "Augusta"
        assert verb(User.query.filter_by(name="Augusta"), "one") is user
        assert (out.now, out.most) == (1, 1)
    assert out.now == 0
    with verb.scope(every_db):
        assert verb(User.query, "one").name == "Ada"


def test_the_server_sees_no_transaction_after_a_read(
    verb: Verb, server_url: str, connections: Databases
) -> None:
    with created(blog, server_url) as db:
        fill(db)
        with verb.scope(db):
            verb(User.query, "all")
            assert connections(server_url).idle_in_transaction == 0


@contextmanager
def on_the_wire(folder: Path) -> Iterator[list[str]]:
    """What psycopg sends meanwhile while its connections are in use, BEGIN and COMMIT included."""
    log = folder / "wire"
    statements: list[str] = []

    def trace(connection: Any, *_: Any) -> None:
        libpq = getattr(connection, "driver_connection", connection).pgconn
        libpq.trace(file.fileno())

    def untrace(connection: Any, *_: Any) -> None:
        getattr(connection, "driver_connection", connection).pgconn.untrace()

    with log.open("w") as file:
        event.listen(Pool, "checkout", trace)
        event.listen(Pool, "checkin", untrace)
        try:
            yield statements
        finally:
            event.remove(Pool, "checkout", trace)
            event.remove(Pool, "checkin", untrace)
    sent = re.compile(r'^.*\tF\t\d+\t(?:Query|Parse)\t.*?"([A-Z]+)', re.MULTILINE)
    statements += sent.findall(log.read_text())


@pytest.mark.parametrize("read", READS)
def test_a_read_on_postgresql_sends_no_begin(
    verb: Verb, postgres_url: str, tmp_path: Path, read: str
) -> None:
    with created(blog, postgres_url) as db:
        fill(db)
        with on_the_wire(tmp_path) as statements, verb.scope(db):
            READS[read](verb)
    assert set(statements) == {"SELECT"}


def test_a_save_on_postgresql_sends_begin_and_commit(
    verb: Verb, postgres_url: str, tmp_path: Path
) -> None:
    with created(blog, postgres_url) as db:
        fill(db)
        with on_the_wire(tmp_path) as statements, verb.scope(db):
            verb(User, "new", email="bob@x")
    assert statements == ["BEGIN", "INSERT", "COMMIT"]
