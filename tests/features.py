"""The features that `tests/typing` states, and the table of them in `docs/typing.md`.

A module of that folder is a group of features, named by the first line of its docstring; a function
in it is a feature, named by its docstring.  What must be refused carries `# type: ignore[code]`
with the code of mypy, which every checker has to agree with (`checkers.SAME`); what one of them
sees otherwise ends with `# but ty: its-code`, or `# but ty: nothing`.

What `tests/data/shop` states holds with the stubs that `fastapi-sqlalchemy stubs` writes.  A module
in `tests/typing/plugin` is for mypy with the plugin alone, and for those named in its docstring
after "Also seen by:".  `python -m tests.features` writes the table.
"""

import ast
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.checkers import (
    AVAILABLE,
    CHECKERS,
    ROOT,
    SAME,
    WITH_PLUGIN,
    Diagnostic,
    by_line,
    check,
)

FOLDER = ROOT / "tests" / "typing"
WITH_STUBS = ROOT / "tests" / "data" / "shop" / "use.py"
PAGE = ROOT / "docs" / "typing.md"
BEGIN, END = "<!-- features: written by `python -m tests.features` -->\n", "<!-- end -->\n"
ORDER = (
    *("models", "databases", "verbs", "queries", "relationships", "constructors", "repositories"),
    *(
        "scopes",
        "pages",
        "writing",
        "mixins",
        "schemas",
        "web",
        "sessions",
        "testing",
        "columns",
        "keywords",
        "use",
    ),
)
_IGNORE = re.compile(r"# type: ignore\[([\w, -]+)\]")
_BUT = re.compile(r"# but ([a-z+ ]+): ([\w-]+)")


@dataclass(frozen=True)
class Line:
    """A line for which something is expected of a checker."""

    number: int
    code: str
    refused: frozenset[str]
    """The codes of mypy."""
    but: dict[str, str]
    """What single checkers report instead."""

    def expected(self, checker: str) -> frozenset[str]:
        """The codes of which a checker has to report one, and may report no other."""
        if checker in self.but:
            return frozenset() if self.but[checker] == "nothing" else frozenset({self.but[checker]})
        if checker.startswith("mypy"):  # it goes by the ignores, and says which are not needed
            return frozenset()
        return frozenset(code for own in self.refused for code in SAME[own][checker].split())


@dataclass(frozen=True)
class Feature:
    """A function of a module: so many types that hold, so many mistakes that are refused."""

    title: str
    types: int
    mistakes: int
    lines: list[Line]


@dataclass(frozen=True)
class Group:
    """A module."""

    path: Path
    title: str
    checkers: tuple[str, ...]
    features: list[Feature]


def groups() -> Iterator[Group]:
    """The modules, in the order in which their reader needs them."""
    places = {name: place for place, name in enumerate(ORDER)}
    found = [_group(path) for path in (*FOLDER.rglob("*.py"), WITH_STUBS)]
    return iter(sorted(found, key=lambda each: (places.get(each.path.stem, 99), each.title)))


def _group(path: Path) -> Group:
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    title, *rest = (ast.get_docstring(tree) or "").splitlines()
    lines = list(lines_of(source))
    also = [line.partition(":")[2] for line in rest if line.startswith("Also seen by:")]
    checkers: tuple[str, ...] = CHECKERS
    if path.parent == FOLDER / "plugin":
        named = {name.strip(" .") for line in also for name in line.split(",")}
        checkers = tuple(name for name in CHECKERS if name in named | {WITH_PLUGIN})
    features = [
        _feature(node, lines)
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and not node.decorator_list  # it shows what the decorator makes of it
        and not node.name.startswith("_")
    ]
    return Group(path, title.rstrip("."), checkers, features)


def _feature(node: ast.FunctionDef | ast.AsyncFunctionDef, lines: list[Line]) -> Feature:
    called = [each.func for each in ast.walk(node) if isinstance(each, ast.Call)]
    own = [line for line in lines if node.lineno <= line.number <= (node.end_lineno or 0)]
    return Feature(
        title=ast.get_docstring(node) or "",
        types=sum(isinstance(each, ast.Name) and each.id == "assert_type" for each in called),
        mistakes=sum(bool(line.refused) for line in own),
        lines=own,
    )


def lines_of(source: str) -> Iterator[Line]:
    """The lines of a module that are marked."""
    for number, text in enumerate(source.splitlines(), 1):
        ignore = _IGNORE.search(text)
        codes = frozenset(re.split(", *", ignore[1])) if ignore else frozenset()
        but = {name.strip(): code for name, code in _BUT.findall(text)}
        if codes or but:
            yield Line(number, text.partition("  #")[0].strip(), codes, but)


def differences(checker: str, folder: Path) -> list[str]:
    """What a checker says about the modules that it should not, and does not that it should."""
    for group in groups():
        if checker in group.checkers and group.path != WITH_STUBS:
            copy = folder / group.path.relative_to(FOLDER)
            copy.parent.mkdir(exist_ok=True)
            shutil.copy(group.path, copy)
    return unexpected(checker, folder, check(checker, folder))


def unexpected(checker: str, folder: Path, said: list[Diagnostic]) -> list[str]:
    """How what a checker says differs from what the modules of a folder are marked with."""
    expected = {
        (str(path.relative_to(folder)), line.number): wanted
        for path in folder.rglob("*.py")
        for line in lines_of(path.read_text(encoding="utf-8"))
        if (wanted := line.expected(checker))
    }
    codes = by_line(said)
    missing = [
        f"{name}:{line}: expected one of {', '.join(sorted(expected[name, line]))}, found nothing"
        for name, line in sorted(expected.keys() - codes.keys())
    ]
    return missing + [
        f"{each} (expected {', '.join(sorted(wanted)) or 'nothing'})"
        for each in said
        if each.code not in (wanted := expected.get((each.file, each.line), frozenset()))
    ]


def table() -> str:
    """The table, in Markdown, with what single checkers see otherwise below it."""
    rows = [
        f"| | {' | '.join(AVAILABLE)} | types | mistakes |",
        "|---|" + "---|" * len(AVAILABLE) + "--:|--:|",
    ]
    notes: list[str] = []
    for group in groups():
        rows.append(f"| **{group.title}** |" + " |" * (len(AVAILABLE) + 2))
        for feature in group.features:
            cells = [_cell(group, feature, name) for name in AVAILABLE]
            rows.append(
                f"| {feature.title} | {' | '.join(cells)} | {feature.types} | {feature.mistakes} |"
            )
            notes += [
                f"- {name} {_note(line, line.but[name])}: `{line.code}`"
                for line in feature.lines
                for name in AVAILABLE
                if name in line.but
            ]
    return "\n".join(rows) + "\n\n" + "\n".join([*notes, ""])


def _cell(group: Group, feature: Feature, checker: str) -> str:
    if checker not in group.checkers:
        return "no"
    otherwise = sum(checker in line.but for line in feature.lines)
    return f"all but {otherwise}" if otherwise else "yes"


def _note(line: Line, code: str) -> str:
    return "does not refuse" if line.refused and code == "nothing" else f"says {code} of"


def page_with(table: str) -> str:
    """The page, with this table in the place of its own."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page_with(table()), encoding="utf-8")
