"""Awaited routes write to the database that the environment names, or to an SQLite file."""

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import create_engine, text

from tests.databases import Databases
from tests.examples.conftest import Client, Example

ADA = {"name": "Ada", "email": "ada@example.com"}
ROW = (1, "Ada", "ada@example.com")


def test_without_a_url_it_writes_to_a_file(
    example: Example, client: Client, tmp_path: Path
) -> None:
    client(example("async_db")).post("/add_user", json=ADA)
    with closing(sqlite3.connect(tmp_path / "example.db")) as file:
        assert file.execute("SELECT * FROM users").fetchall() == [ROW]


def test_with_a_url_it_writes_there_and_closes_its_connections(
    example: Example,
    client: Client,
    tmp_path: Path,
    postgres_url: str,
    connections: Databases,
) -> None:
    program = example("async_db", DATABASE_URL=postgres_url)
    client(program).post("/add_user", json=ADA)
    assert connections(postgres_url).open > 0
    program.stop()
    assert program.process.returncode == 0
    assert connections.settle(postgres_url) == (0, 0)

    engine = create_engine(postgres_url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT * FROM users")).all() == [ROW]
    engine.dispose()
    assert list(tmp_path.iterdir()) == [], "no SQLite file was made"
