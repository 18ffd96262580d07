"""The fixtures, in projects of their own run by a pytest of their own."""

import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

CONFTEST = """
import pytest
from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column
from fastapi_sqlalchemy import SQLAlchemy

db = SQLAlchemy({url!r})


class Item(db.Base):
    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))


@pytest.fixture(scope="session")
def database():
    db.create_all()
    yield db
    with db():
        assert Item.query.count() == 0, "rows stay"
    assert db.engine.pool.checkedout() == 0
    db.dispose()


@pytest.fixture
def anyio_backend():
    return "asyncio"
"""

TESTS = """
import pytest
from sqlalchemy import select
from conftest import Item, db


@pytest.mark.parametrize("time", range(3))
def test_verbs(db_session, time):
    Item.new(name="pen")
    assert Item.query.count() == 1
    assert db.session is db_session


def test_a_session(db_session):
    db_session.add(Item(name="pen"))
    db_session.commit()
    assert len(db_session.scalars(select(Item)).all()) == 1


def test_isolation_only(db_transaction):
    with db_transaction():
        Item.new(name="pen")
    with db():
        assert Item.query.count() == 1


@pytest.mark.anyio
@pytest.mark.parametrize("time", range(3))
async def test_awaited_verbs(db_session, time):
    await Item.anew(name="pen")
    assert await Item.query.acount() == 1
    assert db.session is db_session


@pytest.mark.anyio
async def test_an_async_session(async_db_session):
    async_db_session.add(Item(name="pen"))
    await async_db_session.commit()
    assert len((await async_db_session.scalars(select(Item))).all()) == 1
    assert db.async_session is async_db_session


@pytest.mark.anyio
async def test_isolation_only_awaited(db_transaction):
    async with db_transaction():
        await Item.anew(name="pen")
    async with db():
        assert await Item.query.acount() == 1


@pytest.mark.xfail(strict=True, raises=LookupError)
def test_a_failure(db_session):
    Item.new(name="pen")
    raise LookupError


@pytest.mark.anyio
@pytest.mark.xfail(strict=True, raises=LookupError)
async def test_an_awaited_failure(db_session):
    await Item.anew(name="pen")
    raise LookupError
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run the tests of a project; its files are given by name."""

    def run(*arguments: str, **files: str) -> subprocess.CompletedProcess[str]:
        for name, source in files.items():
            (tmp_path / f"{name}.py").write_text(source)
        plain = {name: v for name, v in os.environ.items() if not name.startswith("PYTEST_")}
        plugins = ["-p", "anyio", "-p", "fastapi_sqlalchemy.pytest_plugin"]
        return subprocess.run(
            [sys.executable, "-m", "pytest", *plugins, "-W", "error", *arguments],
            cwd=tmp_path,
            env={**plain, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_the_fixtures_isolate_tests_of_both_kinds(url: str, run: Run) -> None:
    done = run(conftest=CONFTEST.format(url=url), test_items=TESTS)
    assert "10 passed, 2 xfailed" in done.stdout, done.stdout + done.stderr


def test_they_work_in_several_processes(postgres_url: str, run: Run) -> None:
    done = run("-p", "xdist", "-n", "2", conftest=CONFTEST.format(url=postgres_url), test_a=TESTS)
    assert "10 passed, 2 xfailed" in done.stdout, done.stdout + done.stderr


def test_pytest_finds_them_where_the_package_is_installed(tmp_path: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = "".join(f"{k} = {v}\n" for k, v in project["entry-points"]["pytest11"].items())
    installed = tmp_path / "site" / "fastapi_sqlalchemy_here-1.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Name: fastapi-sqlalchemy-here\nVersion: 1\n")
    (installed / "entry_points.txt").write_text(f"[pytest11]\n{found}")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--fixtures", "tests/models"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{installed.parent}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "async_db_session" in done.stdout


def test_a_project_that_uses_no_fixture_connects_to_nothing(run: Run) -> None:
    source = "import sys\ndef test_nothing():\n    assert not {found} & set(sys.modules)"
    done = run(test_it=source.format(found={"fastapi", "psycopg", "asyncpg", "pymysql"}))
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_a_project_without_a_database_is_told_what_to_write(run: Run) -> None:
    done = run(test_it="def test_it(db_session): pass")
    assert (
        "expected a fixture `database` that returns a SQLAlchemy object, found none" in done.stdout
    )
    assert "def database():" in done.stdout


def test_a_fixture_that_returns_something_else_is_named(run: Run) -> None:
    conftest = "import pytest\n@pytest.fixture\ndef database(): return {}"
    done = run(conftest=conftest, test_it="def test_it(db_transaction): pass")
    assert "found dict" in done.stdout


def test_fixtures_of_a_project_take_the_place_of_ours(run: Run) -> None:
    conftest = (
        "import pytest\n"
        "@pytest.fixture\ndef database(): return 'theirs'\n"
        "@pytest.fixture\ndef db_session(database): return database\n"
    )
    done = run(conftest=conftest, test_it="def test_it(db_session): assert db_session == 'theirs'")
    assert "1 passed" in done.stdout, done.stdout + done.stderr
