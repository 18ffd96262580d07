"""The examples in the package's docstrings, executed.

Each runs on an empty database in memory with the models and the records of `Library`, within a
scope.
"""

import asyncio
import doctest
import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import ForeignKey, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, selectinload

import fastapi_sqlalchemy
from fastapi_sqlalchemy import ModelBase, Query, Repository, SQLAlchemy


def library() -> dict[str, Any]:
    """What an example may use without saying so: `db`, `User`, `Post` and SQLAlchemy's names."""

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

    db = SQLAlchemy("sqlite://", model_class=Base)
    db.create_all()
    with db(commit_on_exit=True):
        ada = User(name="Ada", age=36, posts=[Post(title="Notes"), Post(title="Engines")])
        db.session.add_all([ada, User(name="Grace", age=85)])
    names = (
        Mapped,
        ModelBase,
        Query,
        Repository,
        SQLAlchemy,
        asyncio,
        mapped_column,
        select,
        selectinload,
    )
    return {name.__name__: name for name in names} | {
        "db": db,
        "func": func,
        "User": User,
        "Post": Post,
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


def test_the_package_has_examples() -> None:
    assert len(list(examples())) > 1
