"""A statement whose time is up ends at the server too, and takes nothing with it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import anyio
import httpx
import pytest
from fastapi.responses import JSONResponse
from sqlalchemy import TextClause, select, update
from starlette.types import ASGIApp, Receive, Scope, Send

from fastapi_sqlalchemy import DBSessionMiddleware
from tests.faults.served import Left, Served
from tests.shop import Item, db

AWAITED = pytest.mark.parametrize(
    "served", ["psycopg-async", "asyncpg-async", "mariadb-async", "sqlite-async"], indirect=True
)


class Limit:
    """A time limit that is over when the test says so."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._loop: asyncio.AbstractEventLoop | None = None
        self._expire: Callable[[], object] = lambda: None

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[None]:
        self._loop = loop = asyncio.get_running_loop()
        if self._kind == "asyncio":
            async with asyncio.timeout(None) as timeout:
                self._expire = lambda: timeout.reschedule(loop.time())
                yield
        else:
            with anyio.fail_after(None) as scope:
                self._expire = lambda: setattr(scope, "deadline", loop.time())
                yield

    def expire(self) -> None:
        """End it, from another thread."""
        assert self._loop is not None, "the limit does not hold yet"
        self._loop.call_soon_threadsafe(self._expire)


@pytest.fixture(params=["anyio"])
def limit(request: pytest.FixtureRequest) -> Limit:
    """A limit of anyio, which cancels again and again, or of asyncio, which does so once."""
    return Limit(request.param)


EITHER_LIMIT = pytest.mark.parametrize("limit", ["asyncio", "anyio"], indirect=True)


Ask = Callable[[TextClause], Awaitable[object]]


async def by_verb(slow: TextClause) -> object:
    return await Item.query.filter(slow).aall()


async def by_session(slow: TextClause) -> object:
    return await db.async_session.scalars(select(Item).where(slow))


async def by_function(slow: TextClause) -> object:
    return await db.run(lambda: Item.query.filter(slow).all())


async def by_write(slow: TextClause) -> object:
    statement = update(Item).where(slow).values(name="changed")
    return await db.async_session.execute(statement)


async def in_a_transaction(slow: TextClause) -> object:
    async with db.transaction():
        await Item.anew(name="in a transaction")
        return await by_verb(slow)


async def in_a_savepoint(slow: TextClause) -> object:
    async with db.transaction():
        await Item.anew(name="around a savepoint")
        return await in_a_transaction(slow)


async def in_a_block(slow: TextClause) -> object:
    async with db():
        await Item.anew(name="in a block")
        return await by_verb(slow)


ASKING = pytest.mark.parametrize("ask", [by_verb, by_session, by_function, by_write])
IN_BLOCKS = pytest.mark.parametrize("ask", [in_a_transaction, in_a_savepoint])


def ask_and_expire(served: Served, client: httpx.Client, limit: Limit) -> httpx.Response:
    """Make the request, end its time limit once the statement runs, and return the answer."""
    with ThreadPoolExecutor(1) as thread:
        asked = thread.submit(client.get, "/")
        served.observer.until_slow_ones()
        limit.expire()
        return asked.result()


@EITHER_LIMIT
@AWAITED
@ASKING
def test_a_statement_whose_time_is_up_fails_its_request_only(
    served: Served, limit: Limit, ask: Ask
) -> None:
    async def route() -> None:
        async with limit():
            await ask(served.slow())

    served.open("pen")
    answer = ask_and_expire(served, served.client(served.app(awaited=route)), limit)
    assert answer.status_code == 500
    assert served.left() == Left(("pen",))


@AWAITED
@ASKING
def test_a_route_can_go_on_after_a_statement_whose_time_was_up(
    served: Served, limit: Limit, ask: Ask
) -> None:
    async def route() -> int:
        with pytest.raises(TimeoutError):
            async with limit():
                await ask(served.slow())
        await db.async_session.rollback()
        await Item.anew(name="cap")
        return await Item.query.acount()

    served.open("pen")
    answer = ask_and_expire(served, served.client(served.app(awaited=route)), limit)
    assert (answer.status_code, answer.text) == (200, "2")
    assert served.left() == Left(("cap", "pen"))


