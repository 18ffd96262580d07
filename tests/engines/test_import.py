"""What importing the package costs: no driver, and no dialect of SQLAlchemy's."""

from tests.interpreter import Python


def test_a_dialect_is_imported_by_the_engine_that_speaks_it(python: Python) -> None:
    python(
        "import sys, sqlalchemy.orm\n"
        "before = set(sys.modules)\n"
        "import fastapi_sqlalchemy\n"
        "new = {name for name in sys.modules if name.startswith('sqlalchemy.dialects.')} - before\n"
        "assert not new, new\n"
    )
