"""The table of cases: what mypy says of programs with the plugin.

mypy runs twice over all of them at once: first over the modules that `main.py` imports, then over
everything, so that each `main.py` meets models that mypy has read from its cache.
"""

import fcntl
import json
from pathlib import Path
from typing import Any

import pytest

from tests.mypy_plugin.cases import ALL, Case, said
from tests.mypy_plugin.checking import Checker


@pytest.fixture(scope="session")
def messages(shared: Path, seed: Path) -> Any:
    """What mypy says, by case and line."""
    found = shared / "messages.json"
    with (shared / "messages.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not found.exists():
            found.write_text(json.dumps(check(shared / "cases", seed)))
    return json.loads(found.read_text())


def check(folder: Path, seed: Path) -> Any:
    folder.mkdir()
    checker = Checker(folder, seed=seed)
    for case in ALL:
        case.write(folder, without="main.py")
    checker.run(".")
    write_all(folder)
    return said(checker.run("."))


def write_all(folder: Path) -> None:
    for case in ALL:
        case.write(folder)


def lines(case: Case, messages: dict[str, list[str]]) -> list[str]:
    """Messages as lines, which pytest compares well."""
    return [
        f"{place} {message}"
        for name, source in case.modules.items()
        for number in range(1, source.count("\n") + 2)
        for place in [f"{name}:{number}"]
        for message in messages.get(place, [])
    ]


@pytest.mark.parametrize("case", [pytest.param(case, id=case.claim) for case in ALL])
def test_mypy_says_of_each_line_what_stands_behind_it(case: Case, messages: Any) -> None:
    found = messages.get(case.package, {})
    assert lines(case, found) == lines(case, case.expected())


def test_each_claim_is_made_once() -> None:
    assert len({case.claim for case in ALL}) == len(ALL)


@pytest.mark.slow
@pytest.mark.parametrize(
    "how",
    [
        "--num-workers=2",
        "--allow-redefinition",
        "--no-incremental",
        "--local-partial-types",
        "--no-sqlite-cache",
    ],
)
def test_mypy_says_the_same_however_it_runs(how: str, tmp_path: Path, messages: Any) -> None:
    write_all(tmp_path)
    assert said(Checker(tmp_path).run(how, ".")) == messages


@pytest.mark.slow
def test_mypy_says_the_same_of_models_without_strict(tmp_path: Path, messages: Any) -> None:
    write_all(tmp_path)
    loose = said(Checker(tmp_path, strict=False).run("."))
    for case in ALL:
        for line, strict in messages.get(case.package, {}).items():
            said_there = loose.get(case.package, {}).get(line, [])
            found = {each for each in said_there if not each.startswith("N:")}
            assert found <= set(strict), f"{case.claim}, {line}"
            kept = {each for each in strict if each.startswith("R:") or " keyword " in each}
            assert kept <= found, f"{case.claim}, {line}"
