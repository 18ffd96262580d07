"""Missing tables are created when an application starts, or at its first request."""

import asyncio
import fcntl
import logging
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, create_engine, event, exc, inspect, make_url, text

from fastapi_sqlalchemy import DBSessionMiddleware, _tables
from tests.interpreter import ROOT
from tests.shop import Item, db, lent
from tests.web.asgi import get, serving
from tests.web.clients import TestClient


def tables() -> set[str]:
    """Those of the shop's database, but for what SQLite keeps for itself."""
    return set(inspect(db.engine).get_table_names())


def counting() -> FastAPI:
    """An application with a route in each colour that counts items."""
    app = FastAPI()
    app.get("/def")(lambda: Item.query.count())

    @app.get("/async")
    async def count() -> int:
        return await Item.query.acount()

    return app


@pytest.fixture
def connected() -> Iterator[list[Engine]]:
    """The engines that connected to a database meanwhile."""
    noted: list[Engine] = []

    def note(connection: object) -> None:
        noted.append(connection)  # type: ignore[arg-type]

    event.listen(Engine, "engine_connect", note)
    yield noted
    event.remove(Engine, "engine_connect", note)


def test_making_the_middleware_connects_to_nothing(url: str, connected: list[Engine]) -> None:
    db.init(url)
    DBSessionMiddleware(counting(), db=db)
    assert connected == []
    assert tables() == set()


def test_tables_are_there_when_the_application_has_started(url: str) -> None:
    db.init(url)
    with TestClient(serving(counting(), db)) as client:
        assert tables() == {"items", "parts"}
        assert client.get("/def").json() == client.get("/async").json() == 0


def test_tables_are_there_when_the_lifespan_of_the_application_begins(url: str) -> None:
    db.init(url)
    found: list[int] = []

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with db():
            found.append(await Item.query.acount())
        yield

    with TestClient(serving(FastAPI(lifespan=lifespan), db)):
        assert found == [0]


@pytest.mark.parametrize("colour", ["def", "async"])
async def test_tables_are_there_at_the_first_request_without_a_lifespan(
    url: str, colour: str
) -> None:
    db.init(url)
    app = serving(counting(), db)
    assert tables() == set()
    assert (await get(app, f"/{colour}")).body == b"0"
    assert tables() == {"items", "parts"}
    assert lent() == 0


async def test_tables_are_looked_for_once(url: str, connected: list[Engine]) -> None:
    db.init(url)
    app = serving(counting(), db)
    app.get("/nothing")(lambda: None)
    await get(app, "/nothing")
    connected.clear()
    assert (await get(app, "/nothing")).status == 200
    assert connected == []


async def test_a_table_that_is_there_keeps_its_rows(url: str) -> None:
    db.init(url)
    with db.engine.begin() as connection:
        Item.metadata.tables["items"].create(connection)
        connection.execute(text("INSERT INTO items (name) VALUES ('pen')"))
    assert (await get(serving(counting(), db), "/def")).body == b"1"
    assert tables() == {"items", "parts"}


async def test_tables_are_not_created_where_that_is_declined(url: str) -> None:
    db.init(url)
    app = serving(counting(), db, create_all=False)
    with TestClient(app, raise_server_exceptions=False) as client:
        assert client.get("/def").status_code == 500
    assert tables() == set()


async def test_a_database_under_migration_control_is_left_alone(url: str) -> None:
    db.init(url)
    with db.engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
    with TestClient(serving(counting(), db), raise_server_exceptions=False) as client:
        assert client.get("/def").status_code == 500
    assert tables() == {"alembic_version"}


async def test_a_database_object_without_a_url_needs_no_tables() -> None:
    with TestClient(serving(FastAPI(), db)) as client:
        assert client.get("/").status_code == 404


PROCESS = """
import asyncio, fcntl, os, sys
from sqlalchemy import Column, Integer, Table
from fastapi_sqlalchemy import DBSessionMiddleware, SQLAlchemy

url, barrier = sys.argv[1:]
db = SQLAlchemy(url)
for number in range(40):
    Table(f"table_{number}", db.metadata, Column("id", Integer, primary_key=True))

async def app(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})

async def start():
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive():
        return next(messages)

    async def send(message):
        pass

    await DBSessionMiddleware(app, db=db)({"type": "lifespan"}, receive, send)

with db.engine.connect():  # what is imported and made at first use would keep them apart
    print("ready", flush=True)
with open(barrier) as shared:
    fcntl.flock(shared, fcntl.LOCK_SH)  # all processes at once
asyncio.run(start())
"""


