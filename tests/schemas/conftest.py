"""The library in two databases that differ most."""

from collections.abc import Iterator

import pytest

from fastapi_sqlalchemy import SQLAlchemy
from tests.blog import created
from tests.schemas import model


@pytest.fixture(params=["sqlite", "postgresql"])
def db(request: pytest.FixtureRequest) -> Iterator[SQLAlchemy]:
    """One whose awaited calls run in threads, and one with an asyncio driver."""
    url = "sqlite://" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    with created(model.db, url) as database:
        yield database
