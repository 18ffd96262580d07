"""The examples in `docs/`, executed: each page as one docstring, with the names of `library()`."""

import doctest
import re
from pathlib import Path

import pytest

from fastapi_sqlalchemy import SQLAlchemy
from tests.test_docstrings import library

PAGES = sorted((Path(__file__).parent.parent / "docs").glob("*.md"))
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def examples(text: str) -> str:
    """What stands in fenced blocks of Python, on the lines where it stands."""
    kept = [""] * (text.count("\n") + 1)
    for block in BLOCK.finditer(text):
        first = text.count("\n", 0, block.start(1))
        for number, line in enumerate(block[1].splitlines(), first):
            kept[number] = line
    return "\n".join(kept)


def test_there_are_pages() -> None:
    assert PAGES


@pytest.mark.parametrize("page", [pytest.param(page, id=page.name) for page in PAGES])
def test_a_page_does_what_it_says(page: Path) -> None:
    names = library()
    db: SQLAlchemy = names["db"]
    text = examples(page.read_text())
    example = doctest.DocTestParser().get_doctest(text, names, page.name, str(page), 0)
    assert example.examples, "a page without an example"
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    report: list[str] = []
    with db():
        runner.run(example, out=report.append, clear_globs=False)
    db.dispose()
    assert not runner.failures, "".join(report)
