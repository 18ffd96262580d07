"""A connection can be given back early, and one that is held for long can be told of."""

import asyncio
import threading
import warnings
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import pytest
from fastapi import Depends
from sqlalchemy import exc, select

from fastapi_sqlalchemy.exceptions import HeldConnectionWarning, LateCommitWarning
from tests.faults.served import Left, Route, Served, crowd
from tests.shop import Item, db


def test_what_is_given_back_is_taken_again_when_it_is_needed(served: Served) -> None:
    def blocking() -> list[int]:
        found = db.session.scalars(select(Item)).one()
        held = served.engines.lent()
        db.release()
        released = served.engines.lent()
        found.update(name="pencil")
        return [held, released, Item.query.count()]

    async def awaited() -> list[int]:
        found = (await db.async_session.scalars(select(Item))).one()
        held = served.engines.lent()
        await db.arelease()
        released = served.engines.lent()
        await found.aupdate(name="pencil")
        return [held, released, await Item.query.acount()]

    served.open("pen")
    client = served.client(served.app(blocking, awaited))
    answer = client.get("/")
    assert (answer.status_code, answer.json()) == (200, [1, 0, 1])
    assert served.left() == Left(("pencil",))


def test_records_stay_readable_after_their_connection_was_given_back(served: Served) -> None:
    def blocking() -> str:
        item = db.session.scalars(select(Item)).one()
        db.release()
        return item.name

    async def awaited() -> str:
        item = (await db.async_session.scalars(select(Item))).one()
        await db.arelease()
        return item.name

    served.open("pen")
    client = served.client(served.app(blocking, awaited))
    assert client.get("/").json() == "pen"
    assert served.left() == Left(("pen",))


def test_nothing_is_given_back_where_there_is_nothing(served: Served) -> None:
    def blocking() -> None:
        db.release()
        Item.query.all()
        db.release()
        db.release()

    async def awaited() -> None:
        await db.arelease()
        await Item.query.aall()
        await db.arelease()
        await db.arelease()

    served.open()
    client = served.client(served.app(blocking, awaited))
    assert client.get("/").status_code == 200
    assert served.left() == Left(())


def written() -> None:
    Item.new(name="cap")


async def awritten() -> None:
    await Item.anew(name="cap")


def added() -> None:
    db.session.add(Item(name="cap"))


async def aadded() -> None:
    db.async_session.add(Item(name="cap"))


@pytest.mark.parametrize(
    ("change", "achange"), [(written, awritten), (added, aadded)], ids=["written", "added"]
)
def test_uncommitted_changes_are_not_given_up(
    served: Served, change: Route, achange: Route
) -> None:
    def blocking() -> None:
        change()
        with pytest.raises(exc.InvalidRequestError, match="uncommitted changes"):
            db.release()

    async def awaited() -> None:
        await achange()
        with pytest.raises(exc.InvalidRequestError, match="uncommitted changes"):
            await db.arelease()

    served.open()
    client = served.client(served.app(blocking, awaited, commit_on_exit=True))
    assert client.get("/").status_code == 200
    assert served.left() == Left(("cap",))


def test_the_connection_of_an_open_block_is_not_given_back(served: Served) -> None:
    def blocking() -> None:
        with db.transaction():
            Item.query.all()
            with pytest.raises(exc.InvalidRequestError, match=r"open `db\.transaction"):
                db.release()
            Item.new(name="cap")

    async def awaited() -> None:
        async with db.transaction():
            await Item.query.aall()
            with pytest.raises(exc.InvalidRequestError, match=r"open `db\.transaction"):
                await db.arelease()
            await Item.anew(name="cap")

    served.open()
    client = served.client(served.app(blocking, awaited))
    assert client.get("/").status_code == 200
    assert served.left() == Left(("cap",))


async def test_who_waits_for_a_service_after_a_release_holds_nothing_meanwhile(
    served: Served,
) -> None:
    number = 20
    together, all_here = threading.Barrier(number, timeout=10), asyncio.Barrier(number)

    def blocking() -> None:
        db.session.scalars(select(Item)).all()
        db.release()
        together.wait()
        Item.query.all()

    async def awaited() -> None:
        (await db.async_session.scalars(select(Item))).all()
        await db.arelease()
        await asyncio.wait_for(all_here.wait(), 10)
        await Item.query.aall()

    served.open("pen", engine_args={"pool_size": 2, "max_overflow": 0, "pool_timeout": 5})
    client = served.client(served.app(blocking, awaited))
    assert await crowd(client, ["/"] * number) == [200] * number
    assert served.left() == Left(("pen",))


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The warnings of other threads, which `pytest.warns` does not see."""
    told: list[Any] = []

    def note(message: Warning | str, category: Any, filename: str, *_: Any) -> None:
        told.append((category, str(message), filename))

    monkeypatch.setattr(warnings, "showwarning", note)
    warnings.simplefilter("always")
    return told


HELD = pytest.mark.parametrize(
    ("hold_warning", "warned"), [(0.0, True), (60.0, False), (None, False)]
)


@HELD
def test_a_connection_that_is_held_for_long_is_told_of_where_that_is_asked_for(
    served: Served, hold_warning: float | None, warned: bool, told: list[Any]
) -> None:
    def blocking() -> None:
        with db.transaction():
            Item.new(name="cap")
            threading.Event().wait(0.01)

    async def awaited() -> None:
        async with db.transaction():
            await Item.anew(name="cap")
            await asyncio.sleep(0.01)

    options = {} if hold_warning is None else {"hold_warning": hold_warning}
    served.open(**options)
    client = served.client(served.app(blocking, awaited))
    assert client.get("/").status_code == 200
    held = [message for category, message, _ in told if category is HeldConnectionWarning]
    assert bool(held) is warned
    assert all("db.release()" in message for message in held)
    assert served.left() == Left(("cap",))


def late() -> Iterator[None]:
    yield
    db.session.commit()


async def alate() -> AsyncIterator[None]:
    yield
    await db.async_session.commit()


@pytest.mark.parametrize("scope", ["request", "function"])
def test_a_dependency_that_commits_after_the_response_is_told_of_by_name(
    served: Served, scope: Any, told: list[Any]
) -> None:
    dependency = late if served.colour == "def" else alate

    def blocking(_: Annotated[None, Depends(dependency, scope=scope)]) -> None:
        db.session.add(Item(name="pen"))
        db.session.flush()

    async def awaited(_: Annotated[None, Depends(dependency, scope=scope)]) -> None:
        db.async_session.add(Item(name="pen"))
        await db.async_session.flush()

    served.open()
    client = served.client(served.app(blocking, awaited))
    assert client.get("/").status_code == 200
    messages = [message for category, message, _ in told if category is LateCommitWarning]
    assert [dependency.__qualname__ in message for message in messages] == (
        [True] if scope == "request" else []
    )
    assert served.left() == Left(("pen",))


def test_a_dependency_with_a_block_of_its_own_leaves_nothing_behind(served: Served) -> None:
    def blocking_block() -> Iterator[None]:
        with db():
            yield

    async def awaited_block() -> AsyncIterator[None]:
        async with db():
            yield

    def blocking(_: Annotated[None, Depends(blocking_block)]) -> None:
        Item.new(name="pen")

    async def awaited(_: Annotated[None, Depends(awaited_block)]) -> None:
        await Item.anew(name="pen")

    served.open()
    client = served.client(served.app(blocking, awaited))
    assert client.get("/").status_code == 200
    assert served.left() == Left(("pen",))
