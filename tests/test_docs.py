"""The examples of `docs/`, executed like those of the docstrings."""

import doctest
from pathlib import Path

import pytest

from fastapi_sqlalchemy import SQLAlchemy
from tests.documents import blocks
from tests.test_docstrings import library
from tests.web import clients  # noqa: F401 - imports the client that a page imports, without its warning

PAGES = sorted((Path(__file__).parent.parent / "docs").glob("*.md"))


@pytest.mark.parametrize("page", [pytest.param(page, id=page.name) for page in PAGES])
def test_the_examples_of_a_page_do_what_they_say(page: Path) -> None:
    names = library()
    db: SQLAlchemy = names["db"]
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    report: list[str] = []
    found = [block for block in blocks(page) if block.language == "python"]
    with db():
        for block in found:
            example = doctest.DocTestParser().get_doctest(
                block.code, names, page.name, str(page), block.line
            )
            assert example.examples, f"{page.name}:{block.line}: nothing to execute"
            runner.run(example, out=report.append, clear_globs=False)
            names |= example.globs
    assert not runner.failures, "".join(report)
    db.dispose()


def test_there_are_pages() -> None:
    assert PAGES