@EITHER_LIMIT
@AWAITED
@IN_BLOCKS
def test_a_block_whose_time_is_up_is_rolled_back_and_the_route_goes_on(
    served: Served, limit: Limit, ask: Ask
) -> None:
    async def route() -> int:
        with pytest.raises(TimeoutError):
            async with limit():
                await ask(served.slow())
        await Item.anew(name="cap")
        return await Item.query.acount()

    served.open("pen")
    answer = ask_and_expire(served, served.client(served.app(awaited=route)), limit)
    assert (answer.status_code, answer.text) == (200, "2")
    assert served.left() == Left(("cap", "pen"))


@AWAITED
def test_a_block_of_its_own_whose_time_is_up_leaves_the_request_its_session(
    served: Served, limit: Limit
) -> None:
    async def route() -> int:
        await Item.anew(name="cap")
        with pytest.raises(TimeoutError):
            async with limit(), db():
                await in_a_block(served.slow())
        return await Item.query.acount()

    served.open("pen")
    answer = ask_and_expire(served, served.client(served.app(awaited=route)), limit)
    assert (answer.status_code, answer.text) == (200, "3")
    assert served.left() == Left(("cap", "in a block", "pen"))


@AWAITED
@ASKING
def test_what_was_written_before_is_not_committed_where_the_time_was_up(
    served: Served, limit: Limit, ask: Ask
) -> None:
    async def route() -> None:
        await Item.anew(name="cap")
        async with limit():
            await ask(served.slow())

    served.open("pen")
    client = served.client(served.app(awaited=route, commit_on_exit=True))
    assert ask_and_expire(served, client, limit).status_code == 500
    assert served.left() == Left(("pen",))


@AWAITED
@ASKING
def test_what_was_written_before_is_committed_whole_or_not_at_all_where_the_route_goes_on(
    served: Served, limit: Limit, ask: Ask
) -> None:
    async def route() -> None:
        await Item.anew(name="cap")
        with pytest.raises(TimeoutError):
            async with limit():
                await ask(served.slow())
        await Item.anew(name="ink")

    served.open("pen")
    client = served.client(served.app(awaited=route, commit_on_exit=True))
    status = ask_and_expire(served, client, limit).status_code
    whole, nothing = Left(("cap", "ink", "pen")), Left(("pen",))
    assert (status, served.left()) in [(200, whole), (500, nothing)]


class TimeLimits:
    """A middleware that ends a request, as a service with time limits has."""

    def __init__(self, app: ASGIApp, limit: Callable[[], AbstractAsyncContextManager[None]]):
        self.app, self.limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with self.limit():
                await self.app(scope, receive, send)
        except TimeoutError:
            await JSONResponse({}, status_code=504)(scope, receive, send)


@AWAITED
@pytest.mark.parametrize("ask", [by_session, by_verb])
@pytest.mark.parametrize("where", ["around", "within"])
def test_a_middleware_can_end_a_request(served: Served, limit: Limit, ask: Ask, where: str) -> None:
    async def route() -> None:
        await Item.anew(name="cap")
        await ask(served.slow())

    served.open("pen")
    app = served.app(awaited=route, commit_on_exit=True)
    if where == "around":
        app.add_middleware(TimeLimits, limit=limit)
    else:
        app.user_middleware.clear()
        app.add_middleware(TimeLimits, limit=limit)
        app.add_middleware(DBSessionMiddleware, db=db, commit_on_exit=True, create_all=False)
    assert ask_and_expire(served, served.client(app), limit).status_code == 504
    limit._expire = lambda: None
    assert served.left() == Left(("pen",))
