"""The type checkers, run on a folder, and what they say, line by line.

None of them is told by this project's own configuration what to report: all are as strict as
their users have them by default, mypy with `--strict` and pyright with "standard", and all but mypy
are told to go by no `# type: ignore`, so that what it hides can be compared.  mypy tells by itself
of one that hides nothing.
"""

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
PLUGIN = "fastapi_sqlalchemy.mypy_plugin"
HAS_PLUGIN = find_spec(PLUGIN) is not None
WITH_PLUGIN = "mypy + plugin"
NATIVE = ("mypy", "pyright", "ty", "pyrefly")
CHECKERS = ("mypy", WITH_PLUGIN, "pyright", "ty", "pyrefly")
AVAILABLE = tuple(name for name in CHECKERS if HAS_PLUGIN or name != WITH_PLUGIN)

SAME: Mapping[str, Mapping[str, str]] = {
    "arg-type": {
        "pyright": "reportArgumentType",
        "ty": "invalid-argument-type",
        "pyrefly": "bad-argument-type no-matching-overload",
    },
    "assert-type": {
        "pyright": "reportAssertTypeFailure",
        "ty": "type-assertion-failure",
        "pyrefly": "assert-type",
    },
    "assignment": {
        "pyright": "reportAttributeAccessIssue reportAssignmentType",
        "ty": "invalid-assignment",
        "pyrefly": "bad-argument-type bad-assignment",
    },
    "attr-defined": {
        "pyright": "reportAttributeAccessIssue",
        "ty": "missing-attribute",
        "pyrefly": "missing-attribute",
    },
    "call-arg": {
        "pyright": "reportCallIssue",
        "ty": "missing-argument too-many-positional-arguments unknown-argument",
        "pyrefly": "bad-argument-count missing-argument unexpected-keyword "
        "unexpected-positional-argument",
    },
    "call-overload": {
        "pyright": "reportArgumentType reportCallIssue",
        "ty": "invalid-argument-type no-matching-overload",
        "pyrefly": "bad-index no-matching-overload",
    },
    "list-item": {
        "pyright": "reportArgumentType",
        "ty": "invalid-argument-type",
        "pyrefly": "bad-argument-type",
    },
    "return-value": {
        "pyright": "reportArgumentType",
        "ty": "invalid-argument-type",
        "pyrefly": "bad-argument-type",
    },
    "type-var": {
        "pyright": "reportArgumentType",
        "ty": "invalid-argument-type",
        "pyrefly": "bad-argument-type",
    },
    "union-attr": {
        "pyright": "reportOptionalMemberAccess",
        "ty": "missing-union-attribute",
        "pyrefly": "missing-attribute",
    },
}
"""What the others call the mistakes that mypy calls so."""


@dataclass(frozen=True, order=True)
class Diagnostic:
    """What a checker says about a line of a file in the folder."""

    file: str
    line: int
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message} [{self.code}]"


def check(
    checker: str, folder: Path, *, ignores: bool = False, typings: Path = ROOT / "stubs"
) -> list[Diagnostic]:
    """What a checker says about the modules of a folder.

    Args:
        checker: One of `CHECKERS`.
        folder: Where they are, and where the checker is started and finds them by name.
        ignores: Whether to go by `# type: ignore`; mypy does in any case.
        typings: A folder of stubs.
    """
    found = _RUN[checker](folder, ignores=ignores, typings=typings)
    return sorted(each for each in found if not each.file.startswith(".."))


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a program and wait for it."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    # 0 and 1 are answers; anything else is a checker that could not do its work
    assert done.returncode in {0, 1}, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


def _file(folder: Path, name: str) -> str:
    path = (folder / name).resolve()
    inside = path.is_relative_to(folder.resolve())
    return str(path.relative_to(folder.resolve())) if inside else f"../{path}"


