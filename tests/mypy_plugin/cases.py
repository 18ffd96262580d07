"""Programs for the mypy plugin, and what mypy is to say of each line of them.

A file of cases holds many: `== the claim` begins one, `-- models.py` a module of it (`main.py` if
nothing else is said).  Behind a line stands what is expected there: `# E:` an error, `# N:` a
note, `# R:` the type that `reveal_type()` shows; of a line without it nothing may be said.  Each
case is a package, so that its modules import each other by `from .models import User`.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

CASES = Path(__file__).parent / "cases"

_EXPECTED = re.compile(r"  # ([ENR]): ")
_SAID = re.compile(r"^(?P<path>[^:]+):(?P<line>\d+): (?P<kind>\w+): (?P<text>.*)$")
_REVEALED = re.compile(r'^Revealed type is "(.*)"$')
_PACKAGE = re.compile(r"\bcase_\w+?_\d+\.")


class Case(NamedTuple):
    """A program of some modules."""

    package: str
    claim: str
    modules: dict[str, str]

    def write(self, folder: Path, *, without: str | None = None) -> None:
        """Make its package in a folder."""
        package = folder / self.package
        package.mkdir(exist_ok=True)
        (package / "__init__.py").touch()
        for name, source in self.modules.items():
            if name != without:
                (package / name).write_text(source)

    def expected(self) -> dict[str, list[str]]:
        """What is to be said, by module and line: `main.py:3`."""
        found: dict[str, list[str]] = {}
        for name, source in self.modules.items():
            for number, line in enumerate(source.splitlines(), 1):
                parts = _EXPECTED.split(line)[1:]
                kinds = zip(parts[::2], parts[1::2], strict=True)
                if messages := [f"{kind}: {text}" for kind, text in kinds]:
                    found[f"{name}:{number}"] = sorted(messages)
        return found


def read(path: Path) -> Iterator[Case]:
    """The cases of a file."""
    claims = re.split(r"^== (.*)\n", path.read_text(), flags=re.MULTILINE)[1:]
    for number, (claim, text) in enumerate(zip(claims[::2], claims[1::2], strict=True)):
        parts = re.split(r"^-- (.*)\n", text, flags=re.MULTILINE)
        modules = dict(zip(parts[1::2], parts[2::2], strict=True))
        if parts[0].strip():
            modules["main.py"] = parts[0]
        yield Case(f"case_{path.stem}_{number}", claim, modules)


ALL = [case for path in sorted(CASES.glob("*.txt")) for case in read(path)]


def said(output: str) -> dict[str, dict[str, list[str]]]:
    """What mypy printed, by the name of the case and then as `Case.expected` has it."""
    found: dict[str, dict[str, list[str]]] = {}
    for line in output.splitlines():
        match = _SAID.match(line)
        assert match, f"not a message about a line: {line!r}"
        package, _, module = match["path"].partition("/")
        text = _PACKAGE.sub("", match["text"])
        revealed = _REVEALED.match(text)
        kind = "R" if revealed else match["kind"][0].upper()
        message = f"{kind}: {revealed[1] if revealed else text}"
        found.setdefault(package, {}).setdefault(f"{module}:{match['line']}", []).append(message)
    for lines in found.values():
        for messages in lines.values():
            messages.sort()
    return found
