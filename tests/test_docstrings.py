"""The examples in the package's docstrings, executed.

Each runs on an empty database in memory with the models and the records of `Library`, within a
scope.
"""

import asyncio
import doctest
import importlib
import pkgutil
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import ForeignKey, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, selectinload

import fastapi_sqlalchemy
from fastapi_sqlalchemy import ModelBase, Query, Repository, Rows, SoftDeleteMixin, SQLAlchemy
from fastapi_sqlalchemy.dependencies import CursorParams, PageParams
from tests.query.test_twins import is_awaited, methods
from tests.statements import echo


def library() -> dict[str, Any]:
    """What an example may use without saying so: `db`, models, `echo` and SQLAlchemy's names."""

    class Base(ModelBase, DeclarativeBase):
        pass

    class User(Base):
        __tablename__ = "users"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]
        age: Mapped[int | None]
        posts: Mapped[list["Post"]] = relationship(back_populates="author")

    class Post(Base):
        __tablename__ = "posts"
        id: Mapped[int] = mapped_column(primary_key=True)
        title: Mapped[str]
        author_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
        author: Mapped[User] = relationship(back_populates="posts")

    class Letter(SoftDeleteMixin, Base):
        __tablename__ = "letters"
        id: Mapped[int] = mapped_column(primary_key=True)

    db = SQLAlchemy("sqlite://", model_class=Base)
    db.create_all()
    with db(commit_on_exit=True):
        ada = User(name="Ada", age=36, posts=[Post(title="Notes"), Post(title="Engines")])
        db.session.add_all([ada, User(name="Grace", age=85)])
        db.session.add_all([Letter(), Letter(deleted_at=datetime(1843, 7, 10, tzinfo=UTC))])
    names = (
        *(Mapped, ModelBase, Query, Repository, SQLAlchemy),
        *(asyncio, mapped_column, select, selectinload),
    )
    return {name.__name__: name for name in names} | {
        "db": db,
        "echo": echo,
        "func": func,
        "User": User,
        "Post": Post,
        "Letter": Letter,
    }


def examples() -> Iterator[doctest.DocTest]:
    finder = doctest.DocTestFinder(exclude_empty=True)
    modules = pkgutil.walk_packages(fastapi_sqlalchemy.__path__, "fastapi_sqlalchemy.")
    for name in ["fastapi_sqlalchemy", *(module.name for module in modules)]:
        for found in finder.find(importlib.import_module(name), name):
            if found.examples:
                yield found


@pytest.mark.parametrize("example", [pytest.param(e, id=e.name) for e in examples()])
def test_the_example_does_what_it_says(example: doctest.DocTest) -> None:
    names = library()
    db: SQLAlchemy = names["db"]
    example.globs = names
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    report: list[str] = []
    with db():
        runner.run(example, out=report.append, clear_globs=False)
    assert not runner.failures, "".join(report)
    names["db"].dispose()
    db.dispose()


SQL = re.compile(r"^(SELECT|INSERT|UPDATE|DELETE|EXPLAIN) ", re.MULTILINE)

SENDS_NOTHING = {
    "explain_plan": "it looks for a plan, and does not use it",
    "to_dict": "it reads what the record has loaded",
    "schema": "it makes a class",
}
"""Public methods that show no SQL, and why."""

SHOWN = {example.name: example.examples for example in examples()}

METHODS = {
    f"{function.__module__}.{function.__qualname__}": name
    for kind in (Query, Rows, ModelBase, Repository, SoftDeleteMixin, PageParams, CursorParams)
    for name, function in methods(kind).items()
    if not is_awaited(function)
}
"""The public methods but the awaitable twins, whose docstring points to the original."""


def calls(method: str) -> list[doctest.Example]:
    """The examples of a method that call it."""
    return [each for each in SHOWN.get(method, []) if f".{METHODS[method]}(" in each.source]


@pytest.mark.parametrize("method", METHODS)
def test_a_public_method_shows_a_call(method: str) -> None:
    assert calls(method)


@pytest.mark.parametrize("method", [m for m, name in METHODS.items() if name not in SENDS_NOTHING])
def test_a_public_method_shows_the_sql_of_a_call(method: str) -> None:
    assert any(SQL.search(each.want) for each in calls(method))


def test_methods_that_send_nothing_are_methods() -> None:
    assert SENDS_NOTHING.keys() <= set(METHODS.values())
