"""The plain models in an empty database of each kind."""

from collections.abc import Iterator

import pytest

from fastapi_sqlalchemy import SQLAlchemy
from tests.blog import created
from tests.repository.plain import library


@pytest.fixture
def db(url: str) -> Iterator[SQLAlchemy]:
    with created(library, url) as database:
        yield database
