"""All that runs for one request has one session, whatever its colour and wherever it stands."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI, Request, Response
from sqlalchemy import orm
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from fastapi_sqlalchemy import DBSessionMiddleware
from fastapi_sqlalchemy.exceptions import MissingSessionError
from tests.shop import Item, db, names, open_shop
from tests.web.asgi import get, serving
from tests.web.clients import TestClient

Seen = list[tuple[orm.Session, Item | None]]


def seeing(seen: Seen) -> FastAPI:
    """Routes of both colours, with dependencies of both, which note what they see."""
    app = serving(FastAPI(), db)

    def blocking() -> None:
        item = Item.get(1)
        seen.append((db.session, item))

    async def awaited() -> None:
        item = await Item.aget(1)
        seen.append((db.session, item))

    def blocking_then_awaited(
        _first: Annotated[None, Depends(blocking)], _second: Annotated[None, Depends(awaited)]
    ) -> None: ...

    def awaited_then_blocking(
        _first: Annotated[None, Depends(awaited)], _second: Annotated[None, Depends(blocking)]
    ) -> None: ...

    for order in (blocking_then_awaited, awaited_then_blocking):
        path = f"/{order.__name__.partition('_')[0]}-first"
        app.get(f"{path}/def", dependencies=[Depends(order)])(blocking)
        app.get(f"{path}/async", dependencies=[Depends(order)])(awaited)
    return app


@pytest.mark.parametrize("route", ["def", "async"])
@pytest.mark.parametrize("order", ["blocking-first", "awaited-first"])
async def test_dependencies_and_routes_of_both_colours_see_one_session_and_one_record(
    url: str, order: str, route: str
) -> None:
    open_shop(url, "pen")
    seen: Seen = []
    assert (await get(seeing(seen), f"/{order}/{route}")).status == 200
    session, item = seen[0]
    assert isinstance(item, Item)
    assert item.name == "pen"
    assert [(s is session, i is item) for s, i in seen] == [(True, True)] * 3


@pytest.mark.parametrize("route", ["def", "async"])
@pytest.mark.parametrize("order", ["blocking-first", "awaited-first"])
async def test_two_requests_see_two_sessions(url: str, order: str, route: str) -> None:
    open_shop(url, "pen")
    seen: Seen = []
    app = seeing(seen)
    await get(app, f"/{order}/{route}")
    await get(app, f"/{order}/{route}")
    assert len({id(session) for session, _ in seen}) == 2


@pytest.mark.parametrize("order", ["def", "async"])
async def test_a_dependency_and_a_route_of_two_colours_write_in_one_transaction(
    url: str, order: str
) -> None:
    open_shop(url)
    app = serving(FastAPI(), db, commit_on_exit=True)

    def write() -> None:
        Item.new(name="from def")

    async def awrite() -> None:
        await Item.anew(name="from async")

    @app.get("/def")
    async def blocking_first(_: Annotated[None, Depends(write)]) -> int:
        await awrite()
        return await Item.query.acount()

    @app.get("/async")
    def awaited_first(_: Annotated[None, Depends(awrite)]) -> int:
        write()
        return Item.query.count()

    answer = await get(app, f"/{order}")
    assert (answer.body, names()) == (b"2", ["from async", "from def"])


@pytest.mark.parametrize("first", ["def", "async"])
async def test_the_asyncio_session_of_a_request_is_over_that_same_session(
    postgres_url: str, first: str
) -> None:
    open_shop(postgres_url, "pen")
    app = serving(FastAPI(), db)
    same: list[bool] = []

    def blocking() -> None:
        Item.query.first()

    async def awaited() -> None:
        await Item.query.afirst()

    @app.get("/")
    async def route(_: Annotated[None, Depends(blocking if first == "def" else awaited)]) -> None:
        item = await db.async_session.get(Item, 1)
        same.append(db.async_session.sync_session is db.session)
        same.append(item is await Item.aget(1))

    assert (await get(app)).error is None
    assert same == [True, True]


class Note(BaseHTTPMiddleware):
    """Notes the session it sees, before and after what is within; None where there is none."""

    def __init__(self, app: ASGIApp, seen: list[orm.Session | None]) -> None:
        super().__init__(app)
        self.seen = seen

    async def dispatch(
        self, request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        self.seen.append(current())
        return await call_next(request)


def current() -> orm.Session | None:
    try:
        return db.session
    except MissingSessionError:
        return None


async def note(request: Request) -> PlainTextResponse:
    item = await Item.query.afirst()
    request.app.state.seen.append(db.session)
    return PlainTextResponse(item.name if item is not None else "none")


def between(seen: list[orm.Session | None]) -> Starlette:
    """An application with middlewares of Starlette above and below ours."""
    app = Starlette(
        routes=[Route("/", note)],
        middleware=[
            Middleware(Note, seen),
            Middleware(DBSessionMiddleware, db=db),
            Middleware(Note, seen),
            Middleware(Note, seen),
        ],
    )
    app.state.seen = seen
    return app


async def test_a_middleware_within_sees_the_session_of_the_route(url: str) -> None:
    open_shop(url, "pen")
    seen: list[orm.Session | None] = []
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(between(seen)), base_url="http://test"
    ) as client:
        assert (await client.get("/")).text == "pen"
    around, outer, inner, route = seen
    assert around is None
    assert outer is inner is route is not None


def test_a_middleware_within_sees_the_session_of_the_route_in_a_test_client(url: str) -> None:
    open_shop(url, "pen")
    seen: list[orm.Session | None] = []
    with TestClient(between(seen)) as client:
        assert client.get("/").text == "pen"
    around, outer, inner, route = seen
    assert around is None
    assert outer is inner is route is not None


def mounted(seen: list[orm.Session | None], *, both: bool) -> Starlette:
    """An application within another, the inner one with a middleware of its own or without."""
    ours = [Middleware(DBSessionMiddleware, db=db)]
    within = Starlette(routes=[Route("/", note)], middleware=ours if both else [])
    within.state.seen = seen
    return Starlette(routes=[Mount("/within", within)], middleware=[*ours, Middleware(Note, seen)])


@pytest.mark.parametrize("both", [True, False])
async def test_a_mounted_application_has_the_session_of_the_one_around_it(
    url: str, both: bool
) -> None:
    open_shop(url, "pen")
    seen: list[orm.Session | None] = []
    assert (await get(mounted(seen, both=both), "/within/")).body == b"pen"
    outer, route = seen
    assert outer is route is not None


async def test_a_mounted_application_can_be_the_only_one_with_sessions(url: str) -> None:
    open_shop(url, "pen")
    seen: list[orm.Session | None] = []
    within = between(seen)
    app = Starlette(routes=[Mount("/within", within)])
    assert (await get(app, "/within/")).body == b"pen"
    assert seen[-1] is not None


async def test_a_mounted_application_leaves_the_commit_to_the_one_around_it(
    sqlite_file_url: str,
) -> None:
    open_shop(sqlite_file_url)
    within = FastAPI()
    serving(within, db, commit_on_exit=True)

    @within.get("/")
    def route() -> None:
        Item.new(name="pen")

    app = serving(FastAPI(), db, commit_on_exit=True)

    @app.middleware("http")
    async def refuse(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        await call_next(request)
        return Response(status_code=403)

    app.mount("/within", within)
    app.user_middleware.reverse()  # ours around the one that refuses
    assert (await get(app, "/within/")).status == 403
    assert names() == []


async def test_one_connection_can_be_served_twice(sqlite_file_url: str) -> None:
    open_shop(sqlite_file_url, "pen")
    app = serving(FastAPI(), db)

    @app.get("/")
    def route() -> int:
        return Item.query.count()

    async def twice(scope: Scope, receive: Receive, send: Send) -> None:
        async def drop(_message: Any) -> None: ...

        await app(scope, receive, drop)
        await app(scope, receive, send)

    answer = await get(twice)
    assert (answer.status, answer.body) == (200, b"1")


async def test_a_request_made_within_a_block_has_a_session_of_its_own(sqlite_file_url: str) -> None:
    open_shop(sqlite_file_url, "pen")
    seen: Seen = []
    app = seeing(seen)
    async with db():
        around = db.session
        assert (await get(app, "/awaited-first/def")).status == 200
        assert db.session is around
    assert around not in [session for session, _ in seen]


async def test_a_request_made_within_a_request_has_a_session_of_its_own(
    sqlite_file_url: str,
) -> None:
    open_shop(sqlite_file_url, "pen")
    seen: Seen = []
    app = seeing(seen)
    sessions: list[orm.Session] = []

    @app.get("/outer")
    async def outer() -> None:
        sessions.append(db.session)
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://test"
        ) as client:
            (await client.get("/awaited-first/def")).raise_for_status()
        sessions.append(db.session)

    assert (await get(app, "/outer")).error is None
    assert sessions[0] is sessions[1]
    assert sessions[0] not in [session for session, _ in seen]


async def test_after_a_request_there_is_no_session(sqlite_file_url: str) -> None:
    open_shop(sqlite_file_url, "pen")
    await get(seeing([]), "/awaited-first/def")
    with pytest.raises(MissingSessionError):
        _ = db.session
