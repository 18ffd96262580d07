"""Fixtures of the tests of scopes."""

from collections.abc import Iterator

import pytest

from tests import shop


@pytest.fixture(autouse=True)
def closing() -> Iterator[None]:
    """Close what the test opened of the shop and the ledger."""
    yield
    shop.close()
