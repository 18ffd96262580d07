"""Who takes part does what the tasks say; who does not is named with the reason."""

from dataclasses import replace

import pytest
from sqlalchemy import make_url

from benchmarks import plot, report
from benchmarks.contestants import BY_NAME as ENTRY
from benchmarks.contestants import ENTRIES, RAW, Entry
from benchmarks.run import Table, check, from_json, measure, workers
from benchmarks.run import as_json as table_as_json
from benchmarks.store import Databases, databases
from benchmarks.tasks import BY_NAME as TASK
from benchmarks.tasks import TASKS, Mode

OURS = ("active-record", "repository")
# Those whose libraries are installed for development: blocking, and awaited without aiosqlite.
PLACES: list[tuple[str, Mode, tuple[str, ...]]] = [
    ("sqlite", "sync", (RAW, *OURS, "sqlalchemy")),
    ("sqlite", "async", OURS),
    ("postgresql", "sync", (RAW, *OURS, "sqlalchemy")),
    ("postgresql", "async", (RAW, *OURS, "sqlalchemy")),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Databases:
    return Databases(tmp_path_factory.mktemp("databases"), None, "test")


def other(name: str, target: str) -> Entry:
    return Entry(name, name.title(), "nothing", {("sync", "sqlite"): target})


@pytest.mark.parametrize(
    ("kind", "mode", "names"),
    [
        pytest.param(
            *place,
            id="-".join(place[:2]),
            # their statements are those that SQLite has been sent
            marks=pytest.mark.slow if place[0] == "postgresql" else (),
        )
        for place in PLACES
    ],
)
def test_every_task_does_what_it_says(
    kind: str, mode: Mode, names: tuple[str, ...], request: pytest.FixtureRequest
) -> None:
    server = None
    if kind == "postgresql":
        server = make_url(request.getfixturevalue("postgres_url")).set(drivername=kind)
    found: list[str] = []
    with (
        databases(server, request.getfixturevalue("database_name")) as made,
        workers([ENTRY[name] for name in names], kind, mode, made) as (results, running),
    ):
        for result in results:
            assert result.absent is None
            check(result, running[result.entry.name], TASKS, found.append)
    assert found == []


@pytest.fixture(scope="module")
def table(made: Databases) -> Table:
    entries = [
        ENTRY[RAW],
        ENTRY["active-record"],
        other("wrong", "tests.benchmarks.wrong:Wrong"),
        other("lazy", "tests.benchmarks.wrong:Lazy"),
        other("careless", "tests.benchmarks.wrong:Careless"),
        other("missing", "tests.benchmarks.no_such_module:Contestant"),
        ENTRY["tortoise"],
    ]
    tasks = [TASK[name] for name in ("bulk_insert", "tuples", "count", "exists")]
    return measure(entries, tasks, "sqlite", "sync", made, quick=True)


def test_a_wrong_result_is_told_and_not_timed(table: Table) -> None:
    _, ours, wrong, lazy, *_ = table.results
    assert ours.notes == {}
    assert set(ours.seconds) == {"bulk_insert", "tuples", "count", "exists"}
    assert wrong.notes == {
        "tuples": "KeyError: 'age'",
        "count": "AssertionError: expected 20, found 21",
        "exists": "does not know what exists",
    }
    assert set(wrong.seconds) == {"bulk_insert"}
    assert lazy.notes == {"bulk_insert": "AssertionError: expected 11000, found 1000"}


def test_users_of_another_team_are_told(made: Databases) -> None:
    wrong = other("wrong team", "tests.benchmarks.wrong:Wrong")
    with workers([wrong], "sqlite", "sync", made) as ([result], running):
        tasks = [TASK[name] for name in ("some", "update_where")]
        check(result, running["wrong team"], tasks, lambda _: None)
    assert set(result.notes) == {"some", "update_where"}


def test_nobody_is_left_out_in_silence(table: Table) -> None:
    careless, missing = table.results[4:6]
    assert careless.absent == "AssertionError: PRAGMA foreign_keys: expected 1, found 0"
    assert missing.absent == (
        "not installed: ModuleNotFoundError: No module named 'tests.benchmarks.no_such_module'"
    )
    text = report.text(table)
    for line in (
        "- Wrong, exists: does not know what exists",
        f"- Careless {careless.absent}",
        f"- Missing {missing.absent}",
        f"- Tortoise {ENTRY['tortoise'].lacking['sync']}",
    ):
        assert line in text.splitlines()


def test_a_saved_table_is_shown_as_it_was(table: Table) -> None:
    table = replace(table, results=[r for r in table.results if r.entry.name in ENTRY])
    again = from_json(table_as_json(table))
    assert report.text(again) == report.text(table)
    picture = plot.svg([again])
    assert picture == plot.svg([table])
    dots = sum(len(result.seconds) for result in table.results if result.entry.name != RAW)
    assert picture.count("<title>") == dots


def test_everybody_has_a_place_or_a_reason_in_either_mode() -> None:
    modes: tuple[Mode, ...] = ("sync", "async")
    for entry in ENTRIES:
        for mode in modes:
            places = {kind for (each, kind) in entry.classes if each == mode}
            assert places == {"sqlite", "postgresql"} or mode in entry.lacking
