"""A dependency may open a block for its route, in either colour, and yield the session."""

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, HTTPException
from sqlalchemy import orm, select
from sqlalchemy.ext.asyncio import AsyncSession

from fastapi_sqlalchemy.exceptions import MissingSessionError
from tests.shop import Item, db, lent, names, open_shop
from tests.web.asgi import get, serving


def blocking() -> Iterator[orm.Session]:
    with db(commit_on_exit=True):
        yield db.session


async def awaited() -> AsyncIterator[AsyncSession]:
    async with db(commit_on_exit=True):
        yield db.async_session


Blocking = Annotated[orm.Session, Depends(blocking)]
Awaited = Annotated[AsyncSession, Depends(awaited)]


def application(*, served: bool) -> FastAPI:
    """Routes with a session from a dependency, with the middleware around them or without."""
    app = serving(FastAPI(), db) if served else FastAPI()

    @app.get("/blocking/def")
    def in_def(session: Blocking, fails: bool = False) -> int:
        session.add(Item(name="pen"))
        return end(len(session.scalars(select(Item)).all()), fails)

    @app.get("/blocking/async")
    async def in_async(session: Blocking, fails: bool = False) -> int:
        session.add(Item(name="pen"))
        return end(1, fails)

    @app.get("/awaited/async")
    async def ain_async(session: Awaited, fails: bool = False) -> int:
        session.add(Item(name="pen"))
        return end(len((await session.scalars(select(Item))).all()), fails)

    @app.get("/awaited/def")
    def ain_def(session: Awaited, fails: bool = False) -> int:
        session.add(Item(name="pen"))
        return end(len(session.sync_session.scalars(select(Item)).all()), fails)

    return app


def end(count: int, fails: bool) -> int:
    if fails:
        raise HTTPException(400)
    return count


PATHS = pytest.mark.parametrize(
    "path", ["/blocking/def", "/blocking/async", "/awaited/async", "/awaited/def"]
)
SERVED = pytest.mark.parametrize("served", [True, False])


@PATHS
@SERVED
async def test_a_route_can_use_the_session_of_a_dependency(
    url: str, path: str, served: bool
) -> None:
    open_shop(url)
    answer = await get(application(served=served), path)
    assert (answer.error, answer.body) == (None, b"1")
    assert names() == ["pen"]
    assert lent() == 0


@PATHS
@SERVED
async def test_the_block_of_a_dependency_rolls_back_where_the_route_fails(
    url: str, path: str, served: bool
) -> None:
    open_shop(url)
    answer = await get(application(served=served), path, query="fails=1")
    assert (answer.error, answer.status) == (None, 400)
    assert names() == []
    assert lent() == 0


async def test_the_session_of_an_async_dependency_is_that_of_the_route(url: str) -> None:
    open_shop(url, "pen")
    app = FastAPI()

    @app.get("/async")
    async def in_async(session: Awaited) -> tuple[bool, int]:
        return session.sync_session is db.session, await Item.query.acount()

    @app.get("/def")
    def in_def(session: Awaited) -> tuple[bool, int]:
        return session.sync_session is db.session, Item.query.count()

    assert (await get(app, "/async")).body == b"[true,1]"
    assert (await get(app, "/def")).body == b"[true,1]"


async def test_the_block_of_a_def_dependency_is_the_scope_of_the_route(url: str) -> None:
    open_shop(url, "pen")
    app = serving(FastAPI(), db)

    @app.get("/")
    def route(session: Blocking) -> tuple[bool, int]:
        return session is db.session, Item.query.count()

    assert (await get(app)).body == b"[true,1]"


async def test_nothing_is_left_in_the_context_after_a_dependency(url: str) -> None:
    open_shop(url)
    app = application(served=False)
    app.get("/after")(lambda: db.session)
    for path in ("/blocking/def", "/awaited/def"):
        await get(app, path)
        assert isinstance((await get(app, "/after")).error, MissingSessionError)
    with pytest.raises(MissingSessionError):
        _ = db.session


async def test_two_dependencies_with_a_block_each_have_a_session_each(url: str) -> None:
    open_shop(url)
    app = FastAPI()

    def another() -> Any:
        with db():
            yield db.session

    @app.get("/")
    def route(first: Blocking, second: Annotated[orm.Session, Depends(another)]) -> bool:
        return first is second

    answer = await get(app)
    assert (answer.error, answer.body) == (None, b"false")
