"""The older form keeps its database where it always was."""

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.examples.conftest import Client, Example


def test_the_global_db_writes_to_the_url_of_the_middleware(
    example: Example, client: Client, tmp_path: Path
) -> None:
    client(example("legacy")).post("/add_user", json={"name": "Ada", "email": "ada@example.com"})
    with closing(sqlite3.connect(tmp_path / "example.db")) as file:
        assert file.execute("SELECT * FROM users").fetchall() == [(1, "Ada", "ada@example.com")]
