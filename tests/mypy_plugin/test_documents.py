"""What the project shows to its users is right under `mypy --strict` with the plugin."""

import re
import shutil
from pathlib import Path

from tests.documents import blocks
from tests.interpreter import ROOT
from tests.mypy_plugin.checking import Checker

PAGE = ROOT / "docs" / "typing.md"
README = {
    block.code.partition("\n")[0].removeprefix("# "): block.code
    for block in blocks(ROOT / "README.md")
    if block.language == "python"
}


def test_the_examples_and_each_program_of_the_readme_are_strictly_typed(
    tmp_path: Path, seed: Path
) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    for name, code in README.items():
        (tmp_path / name).write_text(code)
    checker = Checker(tmp_path, seed=seed)
    assert checker.run("examples", *README) == ""


def test_the_page_about_the_plugin_says_what_mypy_says(tmp_path: Path, seed: Path) -> None:
    source = "".join(block.code for block in blocks(PAGE) if block.language == "py")
    (tmp_path / "page.py").write_text(source)
    output = Checker(tmp_path, seed=seed).run("page.py")
    lines = source.splitlines()
    said: list[str] = []
    for line in output.splitlines():
        _, number, _, text = line.split(":", 3)
        said += [lines[int(number) - 1].partition("  # ")[0], _short(text.strip())]
    shown: list[str] = []
    for line in lines:
        before, _, comment = line.partition("# ")
        if comment and not before.strip():  # it is about the line above
            comment, before = comment.removeprefix("error: "), lines[lines.index(line) - 1]
        shown += [before.rstrip(), comment] if comment else []
    assert said == shown


def _short(text: str) -> str:
    """A message as the page has it: types without their modules."""
    if text.startswith("Revealed type is"):
        return re.sub(r"\b\w+\.", "", text.split('"')[1])
    return text
