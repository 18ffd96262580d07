"""The floors hold, the commands are one, and no file knows the machine it was written on."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.house import FLOORS, PACKAGE, broken_face, broken_rules, modules

ROOT = Path(__file__).parent.parent
TEST_COMMAND = (
    'python3 -m venv .venv && .venv/bin/pip install -e ".[dev]" && .venv/bin/pytest -n auto'
)
WITHOUT_PLANS = ("bulk", "models", "paging", "query", "repository", "scope", "transactions")
STUBTEST = "--mypy-config-file mypy.ini --ignore-missing-stub apscheduler"
EXAMPLE_COMMAND = (
    'python3 -m venv .venv && .venv/bin/pip install -e ".[examples]"'
    " && .venv/bin/python -m examples.single_db"
)
MACHINE = re.compile(
    rb"(?<![\w.~-])/(?:work|root|farm|home/\w+|Users/\w+)/"
    rb"|files\.pythonhosted\.org|pypi\.org/simple|registry\.npmjs\.org|deb\.debian\.org"
)


def test_no_module_of_the_package_breaks_the_floors() -> None:
    broken = [
        rule
        for name, path in modules(ROOT / PACKAGE)
        for rule in broken_rules(path.read_text(), name, package=path.name == "__init__.py")
    ]
    assert not broken, "\n".join(broken)


def test_the_face_of_the_package_only_hands_out_names() -> None:
    assert broken_face((ROOT / PACKAGE / "__init__.py").read_text()) == []


def test_the_checker_finds_the_modules() -> None:
    assert {"__init__", "exceptions"} <= {name for name, _ in modules(ROOT / PACKAGE)}


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("model", "from .query import Query"),
        ("model", "from . import query"),
        ("model", "from .repository import Repository"),
        ("model", "import fastapi_sqlalchemy.query"),
        ("model", "from fastapi_sqlalchemy.query import Query"),
        ("exceptions", "import sqlalchemy.orm"),
        ("dependencies", "from fastapi import Request"),
        ("handlers", "from starlette.responses import JSONResponse"),
        ("testing", "from fastapi_sqlalchemy import db"),
        ("mypy_plugin.hooks", "from . import bases\nfrom .bases import find"),
        ("__init__", "from .database import db\nfrom .model import ModelBase"),
    ],
)
def test_an_import_that_goes_down_or_stays_is_allowed(module: str, source: str) -> None:
    assert broken_rules(source, module) == []


@pytest.mark.parametrize(
    ("module", "source", "rule"),
    [
        ("query", "from .model import ModelBase", "climbs from floor 3 to model on floor 4"),
        ("query", "from . import model", "climbs from floor 3 to model on floor 4"),
        ("query", "from . import exceptions, model", "climbs from floor 3 to model on floor 4"),
        ("query", "import fastapi_sqlalchemy.model as m", "climbs from floor 3"),
        ("query", "from fastapi_sqlalchemy.model import ModelBase", "climbs from floor 3"),
        ("query", "from fastapi_sqlalchemy import db", "to __init__ on floor 7"),
        ("query", "from . import db", "to __init__ on floor 7"),
        ("query", "import fastapi_sqlalchemy", "to __init__ on floor 7"),
        ("query", "if TYPE_CHECKING:\n    from .model import ModelBase", "query:2: climbs"),
        ("query", "def f():\n    from .model import ModelBase", "query:2: climbs"),
        ("query", "try:\n    pass\nexcept Exception:\n    from .model import M", "query:4: climbs"),
        ("query", "from .elsewhere import thing", "elsewhere has no floor"),
        ("elsewhere", "", "elsewhere has no floor"),
        ("database", "from .testing import database", "nothing imports testing"),
        ("cli", "from .testing import database", "nothing imports testing"),
        ("__init__", "from . import mypy_plugin", "nothing imports mypy_plugin"),
        ("middleware", "from fastapi import Request", "fastapi is imported in dependencies only"),
        ("testing", "import fastapi.testclient", "fastapi is imported in dependencies only"),
        ("query", "import pydantic", "query:1: pydantic is imported in _annotated"),
        ("model", "def f():\n    from pydantic_core import X", "model:2: pydantic is imported in"),
        ("database", "import starlette.types", "starlette is not known below floor 6"),
        ("query", "from starlette.exceptions import HTTPException", "below floor 6"),
    ],
)
def test_a_broken_rule_is_found_and_named(module: str, source: str, rule: str) -> None:
    broken = broken_rules(source, module)
    assert len(broken) == 1, broken
    assert rule in broken[0]


FACE = '"""Subject."""\nfrom .model import ModelBase\n__all__ = ["ModelBase"]\n__version__ = "1"\n'


def test_a_sound_face_is_accepted() -> None:
    assert broken_face(FACE) == []


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        (FACE + "if True:\n    pass\n", "__init__:5: only imports, __all__ and __version__"),
        (
            FACE.replace("from", "try:\n    from", 1).replace("__all__", "except E: ...\n__all__"),
            "",
        ),
        (FACE.replace('"ModelBase"]', '"db", "ModelBase"]'), "__all__ is not sorted"),
        (FACE.replace('"ModelBase"]', "]"), "__all__ lacks ModelBase"),
        (FACE.replace('"ModelBase"]', '"ModelBase", "db"]'), "not imported: db"),
        (FACE.replace("__version__", "version"), "__init__ has no __version__"),
        (FACE.replace("__all__", "all"), "__init__ has no __all__"),
    ],
)
def test_an_unsound_face_is_found(source: str, rule: str) -> None:
    assert rule in "\n".join(broken_face(source))
    assert broken_face(source) != []


def test_modules_on_a_floor_are_named_once_and_in_order_of_floors() -> None:
    floors = list(FLOORS.values())
    assert floors == sorted(floors)
    assert set(floors) == set(range(8))


def test_the_package_needs_three_others_and_bounds_none_from_above() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["dependencies"] == ["sqlalchemy>=2.1", "starlette", "typing-extensions"]
    assert project["requires-python"] == ">=3.11"


def run_ci(folder: Path, *argv: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    before = [] if path is None else [str(path)]
    return subprocess.run(
        ["bash", str(folder / ".ci" / "run"), *argv],
        env={**os.environ, "PATH": os.pathsep.join([*before, os.environ["PATH"]])},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with this project's `.ci/run`, for a README of its own."""
    folder = tmp_path / "clone"
    shutil.copytree(ROOT / ".ci", folder / ".ci")
    return folder


