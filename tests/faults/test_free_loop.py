"""`def` routes never make the event loop wait for the database, whatever ends their request."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any, Self

import psycopg
import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException
from fastapi.responses import JSONResponse, StreamingResponse

from tests.faults.served import Left, Served
from tests.shop import NOWHERE, Entry, Item, db, ledger, open_ledger

on_the_loop: list[str] = []
calls: list[str] = []


def note(call: str) -> None:
    calls.append(call)
    if asyncio._get_running_loop() is not None:
        on_the_loop.append(call)


class NotingCursor(sqlite3.Cursor):
    def execute(self, sql: str, parameters: Any = (), /) -> Self:
        note(sql)
        return super().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> Self:
        note(sql)
        return super().executemany(sql, parameters)

    def fetchall(self) -> list[Any]:
        note("fetchall")
        return super().fetchall()


class NotingConnection(sqlite3.Connection):
    def cursor(self, *_: Any) -> Any:
        return super().cursor(NotingCursor)

    def commit(self) -> None:
        note("COMMIT")
        super().commit()

    def rollback(self) -> None:
        if self.in_transaction:  # it does nothing otherwise, not even in the file
            note("ROLLBACK")
        super().rollback()

    def close(self) -> None:
        note("close")
        super().close()


@pytest.fixture(autouse=True)
def noting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Note every wait for PostgreSQL; for SQLite the connections do so themselves."""
    wait = psycopg.Connection.wait

    def noting(self: Any, generator: Any, *args: Any, **options: Any) -> Any:
        note(getattr(generator, "__qualname__", "wait"))
        return wait(self, generator, *args, **options)

    monkeypatch.setattr(psycopg.Connection, "wait", noting)


@pytest.fixture
def watched(served: Served) -> Served:
    """The shop, opened so that what it waits for is noted."""
    factory = {"connect_args": {"factory": NotingConnection}}
    options = {"engine_args": factory} if served.observer.kind == "sqlite" else {}
    served.open("pen", blocking="allow", **options)
    open_ledger(served.url, **options)
    return served


def read() -> None:
    Item.query.all()


def write() -> None:
    Item.query.all()
    Item.new(name="cap")


def fail() -> None:
    Item.new(name="cap")
    raise LookupError


def abort() -> None:
    Item.new(name="cap")
    raise HTTPException(400)


def answer_400() -> JSONResponse:
    Item.new(name="cap")
    return JSONResponse({}, status_code=400)


def clash() -> None:
    Item.new(name="pen")


def fail_to_commit() -> None:
    Entry.new(follows=NOWHERE)


def flush() -> None:
    db.session.add(Item(name="cap"))
    db.session.flush()


def leave_a_transaction_open() -> None:
    db.session.connection()


def transact() -> None:
    with db.transaction():
        Item.new(name="cap")
        with db.transaction():
            Item.new(name="hat")


def open_a_block() -> None:
    with db():
        Item.query.all()


def stream() -> StreamingResponse:
    def body() -> Iterator[str]:
        yield Item.new(name="cap").name
        yield str(Item.query.count())

    return StreamingResponse(body())


over = threading.Event()


def do_later(background: BackgroundTasks) -> None:
    background.add_task(write)
    background.add_task(over.set)


def yielding() -> Iterator[None]:
    Item.query.all()
    yield
    Item.query.all()


def depend(_: Annotated[None, Depends(yielding)]) -> None:
    Item.new(name="cap")


ROUTES: list[Callable[..., Any]] = [
    read,
    write,
    fail,
    abort,
    answer_400,
    clash,
    fail_to_commit,
    flush,
    leave_a_transaction_open,
    transact,
    open_a_block,
    stream,
    do_later,
    depend,
]


@pytest.mark.parametrize("served", ["psycopg-def", "sqlite-def"], indirect=True)
@pytest.mark.parametrize("commit_on_exit", [True, False])
def test_the_event_loop_never_waits_for_the_database(watched: Served, commit_on_exit: bool) -> None:
    app = watched.app(databases=[db, ledger], commit_on_exit=commit_on_exit)
    client = watched.client(ending_each_alone(app))
    on_the_loop.clear()
    waited: dict[str, list[str]] = {}
    for route in ROUTES:
        calls.clear()
        over.clear()
        client.get(f"/{route.__name__}")
        assert route is not do_later or over.wait(5)
        watched.left()
        assert calls, f"{route.__name__} was not seen to wait for anything"
        waited[route.__name__] = list(on_the_loop)
        on_the_loop.clear()
        forget_the_rest()
    assert waited == {route.__name__: [] for route in ROUTES}


def ending_each_alone(app: FastAPI) -> FastAPI:
    for route in ROUTES:
        app.get(f"/{route.__name__}", response_model=None)(route)
    return app


def forget_the_rest() -> None:
    """Delete what a route wrote, for the next one to write it again."""
    with db():
        for item in Item.query.filter(Item.name != "pen"):
            item.delete()


@pytest.mark.parametrize("served", ["sqlite-async"], indirect=True)
def test_awaited_calls_that_threads_serve_do_not_make_the_event_loop_wait(
    watched: Served,
) -> None:
    async def awaited() -> None:
        await Item.query.aall()
        async with db(commit_on_exit=True):
            await Item.anew(name="cap")
        async with db.transaction():
            await Item.anew(name="hat")
        db.async_session.add(Item(name="ink"))
        await db.async_session.flush()

    client = watched.client(watched.app(awaited=awaited, commit_on_exit=True))
    on_the_loop.clear()
    assert client.get("/").status_code == 200
    assert watched.left() == Left(("cap", "hat", "ink", "pen"))
    assert on_the_loop == []


@pytest.mark.parametrize("served", ["psycopg-async", "sqlite-async"], indirect=True)
def test_what_watches_the_event_loop_sees_a_blocking_call_on_it(watched: Served) -> None:
    async def awaited() -> None:
        with db():
            Item.query.all()

    app = watched.app(awaited=awaited)
    client = watched.client(app)
    on_the_loop.clear()
    assert client.get("/").status_code == 200
    assert on_the_loop
