"""Tables of SQLModel in a repository: models that know nothing of this package."""

from collections.abc import Iterator
from typing import Annotated

import pytest
from fastapi import Depends, FastAPI
from sqlmodel import Field, Relationship, SQLModel, select

from fastapi_sqlalchemy import Repository, SQLAlchemy
from fastapi_sqlalchemy.dependencies import PageParams, repository
from fastapi_sqlalchemy.exceptions import UniqueViolation, UnknownNameError
from tests.blog import created
from tests.statements import sent, verbs_of
from tests.verbs import Verb
from tests.web.asgi import serving
from tests.web.clients import TestClient

pytestmark = pytest.mark.usefixtures("db")

registry = SQLAlchemy(metadata=SQLModel.metadata)


class Team(SQLModel, table=True):
    __tablename__ = "teams"

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True, max_length=50)
    heroes: list["Hero"] = Relationship(back_populates="team")


class Hero(SQLModel, table=True):
    __tablename__ = "heroes"

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(max_length=50)
    age: int | None = None
    team_id: int | None = Field(default=None, foreign_key="teams.id")
    team: Team | None = Relationship(back_populates="heroes")


class Heroes(Repository[Hero]):
    db = registry


class Teams(Repository[Team]):
    db = registry


@pytest.fixture
def db(url: str) -> Iterator[SQLAlchemy]:
    with created(registry, url) as database:
        yield database


def test_a_record_is_created_changed_and_deleted(db: SQLAlchemy, verb: Verb) -> None:
    heroes = Heroes()
    with verb.scope(db):
        hero = verb(heroes, "create", name="Deadpond", age=30)
        assert verb(heroes, "get", hero.id) is hero
        assert verb(heroes, "update", hero, age=31).age == 31
    with verb.scope(db):
        found = verb(heroes, "get_one", hero.id)
        assert (found.name, found.age) == ("Deadpond", 31)
        verb(heroes, "delete", found)
        assert verb(heroes, "count") == 0


def test_a_record_validates_into_the_models_of_pydantic(db: SQLAlchemy, verb: Verb) -> None:
    with verb.scope(db):
        hero = verb(Heroes(), "create", name="Rusty-Man")
    assert hero.model_dump() == {"id": hero.id, "name": "Rusty-Man", "age": None, "team_id": None}


def test_a_query_finds_orders_and_pages(db: SQLAlchemy, verb: Verb) -> None:
    heroes = Heroes()
    with verb.scope(db):
        verb(heroes, "add_all", [Hero(name=f"Hero {age}", age=age) for age in range(30, 37)])
        query = heroes.query.filter(Hero.age > 31).order_by(Hero.age.desc())  # type: ignore[arg-type, operator, union-attr]  # SQLModel types a column as its value
        assert [hero.age for hero in verb(query, "all")] == [36, 35, 34, 33, 32]
        page = verb(query, "paginate", 2, 2)
        assert ([hero.age for hero in page.items], page.total) == ([34, 33], 5)
        first = verb(heroes, "cursor_paginate", 3)
        second = verb(heroes, "cursor_paginate", 3, after=first.next)
        assert [hero.age for hero in second.items] == [33, 34, 35]


def test_a_relationship_is_loaded_by_the_query(db: SQLAlchemy, verb: Verb) -> None:
    with verb.scope(db):
        verb(Teams(), "create", name="Preventers", heroes=[Hero(name="A"), Hero(name="B")])
    with verb.scope(db):
        with sent() as statements:
            team = verb(Teams().query.eager(Team.heroes), "one")  # type: ignore[arg-type]  # SQLModel types a relationship as its value
            assert [hero.name for hero in team.heroes] == ["A", "B"]
        assert verbs_of(statements) == ["SELECT", "SELECT"]


def test_one_that_is_there_already_is_our_error(db: SQLAlchemy, verb: Verb) -> None:
    with verb.scope(db):
        verb(Teams(), "create", name="Preventers")
        with pytest.raises(UniqueViolation):
            verb(Teams(), "create", name="Preventers")
        assert verb(Teams(), "get_or_create", name="Preventers")[1] is False
        assert verb(Teams(), "count") == 1


def test_a_misspelt_name_is_refused(db: SQLAlchemy, verb: Verb) -> None:
    # the constructor of SQLModel drops it without a word
    with verb.scope(db), pytest.raises(UnknownNameError, match="nmae"):
        verb(Heroes(), "create", name="Deadpond", nmae="Deadpond")


def test_sqlmodels_own_select_runs_in_the_session_of_the_scope(db: SQLAlchemy) -> None:
    with db():
        hero = Heroes().create(name="Deadpond")
        assert db.session.scalars(select(Hero)).one() is hero


def test_a_repository_of_tables_is_a_dependency(db: SQLAlchemy) -> None:
    app = serving(FastAPI(), registry)

    @app.post("/heroes")
    def create(hero: Hero, heroes: Annotated[Heroes, Depends()]) -> Hero:
        return heroes.add(hero)

    @app.get("/heroes")
    async def page(
        heroes: Annotated[Repository[Hero], Depends(repository(Hero, db=registry))],
        pages: Annotated[PageParams, Depends()],
    ) -> list[Hero]:
        return (await pages.apaginate(heroes)).items

    with TestClient(app) as client:
        created = client.post("/heroes", json={"name": "Deadpond", "age": 30}).json()
        assert created == {"id": 1, "name": "Deadpond", "age": 30, "team_id": None}
        assert client.get("/heroes").json() == [created]
