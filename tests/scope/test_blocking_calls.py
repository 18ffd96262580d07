"""A blocking call on the event loop is warned of, refused or allowed, as the database says."""

import asyncio
import inspect
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from fastapi_sqlalchemy import SQLAlchemy
from fastapi_sqlalchemy.exceptions import BlockingCallWarning, SyncInAsyncError
from tests.shop import Item, Part, db, lent, names, open_shop

Call = Callable[[], object]

# The last line of each is the one that blocks.


def query() -> object:
    return Item.query.all()


def iterate() -> object:
    return list(Item.query)


def get() -> object:
    return Item.get(1)


def new() -> object:
    return Item.new(name="new")


def save() -> object:
    return Item(name="new").save()


def execute() -> object:
    return db.session.execute(select(Item)).all()


def flush() -> None:
    db.session.add(Item(name="new"))
    db.session.flush()


def commit() -> None:
    db.session.add(Item(name="new"))
    db.session.commit()


def legacy() -> object:
    return db.session.query(Item).count()


def comprehend() -> object:
    return [item.name for item in Item.query]


CALLS = pytest.mark.parametrize(
    "call", [query, iterate, get, new, save, execute, flush, commit, legacy, comprehend]
)


@pytest.fixture(params=["sqlite://", "postgresql"])
def home(request: pytest.FixtureRequest) -> str:
    """The address of a database that blocking calls reach in their own thread."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return str(request.param)


@CALLS
async def test_a_blocking_call_on_the_loop_is_warned_of_where_it_stands(
    home: str, call: Call
) -> None:
    open_shop(home, "pen")
    async with db():
        with pytest.warns(BlockingCallWarning) as caught:
            call()
        await asyncio.to_thread(db.session.rollback)
    source, first = inspect.getsourcelines(call)
    last = first + len(source) - 1
    assert {(warning.filename, warning.lineno) for warning in caught} == {(__file__, last)}


async def test_a_lazy_load_on_the_loop_is_warned_of_where_it_stands(home: str) -> None:
    open_shop(home, "pen")
    async with db():
        item = await asyncio.to_thread(Item.query.one)
        with pytest.warns(BlockingCallWarning) as caught:
            _ = item.parts
    (warning,) = caught
    assert warning.filename == __file__
    assert Part.__name__ not in str(warning.message)


async def test_the_end_of_a_block_on_the_loop_is_warned_of_where_it_stands(home: str) -> None:
    open_shop(home)
    with pytest.warns(BlockingCallWarning) as caught, db(commit_on_exit=True):
        db.session.add(Item(name="pen"))
    assert {warning.filename for warning in caught} == {__file__}
    assert names() == ["pen"]


async def test_a_place_is_warned_of_once(home: str) -> None:
    open_shop(home)
    async with db():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("default")
            for _ in range(3):
                Item.query.count()
            Item.query.count()
    lines = [warning.lineno for warning in caught]
    assert len(lines) == len(set(lines)) == 2


async def test_the_warning_names_the_ways_out(home: str) -> None:
    open_shop(home)
    async with db():
        with pytest.warns(BlockingCallWarning) as caught:
            Item.query.count()
    message = str(caught[0].message)
    assert all(way in message for way in ("await", "aall()", "def", "blocking='allow'"))


@CALLS
async def test_a_blocking_call_is_refused_where_the_database_says_so(home: str, call: Call) -> None:
    open_shop(home, "pen", blocking="raise")
    async with db():
        with pytest.raises(SyncInAsyncError, match="Await the twin"):
            call()
        await asyncio.to_thread(db.session.rollback)
        assert await Item.query.acount() == 1
    assert names() == ["pen"]


@CALLS
async def test_a_blocking_call_is_silent_where_the_database_says_so(home: str, call: Call) -> None:
    open_shop(home, "pen", blocking="allow")
    async with db():
        call()
    assert lent() == 0


@pytest.mark.parametrize("blocking", ["raise", "warn", "allow"])
@pytest.mark.parametrize("kind", ["url", "sqlite"])
async def test_a_blocking_call_in_a_thread_is_always_silent(
    kind: str, blocking: str, request: pytest.FixtureRequest
) -> None:
    url = "sqlite://" if kind == "sqlite" else request.getfixturevalue("postgres_url")
    open_shop(url, "pen", blocking=blocking)
    async with db():
        assert await asyncio.to_thread(Item.query.count) == 1
        assert await db.run(Item.query.count) == 1


@pytest.mark.parametrize("blocking", ["raise", "warn", "allow"])
def test_a_blocking_call_without_a_loop_is_always_silent(home: str, blocking: str) -> None:
    open_shop(home, "pen", blocking=blocking)
    with db():
        assert Item.query.count() == 1


@CALLS
@pytest.mark.parametrize("blocking", ["warn", "allow"])
async def test_a_blocking_call_is_refused_where_an_asyncio_driver_serves_the_session(
    server_url: str, blocking: str, call: Call
) -> None:
    open_shop(server_url, "pen", blocking=blocking)
    async with db():
        assert await Item.query.acount() == 1
        with pytest.raises(SyncInAsyncError, match=r"aall\(\)|asave\(\)"):
            call()
        await db.async_session.rollback()
        assert await Item.query.acount() == 1
    assert names() == ["pen"]
    assert lent() == 0


async def test_a_lazy_load_is_refused_where_an_asyncio_driver_serves_the_session(
    server_url: str,
) -> None:
    open_shop(server_url, "pen")
    async with db():
        item = await Item.query.aone()
        with pytest.raises(SyncInAsyncError, match="eagerly"):
            _ = item.parts
        assert await db.run(lambda: item.parts) == []


@pytest.mark.parametrize("blocking", ["warn", "raise"])
async def test_a_block_that_ends_on_the_loop_gives_its_connection_back_all_the_same(
    home: str, blocking: str
) -> None:
    open_shop(home, "pen", blocking=blocking)

    def ask() -> None:
        db.session.execute(select(Item)).all()

    # Warnings are errors here, so that both ways the end of the block is one.
    with pytest.raises((BlockingCallWarning, SyncInAsyncError)), db():
        await asyncio.to_thread(ask)
    assert lent() == 0


@pytest.mark.parametrize("blocking", ["warn", "raise"])
async def test_a_block_that_fails_on_the_loop_raises_its_own_error(
    home: str, blocking: str
) -> None:
    open_shop(home, "pen", blocking=blocking)

    def ask() -> None:
        db.session.execute(select(Item)).all()

    async def fail() -> None:
        with db():
            await asyncio.to_thread(ask)
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert lent() == 0


def test_an_unknown_policy_is_refused_with_the_known_ones() -> None:
    wrong: Any = "ignore"
    with pytest.raises(TypeError, match=r'"warn", "raise" or "allow", found \'ignore\''):
        SQLAlchemy("sqlite://", blocking=wrong)
