"""The models of `tests.blog`: in two databases that differ most, and in one of each kind."""

from collections.abc import Iterator

import pytest

from fastapi_sqlalchemy import SQLAlchemy
from tests import blog


@pytest.fixture(params=["sqlite", "postgresql"])
def db(request: pytest.FixtureRequest) -> Iterator[SQLAlchemy]:
    """One whose awaited calls run in threads, and one with an asyncio driver."""
    url = "sqlite://" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    with blog.created(blog.db, url) as database:
        yield database


@pytest.fixture
def every_db(url: str) -> Iterator[SQLAlchemy]:
    """Once for each kind of database."""
    with blog.created(blog.db, url) as database:
        yield database
