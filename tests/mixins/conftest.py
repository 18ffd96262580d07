"""The models of `tests.mixins.documents` in an empty database of each kind."""

from collections.abc import Iterator

import pytest

from fastapi_sqlalchemy import SQLAlchemy
from tests.blog import created
from tests.mixins import documents


@pytest.fixture
def db(url: str) -> Iterator[SQLAlchemy]:
    with created(documents.db, url) as database:
        yield database
