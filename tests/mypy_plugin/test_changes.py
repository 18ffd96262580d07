"""What mypy says when a program changes, run again with its cache and as a daemon."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.mypy_plugin.checking import Checker

DBS = """\
from sqlalchemy.orm import DeclarativeBase
from fastapi_sqlalchemy import ModelBase, SQLAlchemy
class First(ModelBase, DeclarativeBase):
    def first(self) -> int: return 1
class Second(ModelBase, DeclarativeBase):
    def second(self) -> int: return 1
db = SQLAlchemy("sqlite://")
"""
MIXINS = """\
from sqlalchemy import Column, String
class Named:
    name = Column(String)
"""
VERBS = """\
from typing import Any
from fastapi_sqlalchemy import ModelBase
class BaseModel(ModelBase):
    @classmethod
    def new(cls, **kwargs: Any) -> Any:
        return cls(**kwargs).save()
"""
MODELS = """\
from sqlalchemy import Column, ForeignKey, Integer
from sqlalchemy.orm import relationship
from dbs import db
from mixins import Named
from verbs import BaseModel
class User(Named, db.Base):
    __tablename__ = "users"
    id = Column(Integer, primary_key=True)
    age = Column(Integer)
    posts = relationship("Post")
class Post(BaseModel, db.Base):
    __tablename__ = "posts"
    id = Column(Integer, primary_key=True)
    author_id = Column(ForeignKey("users.id"), nullable=False)
    author = relationship(User)
"""
QUERIES = """\
from fastapi_sqlalchemy import Repository
from models import Post, User
def named(name: str) -> list[User]:
    return User.query.filter_by(name=name).all()
def aged(age: int) -> list[User]:
    return User.get_all(age=age)
def made(age: int) -> User:
    return User(age=age)
def created(age: int) -> User:
    return Repository(User).create(age=age)
def doubled(user: User) -> int:
    return 0 if user.age is None else user.age * 2
def author(post: Post) -> str:
    return post.author.name or ""
"""

Check = Callable[[], str]


@pytest.fixture(scope="module", params=["cache", pytest.param("daemon", marks=pytest.mark.slow)])
def checker(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, seed: Path
) -> Iterator[tuple[Path, Check]]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "cache":
        checker = Checker(folder, seed=seed)
        yield folder, lambda: checker.run("queries.py")
        return
    checker = Checker(folder)
    checker.ask_daemon("start")
    try:
        yield folder, lambda: checker.ask_daemon("check", "queries.py")
    finally:
        checker.ask_daemon("kill")


@pytest.fixture
def folder(checker: tuple[Path, Check]) -> Path:
    folder, _ = checker
    for name, source in (
        ("dbs.py", DBS),
        ("mixins.py", MIXINS),
        ("verbs.py", VERBS),
        ("models.py", MODELS),
        ("queries.py", QUERIES),
    ):
        (folder / name).write_text(source)
    return folder


@pytest.fixture
def check(checker: tuple[Path, Check]) -> Check:
    return checker[1]


def change(path: Path, old: str, new: str) -> None:
    source = path.read_text()
    assert old in source
    path.write_text(source.replace(old, new))


def test_a_changed_model_has_its_users_checked_again(folder: Path, check: Check) -> None:
    assert check() == ""

    change(folder / "models.py", "age = Column(Integer)", "years = Column(Integer)")
    unexpected = 'Unexpected keyword argument "age" for'
    assert check() == (
        f'queries.py:6: error: {unexpected} "get_all" of "User"\n'
        f'queries.py:8: error: {unexpected} "User"\n'
        f'queries.py:10: error: {unexpected} "create" of "Repository"\n'
        'queries.py:12: error: "User" has no attribute "age"\n'
    )

    change(folder / "models.py", "years = Column(Integer)", "age = Column(Integer)")
    assert check() == ""

    change(folder / "models.py", "age = Column(Integer)", "age = Column(Integer, nullable=False)")
    change(folder / "queries.py", "0 if user.age is None else user.age * 2", "user.age * 2")
    assert check() == ""

    change(folder / "models.py", ", nullable=False)\n    posts", ")\n    posts")
    assert check() == (
        'queries.py:12: error: Unsupported operand types for * ("None" and "int")\n'
        'queries.py:12: note: Left operand is of type "int | None"\n'
    )


def test_a_changed_mixin_has_the_users_of_its_models_checked_again(
    folder: Path, check: Check
) -> None:
    assert check() == ""
    change(folder / "mixins.py", "name = Column", "title = Column")
    assert check() == (
        'queries.py:4: error: Unexpected keyword argument "name" for "filter_by" of "Query"\n'
        'queries.py:14: error: "User" has no attribute "name"\n'
    )
    change(folder / "mixins.py", "title = Column", "name = Column")
    assert check() == ""


@pytest.mark.slow
def test_a_changed_body_of_a_verb_changes_what_it_takes(folder: Path, check: Check) -> None:
    change(folder / "queries.py", "post.author.name or", "str(post.new(name='')) or")
    refused = 'queries.py:14: error: Unexpected keyword argument "name" for "new" of "Post"\n'
    assert check() == refused
    change(folder / "verbs.py", "cls(**kwargs)", "cls(author_id=len(kwargs))")
    assert check() == ""
    change(folder / "verbs.py", "cls(author_id=len(kwargs))", "cls(**kwargs)")
    assert check() == refused


def test_a_changed_foreign_key_changes_the_relationship(folder: Path, check: Check) -> None:
    assert check() == ""
    change(folder / "models.py", '"users.id"), nullable=False', '"users.id")')
    assert check() == 'queries.py:14: error: Item "None" of "User | None" has no attribute "name"\n'


def test_a_changed_database_changes_the_bases_of_its_models(folder: Path, check: Check) -> None:
    assert check() == ""
    change(folder / "queries.py", "post.author.name or", "str(post.first()) or")
    assert check() == 'queries.py:14: error: "Post" has no attribute "first"\n'
    change(folder / "dbs.py", '"sqlite://"', '"sqlite://", model_class=First')
    assert check() == ""
    change(folder / "dbs.py", "model_class=First", "model_class=Second")
    assert check() == 'queries.py:14: error: "Post" has no attribute "first"\n'
    change(folder / "dbs.py", 'SQLAlchemy("sqlite://", model_class=Second)', "1")
    assert 'models.py:6: error: Name "db.Base" is not defined\n' in check()
