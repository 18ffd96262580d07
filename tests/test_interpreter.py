"""The fresh interpreters of the suite are strict and see the package."""

from tests.interpreter import Python


def test_the_output_of_the_code_is_returned(python: Python) -> None:
    assert python("import sys; print(sys.argv[1])", "argument").stdout == "argument\n"


def test_a_warning_ends_the_code(python: Python) -> None:
    refused = python("import warnings; warnings.warn('no')", check=False)
    assert refused.returncode == 1
    assert "UserWarning: no" in refused.stderr


def test_the_package_is_the_one_of_this_folder(python: Python) -> None:
    found = "import importlib.util as u; print(u.find_spec('fastapi_sqlalchemy').origin)"
    assert "tests" in python("import tests; print(tests.__name__)").stdout
    assert python(found).stdout.strip().endswith("__init__.py")