def _mypy(folder: Path, *, ignores: bool, typings: Path, plugins: str = "") -> list[Diagnostic]:
    config = folder / ".mypy.ini"
    config.write_text(
        "[mypy]\npython_version = 3.11\nstrict = true\nexplicit_package_bases = true\n"
        f"mypy_path = {typings}:{ROOT}\nplugins = {plugins}\n"
    )
    done = run(
        *(BIN / "mypy", "--config-file", config, "--cache-dir", folder / ".mypy_cache"),
        *("--output", "json", "."),
        cwd=folder,
    )
    said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert said or done.returncode == 0, done.stdout + done.stderr
    return [
        Diagnostic(_file(folder, each["file"]), each["line"], each["code"] or "", each["message"])
        for each in said
        if each["severity"] == "error"
    ]


def _pyright(folder: Path, *, ignores: bool, typings: Path) -> list[Diagnostic]:
    config = {
        "extraPaths": [str(ROOT)],
        "stubPath": str(typings),
        "pythonVersion": "3.11",
        "typeCheckingMode": "standard",
        "enableTypeIgnoreComments": ignores,
    }
    (folder / "pyrightconfig.json").write_text(json.dumps(config))
    done = run(BIN / "pyright", "--pythonpath", sys.executable, "--outputjson", cwd=folder)
    said = json.loads(done.stdout)
    assert said["summary"]["filesAnalyzed"], done.stdout
    return [
        Diagnostic(
            _file(folder, each["file"]),
            each["range"]["start"]["line"] + 1,
            each.get("rule", ""),
            each["message"],
        )
        for each in said["generalDiagnostics"]
    ]


def _ty(folder: Path, *, ignores: bool, typings: Path) -> list[Diagnostic]:
    config = folder / ".ty.toml"
    config.write_text(
        f'[environment]\npython = "{sys.prefix}"\npython-version = "3.11"\n'
        f'root = ["."]\nextra-paths = ["{typings}", "{ROOT}"]\n'
        f"[analysis]\nrespect-type-ignore-comments = {str(ignores).lower()}\n"
    )
    done = run(
        *(BIN / "ty", "check", "--project", folder, "--config-file", config),
        *("--output-format", "gitlab"),
        cwd=folder,
    )
    return [
        Diagnostic(
            _file(folder, each["location"]["path"]),
            each["location"]["positions"]["begin"]["line"],
            each["check_name"],
            each["description"].partition(": ")[2],
        )
        for each in json.loads(done.stdout)
        if each["severity"] != "info"
    ]


def _pyrefly(folder: Path, *, ignores: bool, typings: Path) -> list[Diagnostic]:
    kinds = '"pyrefly", "type"' if ignores else '"pyrefly"'
    config = folder / ".pyrefly.toml"
    config.write_text(
        f'search-path = ["{typings}", ".", "{ROOT}"]\npython-version = "3.11"\n'
        f'python-interpreter-path = "{sys.executable}"\nenabled-ignores = [{kinds}]\n'
    )
    files = [*folder.rglob("*.py"), *folder.rglob("*.pyi")]
    done = run(
        BIN / "pyrefly", "check", "-c", config, "--output-format", "json", *files, cwd=folder
    )
    return [
        Diagnostic(_file(folder, each["path"]), each["line"], each["name"], each["description"])
        for each in json.loads(done.stdout)["errors"]
        if each["severity"] != "info"
    ]


def _mypy_with_plugin(folder: Path, *, ignores: bool, typings: Path) -> list[Diagnostic]:
    return _mypy(folder, ignores=ignores, typings=typings, plugins=PLUGIN)


_RUN: Mapping[str, Callable[..., list[Diagnostic]]] = {
    "mypy": _mypy,
    WITH_PLUGIN: _mypy_with_plugin,
    "pyright": _pyright,
    "ty": _ty,
    "pyrefly": _pyrefly,
}


def by_line(found: Iterable[Diagnostic]) -> dict[tuple[str, int], set[str]]:
    """The codes that were reported, by file and line."""
    codes: dict[tuple[str, int], set[str]] = defaultdict(set)
    for each in found:
        codes[each.file, each.line].add(each.code)
    return codes
