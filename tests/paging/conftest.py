"""The models of this folder in an empty database of each dialect."""

from collections.abc import Iterator

import pytest

from fastapi_sqlalchemy import SQLAlchemy
from tests.blog import created
from tests.paging import model

URLS = {"sqlite": None, "postgresql": "postgres_url", "mariadb": "mysql_url"}


SLOW_MARIADB = pytest.param("mariadb", marks=pytest.mark.slow)


@pytest.fixture(params=["sqlite", "postgresql", SLOW_MARIADB])
def db(request: pytest.FixtureRequest) -> Iterator[SQLAlchemy]:
    fixture = URLS[request.param]
    url = "sqlite://" if fixture is None else request.getfixturevalue(fixture)
    with created(model.db, url) as database:
        yield database