@pytest.mark.parametrize(
    "kind",
    ["sqlite_file_url", "postgres_url", pytest.param("mysql_url", marks=pytest.mark.slow)],
)
def test_processes_that_start_at_once_do_not_fail_on_each_other(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue(kind)
    barrier = tmp_path / "barrier"
    with barrier.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        processes = [
            subprocess.Popen(
                [sys.executable, "-W", "error", "-c", PROCESS, url, str(barrier)],
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(4)
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
    ends = [(process.communicate(timeout=60)[1], process.returncode) for process in processes]
    assert ends == [("", 0)] * 4
    engine = create_engine(url)
    assert set(inspect(engine).get_table_names()) == {f"table_{n}" for n in range(40)}
    engine.dispose()


def test_an_application_starts_although_its_database_is_out_of_reach(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    db.init(f"sqlite:///{tmp_path / 'later' / 'test.db'}")
    with TestClient(serving(counting(), db)) as client:
        for path in ("/def", "/async"):
            with pytest.raises(exc.OperationalError):
                client.get(path)
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    assert "out of reach" in caplog.text


async def test_requests_that_come_first_at_once_all_find_the_tables(url: str) -> None:
    db.init(url)
    app = serving(counting(), db)
    answers = await asyncio.gather(*(get(app, path) for path in ("/async", "/def") * 4))
    assert [(answer.status, answer.body) for answer in answers] == [(200, b"0")] * 8


def test_tables_are_created_once_the_database_is_in_reach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_tables, "_PAUSE", 0)
    db.init(f"sqlite:///{tmp_path / 'later' / 'test.db'}")
    with TestClient(serving(counting(), db), raise_server_exceptions=False) as client:
        assert client.get("/def").status_code == 500
        (tmp_path / "later").mkdir()
        assert client.get("/def").json() == 0


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that nobody listens on, and nobody else can take."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.mark.parametrize("colour", ["def", "async"])
@pytest.mark.parametrize(
    "driver", ["postgresql+psycopg", "postgresql+asyncpg", "mysql+pymysql", "mysql+aiomysql"]
)
def test_an_application_starts_although_no_server_listens(
    closed_port: int, driver: str, colour: str
) -> None:
    db.init(f"{driver}://somebody:secret@127.0.0.1:{closed_port}/nothing")
    with (
        TestClient(serving(counting(), db)) as client,
        pytest.raises(exc.OperationalError),
    ):
        client.get(f"/{colour}")


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes every connection and never says a word."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        yield silent.getsockname()[1]


@pytest.mark.parametrize("driver", ["postgresql+psycopg", "postgresql+asyncpg", "mysql+aiomysql"])
def test_an_application_starts_although_its_server_never_answers(
    silent_port: int, driver: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_tables, "_PATIENCE", 0.1)
    monkeypatch.setattr(_tables, "_PATIENCE_LATER", 0.1)
    db.init(f"{driver}://somebody:secret@127.0.0.1:{silent_port}/nothing")
    app = serving(FastAPI(), db)
    app.get("/health")(lambda: "fine")
    with TestClient(app) as client:
        assert client.get("/health").json() == "fine"
    assert "out of reach" in caplog.text


def test_a_database_that_does_not_exist_does_not_keep_an_application_from_starting(
    server_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    url = make_url(server_url).set(database="nowhere")
    names = [url.drivername]
    if url.get_backend_name() == "postgresql":
        names.append("postgresql+asyncpg")
    for name in names:
        db.init(url.set(drivername=name).render_as_string(hide_password=False))
        with TestClient(serving(FastAPI(), db)):
            assert "out of reach" in caplog.text
        caplog.clear()


def test_requests_pause_between_attempts_to_reach_the_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr(_tables, "monotonic", lambda: next(clock))
    db.init(f"sqlite:///{tmp_path / 'later' / 'test.db'}")
    app = serving(FastAPI(), db)
    app.get("/health")(lambda: "fine")
    with TestClient(app) as client:
        caplog.clear()
        for _ in range(5):
            assert client.get("/health").json() == "fine"
    # the first attempt takes one tick, and the pause after it ten, of which each request is one
    assert len(caplog.records) == 1


def test_a_warning_about_a_database_out_of_reach_hides_the_password(
    closed_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    db.init(f"postgresql+psycopg://somebody:secret@127.0.0.1:{closed_port}/nothing")
    with TestClient(serving(FastAPI(), db)):
        assert "somebody" in caplog.text
        assert "secret" not in caplog.text


async def test_a_table_that_cannot_be_created_says_how_to_decline(postgres_url: str) -> None:
    db.init(postgres_url)
    with db.engine.begin() as connection:
        connection.execute(text("CREATE TYPE items AS (name text)"))
    answer = await get(serving(counting(), db), "/def")
    assert isinstance(answer.error, exc.DBAPIError)
    assert "create_all=False" in "".join(getattr(answer.error, "__notes__", []))


async def test_a_table_of_another_schema_is_found(postgres_url: str) -> None:
    db.init(postgres_url)
    with db.engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA other"))
        connection.execute(text("CREATE TABLE other.items (id int)"))
    assert (await get(serving(counting(), db), "/def")).body == b"0"
