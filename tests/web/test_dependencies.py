"""What stands in `Depends`: with the middleware and without it, in both kinds of routes."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

import pytest
from fastapi import (
    BackgroundTasks,
    Depends,
    FastAPI,
    Header,
    HTTPException,
    Query,
    Response,
    WebSocket,
)
from httpx import ASGITransport, AsyncClient
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session
from starlette.types import Message

from fastapi_sqlalchemy import CursorPage, Page, Repository, SQLAlchemy
from fastapi_sqlalchemy.dependencies import (
    AsyncSessionDep,
    CursorParams,
    PageParams,
    SessionDep,
    repository,
)
from fastapi_sqlalchemy.exceptions import MissingModelError, MissingSessionError
from tests.interpreter import Python
from tests.repository.plain import Authors
from tests.shop import (
    NOWHERE,
    Entry,
    Item,
    Part,
    db,
    entries,
    ledger,
    lent,
    names,
    open_ledger,
    open_shop,
)
from tests.web.asgi import get, serving
from tests.web.clients import TestClient

COLOURS = ["def", "async"]


class Items(Repository[Item]):
    """Of its own, so that FastAPI makes it."""


class Entries(Repository[Entry]):
    pass


class Make(Protocol):
    """Makes an application, with the middleware or without it."""

    def __call__(self, **options: Any) -> FastAPI: ...


@pytest.fixture(params=["middleware", "dependency"])
def make(request: pytest.FixtureRequest) -> Make:
    def make(**options: Any) -> FastAPI:
        app = FastAPI(**options)
        return serving(app, db, ledger) if request.param == "middleware" else app

    return make


def shop_app(app: FastAPI) -> FastAPI:
    """Routes that write by each dependency and then end in every way."""

    def end(how: str) -> Response | None:
        if how == "raise":
            raise LookupError
        if how == "abort":
            raise HTTPException(400)
        return None

    @app.get("/def/{name}/{how}", response_model=None)
    def blocking(
        name: str,
        how: str,
        items: Annotated[Items, Depends()],
        others: Annotated[Repository[Item], Depends(repository(Item))],
        session: Annotated[Session, Depends(db.get_session)],
    ) -> Response | None:
        item = items.create(name=name)
        assert session is db.session
        assert item in session
        assert others.get(item.id) is item
        return end(how)

    @app.get("/async/{name}/{how}", response_model=None)
    async def awaited(
        name: str,
        how: str,
        items: Annotated[Items, Depends()],
        others: Annotated[Repository[Item], Depends(repository(Item))],
        session: Annotated[AsyncSession, Depends(db.get_async_session)],
    ) -> Response | None:
        item = await items.acreate(name=name)
        assert session is db.async_session
        assert item in session
        assert await others.aget(item.id) is item
        return end(how)

    return app


@pytest.mark.parametrize("colour", COLOURS)
async def test_all_hand_out_the_session_of_the_scope(url: str, make: Make, colour: str) -> None:
    open_shop(url)
    answer = await get(shop_app(make()), f"/{colour}/pen/return")
    assert (answer.error, answer.status) == (None, 200)
    assert names() == ["pen"]
    assert lent() == 0


@pytest.mark.parametrize("colour", COLOURS)
async def test_what_was_written_is_committed_before_the_response_starts(
    url: str, make: Make, colour: str
) -> None:
    open_shop(url, commit_on_exit=True)
    seen: list[list[str]] = []

    def look(message: Message) -> None:
        seen.append(names())

    answer = await get(shop_app(make()), f"/{colour}/pen/return", look=look)
    assert (answer.error, answer.status) == (None, 200)
    assert seen[0] == ["pen"], "at the start of the response"
    assert lent() == 0


@pytest.mark.parametrize("colour", COLOURS)
async def test_a_request_of_a_test_that_stands_in_a_scope_has_one_of_its_own(
    sqlite_file_url: str, make: Make, colour: str
) -> None:
    open_shop(sqlite_file_url, commit_on_exit=True)
    app = shop_app(make())
    async with db():
        assert (await get(app, f"/{colour}/pen/return")).status == 200
        assert names() == ["pen"]
        assert (await get(app, f"/{colour}/ink/abort")).status == 400
        assert db.scopes.here.scope.session is None
    with db():
        assert TestClient(app).get(f"/{colour}/cap/return").status_code == 200
        assert names() == ["cap", "pen"]


@pytest.mark.parametrize("how", ["raise", "abort"])
@pytest.mark.parametrize("colour", COLOURS)
async def test_an_exception_rolls_back(url: str, make: Make, colour: str, how: str) -> None:
    open_shop(url, commit_on_exit=True)
    answer = await get(shop_app(make()), f"/{colour}/pen/{how}")
    assert answer.status == (500 if how == "raise" else 400)
    assert names() == []
    assert lent() == 0


@pytest.mark.parametrize("colour", COLOURS)
async def test_a_commit_that_fails_is_one_answer_of_500(
    postgres_url: str, make: Make, colour: str
) -> None:
    open_ledger(postgres_url, commit_on_exit=True)
    app = make()

    @app.get("/def")
    def blocking(entries: Annotated[Entries, Depends()]) -> str:
        entries.create(follows=NOWHERE)
        return "written"

    @app.get("/async")
    async def awaited(entries: Annotated[Entries, Depends()]) -> str:
        await entries.acreate(follows=NOWHERE)
        return "written"

    answer = await get(app, f"/{colour}")
    assert (answer.status, answer.kinds) == (500, ["start", "body"])
    assert answer.body == b"Internal Server Error"
    assert entries() == []
    assert lent(ledger) == 0


async def test_a_route_without_sql_opens_no_session(sqlite_file_url: str, make: Make) -> None:
    open_shop(sqlite_file_url)
    app = make()

    @app.get("/")
    async def idle(items: Annotated[Items, Depends()]) -> bool:
        return db.scopes.here.scope.session is None

    assert (await get(app)).body == b"true"


async def test_the_scope_is_over_when_the_response_starts(sqlite_file_url: str) -> None:
    open_shop(sqlite_file_url)
    app = FastAPI()
    found: list[object] = []

    def afterwards() -> None:
        found.append(db.scopes.surrounding())
        with pytest.raises(MissingSessionError):
            Item.get(1)
        with db():
            Item.new(name="later")

    @app.get("/")
    def route(items: Annotated[Items, Depends()], tasks: BackgroundTasks) -> None:
        tasks.add_task(afterwards)

    assert (await get(app)).status == 200
    assert found == [None]
    assert names() == ["later"]


async def test_one_scope_serves_everything_that_a_request_asks_for(url: str, make: Make) -> None:
    open_shop(url, commit_on_exit=True)
    app = make()
    scopes: list[object] = []

    def note() -> None:
        scopes.append(db.scopes.here.scope)

    def blocking(items: Annotated[Items, Depends()]) -> Item:
        note()
        return items.create(name="pen")

    async def awaited(
        items: Annotated[Repository[Item], Depends(repository(Item, db=db))],
    ) -> AsyncIterator[Item | None]:
        note()
        yield await items.aget_by(name="pen")
        note()

    def generator(items: Annotated[Items, Depends()]) -> Iterator[None]:
        note()
        yield

    @app.get("/", dependencies=[Depends(generator)])
    def route(
        session: Annotated[Session, Depends(db.get_session)],
        made: Annotated[Item, Depends(blocking)],
        found: Annotated[Item, Depends(awaited, scope="function")],
    ) -> bool:
        note()
        return made is found and made in session

    answer = await get(app)
    assert (answer.error, answer.body) == (None, b"true")
    assert len(scopes) == 5
    assert len({id(scope) for scope in scopes}) == 1
    assert names() == ["pen"]
    assert lent() == 0


async def test_requests_at_the_same_time_have_sessions_of_their_own(url: str, make: Make) -> None:
    pool = {} if url == "sqlite://" else {"pool_size": 2, "max_overflow": 0}
    open_shop(url, engine_args=pool)
    app = shop_app(make())
    async with AsyncClient(transport=ASGITransport(app), base_url="http://test") as client:
        answers = await asyncio.gather(
            *(client.get(f"/{colour}/{n}/return") for n in range(10) for colour in ["async"]),
            *(client.get(f"/def/{n}/return") for n in range(10, 20)),
        )
    assert {answer.status_code for answer in answers} == {200}
    assert len(names()) == 20
    assert lent() == 0


def test_a_websocket_uses_repositories_and_is_no_transaction(
    sqlite_file_url: str, make: Make
) -> None:
    open_shop(sqlite_file_url, commit_on_exit=True)
    app = make()

    @app.websocket("/")
    async def talk(socket: WebSocket, items: Annotated[Items, Depends()]) -> None:
        await socket.accept()
        await items.acreate(name=await socket.receive_text())
        await socket.send_json(names())
        await socket.close()

    with TestClient(app).websocket_connect("/") as socket:
        socket.send_text("pen")
        assert socket.receive_json() == ["pen"]


def test_two_databases_have_two_scopes(sqlite_file_url: str, tmp_path: Any, make: Make) -> None:
    open_shop(sqlite_file_url, commit_on_exit=True)
    open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}", commit_on_exit=True)
    app = make()

    @app.get("/")
    def route(items: Annotated[Items, Depends()], entries: Annotated[Entries, Depends()]) -> None:
        items.create(name="pen")
        entries.create()

    with TestClient(app) as client:
        assert client.get("/").status_code == 200
    assert (names(), entries()) == (["pen"], [None])


class OfShelf(Repository[Item]):
    """Takes something from the request."""

    def __init__(self, shelf: Annotated[str, Header()]) -> None:
        super().__init__()
        self.shelf = shelf


@pytest.mark.parametrize("colour", COLOURS)
def test_a_constructor_of_its_own_is_injected(
    sqlite_file_url: str, make: Make, colour: str
) -> None:
    open_shop(sqlite_file_url)
    app = make()

    @app.get("/def")
    def blocking(items: Annotated[OfShelf, Depends(repository(OfShelf))]) -> str | None:
        return items.create(name=items.shelf).name

    @app.get("/async")
    async def awaited(items: Annotated[OfShelf, Depends(repository(OfShelf))]) -> str | None:
        return (await items.acreate(name=items.shelf)).name

    client = TestClient(app)
    assert client.get(f"/{colour}", headers={"shelf": "top"}).json() == "top"
    assert client.get(f"/{colour}").status_code == 422
    (parameter,) = client.get("/openapi.json").json()["paths"][f"/{colour}"]["get"]["parameters"]
    assert (parameter["name"], parameter["in"]) == ("shelf", "header")


def test_a_constructor_of_its_own_needs_the_middleware_where_fastapi_calls_it(
    sqlite_file_url: str,
) -> None:
    open_shop(sqlite_file_url)

    def app() -> FastAPI:
        app = FastAPI()

        @app.get("/")
        def route(items: Annotated[OfShelf, Depends()]) -> int:
            return items.count()

        return app

    with pytest.raises(MissingSessionError):
        TestClient(app()).get("/", headers={"shelf": "top"})
    assert TestClient(serving(app(), db)).get("/", headers={"shelf": "top"}).json() == 0


def test_a_plain_model_uses_the_database_of_its_repository(sqlite_file_url: str) -> None:
    Authors.db.init(sqlite_file_url)
    Authors.db.create_all()
    app = FastAPI()

    @app.get("/")
    def route(authors: Annotated[Authors, Depends()]) -> int:
        return authors.create(name="Ada").id

    assert TestClient(app).get("/").json() == 1
    Authors.db.dispose()
    Authors.db.init()


def test_dependencies_can_be_overridden(sqlite_file_url: str) -> None:
    open_shop(sqlite_file_url)
    app = FastAPI()

    @app.get("/")
    def route(
        items: Annotated[Items, Depends()],
        others: Annotated[Repository[Item], Depends(repository(Item))],
        session: Annotated[Session, Depends(db.get_session)],
    ) -> list[object]:
        return [items, others, session]

    app.dependency_overrides |= {
        Items: lambda: 1,
        repository(Item): lambda: 2,
        db.get_session: lambda: 3,
    }
    assert TestClient(app).get("/").json() == [1, 2, 3]


def test_the_session_of_the_global_database_has_a_name(sqlite_file_url: str) -> None:
    import fastapi_sqlalchemy

    fastapi_sqlalchemy.db.init(sqlite_file_url)
    app = FastAPI()

    @app.get("/")
    def blocking(session: SessionDep) -> bool:
        return session is fastapi_sqlalchemy.db.session

    @app.get("/async")
    async def awaited(session: AsyncSessionDep) -> bool:
        return session is fastapi_sqlalchemy.db.async_session

    client = TestClient(app)
    assert (client.get("/").json(), client.get("/async").json()) == (True, True)
    fastapi_sqlalchemy.db.dispose()
    fastapi_sqlalchemy.db.init()


def paged_app() -> FastAPI:
    app = FastAPI()

    @dataclass(frozen=True)
    class Wide(PageParams):
        per_page: Annotated[int, Query(ge=1, le=1000)] = 500

    @app.get("/def/pages")
    def pages(
        items: Annotated[Items, Depends()], params: Annotated[PageParams, Depends()]
    ) -> Page[Any]:
        return params.paginate(items).map(lambda item: item.name)

    @app.get("/async/pages")
    async def apages(
        items: Annotated[Items, Depends()], params: Annotated[PageParams, Depends()]
    ) -> Page[Any]:
        return (await params.apaginate(items.query)).map(lambda item: item.name)

    @app.get("/def/cursors")
    def cursors(
        items: Annotated[Items, Depends()], params: Annotated[CursorParams, Depends()]
    ) -> CursorPage[Any]:
        return params.paginate(items).map(lambda item: item.name)

    @app.get("/async/cursors")
    async def acursors(
        items: Annotated[Items, Depends()], params: Annotated[CursorParams, Depends()]
    ) -> CursorPage[Any]:
        return (await params.apaginate(items.query)).map(lambda item: item.name)

    @app.get("/wide")
    def wide(
        items: Annotated[Items, Depends()], params: Annotated[Wide, Depends()]
    ) -> dict[str, Any]:
        page = params.paginate(items, count=False)
        return {"per_page": page.per_page, "total": page.total}

    return app


@pytest.fixture
def paged(sqlite_file_url: str) -> TestClient:
    open_shop(sqlite_file_url)
    with db.engine.begin() as connection:
        connection.execute(insert(Item), [{"name": name} for name in "abc"])
    return TestClient(paged_app())


@pytest.mark.parametrize("colour", COLOURS)
def test_a_page_is_asked_for_by_query_parameters(paged: TestClient, colour: str) -> None:
    page = paged.get(f"/{colour}/pages", params={"page": 2, "per_page": 2}).json()
    assert (page["items"], page["total"], page["pages"]) == (["c"], 3, 2)
    assert paged.get(f"/{colour}/pages").json()["per_page"] == 20


@pytest.mark.parametrize("colour", COLOURS)
def test_a_cursor_page_is_asked_for_by_query_parameters(paged: TestClient, colour: str) -> None:
    path = f"/{colour}/cursors"
    first = paged.get(path, params={"limit": 2}).json()
    second = paged.get(path, params={"limit": 2, "after": first["next"]}).json()
    assert (first["items"], second["items"]) == (["a", "b"], ["c"])
    back = paged.get(path, params={"limit": 2, "before": second["previous"]}).json()
    assert back["items"] == ["a", "b"]


@pytest.mark.parametrize(
    "target",
    [
        "/def/pages?page=0",
        "/def/pages?page=99999999999999999999",
        "/def/pages?per_page=101",
        "/def/pages?per_page=none",
        "/def/cursors?limit=0",
        "/def/cursors?after=forged",
        "/def/cursors?after=a&before=b",
        "/wide?per_page=1001",
    ],
)
def test_a_page_that_cannot_be_is_answered_with_422(paged: TestClient, target: str) -> None:
    assert paged.get(target).status_code == 422


def test_a_page_may_be_given_other_limits(paged: TestClient) -> None:
    assert paged.get("/wide").json() == {"per_page": 500, "total": None}
    assert paged.get("/wide?per_page=1000").json()["per_page"] == 1000


def test_openapi_shows_the_parameters_of_pages_with_their_limits(paged: TestClient) -> None:
    paths = paged.get("/openapi.json").json()["paths"]
    page, per_page = paths["/def/pages"]["get"]["parameters"]
    assert (page["name"], page["in"], page["required"]) == ("page", "query", False)
    assert (page["schema"]["minimum"], page["schema"]["default"]) == (1, 1)
    assert page["description"] == "Which page, from 1."
    assert (per_page["schema"]["maximum"], per_page["schema"]["default"]) == (100, 20)
    assert [each["name"] for each in paths["/def/cursors"]["get"]["parameters"]] == [
        "limit",
        "after",
        "before",
    ]
    wide = {each["name"]: each["schema"] for each in paths["/wide"]["get"]["parameters"]}
    assert (wide["page"]["minimum"], wide["per_page"]["maximum"]) == (1, 1000)


def test_openapi_shows_nothing_of_repositories_and_sessions() -> None:
    app = shop_app(FastAPI())
    operation = app.openapi()["paths"]["/def/{name}/{how}"]["get"]
    assert [each["name"] for each in operation["parameters"]] == ["name", "how"]
    assert "requestBody" not in operation


def test_a_class_without_a_model_is_refused_where_it_is_named() -> None:
    with pytest.raises(MissingModelError):
        repository(Repository)


def test_a_database_may_be_named_for_a_model() -> None:
    assert repository(Part, db=db) == repository(Part, db=db) != repository(Part)


def test_a_dependency_says_what_it_is() -> None:
    assert repr(db.get_session) == "<dependency get_session>"
    assert inspect.iscoroutinefunction(type(db.get_session).__call__)


async def test_a_dependency_can_be_awaited_by_hand(sqlite_file_url: str) -> None:
    open_shop(sqlite_file_url)
    async with db():
        assert await db.get_session() is db.session
    with pytest.raises(MissingSessionError):
        await db.get_session()


WITHOUT_FASTAPI = """
import sys
sys.modules["fastapi"] = None
from fastapi_sqlalchemy import ModelBase, Repository, SQLAlchemy, register_exception_handlers
from sqlalchemy.orm import Mapped, mapped_column
from starlette.applications import Starlette
import inspect
db = SQLAlchemy("sqlite://")
class User(db.Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
class Users(Repository[User]):
    pass
db.create_all()
register_exception_handlers(Starlette())
with db():
    print(Users().create().id, list(inspect.signature(Users).parameters))
"""


def test_the_package_works_without_fastapi(python: Python) -> None:
    done = python(WITHOUT_FASTAPI)
    assert done.stdout.strip() == "1 ['model', 'session', 'db']"


def test_the_package_does_not_import_fastapi(python: Python) -> None:
    done = python("import sys, fastapi_sqlalchemy; print('fastapi' in sys.modules)")
    assert done.stdout.strip() == "False"


def test_dependencies_need_no_greenlet(python: Python) -> None:
    done = python(
        "import sys; sys.modules['greenlet'] = None\n"
        "from fastapi_sqlalchemy.dependencies import PageParams; print(PageParams().page)"
    )
    assert done.stdout.strip() == "1"


def test_databases_differ_in_their_dependencies() -> None:
    assert SQLAlchemy().get_session != SQLAlchemy().get_session
