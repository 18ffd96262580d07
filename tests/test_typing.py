"""Type checkers see what `tests/typing` states, line by line, and the table of the docs says so."""

import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests import features
from tests.checkers import (
    AVAILABLE,
    BIN,
    CHECKERS,
    NATIVE,
    ROOT,
    WITH_PLUGIN,
    Diagnostic,
    check,
    run,
)
from tests.documents import blocks
from tests.features import Line, differences, groups, page_with, table


def _but_slow_by_mypy(checkers: Iterable[str]) -> list[Any]:
    """With the plugin mypy says the same and more, and it is the slowest of them."""
    slow = pytest.mark.slow
    return [pytest.param(each, marks=slow) if each == "mypy" else each for each in checkers]


@pytest.mark.parametrize("checker", _but_slow_by_mypy(AVAILABLE))
def test_a_checker_holds_every_type_and_refuses_every_mistake(checker: str, tmp_path: Path) -> None:
    found = differences(checker, tmp_path)
    assert not found, "\n".join(found)


def test_the_table_of_the_docs_is_that_of_the_tests() -> None:
    assert features.PAGE.read_text() == page_with(table()), "write it: python -m tests.features"


def test_every_feature_has_a_title_and_states_something() -> None:
    unclear = [
        f"{group.path.name}: {feature.title or feature}"
        for group in groups()
        for feature in group.features
        if not feature.title or "\n" in feature.title or not feature.types + feature.mistakes
    ]
    assert not unclear, unclear


def test_every_checker_sees_every_feature_but_what_needs_the_plugin() -> None:
    unseen = {
        group.path.stem: missing
        for group in groups()
        if (missing := set(CHECKERS) - set(group.checkers))
    }
    others = set(CHECKERS) - {WITH_PLUGIN}
    assert unseen == {"databases": {"mypy"}, "columns": others, "keywords": others}


WRONG = """
from typing import assert_type

from tests.blog import User

assert_type(User.query.first(), User | None)
assert_type(User.query.first(), User)  # line 7
User.query.limit("1")  # line 8
User.query.limit("1")  # type: ignore[arg-type]
User.query.limit(1)  # type: ignore[arg-type] # line 10, for mypy
"""


@pytest.mark.parametrize("checker", _but_slow_by_mypy(NATIVE))
def test_a_wrong_type_an_unmarked_mistake_and_a_needless_mark_are_told(
    checker: str, tmp_path: Path
) -> None:
    (tmp_path / "wrong.py").write_text(WRONG)
    lines = {each.line for each in check(checker, tmp_path)}
    assert lines == ({7, 8, 10} if checker == "mypy" else {7, 8, 9})


def test_a_mistake_that_nobody_refuses_any_more_is_a_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states, folder = tmp_path / "states", tmp_path / "folder"
    states.mkdir()
    folder.mkdir()
    (states / "wrong.py").write_text('"""Wrong."""' + WRONG)
    monkeypatch.setattr(features, "FOLDER", states)
    assert [text.partition(": ")[0] for text in differences("ty", folder)] == [
        "wrong.py:10",
        "wrong.py:7",
        "wrong.py:8",
    ]


def test_another_reason_to_refuse_is_a_difference() -> None:
    line = Line(1, "User.query.nothing()", frozenset({"attr-defined"}), {"ty": "nothing"})
    assert line.expected("pyright") == {"reportAttributeAccessIssue"}
    assert line.expected("ty") == frozenset()
    assert line.expected("mypy") == frozenset()


def test_a_diagnostic_shows_where_and_what() -> None:
    assert str(Diagnostic("a.py", 3, "arg-type", "no")) == "a.py:3: no [arg-type]"


@pytest.mark.parametrize("checker", ["pyright", "ty", "pyrefly"])
def test_the_programs_of_the_readme_are_right_without_a_plugin(
    checker: str, tmp_path: Path
) -> None:
    for block in blocks(ROOT / "README.md"):
        if block.language == "python":
            name = block.code.partition("\n")[0].removeprefix("# ")
            (tmp_path / name).write_text(block.code)
    assert check(checker, tmp_path, ignores=True) == []


@pytest.mark.parametrize("checker", [pytest.param("pyright", marks=pytest.mark.slow), "pyrefly"])
def test_the_examples_are_right_without_a_plugin(checker: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    assert check(checker, tmp_path, ignores=True) == []


def test_the_types_of_the_public_interface_are_all_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # it takes the environment of the `python` on the path
    monkeypatch.setenv("PATH", f"{BIN}:/usr/bin:/bin")
    done = run(
        *(BIN / "basedpyright", "--verifytypes", "fastapi_sqlalchemy", "--ignoreexternal"),
        cwd=tmp_path,
    )
    score = re.search(r"Type completeness score: ([\d.]+)%", done.stdout)
    assert score, done.stdout
    assert score[1] == "100", done.stdout
