"""A route that catches the error of a statement goes on, but is never told that all is stored
where a part of it was lost with that statement.

PostgreSQL gives a transaction up with the first statement that fails, MariaDB with a deadlock and
SQLite with an interrupted write; none of the three objects to the COMMIT that follows.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from fastapi import HTTPException
from sqlalchemy import event, exc, text, update

from fastapi_sqlalchemy.exceptions import IntegrityError
from tests.faults.served import Left, Served
from tests.shop import Item, db

EVERYWHERE = pytest.mark.parametrize(
    "served",
    [
        "psycopg-def",
        "psycopg-async",
        "asyncpg-async",
        "mariadb-def",
        "mariadb-async",
        "sqlite-def",
        "sqlite-async",
    ],
    indirect=True,
)

REFUSED = text("nothing = nowhere")


def by_verb() -> None:
    Item.query.filter(REFUSED).all()


async def aby_verb() -> None:
    await Item.query.filter(REFUSED).aall()


def by_session() -> None:
    db.session.execute(text("SELECT nothing FROM nowhere"))


async def aby_session() -> None:
    await db.async_session.execute(text("SELECT nothing FROM nowhere"))


ASKING = pytest.mark.parametrize(
    ("ask", "aask"), [(by_verb, aby_verb), (by_session, aby_session)], ids=["verb", "session"]
)

WHOLE, NOTHING = Left(("cap", "pen")), Left(())


@EVERYWHERE
@ASKING
def test_what_was_written_before_a_refused_statement_is_stored_if_the_answer_says_so(
    served: Served, ask: Callable[[], None], aask: Callable[[], Any]
) -> None:
    def blocking() -> None:
        Item.new(name="pen")
        Item.new(name="cap")
        with pytest.raises(exc.DBAPIError):
            ask()

    async def awaited() -> None:
        await Item.anew(name="pen")
        await Item.anew(name="cap")
        with pytest.raises(exc.DBAPIError):
            await aask()

    served.open()
    client = served.client(served.app(blocking, awaited, commit_on_exit=True))
    status = client.get("/").status_code
    assert (status, served.left()) in [(200, WHOLE), (500, NOTHING)]


@EVERYWHERE
@ASKING
def test_what_is_written_around_a_refused_statement_is_stored_whole_or_not_at_all(
    served: Served, ask: Callable[[], None], aask: Callable[[], Any]
) -> None:
    def blocking() -> None:
        Item.new(name="pen")
        with pytest.raises(exc.DBAPIError):
            ask()
        Item.new(name="cap")

    async def awaited() -> None:
        await Item.anew(name="pen")
        with pytest.raises(exc.DBAPIError):
            await aask()
        await Item.anew(name="cap")

    served.open()
    client = served.client(served.app(blocking, awaited, commit_on_exit=True))
    status = client.get("/").status_code
    assert (status, served.left()) in [(200, WHOLE), (500, NOTHING)]


@EVERYWHERE
@ASKING
def test_a_block_around_a_refused_statement_commits_or_raises(
    served: Served, ask: Callable[[], None], aask: Callable[[], Any]
) -> None:
    def blocking() -> None:
        with db.transaction():
            Item.new(name="pen")
            Item.new(name="cap")
            with pytest.raises(exc.DBAPIError):
                ask()

    async def awaited() -> None:
        async with db.transaction():
            await Item.anew(name="pen")
            await Item.anew(name="cap")
            with pytest.raises(exc.DBAPIError):
                await aask()

    served.open()
    client = served.client(served.app(blocking, awaited))
    status = client.get("/").status_code
    assert (status, served.left()) in [(200, WHOLE), (500, NOTHING)]


@EVERYWHERE
@ASKING
def test_a_savepoint_undoes_a_refused_statement_and_nothing_else(
    served: Served, ask: Callable[[], None], aask: Callable[[], Any]
) -> None:
    def blocking() -> None:
        Item.new(name="pen")
        with pytest.raises(exc.DBAPIError), db.transaction():
            Item.new(name="undone")
            ask()
        Item.new(name="cap")

    async def awaited() -> None:
        await Item.anew(name="pen")
        with pytest.raises(exc.DBAPIError):
            async with db.transaction():
                await Item.anew(name="undone")
                await aask()
        await Item.anew(name="cap")

    served.open()
    client = served.client(served.app(blocking, awaited, commit_on_exit=True))
    assert client.get("/").status_code == 200
    assert served.left() == WHOLE


@EVERYWHERE
@ASKING
def test_a_rollback_by_hand_begins_anew_after_a_refused_statement(
    served: Served, ask: Callable[[], None], aask: Callable[[], Any]
) -> None:
    def blocking() -> None:
        Item.new(name="undone")
        with pytest.raises(exc.DBAPIError):
            ask()
        db.session.rollback()
        Item.new(name="pen")
        Item.new(name="cap")

    async def awaited() -> None:
        await Item.anew(name="undone")
        with pytest.raises(exc.DBAPIError):
            await aask()
        await db.async_session.rollback()
        await Item.anew(name="pen")
        await Item.anew(name="cap")

    served.open()
    client = served.client(served.app(blocking, awaited, commit_on_exit=True))
    assert client.get("/").status_code == 200
    assert served.left() == WHOLE


@EVERYWHERE
@ASKING
def test_a_refused_statement_is_forgotten_where_nothing_was_written(
    served: Served, ask: Callable[[], None], aask: Callable[[], Any]
) -> None:
    def blocking() -> None:
        with pytest.raises(exc.DBAPIError):
            ask()
        Item.new(name="pen")
        Item.new(name="cap")

    async def awaited() -> None:
        with pytest.raises(exc.DBAPIError):
            await aask()
        await Item.anew(name="pen")
        await Item.anew(name="cap")

    served.open()
    client = served.client(served.app(blocking, awaited))
    assert client.get("/").status_code == 200
    assert served.left() == WHOLE


@EVERYWHERE
@pytest.mark.parametrize("commit_on_exit", [True, False])
def test_a_save_that_violates_a_constraint_leaves_the_request_its_session(
    served: Served, commit_on_exit: bool
) -> None:
    def blocking() -> int:
        Item.new(name="cap")
        with pytest.raises(IntegrityError):
            Item.new(name="pen")
        return Item.query.count()

    async def awaited() -> int:
        await Item.anew(name="cap")
        with pytest.raises(IntegrityError):
            await Item.anew(name="pen")
        return await Item.query.acount()

    served.open("pen")
    client = served.client(served.app(blocking, awaited, commit_on_exit=commit_on_exit))
    answer = client.get("/")
    assert (answer.status_code, answer.text) == (200, "2")
    assert served.left() == WHOLE


@EVERYWHERE
def test_a_constraint_that_the_route_answers_with_a_conflict_undoes_the_rest(
    served: Served,
) -> None:
    def blocking() -> None:
        Item.new(name="cap")
        try:
            Item.new(name="pen")
        except IntegrityError:
            raise HTTPException(409) from None

    async def awaited() -> None:
        await Item.anew(name="cap")
        try:
            await Item.anew(name="pen")
        except IntegrityError:
            raise HTTPException(409) from None

    served.open("pen")
    client = served.client(served.app(blocking, awaited, commit_on_exit=True))
    assert client.get("/").status_code == 409
    assert served.left() == Left(("pen",))


@pytest.mark.parametrize(
    "served",
    ["psycopg-def", "psycopg-async", "asyncpg-async", "mariadb-def", "mariadb-async"],
    indirect=True,
)
def test_what_was_written_before_a_deadlock_is_stored_if_the_answer_says_so(
    served: Served,
) -> None:
    """Two requests wait for each other; the database ends the one that the other waits for."""
    both_hold_one = threading.Barrier(2, timeout=5)
    deadlocks: list[str] = []

    def blocking(first: str, second: str) -> None:
        Item.new(name=f"before {first}")
        db.session.execute(update(Item).where(Item.name == first).values(id=Item.id))
        both_hold_one.wait()
        try:
            db.session.execute(update(Item).where(Item.name == second).values(id=Item.id))
        except exc.DBAPIError:
            deadlocks.append(first)
        Item.new(name=f"after {first}")

    async def awaited(first: str, second: str) -> None:
        session = db.async_session
        await Item.anew(name=f"before {first}")
        await session.execute(update(Item).where(Item.name == first).values(id=Item.id))
        await asyncio.to_thread(both_hold_one.wait)
        try:
            await session.execute(update(Item).where(Item.name == second).values(id=Item.id))
        except exc.DBAPIError:
            deadlocks.append(first)
        await Item.anew(name=f"after {first}")

    served.open("a", "b")
    client = served.client(served.app(blocking, awaited, commit_on_exit=True))
    with ThreadPoolExecutor(2) as threads:
        asked = {
            first: threads.submit(client.get, "/", params={"first": first, "second": second})
            for first, second in [("a", "b"), ("b", "a")]
        }
        statuses = {first: answer.result().status_code for first, answer in asked.items()}
    left = served.left()
    stored = {
        first: [f"{when} {first}" in left.rows for when in ("before", "after")]
        for first in statuses
    }
    assert len(deadlocks) == 1
    assert stored == {first: [status == 200] * 2 for first, status in statuses.items()}
    assert left == Left(left.rows)


@pytest.mark.parametrize("served", ["sqlite-def", "sqlite-async"], indirect=True)
def test_what_was_written_before_an_interrupted_write_is_stored_if_the_answer_says_so(
    served: Served,
) -> None:
    changing = update(Item).where(served.slow()).values(name="changed")
    connections: list[Any] = []

    def blocking() -> None:
        Item.new(name="pen")
        with pytest.raises(exc.DBAPIError):
            db.session.execute(changing)
        Item.new(name="cap")

    async def awaited() -> None:
        await Item.anew(name="pen")
        with pytest.raises(exc.DBAPIError):
            await db.async_session.execute(changing)
        await Item.anew(name="cap")

    served.open()
    client = served.client(served.app(blocking, awaited, commit_on_exit=True))
    event.listen(
        db.engine,
        "before_cursor_execute",
        lambda connection, *_: connections.append(connection.connection.driver_connection),
    )
    with ThreadPoolExecutor(1) as thread:
        asked = thread.submit(client.get, "/")
        served.observer.until_slow_ones()
        while not asked.done():  # it may be about to begin, and is then not interrupted
            with suppress(sqlite3.ProgrammingError):  # closed: its rollback was interrupted too
                connections[-1].interrupt()
        status = asked.result().status_code
    assert (status, served.left()) in [(200, WHOLE), (500, NOTHING)]
