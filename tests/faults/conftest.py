"""Fixtures of the scenarios in which something goes wrong."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests import shop
from tests.faults.served import Served, Switch

DRIVERS = {
    "psycopg": ("postgres_url", None),
    "asyncpg": ("postgres_url", "postgresql+asyncpg"),
    "mariadb": ("mysql_url", None),
    "sqlite": ("sqlite_file_url", None),
}

PLACES = ["psycopg-def", "psycopg-async", "asyncpg-async", "sqlite-def", "sqlite-async"]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Count every scenario of this folder among the slow tests."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True)
def closing() -> Iterator[None]:
    """Close what the test opened of the shop and the ledger."""
    yield
    shop.close()


@pytest.fixture(scope="session")
def switch() -> Iterator[Switch]:
    """What a server serves in all of these tests."""
    switch = Switch()
    yield switch
    switch.stop()


@pytest.fixture(params=PLACES)
def served(request: pytest.FixtureRequest, closing: None, switch: Switch) -> Iterator[Served]:
    """The shop, served once for each driver and colour of routes that the test is about."""
    driver, colour = request.param.split("-")
    fixture, awaited = DRIVERS[driver]
    url = str(request.getfixturevalue(fixture))
    if awaited is not None:
        url = make_url(url).set(drivername=awaited).render_as_string(hide_password=False)
    served = Served(url, colour, switch)
    with served.engines.watched():
        yield served
        served.close()
