"""Two databases in one application: each keeps its own rows."""

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.examples.conftest import Client, Example

NOTES = {"user_id": 1, "title": "Notes", "content": "On the engine"}
LETTER = {"user_id": 2, "title": "Letter", "content": "To Ada"}


def tables(file: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(file)) as connection:
        names = [
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        return {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in names}


def test_rows_land_in_the_database_of_their_model(
    example: Example, client: Client, tmp_path: Path
) -> None:
    api = client(example("multi_db"))
    api.post("/add_user", json={"name": "Ada", "email": "ada@example.com"})
    answer = api.post("/add_post", json=NOTES)
    assert answer.json() == {"message": "Post created successfully"}
    assert tables(tmp_path / "users.db") == {"users": [(1, "Ada", "ada@example.com")]}
    assert tables(tmp_path / "posts.db") == {"posts": [(1, *NOTES.values())]}


def test_posts_are_listed_all_or_those_of_one_user(example: Example, client: Client) -> None:
    api = client(example("multi_db"))
    assert api.get("/posts").json() == []
    for post in (NOTES, LETTER):
        api.post("/add_post", json=post)
    notes, letter = {"id": 1, **NOTES}, {"id": 2, **LETTER}
    assert api.get("/posts").json() == [notes, letter]
    assert api.get("/posts", params={"user_id": 2}).json() == [letter]
