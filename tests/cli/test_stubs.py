"""`fastapi-sqlalchemy stubs`: what it writes, when it is stale, and what checkers make of it."""

import shutil
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol

import pytest

from fastapi_sqlalchemy import cli
from tests.checkers import AVAILABLE, NATIVE, Diagnostic, check
from tests.features import unexpected
from tests.interpreter import ROOT, run_python

SHOP = ROOT / "tests" / "data" / "shop"


LET_HAPPEN = (
    "Modules are imported as the application imports them, and have to let that happen. "
    "Name the one that declares the models, such as shop.models, if only others do not."
)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with an application that has a package of models."""
    return Path(shutil.copytree(SHOP, tmp_path / "application"))


class Command(Protocol):
    def __call__(self, *argv: str, code: int = 0) -> str: ...


@pytest.fixture
def command(shop: Path) -> Command:
    def run(*argv: str, code: int = 0) -> str:
        """What `fastapi-sqlalchemy` says in the folder of the application."""
        main = "from fastapi_sqlalchemy.cli import main; main()"
        done = run_python(main, *argv, cwd=shop, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


def written(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.pyi"))


def test_stubs_stand_beside_the_modules_that_declare_models(shop: Path, command: Command) -> None:
    assert command("stubs", "shop") == "wrote shop/people.pyi\nwrote shop/things.pyi\n"
    assert written(shop) == ["shop/people.pyi", "shop/things.pyi"]
    assert command("stubs", "shop") == ""


def test_stubs_stand_in_a_partial_stub_package_of_a_folder_that_was_named(
    shop: Path, command: Command
) -> None:
    command("stubs", "shop", "--output", "typings")
    assert written(shop) == ["typings/shop-stubs/people.pyi", "typings/shop-stubs/things.pyi"]
    assert (shop / "typings" / "shop-stubs" / "py.typed").read_text() == "partial\n"


@pytest.mark.parametrize(
    ("folder", "place"), [((), "shop"), (("--output", "typings"), "typings/shop-stubs")]
)
def test_check_names_the_stubs_that_are_stale_and_writes_nothing(
    folder: tuple[str, ...], place: str, shop: Path, command: Command
) -> None:
    command("stubs", "shop", *folder, "--check", code=1)
    assert not written(shop)
    command("stubs", "shop", *folder)
    assert command("stubs", "shop", *folder, "--check") == ""
    text = (shop / place / "people.pyi").read_text()

    people = shop / "shop" / "people.py"
    people.write_text(people.read_text().replace("age = Column(Integer)", "age = Column(String)"))
    said = command("stubs", "shop", *folder, "--check", code=1)
    assert said.splitlines()[0] == f"stale: {place}/people.pyi"
    assert "things.pyi" not in said
    assert (shop / place / "people.pyi").read_text() == text

    command("stubs", "shop", *folder)
    assert "age: _Mapped[str | None]" in (shop / place / "people.pyi").read_text()


def test_a_stub_whose_module_declares_no_models_any_more_is_stale_and_goes(
    shop: Path, command: Command
) -> None:
    command("stubs", "shop")
    (shop / "shop" / "database.pyi").write_text((shop / "shop" / "people.pyi").read_text())
    (shop / "shop" / "kinds.pyi").write_text("# written by hand\n")
    assert "stale: shop/database.pyi" in command("stubs", "shop", "--check", code=1)
    assert command("stubs", "shop") == "removed shop/database.pyi\n"
    assert written(shop) == ["shop/kinds.pyi", "shop/people.pyi", "shop/things.pyi"]


def test_a_single_module_is_taken_as_well(shop: Path, command: Command) -> None:
    (shop / "models.py").write_text(
        "from sqlalchemy import Column, Integer\n"
        "from fastapi_sqlalchemy import SQLAlchemy\n"
        "db = SQLAlchemy()\n"
        "class User(db.Base):\n"
        "    __tablename__ = 'users'\n"
        "    id = Column(Integer, primary_key=True)\n"
    )
    assert command("stubs", "models") == "wrote models.pyi\n"


def test_a_package_below_src_is_found_from_the_folder_of_the_project(
    shop: Path, command: Command
) -> None:
    (shop / "src").mkdir()
    (shop / "shop").rename(shop / "src" / "shop")
    assert command("stubs", "shop").splitlines()[0] == "wrote src/shop/people.pyi"


@pytest.mark.parametrize(
    ("code", "found", "way_out"),
    [
        (
            "1 / 0",
            "ZeroDivisionError: division by zero",
            LET_HAPPEN,
        ),
        (
            "import sys; sys.exit(2)",
            "SystemExit: 2",
            LET_HAPPEN,
        ),
        (
            "\ndef (",
            "SyntaxError: invalid syntax (broken.py, line 2)",
            "Correct shop/broken.py, line 2.",
        ),
        (
            "import nowhere.inner",
            "ModuleNotFoundError: No module named 'nowhere'",
            "Install nowhere beside fastapi-sqlalchemy, where this command runs.",
        ),
    ],
)
def test_a_module_that_cannot_be_imported_is_named_with_the_cause_and_a_way_out(
    code: str, found: str, way_out: str, shop: Path, command: Command
) -> None:
    (shop / "shop" / "broken.py").write_text(f"{code}\n")
    said = command("stubs", "shop", code=1)
    assert said == f"expected to import shop.broken, found {found}\n{way_out}\n"
    assert not written(shop)


def test_a_package_that_is_not_found_is_told_with_a_way_out(command: Command) -> None:
    assert command("stubs", "store.models", code=1) == (
        "expected to import store.models, found ModuleNotFoundError: No module named 'store'\n"
        "Run this in the folder that store is in, or install it.\n"
    )


def test_a_package_without_models_is_told(command: Command) -> None:
    said = command("stubs", "shop.kinds", code=1)
    assert said == (
        "expected models in shop.kinds, found none: nothing was written. Only models at the top of "
        "a module, or in a class there, have a stub, and none that a function makes.\n"
    )


def test_without_typer_the_command_names_the_extra(shop: Path) -> None:
    code = (
        "import sys; sys.modules['typer'] = None\nfrom fastapi_sqlalchemy.cli import main\nmain()"
    )
    done = run_python(code, cwd=shop, check=False)
    assert done.returncode == 1
    assert "pip install 'fastapi-sqlalchemy[cli]'" in done.stderr


def test_the_command_is_installed_by_its_name() -> None:
    [found] = entry_points(group="console_scripts", name="fastapi-sqlalchemy")
    assert found.load() is cli.main


@pytest.mark.parametrize(
    "checker",
    # with the plugin mypy says the same and more
    [pytest.param(name, marks=pytest.mark.slow) if name == "mypy" else name for name in AVAILABLE],
)
def test_with_stubs_beside_the_modules_right_names_pass_and_wrong_ones_are_refused(
    checker: str, shop: Path, command: Command
) -> None:
    command("stubs", "shop")
    found = unexpected(checker, shop, _about(checker, shop))
    assert not found, "\n".join(found)


@pytest.mark.parametrize("checker", [name for name in NATIVE if name != "mypy"])
def test_with_stubs_in_a_folder_of_their_own_too(
    checker: str, tmp_path: Path, shop: Path, command: Command
) -> None:
    command("stubs", "shop", "--output", str(tmp_path / "typings"))
    found = unexpected(checker, shop, _about(checker, shop, tmp_path / "typings"))
    assert not found, "\n".join(found)


def _about(checker: str, shop: Path, typings: Path = ROOT / "stubs") -> list[Diagnostic]:
    """What is said of the stubs and their use; the modules themselves are written without them."""
    said = check(checker, shop, typings=typings)
    return [each for each in said if each.file == "use.py" or each.file.endswith(".pyi")]
