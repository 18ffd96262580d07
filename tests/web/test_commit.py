"""With `commit_on_exit` a request is one transaction, which is over before its response starts."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from sqlalchemy import create_engine, event, exc, select, text
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.types import ASGIApp, Message

from fastapi_sqlalchemy import DBSessionMiddleware
from fastapi_sqlalchemy.session import Session
from tests.shop import (
    NOWHERE,
    Entry,
    Item,
    db,
    entries,
    ledger,
    lent,
    names,
    open_ledger,
    open_shop,
)
from tests.web.asgi import get, serving

COLOURS = ["def", "async"]


class Refused(Exception):
    """What a handler of the application turns into a response."""


def shop_app(*beneath: Middleware, **options: Any) -> FastAPI:
    """Routes that write an item and then end in every way, each in both colours."""
    app = serving(FastAPI(middleware=beneath), db, commit_on_exit=True, **options)

    def end(how: str) -> Response | None:
        match how:
            case "raise":
                raise Refused
            case "abort":
                raise HTTPException(400)
            case "400" | "302":
                return JSONResponse({}, status_code=int(how))
        return None

    @app.get("/def/{name}/{how}", response_model=None)
    def blocking(name: str, how: str) -> Response | None:
        Item.new(name=name)
        return end(how)

    @app.get("/async/{name}/{how}", response_model=None)
    async def awaited(name: str, how: str) -> Response | None:
        await Item.anew(name=name)
        return end(how)

    @app.get("/def-conflict/{name}")
    def conflict(name: str) -> None:
        try:
            Item.new(name=name)
        except exc.IntegrityError:
            raise HTTPException(409) from None

    @app.get("/async-conflict/{name}")
    async def aconflict(name: str) -> None:
        try:
            await Item.anew(name=name)
        except exc.IntegrityError:
            raise HTTPException(409) from None

    return app


@pytest.mark.parametrize("colour", COLOURS)
async def test_what_a_request_wrote_is_committed(url: str, colour: str) -> None:
    open_shop(url)
    answer = await get(shop_app(), f"/{colour}/pen/return")
    assert (answer.status, names()) == (200, ["pen"])


@pytest.mark.parametrize("colour", COLOURS)
async def test_a_unique_value_given_twice_is_a_server_error(url: str, colour: str) -> None:
    open_shop(url, "pen")
    answer = await get(shop_app(), f"/{colour}/pen/return")
    assert answer.status == 500
    assert isinstance(answer.error, exc.IntegrityError)
    assert names() == ["pen"]


@pytest.mark.parametrize("colour", COLOURS)
async def test_a_unique_value_given_twice_can_be_a_conflict(url: str, colour: str) -> None:
    open_shop(url, "pen")
    answer = await get(shop_app(), f"/{colour}-conflict/pen")
    assert (answer.status, names()) == (409, ["pen"])


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize(("how", "status"), [("abort", 400), ("400", 400), ("raise", 500)])
async def test_an_error_rolls_back(url: str, colour: str, how: str, status: int) -> None:
    open_shop(url)
    answer = await get(shop_app(), f"/{colour}/pen/{how}")
    assert (answer.status, names()) == (status, [])


async def test_a_redirection_commits(sqlite_file_url: str) -> None:
    open_shop(sqlite_file_url)
    answer = await get(shop_app(), "/def/pen/302")
    assert (answer.status, names()) == (302, ["pen"])


async def test_rollback_on_decides_which_statuses_roll_back(sqlite_file_url: str) -> None:
    open_shop(sqlite_file_url)
    app = shop_app(rollback_on=lambda status: status == 302)
    assert (await get(app, "/def/kept/400")).status == 400
    assert (await get(app, "/def/dropped/302")).status == 302
    assert names() == ["kept"]


async def test_an_exception_rolls_back_whatever_rollback_on_says(sqlite_file_url: str) -> None:
    open_shop(sqlite_file_url)
    app = shop_app(rollback_on=lambda _: False)
    assert (await get(app, "/def/pen/abort")).status == 400
    assert (await get(app, "/def/pen/raise")).status == 500
    assert names() == []


def accept(_request: Request, _error: Exception) -> JSONResponse:
    return JSONResponse({"refused": True}, status_code=200)


async def aaccept(request: Request, error: Exception) -> JSONResponse:
    return accept(request, error)


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("handler", [accept, aaccept], ids=["def", "async"])
async def test_an_exception_that_a_handler_answers_with_200_rolls_back(
    url: str, colour: str, handler: Callable[..., Any]
) -> None:
    open_shop(url)
    app = shop_app()
    app.add_exception_handler(Refused, handler)
    answer = await get(app, f"/{colour}/pen/raise")
    assert (answer.status, names()) == (200, [])


class PassOn(BaseHTTPMiddleware):
    """Stands between two others, and runs what is within in a task of its own."""

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        return await call_next(request)


async def test_what_the_route_sets_in_the_asgi_scope_is_seen_outside(sqlite_file_url: str) -> None:
    open_shop(sqlite_file_url)
    app = shop_app()
    seen: list[Any] = []

    async def outside(scope: Any, receive: Any, send: Any) -> None:
        async def note(message: Message) -> None:
            seen.append(scope["endpoint"].__name__)
            await send(message)

        await app(scope, receive, note)

    await get(outside, "/def/pen/return")
    assert len(set(seen)) == 1


async def test_an_exception_answered_with_200_rolls_back_above_another_middleware(
    sqlite_file_url: str,
) -> None:
    open_shop(sqlite_file_url)
    app = shop_app(Middleware(PassOn))
    app.add_exception_handler(Refused, accept)
    answer = await get(app, "/def/pen/raise")
    assert (answer.status, names()) == (200, [])


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("kind", ["sqlite_file_url", "postgres_url", "mysql_url"])
async def test_a_commit_is_visible_before_the_response_starts(
    kind: str, colour: str, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue(kind)
    open_shop(url)
    elsewhere = create_engine(url)
    seen: list[tuple[str, list[str]]] = []

    def look(message: Message) -> None:
        seen.append((message["type"], names(elsewhere)))

    await get(shop_app(), f"/{colour}/pen/return", look=look)
    elsewhere.dispose()
    assert seen[0] == ("http.response.start", ["pen"])


@pytest.mark.parametrize("colour", COLOURS)
async def test_a_rollback_is_done_before_the_response_starts(
    postgres_url: str, colour: str
) -> None:
    open_shop(postgres_url)
    app = shop_app()
    seen: list[int] = []

    def look(message: Message) -> None:
        with db.engine.connect() as connection:
            # Waits for the lock of any row that another transaction has inserted meanwhile.
            connection.execute(text("SET lock_timeout = '1s'"))
            connection.execute(text("INSERT INTO items (name) VALUES ('pen')"))
            connection.rollback()
        seen.append(message.get("status", 0))

    await get(app, f"/{colour}/pen/400", look=look)
    assert seen[0] == 400


@pytest.mark.parametrize("colour", COLOURS)
async def test_a_commit_in_the_route_outlives_a_later_error(url: str, colour: str) -> None:
    open_shop(url)
    app = serving(FastAPI(), db, commit_on_exit=True)

    @app.get("/def")
    def blocking() -> None:
        Item.new(name="kept")
        db.session.commit()
        Item.new(name="dropped")
        raise Refused

    @app.get("/async")
    async def awaited() -> None:
        await Item(name="kept").asave(commit=True)
        await Item.anew(name="dropped")
        raise Refused

    assert (await get(app, f"/{colour}")).status == 500
    assert names() == ["kept"]


@pytest.mark.parametrize("colour", COLOURS)
async def test_a_request_that_only_reads_sends_no_commit(url: str, colour: str) -> None:
    open_shop(url, "pen")
    app = serving(FastAPI(), db, commit_on_exit=True)
    commits: list[object] = []

    @app.get("/def")
    def blocking() -> int:
        event.listen(db.engine, "commit", commits.append)
        return Item.query.count()

    @app.get("/async")
    async def awaited() -> int:
        found = await Item.query.acount()
        bind: Any = db.session.get_bind()
        event.listen(bind, "commit", commits.append)
        return found + await Item.query.acount()

    assert (await get(app, f"/{colour}")).status == 200
    assert commits == []


class Clumsy(Exception):
    """What a listener of the application raises."""


@pytest.mark.parametrize("colour", COLOURS)
async def test_a_failing_listener_of_the_commit_gives_one_response(url: str, colour: str) -> None:
    open_shop(url)

    @event.listens_for(Session, "before_commit")
    def fail(_session: Session) -> None:
        raise Clumsy

    try:
        answer = await get(shop_app(), f"/{colour}/pen/return")
    finally:
        event.remove(Session, "before_commit", fail)
    assert answer.kinds == ["start", "body"]
    assert (answer.status, answer.body) == (500, b"Internal Server Error")
    assert isinstance(answer.error, Clumsy)
    assert names() == []


def ledger_app() -> FastAPI:
    """Routes that write what only COMMIT refuses."""
    app = serving(FastAPI(), ledger, commit_on_exit=True)

    @app.get("/def")
    def blocking() -> str:
        Entry.new(follows=NOWHERE)
        return "written"

    @app.get("/async")
    async def awaited() -> str:
        await Entry.anew(follows=NOWHERE)
        return "written"

    @app.get("/fine")
    def fine() -> str:
        Entry.new()
        return "written"

    return app


DEFERRING = pytest.mark.parametrize("kind", ["sqlite-memory", "sqlite-file", "postgresql"])


@pytest.fixture
def open_deferring(kind: str, request: pytest.FixtureRequest) -> None:
    """The ledger, on a database that can check a reference at COMMIT."""
    fixture = {"sqlite-file": "sqlite_file_url", "postgresql": "postgres_url"}.get(kind)
    open_ledger("sqlite://" if fixture is None else request.getfixturevalue(fixture))


@DEFERRING
@pytest.mark.usefixtures("open_deferring")
@pytest.mark.parametrize("colour", COLOURS)
async def test_a_failing_commit_is_one_server_error_and_no_row(colour: str) -> None:
    answer = await get(ledger_app(), f"/{colour}")
    assert answer.kinds == ["start", "body"]
    assert (answer.status, answer.body) == (500, b"Internal Server Error")
    assert isinstance(answer.error, exc.IntegrityError)
    assert entries() == []


def conflict(_request: Request, _error: Exception) -> PlainTextResponse:
    return PlainTextResponse("refused", status_code=409)


async def aconflict(request: Request, error: Exception) -> PlainTextResponse:
    return conflict(request, error)


@DEFERRING
@pytest.mark.usefixtures("open_deferring")
@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("handler", [conflict, aconflict], ids=["def", "async"])
async def test_a_failing_commit_is_for_the_applications_own_handler(
    colour: str, handler: Callable[..., Any]
) -> None:
    app = ledger_app()
    app.add_exception_handler(exc.DatabaseError, handler)
    answer = await get(app, f"/{colour}")
    assert answer.kinds == ["start", "body"]
    assert (answer.status, answer.body) == (409, b"refused")
    assert answer.error is None
    assert entries() == []


async def test_a_failing_commit_is_for_the_handler_of_server_errors(sqlite_file_url: str) -> None:
    open_ledger(sqlite_file_url)
    app = ledger_app()
    app.add_exception_handler(500, conflict)
    answer = await get(app, "/def")
    assert (answer.status, answer.body) == (409, b"refused")


async def test_a_handler_of_a_failing_commit_can_query(sqlite_file_url: str) -> None:
    open_ledger(sqlite_file_url)
    app = ledger_app()

    @app.exception_handler(exc.IntegrityError)
    def count(_request: Request, _error: Exception) -> JSONResponse:
        return JSONResponse(Entry.query.count(), status_code=409)

    answer = await get(app, "/def")
    assert (answer.status, answer.body) == (409, b"0")
    assert lent(ledger) == 0


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("order", ["below", "above"])
async def test_a_failing_commit_below_or_above_another_middleware_is_one_server_error(
    sqlite_file_url: str, colour: str, order: str
) -> None:
    open_ledger(sqlite_file_url)
    app = ledger_app()
    app.add_middleware(PassOn)
    if order == "above":
        app.user_middleware.reverse()
    answer = await get(app, f"/{colour}")
    assert answer.kinds == ["start", "body"]
    assert (answer.status, entries()) == (500, [])


@DEFERRING
@pytest.mark.usefixtures("open_deferring")
async def test_a_failing_commit_leaves_the_next_request_alone() -> None:
    app = ledger_app()
    await get(app, "/def")
    assert lent(ledger) == 0
    assert (await get(app, "/fine")).status == 200
    assert entries() == [None]


async def test_a_failing_commit_around_the_whole_application_sends_nothing(
    sqlite_file_url: str,
) -> None:
    open_ledger(sqlite_file_url)
    plain = FastAPI()

    @plain.get("/")
    def route() -> None:
        Entry.new(follows=NOWHERE)

    app: ASGIApp = DBSessionMiddleware(plain, db=ledger, commit_on_exit=True)
    answer = await get(app)
    # The server answers what reaches it as an exception.
    assert answer.kinds == []
    assert isinstance(answer.error, exc.IntegrityError)


async def test_without_the_option_a_request_keeps_only_what_was_committed(url: str) -> None:
    open_shop(url)
    app = serving(FastAPI(), db)

    @app.get("/")
    def route() -> None:
        Item.new(name="saved")
        db.session.add(Item(name="added"))
        db.session.flush()

    assert (await get(app)).status == 200
    assert names() == ["saved"]


async def test_the_option_of_the_database_holds_for_its_requests(sqlite_file_url: str) -> None:
    open_shop(sqlite_file_url, commit_on_exit=True)
    app = serving(FastAPI(), db)

    @app.get("/")
    def route() -> None:
        db.session.add(Item(name="added"))

    await get(app)
    assert names() == ["added"]


async def test_the_option_of_the_middleware_comes_before_that_of_the_database(
    sqlite_file_url: str,
) -> None:
    open_shop(sqlite_file_url, commit_on_exit=True)
    app = serving(FastAPI(), db, commit_on_exit=False)

    @app.get("/")
    def route() -> None:
        db.session.add(Item(name="added"))
        db.session.scalars(select(Item)).all()

    await get(app)
    assert names() == []
