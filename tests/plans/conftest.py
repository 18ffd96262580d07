"""The models of `tests.blog`, with two users, where plans are used."""

import gc
from collections.abc import Iterator

import pytest

from fastapi_sqlalchemy import SQLAlchemy
from fastapi_sqlalchemy._plans import private
from tests import blog
from tests.blog import Post, User


@pytest.fixture(params=["sqlite", "postgresql"])
def db(request: pytest.FixtureRequest) -> Iterator[SQLAlchemy]:
    """One whose awaited calls run in threads, and one with an asyncio driver."""
    url = "sqlite://" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    with blog.created(blog.db, url) as database:
        with database():
            User.new(email="ada@x", name="Ada", posts=[Post(title="Notes"), Post(title="Engines")])
            User.new(email="grace@x", name="Grace")
            User.query.all()  # a connection waits in the pool
        yield database


@pytest.fixture(autouse=True)
def _plans(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests are about plans, also in a run of all others without them."""
    monkeypatch.setattr(private, "TESTED", frozenset({(2, 1)}))


@pytest.fixture(autouse=True, scope="module")
def _frozen() -> None:
    """Many tests collect garbage: theirs, not what all the tests before them left."""
    gc.collect()
    gc.freeze()
