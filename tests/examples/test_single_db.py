"""The first program of a newcomer: the command of the README, an SQLite file, an address."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.documents import Command, send, shell_lines
from tests.examples.conftest import Client, Example, starting_command
from tests.interpreter import ROOT


def test_it_is_what_the_readme_starts_and_sends_requests_to(
    example: Example, client: Client
) -> None:
    lines = shell_lines(ROOT / "README.md")
    (start,) = (line for line in lines if "examples." in line)
    assert start.split()[-2:] == starting_command("single_db").argv[-2:]

    requests = [Command.parse(line) for line in lines if line.startswith("curl ")]
    api = client(example("single_db"))
    answers = [send(api, command) for command in requests]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[-1].json() == [{"id": 1, "name": "Ada", "email": "ada@example.com"}]


def test_its_start_makes_the_file_and_the_table_before_any_request(
    example: Example, tmp_path: Path
) -> None:
    program = example("single_db")
    assert re.search(r"^Serving on http://127\.0\.0\.1:\d+", program.output, re.MULTILINE)
    with closing(sqlite3.connect(tmp_path / "example.db")) as file:
        assert file.execute("SELECT name FROM sqlite_master").fetchall() == [("users",)]
