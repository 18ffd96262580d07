"""The pages of `docs/`, executed: their examples as a docstring's are."""

import doctest
from pathlib import Path

import pytest

from tests.documents import blocks
from tests.interpreter import ROOT
from tests.test_docstrings import library

PAGES = sorted((ROOT / "docs").glob("*.md"))


@pytest.mark.parametrize("page", [pytest.param(page, id=page.name) for page in PAGES])
def test_the_examples_of_a_page_do_what_they_say(page: Path) -> None:
    code = "\n".join(block.code for block in blocks(page) if block.language == "python")
    names = library()
    db = names["db"]
    example = doctest.DocTestParser().get_doctest(code, names, page.name, str(page), 0)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    report: list[str] = []
    with db():
        runner.run(example, out=report.append, clear_globs=False)
    db.dispose()
    assert not runner.failures, "".join(report)
    assert example.examples
