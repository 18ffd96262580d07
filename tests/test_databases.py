"""The databases of the suite are real, empty and watched."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, inspect, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.databases import Connections, Databases, mysql_server
from tests.shared_postgres import Run, socket_folder


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


# Twice, so that the second finds what the first has left.
@pytest.mark.parametrize("turn", [1, 2])
def test_every_test_begins_with_an_empty_database(url: str, turn: int) -> None:
    with connected(url) as connection:
        assert inspect(connection).get_table_names() == []
        connection.execute(text("CREATE TABLE leftover (id INTEGER PRIMARY KEY)"))
        connection.execute(text("INSERT INTO leftover (id) VALUES (1)"))
        connection.commit()


@pytest.mark.parametrize("turn", [1, 2])
def test_a_transaction_left_open_does_not_hold_up_the_next_test(
    server_url: str, turn: int, request: pytest.FixtureRequest
) -> None:
    engine = create_engine(server_url)
    connection = engine.connect()

    def close() -> None:
        # Its server process has been ended by the next test in the meantime, or is about to be.
        connection.invalidate()
        connection.close()
        engine.dispose()

    request.session.addfinalizer(close)
    connection.execute(text("CREATE TABLE held (id INTEGER PRIMARY KEY)"))
    connection.commit()
    connection.execute(text("SELECT * FROM held"))


@pytest.mark.parametrize("turn", [1, 2])
def test_schemas_other_than_public_are_dropped_too(postgres_url: str, turn: int) -> None:
    with connected(postgres_url) as connection:
        connection.execute(text("CREATE SCHEMA other"))
        connection.commit()


def test_an_open_connection_is_counted_and_so_is_its_transaction(
    server_url: str, connections: Databases
) -> None:
    assert connections.settle(server_url) == Connections(0, 0)
    with connected(server_url) as connection:
        # MariaDB's engine knows a transaction from its first locking or writing statement on.
        connection.execute(text("CREATE TABLE t (id INTEGER PRIMARY KEY)"))
        connection.commit()
        connection.execute(text("INSERT INTO t (id) VALUES (1)"))
        busy = connections.settle(server_url, open=1, idle_in_transaction=1)
        connection.rollback()
        assert busy == Connections(1, 1)
        assert connections.settle(server_url, open=1) == Connections(1, 0)
    assert connections.settle(server_url) == Connections(0, 0)


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_both_asyncio_drivers_of_postgresql_reach_the_server(
    postgres_url: str, driver: str
) -> None:
    async def one() -> object:
        engine = create_async_engine(make_url(postgres_url).set(drivername=f"postgresql+{driver}"))
        try:
            async with engine.connect() as connection:
                return await connection.scalar(text("SELECT 1"))
        finally:
            await engine.dispose()

    assert asyncio.run(one()) == 1


def test_the_asyncio_driver_of_mariadb_reaches_the_server(mysql_url: str) -> None:
    async def one() -> object:
        engine = create_async_engine(make_url(mysql_url).set(drivername="mysql+aiomysql"))
        try:
            async with engine.connect() as connection:
                return await connection.scalar(text("SELECT 1"))
        finally:
            await engine.dispose()

    assert asyncio.run(one()) == 1


def test_the_server_lends_two_hundred_connections(postgres_url: str) -> None:
    if "TEST_POSTGRES_URL" in os.environ:
        pytest.skip("postgresql: the server of TEST_POSTGRES_URL has its own limits")
    with connected(postgres_url) as connection:
        assert connection.scalar(text("SHOW max_connections")) == "200"


def test_a_missing_mariadb_is_named_with_the_way_to_give_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("TEST_MYSQL_URL", raising=False)
    # Nothing listens on the port for "no service".
    monkeypatch.setattr("tests.databases.MYSQL_ADDRESS", ("127.0.0.1", 9))
    reason = mysql_server()
    assert isinstance(reason, str)
    assert reason.startswith("mariadb: nothing answers at 127.0.0.1:9")
    assert "TEST_MYSQL_URL" in reason


def test_the_end_of_a_run_leaves_no_server_and_no_folder() -> None:
    run = Run()
    folder = Path(socket_folder(run.folder))
    process = int((folder / "postmaster.pid").read_text().splitlines()[0])
    os.kill(process, 0)

    run.end()

    assert not run.folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_a_run_that_wants_no_server_starts_none() -> None:
    run = Run()
    run.end()
    assert not run.folder.exists()
