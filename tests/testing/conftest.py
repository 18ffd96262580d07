"""Fixtures of the tests of `db.testing()`."""

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import NullPool, create_engine, select

from tests import shop
from tests.shop import Item, db


@pytest.fixture(autouse=True)
def closing() -> Iterator[None]:
    """Close what the test opened of the shop and the ledger."""
    yield
    shop.close()


@pytest.fixture
def stored() -> Callable[[], list[str]]:
    """The names that a plain connection sees, which knows nothing of this package."""

    def names() -> list[str]:
        engine = create_engine(db.engine.url, poolclass=NullPool)
        with engine.connect() as connection:
            return list(connection.scalars(select(Item.name).order_by(Item.name)))

    return names
