"""Fixtures of the suite: databases, both colours of verbs, servers and fresh interpreters."""

import gc
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from fastapi_sqlalchemy._plans import private
from tests.databases import (
    Databases,
    MariaDatabase,
    PostgresDatabase,
    mysql_server,
    postgres_server_url,
)
from tests.interpreter import Python, run_python
from tests.serving import Program, RunProgram, Serve, ThreadServer
from tests.shared_postgres import Run, socket_folder
from tests.verbs import COLOURS, Verb

RUN = pytest.StashKey[Run]()
WORKER_INPUT = "run_folder"


def _worker_input(config: pytest.Config) -> dict[str, Any] | None:
    """What the process that started the run says to this one, where xdist started this one."""
    found: dict[str, Any] | None = getattr(config, "workerinput", None)
    return found


def pytest_configure(config: pytest.Config) -> None:
    # a shell has what it runs in the background ignore interrupts, and so all that this starts
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # the same tests without plans, which have to make no difference: `TEST_PLANS=off pytest`
    if os.environ.get("TEST_PLANS") == "off":
        private.TESTED = frozenset()
    if _worker_input(config) is None:
        config.stash[RUN] = Run()


# Known only where xdist is installed and switched on.
@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput[WORKER_INPUT] = str(node.config.stash[RUN].folder)


def pytest_collection_finish() -> None:
    """What was collected stays: a garbage collection need not look at all of it again."""
    # it asks who refers to a random generator, and frozen objects do not count
    import_module("hypothesis")
    gc.collect()
    gc.freeze()


def pytest_unconfigure(config: pytest.Config) -> None:
    if RUN in config.stash:
        config.stash[RUN].end()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def run_folder(pytestconfig: pytest.Config) -> Path:
    """The folder that all processes of this run share."""
    from_xdist = _worker_input(pytestconfig)
    return pytestconfig.stash[RUN].folder if from_xdist is None else Path(from_xdist[WORKER_INPUT])


@pytest.fixture(scope="session")
def database_name(run_folder: Path) -> str:
    """A name no other process uses on a server, not even one of another run."""
    run = run_folder.name.rpartition("-")[2].lower()
    return f"test_{run}_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"


@pytest.fixture(scope="session")
def connections() -> Databases:
    """`connections(url)`: the connections of others to a server database, as `(open, idle)`."""
    return Databases()


@pytest.fixture(scope="session")
def postgres_database(
    run_folder: Path, database_name: str, connections: Databases
) -> Iterator[PostgresDatabase]:
    given = os.environ.get("TEST_POSTGRES_URL")
    server = make_url(given) if given else postgres_server_url(socket_folder(run_folder))
    database = PostgresDatabase(server, database_name)
    connections.add(database)
    yield database
    database.drop()


@pytest.fixture(scope="session")
def mysql_database(database_name: str, connections: Databases) -> Iterator[MariaDatabase]:
    server = mysql_server()
    if isinstance(server, str):
        pytest.skip(server)
    database = MariaDatabase(server, database_name)
    connections.add(database)
    yield database
    database.drop()


@pytest.fixture
def sqlite_file_url(tmp_path: Path) -> str:
    """The address of an SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'test.db'}"


@pytest.fixture
def postgres_url(postgres_database: PostgresDatabase) -> str:
    """The address of an empty PostgreSQL database."""
    return postgres_database.empty_url()


@pytest.fixture
def mysql_url(mysql_database: MariaDatabase) -> str:
    """The address of an empty MariaDB database; skips where there is no server."""
    return mysql_database.empty_url()


URL_FIXTURES = {
    "sqlite-memory": None,
    "sqlite-file": "sqlite_file_url",
    "postgresql": "postgres_url",
    "mariadb": "mysql_url",
}


def _url(request: pytest.FixtureRequest) -> str:
    fixture = URL_FIXTURES[request.param]
    return "sqlite://" if fixture is None else str(request.getfixturevalue(fixture))


# A file differs from memory in its locks, and MariaDB in what tests with `server_url` are about;
# to try all the rest there doubles the time of a run.
SLOW = ("sqlite-file", "mariadb")
KINDS = [pytest.param(k, marks=pytest.mark.slow if k in SLOW else ()) for k in URL_FIXTURES]


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest) -> str:
    """The address of an empty database, once for each kind of database."""
    return _url(request)


@pytest.fixture(params=["postgresql", "mariadb"])
def server_url(request: pytest.FixtureRequest) -> str:
    """The address of an empty database, once for each kind that is a server."""
    return _url(request)


@pytest.fixture(params=COLOURS)
def verb(request: pytest.FixtureRequest) -> Iterator[Verb]:
    """Calls verbs, or awaits their twins: `verb(User.query, "first")`."""
    with Verb(request.param) as verb:
        yield verb


@pytest.fixture
def serve() -> Iterator[Serve]:
    """`serve(app, **uvicorn_options)`: the address of `app` in a real uvicorn."""
    with ExitStack() as running:

        def start(app: Any, **options: Any) -> str:
            server = ThreadServer(app, **options)
            server.start()
            running.callback(server.stop)
            return server.url

        yield start


@pytest.fixture
def run_program() -> Iterator[RunProgram]:
    """`run_program("main.py", env=..., cwd=...)`: a Python program that prints its address."""
    with ExitStack() as running:

        def start(
            *argv: str | Path,
            env: dict[str, str] | None = None,
            cwd: Path | str | None = None,
        ) -> Program:
            program = Program(*argv, env=env, cwd=cwd)
            running.callback(program.stop)
            program.wait_ready()
            return program

        yield start


@pytest.fixture
def python(tmp_path: Path) -> Python:
    """`python(code, *argv)`: runs code in a fresh interpreter, where every warning is an error."""
    return partial(run_python, cwd=tmp_path)
