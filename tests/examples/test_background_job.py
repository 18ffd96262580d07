"""A job outside of every request sees what requests wrote, and requests see what it wrote."""

import time
from pathlib import Path
from typing import Any

import httpx

from tests.examples.conftest import Client, Example

DEADLINE = 20.0


def counts_until(api: httpx.Client, number: int) -> list[Any]:
    """What the job has written, as soon as it has counted this many users."""
    deadline = time.monotonic() + DEADLINE
    while True:
        counts: list[Any] = api.get("/user_counts").json()
        if any(count["number"] == number for count in counts):
            return counts
        assert time.monotonic() < deadline, f"no count of {number} users: {counts}"


def test_the_job_counts_the_users_that_requests_added(example: Example, client: Client) -> None:
    api = client(example("background_job", COUNT_EVERY="0.05"))
    counts_until(api, 0)
    for name in ("Ada", "Grace"):
        api.post("/add_user", json={"name": name, "email": f"{name}@example.com"})
    counts = counts_until(api, 2)
    assert set(counts[0]) == {"id", "number", "counted_at"}
    numbers = [count["number"] for count in counts]
    assert numbers == sorted(numbers), "users were only added"


def test_the_job_keeps_to_its_interval(example: Example, client: Client) -> None:
    api = client(example("background_job", COUNT_EVERY="3600"))
    api.post("/add_user", json={"name": "Ada", "email": "ada@example.com"})
    assert api.get("/user_counts").json() == []


def test_an_end_amid_its_jobs_is_clean(example: Example, client: Client, tmp_path: Path) -> None:
    program = example("background_job", COUNT_EVERY="0.01")
    counts_until(client(program), 0)
    program.stop()
    assert program.process.returncode == 0
    # SQLite removes its other files when the last connection is closed
    assert [path.name for path in tmp_path.iterdir()] == ["example.db"]
