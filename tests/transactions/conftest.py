"""Fixtures of the tests of transactions."""

from collections.abc import Iterator

import pytest

from tests import shop


@pytest.fixture(autouse=True)
def closing() -> Iterator[None]:
    """Close what the test opened of the shop and the ledger."""
    yield
    shop.close()


@pytest.fixture(params=["sqlite-memory", "postgresql"])
def home_url(request: pytest.FixtureRequest) -> str:
    """The address of an empty database, once for each home that awaited calls have.

    The threads are it for SQLite, the event loop for PostgreSQL.
    """
    return (
        "sqlite://" if request.param == "sqlite-memory" else request.getfixturevalue("postgres_url")
    )