@pytest.mark.parametrize("command", [EXAMPLE_COMMAND, TEST_COMMAND])
def test_the_readme_holds_each_command_as_one_line(command: str) -> None:
    assert (ROOT / "README.md").read_text().splitlines().count(command) == 1


def test_ci_runs_the_test_command_of_the_readme() -> None:
    assert run_ci(ROOT, "test-command").stdout == f"{TEST_COMMAND}\n"


def test_ci_runs_every_check_and_the_tests_last(clone: Path, tmp_path: Path) -> None:
    # A python3 whose environments hold programs that only print how they were called.
    fakes = tmp_path / "fakes"
    fakes.mkdir()
    fake = '#!/usr/bin/env bash\necho "called: $(basename "$0") $*"\n'
    names = "pip ruff mypy python pyright pytest"
    make = (
        f'[[ "$1 $2" == "-m venv" ]] || exit 0\nmkdir -p "$3/bin"\n'
        f'for name in {names}; do cp "$0.fake" "$3/bin/$name"; done\n'
    )
    # a chromedriver is found, so that no browser is installed
    programs = ("python3", fake + make), ("python3.fake", fake), ("chromedriver", fake)
    for name, text in programs:
        (fakes / name).write_text(text)
        (fakes / name).chmod(0o755)
    (clone / ".venv").mkdir()
    (clone / ".venv" / "stale").touch()
    (clone / "README.md").write_text(f"# Title\n\n```sh\n{TEST_COMMAND}\n```\n")

    done = run_ci(clone, path=fakes)

    assert done.returncode == 0, done.stderr
    calls = [line for line in done.stdout.splitlines() if line.startswith("called: ")]
    assert calls[1:] == [
        "called: python3 -m venv .venv",
        "called: pip install --quiet -e .[dev]",
        "called: ruff check .",
        "called: ruff format --check .",
        "called: mypy ",
        f"called: python -m mypy.stubtest {STUBTEST}",
        "called: pyright ",
        "called: python3 -m venv .venv",
        "called: pip install -e .[dev]",
        "called: pytest -n auto",
        "called: pytest -n auto -m slow",
        f"called: pytest -n auto {' '.join(f'tests/{folder}' for folder in WITHOUT_PLANS)}",
    ]
    assert done.stdout.splitlines()[-1] == calls[-1]
    assert not (clone / ".venv" / "stale").exists()


@pytest.mark.parametrize(
    ("readme", "found"),
    [
        ("# Title\n", 0),
        (f"{TEST_COMMAND}\n", 0),
        (f"```sh\n{TEST_COMMAND}\n```\n\n```sh\n{TEST_COMMAND}\n```\n", 2),
    ],
)
def test_ci_stops_without_one_test_command(clone: Path, readme: str, found: int) -> None:
    (clone / "README.md").write_text(readme)
    done = run_ci(clone)
    assert done.returncode != 0
    assert f"expected one test command in README.md, found {found}" in done.stderr


def test_ci_stops_at_the_first_check_that_fails(clone: Path, tmp_path: Path) -> None:
    python3 = tmp_path / "python3"
    python3.write_text("#!/usr/bin/env bash\n[[ $1 != -m ]]\n")
    python3.chmod(0o755)
    (clone / "README.md").write_text(f"```sh\n{TEST_COMMAND}\n```\n")
    done = run_ci(clone, path=tmp_path)
    assert done.returncode != 0
    assert "pip install" not in done.stdout


@pytest.mark.parametrize(
    "text",
    [
        "cd /ro" + "ot/x",
        "see '/wo" + "rk/main'",
        "/ho" + "me/ada/x",
        "https://files.python" + "hosted.org",
    ],
)
def test_the_trace_of_a_machine_is_recognised(text: str) -> None:
    assert MACHINE.search(text.encode())


@pytest.mark.parametrize("text", ["framework/main", "https://example.org/root/x", "./work/x"])
def test_a_path_that_is_of_no_machine_is_not(text: str) -> None:
    assert not MACHINE.search(text.encode())


def test_no_file_names_a_machine_or_a_registry() -> None:
    files = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    traces = {
        name: [found.decode() for found in MACHINE.findall(path.read_bytes())]
        for name in files
        if name and (path := ROOT / name).is_file()
    }
    traces = {name: found for name, found in traces.items() if found}
    assert not traces, traces
