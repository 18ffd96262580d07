"""One request has one session, however many middlewares and applications it passes through."""

import asyncio
from collections.abc import Iterator

import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from sqlalchemy import exc, orm
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.types import ASGIApp

from fastapi_sqlalchemy import DBSessionMiddleware
from tests.faults.served import Left, Route, Served
from tests.shop import NOWHERE, Entry, Item, db, entries, ledger, open_ledger

OURS = Middleware(DBSessionMiddleware, db=[db, ledger], commit_on_exit=True, create_all=False)


class Between(BaseHTTPMiddleware):
    """Runs what is within in a task of its own, and notes the session that it sees."""

    def __init__(self, app: ASGIApp, seen: list[orm.Session] | None = None) -> None:
        super().__init__(app)
        self.seen = seen

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        if self.seen is not None:
            self.seen.append(db.session)
        return await call_next(request)


ORDERS = {
    "above": [Middleware(Between), OURS],
    "below": [OURS, Middleware(Between)],
    "above and below": [Middleware(Between), OURS, Middleware(Between), Middleware(Between)],
    "twice": [OURS, Middleware(Between), OURS],
}


def application(
    served: Served, order: list[Middleware], blocking: Route, awaited: Route
) -> FastAPI:
    app = FastAPI(middleware=order)
    served.route(app, "/", blocking, awaited)

    async def acount() -> int:
        return await Item.query.acount()

    served.route(app, "/count", lambda: Item.query.count(), acount)
    return app


@pytest.mark.parametrize("order", ORDERS.values(), ids=list(ORDERS))
def test_a_request_is_one_transaction_whatever_stands_around_it(
    served: Served, order: list[Middleware]
) -> None:
    def blocking(fail: bool = False) -> None:
        Item.new(name="undone" if fail else "pen")
        Item.query.all()
        if fail:
            raise LookupError

    async def awaited(fail: bool = False) -> None:
        await Item.anew(name="undone" if fail else "pen")
        await Item.query.aall()
        if fail:
            raise LookupError

    served.open()
    open_ledger(served.url)
    client = served.client(application(served, order, blocking, awaited))
    assert client.get("/").status_code == 200
    assert client.get("/?fail=1").status_code == 500
    assert served.left() == Left(("pen",))


@pytest.mark.parametrize("order", ORDERS.values(), ids=list(ORDERS))
def test_a_commit_that_fails_is_one_server_error_whatever_stands_around_it(
    served: Served, order: list[Middleware]
) -> None:
    def blocking() -> None:
        Entry.new(follows=NOWHERE)

    async def awaited() -> None:
        await Entry.anew(follows=NOWHERE)

    served.open()
    open_ledger(served.url)
    client = served.client(application(served, order, blocking, awaited))
    answer = client.get("/")
    assert (answer.status_code, answer.text) == (500, "Internal Server Error")
    assert served.left() == Left(())
    assert entries() == []


@pytest.mark.parametrize("order", ORDERS.values(), ids=list(ORDERS))
def test_a_handler_answers_a_commit_that_fails_whatever_stands_around_it(
    served: Served, order: list[Middleware]
) -> None:
    def blocking() -> None:
        Entry.new(follows=NOWHERE)

    async def awaited() -> None:
        await Entry.anew(follows=NOWHERE)

    served.open()
    open_ledger(served.url)
    app = application(served, order, blocking, awaited)

    @app.exception_handler(exc.IntegrityError)
    def conflict(_request: Request, _error: exc.IntegrityError) -> JSONResponse:
        return JSONResponse({"items": Item.query.count()}, status_code=409)

    answer = served.client(app).get("/")
    assert (answer.status_code, answer.json()) == (409, {"items": 0})
    assert served.left() == Left(())
    assert entries() == []


def test_a_middleware_within_sees_the_session_of_the_route(served: Served) -> None:
    seen: list[orm.Session] = []

    def blocking() -> None:
        Item.query.all()
        seen.append(db.session)

    async def awaited() -> None:
        await asyncio.to_thread(Item.query.all)
        seen.append(db.session)

    served.open()
    open_ledger(served.url)
    order = [Middleware(Between), OURS, Middleware(Between, seen=seen), Middleware(Between)]
    client = served.client(application(served, order, blocking, awaited))
    assert client.get("/").status_code == 200
    assert len(seen) == 2
    assert seen[0] is seen[1]
    assert served.left() == Left(())


def test_a_mounted_application_with_the_middleware_again_has_the_session_of_the_outer_one(
    served: Served,
) -> None:
    seen: list[orm.Session] = []

    def blocking(fail: bool = False) -> None:
        Item.new(name="undone" if fail else "pen")
        seen.append(db.session)
        if fail:
            raise LookupError

    async def awaited(fail: bool = False) -> None:
        await asyncio.to_thread(Item.new, name="undone" if fail else "pen")
        seen.append(db.session)
        if fail:
            raise LookupError

    served.open()
    open_ledger(served.url)
    inner = application(served, [OURS], blocking, awaited)
    outer = served.app(commit_on_exit=True)
    outer.mount("/inner", inner)
    outer.user_middleware.append(Middleware(Between, seen=seen))  # within ours
    client = served.client(outer)
    assert client.get("/inner/").status_code == 200
    assert len(seen) == 2
    assert seen[0] is seen[1]
    assert client.get("/inner/?fail=1").status_code == 500
    assert served.left() == Left(("pen",))


def test_a_stream_beneath_another_middleware_is_stored_and_left_like_any_other(
    served: Served,
) -> None:
    def body() -> Iterator[str]:
        yield Item.new(name="of the body").name
        yield str(Item.query.count())

    def blocking() -> StreamingResponse:
        return StreamingResponse(body())

    async def awaited() -> StreamingResponse:
        await Item.anew(name="of the route")
        return StreamingResponse(body())

    served.open()
    open_ledger(served.url)
    order = ORDERS["above and below"]
    client = served.client(application(served, order, blocking, awaited))
    answer = client.get("/")
    rows = ("of the body",) if served.colour == "def" else ("of the body", "of the route")
    assert answer.text == f"of the body{len(rows)}"
    assert served.left() == Left(rows)
