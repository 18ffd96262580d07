"""The models of `tests.blog` in an empty database of each kind."""

from collections.abc import Iterator

import pytest

from fastapi_sqlalchemy import SQLAlchemy
from tests import blog


@pytest.fixture
def db(url: str) -> Iterator[SQLAlchemy]:
    with blog.created(blog.db, url) as database:
        yield database
