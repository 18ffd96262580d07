"""Our errors as HTTP responses: problem details without SQL and without values."""

from collections.abc import Callable
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, WebSocket
from sqlalchemy import CheckConstraint, String, exc
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.orm.exc import StaleDataError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from fastapi_sqlalchemy import (
    ModelBase,
    Repository,
    SQLAlchemy,
    VersionedMixin,
    problem_responses,
    register_exception_handlers,
)
from fastapi_sqlalchemy.exceptions import (
    DataError,
    IntegrityError,
    InvalidCursorError,
    InvalidPageError,
    MultipleRecordsFoundError,
    RecordNotFoundError,
    StaleRecordError,
    UniqueViolation,
    UnknownNameError,
)
from tests.blog import created
from tests.shop import (
    NOWHERE,
    Entry,
    Item,
    Part,
    db,
    entries,
    ledger,
    names,
    open_ledger,
    open_shop,
)
from tests.web.asgi import get, serving
from tests.web.clients import TestClient

COLOURS = ["def", "async"]


class Base(ModelBase, DeclarativeBase):
    pass


bank = SQLAlchemy(model_class=Base)


class Account(VersionedMixin, Base):
    __tablename__ = "accounts"
    __table_args__ = (CheckConstraint("balance >= 0", name="no_debt"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(String(50), unique=True)
    balance: Mapped[int] = mapped_column(default=0)


SECRET = "secret-value"


def app_that(act: Callable[[], Any], *databases: SQLAlchemy, **options: Any) -> FastAPI:
    """Does something in a `def` and in an `async def` route."""
    app = serving(FastAPI(), *(databases or (bank,)), **options)
    register_exception_handlers(app)

    @app.get("/def")
    def blocking() -> None:
        act()

    @app.get("/async")
    async def awaited() -> None:
        await (databases or (bank,))[0].run(act)

    return app


def problem(status: int, title: str, code: str, detail: str, **more: Any) -> dict[str, Any]:
    shape = {"type": "about:blank", "title": title, "status": status}
    return shape | {"detail": detail, "code": code} | more


@pytest.fixture
def opened(url: str) -> Any:
    with created(bank, url) as database:
        with database():
            Account.new(owner=SECRET)
        yield database


def stale() -> None:
    first = Account.get_one(1)
    with bank():
        Account.get_one(1).update(balance=1)
    first.update(balance=2)


UNIQUE = "There is one with these values already"
CASES = [
    pytest.param(
        lambda: Account.get_one(77),
        problem(404, "Not Found", "record_not_found", "Account not found"),
        id="not found",
    ),
    pytest.param(
        lambda: Repository(Account).delete(77),
        problem(404, "Not Found", "record_not_found", "Account not found"),
        id="nothing to delete",
    ),
    pytest.param(
        lambda: Account.query.get_or_404(7, "None"),
        problem(404, "Not Found", "record_not_found", "None"),
        id="not found, in the words of the route",
    ),
    pytest.param(
        lambda: Account.new(owner=SECRET),
        problem(409, "Conflict", "unique_violation", UNIQUE),
        id="there already",
    ),
    pytest.param(
        stale,
        problem(409, "Conflict", "stale_record", "This was changed or deleted by somebody else"),
        id="stale",
    ),
    pytest.param(
        lambda: Account.new(owner=None),  # type: ignore[arg-type]  # the violation
        problem(422, "Unprocessable Content", "not_null_violation", "A value is missing"),
        id="no value",
    ),
    pytest.param(
        lambda: Account.new(owner="Grace", balance=-1),
        problem(422, "Unprocessable Content", "check_violation", "A value is not allowed"),
        id="a value not allowed",
    ),
    pytest.param(
        lambda: Account.query.paginate(0),
        problem(
            422,
            "Unprocessable Content",
            "invalid_page",
            "expected `page` to be a whole number from 1 on, found 0",
        ),
        id="bad page",
    ),
    pytest.param(
        lambda: Account.query.cursor_paginate(after="x"),
        problem(422, "Unprocessable Content", "invalid_cursor", "..."),
        id="bad cursor",
    ),
    *(
        pytest.param(
            lambda name=name: Account.query.order_by(name).all(),
            problem(
                422,
                "Unprocessable Content",
                "invalid_order",
                "There is nothing of that name to sort by",
            ),
            id=f"bad order {name}",
        )
        for name in ("nmae", "__class__", "_sa_class_manager")
    ),
]


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize(("act", "expected"), CASES)
def test_an_error_that_a_client_can_cause_is_answered(
    opened: SQLAlchemy, act: Callable[[], Any], expected: dict[str, Any], colour: str
) -> None:
    answer = TestClient(app_that(act)).get(f"/{colour}")
    found = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.status_code == expected["status"]
    if expected["detail"] == "...":
        expected = expected | {"detail": found["detail"]}
    columns = found.pop("columns", None)
    assert found == expected
    assert columns in (None, ["owner"])
    assert not any(word in answer.text for word in (SECRET, "SELECT", "INSERT", "UPDATE", "__"))


def test_the_columns_of_a_constraint_are_told(postgres_url: str) -> None:
    with created(bank, postgres_url):
        client = TestClient(app_that(lambda: [Account.new(owner=SECRET) for _ in "ab"]))
        assert client.get("/def").json()["columns"] == ["owner"]


@pytest.mark.parametrize("colour", COLOURS)
def test_a_reference_that_leads_nowhere_is_a_conflict(url: str, colour: str) -> None:
    open_shop(url)
    answer = TestClient(app_that(lambda: Part.new(item_id=77), db)).get(f"/{colour}")
    assert (answer.status_code, answer.json()["code"]) == (409, "foreign_key_violation")


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("middleware", [True, False], ids=["middleware", "dependency"])
async def test_a_commit_that_fails_is_answered_too(
    postgres_url: str, colour: str, middleware: bool
) -> None:
    open_ledger(postgres_url, commit_on_exit=True)
    app = FastAPI()
    register_exception_handlers(app)
    if middleware:
        serving(app, ledger)

    class Entries(Repository[Entry]):
        pass

    @app.get("/def")
    def blocking(entries: Annotated[Entries, Depends()]) -> None:
        entries.create(follows=NOWHERE)

    @app.get("/async")
    async def awaited(entries: Annotated[Entries, Depends()]) -> None:
        await entries.acreate(follows=NOWHERE)

    answer = await get(app, f"/{colour}")
    assert (answer.status, answer.kinds, answer.error) == (409, ["start", "body"], None)
    assert b'"code":"foreign_key_violation"' in answer.body
    assert entries() == []


async def test_what_a_request_wrote_before_the_error_is_rolled_back(url: str) -> None:
    open_shop(url, "pen", commit_on_exit=True)

    def act() -> None:
        Item.new(name="ink")
        Item.new(name="pen")

    answer = await get(app_that(act, db), "/def")
    assert answer.status == 409
    assert names() == ["pen"]


@pytest.mark.parametrize(
    "error",
    [
        MultipleRecordsFoundError("User", "SELECT"),
        UnknownNameError("new", "User", "nmae", ["name"]),
        exc.OperationalError("SELECT 1", {}, Exception()),
        LookupError(),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_what_only_the_author_can_cause_is_an_error_of_the_server(error: Exception) -> None:
    def act() -> None:
        raise error

    bank.init("sqlite://")
    answer = await get(app_that(act), "/def")
    assert (answer.status, answer.error) == (500, error)
    bank.init()


def refused(kind: type[IntegrityError]) -> IntegrityError:
    cause = exc.IntegrityError("INSERT", {"owner": SECRET}, Exception(SECRET))
    return kind(cause, None, "accounts", [])


def unsendable() -> DataError:
    return DataError(exc.DataError("INSERT", {"owner": SECRET}, OverflowError(SECRET)))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RecordNotFoundError("User", "SELECT"), "record_not_found"),
        (refused(UniqueViolation), "unique_violation"),
        (refused(IntegrityError), "integrity_violation"),
        (unsendable(), "invalid_value"),
        (StaleRecordError("User", ["id"]), "stale_record"),
        (StaleDataError("UPDATE statement on table"), "stale_record"),
        (InvalidPageError("page", needs="a number", found="none"), "invalid_page"),
        (InvalidCursorError("nothing"), "invalid_cursor"),
        (UnknownNameError("order_by", "User", "nmae", ["name"]), "invalid_order"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_an_application_of_starlette_answers_too(error: Exception, code: str) -> None:
    async def route(_: Request) -> Response:
        raise error

    app = Starlette(routes=[Route("/", route)])
    register_exception_handlers(app)
    answer = TestClient(app).get("/")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == code
    assert "columns" not in answer.json()
    assert SECRET not in answer.text


def test_a_handler_of_the_application_takes_the_place_of_ours() -> None:
    async def route(_: Request) -> Response:
        raise RecordNotFoundError("User", "SELECT")

    async def mine(_: Request, error: Exception) -> Response:
        return PlainTextResponse(type(error).__name__, 410)

    app = Starlette(routes=[Route("/", route)])
    register_exception_handlers(app)
    app.add_exception_handler(RecordNotFoundError, mine)
    answer = TestClient(app).get("/")
    assert (answer.status_code, answer.text) == (410, "RecordNotFoundError")


def test_a_websocket_is_closed_as_without_handlers() -> None:
    app = FastAPI()
    register_exception_handlers(app)

    @app.websocket("/")
    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        raise RecordNotFoundError("User", "SELECT")

    with (
        pytest.raises(RecordNotFoundError),
        TestClient(app).websocket_connect("/") as socket,
    ):
        socket.receive_text()


def test_openapi_documents_the_problems() -> None:
    app = FastAPI(responses=problem_responses())
    router = APIRouter(responses=problem_responses(422))

    @app.get("/users/{ident}")
    def user(ident: int) -> None: ...

    @router.get("/posts")
    def posts() -> None: ...

    app.include_router(router)
    paths = app.openapi()["paths"]
    responses = paths["/users/{ident}"]["get"]["responses"]
    assert sorted(responses) == ["200", "404", "409", "422"]
    (media_type, content) = responses["409"]["content"].popitem()
    assert media_type == "application/problem+json"
    assert content["schema"]["properties"]["code"]["enum"] == [
        "foreign_key_violation",
        "integrity_violation",
        "stale_record",
        "unique_violation",
    ]
    assert "HTTPValidationError" in str(responses["422"]), "FastAPI's own"
    assert sorted(paths["/posts"]["get"]["responses"]) == ["200", "404", "409", "422"]


def test_what_openapi_says_is_what_is_answered() -> None:
    schema = problem_responses(404)[404]["content"]["application/problem+json"]["schema"]

    async def route(_: Request) -> Response:
        raise RecordNotFoundError("User", "SELECT")

    app = Starlette(routes=[Route("/", route)])
    register_exception_handlers(app)
    found = TestClient(app).get("/").json()
    assert set(schema["required"]) == set(found)
    assert found["status"] == schema["properties"]["status"]["const"]
    assert found["code"] in schema["properties"]["code"]["enum"]


def test_a_status_that_no_handler_answers_with_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 404, 409 or 422, found 418"):
        problem_responses(404, 418)


def test_problems_are_json() -> None:
    assert JSONResponse(problem_responses()).status_code == 200
