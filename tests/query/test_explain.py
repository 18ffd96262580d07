"""`explain`: each database's own account of a plan."""

from collections.abc import Iterator

import pytest

from fastapi_sqlalchemy import SQLAlchemy
from tests.blog import Post, User, created
from tests.paging import model
from tests.paging.model import VALUES, Thing
from tests.statements import sent, verbs_of
from tests.verbs import Verb

WORDS = {"sqlite": "SEARCH users", "postgresql": " on users", "mysql": "users"}


def test_a_plan_is_text_in_the_words_of_the_database(verb: Verb, every_db: SQLAlchemy) -> None:
    query = User.query.join(User.posts).filter(User.id.in_([1, 2]), Post.title == "a'b").limit(2)
    with verb.scope(every_db), sent() as statements:
        plan = verb(query, "explain")
        assert WORDS[every_db.engine.dialect.name] in plan
        assert "posts" in plan
    assert verbs_of(statements) == ["EXPLAIN"]
    assert all(line == line.rstrip() and line for line in plan.splitlines())


def test_a_plan_of_rows_is_explained_too(verb: Verb, every_db: SQLAlchemy) -> None:
    with verb.scope(every_db):
        assert "users" in verb(User.query.with_entities(User.name), "explain")


@pytest.mark.parametrize("db", ["sqlite"], indirect=True)
def test_the_steps_of_a_step_are_indented(verb: Verb, db: SQLAlchemy) -> None:
    query = User.query.filter(User.id < 3).union(User.query.filter(User.id > 7))
    with verb.scope(db):
        plan = verb(query, "explain")
    assert "\n  " in plan


def test_a_plan_holds_no_connection(verb: Verb, every_db: SQLAlchemy) -> None:
    with verb.scope(every_db):
        verb(User.query, "explain")
        assert not verb.inside(lambda: every_db.session.in_transaction())


@pytest.fixture
def things(url: str) -> Iterator[SQLAlchemy]:
    with created(model.db, url) as database:
        yield database


@pytest.mark.parametrize("name", VALUES)
def test_a_plan_is_not_read_by_the_types_of_the_query(
    verb: Verb, things: SQLAlchemy, name: str
) -> None:
    column = getattr(Thing, name)
    queries = [
        Thing.query.with_entities(column),
        Thing.query.with_entities(Thing.id, Thing.shelf, Thing.box_id, column),
    ]
    with verb.scope(things):
        plans = [verb(query, "explain") for query in queries]
    assert all("things" in plan for plan in plans)


def test_a_table_has_the_headings_of_the_database(verb: Verb, mysql_url: str) -> None:
    with created(model.db, mysql_url) as database, verb.scope(database):
        heading = verb(Thing.query, "explain").splitlines()[0]
    assert heading.split()[:3] == ["id", "select_type", "table"]
