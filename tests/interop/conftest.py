"""The stock in an empty database of each kind."""

from collections.abc import Iterator

import pytest

from fastapi_sqlalchemy import SQLAlchemy
from tests.blog import created
from tests.interop import stock


@pytest.fixture
def db(url: str) -> Iterator[SQLAlchemy]:
    with created(stock.db, url) as database:
        yield database
