"""A model in a FastAPI route: as return annotation, as `response_model`, as request body."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Body, Depends, FastAPI
from fastapi.exceptions import ResponseValidationError
from sqlalchemy.orm import object_session

from fastapi_sqlalchemy import (
    Changes,
    CursorPage,
    DBSessionMiddleware,
    Page,
    SQLAlchemy,
    register_exception_handlers,
)
from fastapi_sqlalchemy.dependencies import CursorParams, PageParams
from fastapi_sqlalchemy.exceptions import NotLoadedError
from fastapi_sqlalchemy.testing import assert_queries
from tests.schemas.model import Book, Rank, Reader

app = FastAPI()
register_exception_handlers(app)

WithBooks: Any = Reader.schema(with_=[Reader.books])
Sent = Annotated[Reader, Body()]
Pages = Annotated[PageParams, Depends()]
Cursors = Annotated[CursorParams, Depends()]


@app.get("/readers")
def readers() -> list[Reader]:
    return Reader.query.order_by(Reader.id).all()


@app.get("/awaited")
async def awaited() -> list[Reader]:
    return await Reader.query.order_by(Reader.id).aall()


@app.get("/readers/{ident}")
async def reader(ident: int) -> Reader:
    return await Reader.aget_one(ident)


@app.get("/perhaps/{ident}")
def perhaps(ident: int) -> Reader | None:
    return Reader.get(ident)


@app.get("/model/{ident}", response_model=Reader, response_model_exclude={"joined"})
def model(ident: int) -> Any:
    return Reader.get(ident)


@app.get("/pages")
async def pages(pages: Pages) -> Page[Reader]:
    return await pages.apaginate(Reader.query.order_by(Reader.id))


@app.get("/cursors")
def cursors(cursors: Cursors) -> CursorPage[Reader]:
    return cursors.paginate(Reader.query.order_by(Reader.id))


@app.get("/with_books", response_model=Page[WithBooks])
async def with_books(pages: Pages) -> Any:
    return await pages.apaginate(Reader.query.for_schema(WithBooks).order_by(Reader.id))


@app.get("/blocking_with_books", response_model=list[WithBooks])
def blocking_with_books() -> Any:
    return Reader.query.for_schema(WithBooks).order_by(Reader.id).all()


@app.get("/forgotten", response_model=list[WithBooks])
async def forgotten() -> Any:
    return await Reader.query.aall()


@app.get("/some")
async def some() -> list[Reader]:
    return await Reader.query.for_schema(Reader.schema(include={"name"})).aall()


@app.get("/expired")
def expired() -> Reader:
    reader = Reader.get_one(1)
    session: Any = object_session(reader)
    session.expire(reader, ["name"])
    return reader


@app.get("/unsaved", response_model=Reader.schema())
def unsaved() -> Any:
    return Reader(email="abc")


@app.post("/readers", status_code=201)
async def create(reader: Sent) -> Reader:
    assert reader.id is None
    return await reader.asave()


@app.post("/blocking", status_code=201)
def create_blocking(reader: Sent) -> Reader:
    return reader.save()


@app.post("/several", status_code=201)
def create_several(readers: list[Reader]) -> list[Reader]:
    return [reader.save() for reader in readers]


@app.post("/two", status_code=201)
def create_two(reader: Sent, book: Annotated[Book | None, Body()] = None) -> list[str]:
    return [type(each).__name__ for each in (reader, book)]


@app.patch("/readers/{ident}")
async def change(ident: int, changes: Changes[Reader]) -> Reader:
    reader = await Reader.aget_one(ident)
    return await reader.aupdate_from(changes)


@pytest.fixture
async def api(db: SQLAlchemy) -> AsyncIterator[httpx.AsyncClient]:
    async with db(commit_on_exit=True):
        for name in ("Ada", "Grace"):
            reader = await Reader.anew(email=f"{name}@example.com", name=name)
            for title in ("first", "second"):
                await Book.anew(title=title, reader_id=reader.id)
    transport = httpx.ASGITransport(DBSessionMiddleware(app, db=db, create_all=False))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as api:
        yield api
    await db.adispose()


def without_moment(reader: dict[str, Any]) -> dict[str, Any]:
    assert reader.pop("joined").endswith("Z")
    return reader


ADA = {"id": 1, "email": "Ada@example.com", "name": "Ada", "rank": "guest", "is_admin": False}


@pytest.mark.parametrize("path", ["/readers", "/awaited"])
async def test_a_list_of_records_is_their_columns_by_one_statement(
    api: httpx.AsyncClient, path: str
) -> None:
    with assert_queries(1):
        answer = await api.get(path)
    assert [without_moment(each)["name"] for each in answer.json()] == ["Ada", "Grace"]


async def test_one_record_or_none(api: httpx.AsyncClient) -> None:
    assert without_moment((await api.get("/readers/1")).json()) == ADA
    assert without_moment((await api.get("/perhaps/1")).json()) == ADA
    assert (await api.get("/perhaps/7")).json() is None
    assert (await api.get("/model/1")).json() == ADA


async def test_pages_of_records(api: httpx.AsyncClient) -> None:
    page = (await api.get("/pages", params={"per_page": 1})).json()
    assert without_moment(page["items"][0]) == ADA
    assert page["total"] == 2
    page = (await api.get("/cursors", params={"limit": 1})).json()
    assert without_moment(page["items"][0]) == ADA
    assert page["has_next"]


async def test_related_records_come_in_one_statement_more(api: httpx.AsyncClient) -> None:
    with assert_queries(2):  # a page that is not full needs no count
        page = (await api.get("/with_books")).json()
    with assert_queries(2):
        listed = (await api.get("/blocking_with_books")).json()
    assert listed == page["items"]
    assert [[book["title"] for book in each["books"]] for each in listed] == [
        ["first", "second"],
        ["first", "second"],
    ]


@pytest.mark.parametrize(
    ("path", "attribute"),
    [("/forgotten", "books"), ("/some", "[a-z_]+"), ("/expired", "name")],
)
async def test_what_is_not_loaded_is_an_error_and_no_statement(
    api: httpx.AsyncClient, path: str, attribute: str
) -> None:
    found = "expired" if path == "/expired" else "not"
    message = rf"expected Reader\.{attribute} to be loaded, found that it is {found}"
    with assert_queries(1), pytest.raises(NotLoadedError, match=message) as caught:
        await api.get(path)
    assert caught.value.model == "Reader"
    way_out = "arefresh()" if path == "/expired" else ".for_schema(schema)"
    assert way_out in str(caught.value)


async def test_a_record_without_a_key_is_no_response(api: httpx.AsyncClient) -> None:
    with pytest.raises(ResponseValidationError, match="'id'"):
        await api.get("/unsaved")


@pytest.mark.parametrize("path", ["/readers", "/blocking"])
async def test_a_body_is_a_new_record_made_of_what_was_sent(
    api: httpx.AsyncClient, path: str
) -> None:
    sent = {"email": "mary@example.com", "rank": "member", "is_admin": True, "id": 77}
    answer = await api.post(path, json=sent)
    assert answer.status_code == 201
    made = without_moment(answer.json())
    assert made == {
        "id": 3,
        "email": "mary@example.com",
        "name": None,
        "rank": "member",
        "is_admin": False,
    }


@pytest.mark.parametrize(
    ("sent", "place"),
    [
        ({}, "email"),
        ({"email": "x"}, "email"),
        ({"email": "x" * 101}, "email"),
        ({"email": None}, "email"),
        ({"email": "abc", "rank": "king"}, "rank"),
        ({"email": "abc", "joined": "2025-01-01T00:00:00"}, "joined"),
    ],
)
async def test_a_body_that_the_columns_do_not_take_is_answered_with_422(
    api: httpx.AsyncClient, sent: dict[str, Any], place: str
) -> None:
    answer = await api.post("/readers", json=sent)
    assert answer.status_code == 422
    assert [each["loc"] for each in answer.json()["detail"]] == [["body", place]]


async def test_several_bodies(api: httpx.AsyncClient) -> None:
    sent = [{"email": "one"}, {"email": "two"}]
    answer = await api.post("/several", json=sent)
    assert [each["email"] for each in answer.json()] == ["one", "two"]
    both = await api.post("/two", json={"reader": {"email": "abc"}, "book": {"title": "x"}})
    assert both.json() == ["Reader", "Book"]
    one = await api.post("/two", json={"reader": {"email": "abc"}})
    assert one.json() == ["Reader", "NoneType"]


async def test_a_change_sets_what_was_sent_and_nothing_guarded(api: httpx.AsyncClient) -> None:
    sent = {"name": "Lovelace", "is_admin": True, "id": 5}
    changed = await api.patch("/readers/1", json=sent)
    assert without_moment(changed.json()) == {**ADA, "name": "Lovelace"}
    assert (await api.patch("/readers/1", json={"name": None})).json()["name"] is None
    assert (await api.patch("/readers/1", json={"email": None})).status_code == 422
    assert (await api.patch("/readers/9", json={})).status_code == 404


def test_openapi_names_what_is_read_what_is_created_and_what_is_changed() -> None:
    schema = app.openapi()
    components = schema["components"]["schemas"]
    assert {"Reader", "ReaderCreate", "ReaderUpdate", "Page_Reader_", "CursorPage_Reader_"} <= (
        components.keys()
    )
    assert {"ReaderWithBooks", "Page_ReaderWithBooks_", "Book", "BookCreate"} <= components.keys()
    assert not any("__" in name or "-" in name for name in components)
    assert list(components["Reader"]["properties"]) == [
        *("id", "email", "name", "rank", "is_admin", "joined")
    ]
    assert components["Reader"]["required"] == list(components["Reader"]["properties"])
    assert components["ReaderCreate"]["required"] == ["email"]
    assert "is_admin" not in components["ReaderCreate"]["properties"]
    assert "required" not in components["ReaderUpdate"]
    assert components["Reader"]["properties"]["email"]["maxLength"] == 100


def test_openapi_says_of_which_schema_each_route_is() -> None:
    paths = app.openapi()["paths"]

    def told(path: str, method: str = "get", status: str = "200") -> Any:
        return paths[path][method]["responses"][status]["content"]["application/json"]["schema"]

    reference = {"$ref": "#/components/schemas/Reader"}
    assert told("/readers")["items"] == reference
    assert told("/readers/{ident}") == told("/model/{ident}") == reference
    assert told("/perhaps/{ident}")["anyOf"] == [reference, {"type": "null"}]
    assert told("/pages") == {"$ref": "#/components/schemas/Page_Reader_"}
    assert told("/readers", "post", "201") == reference
    body = paths["/readers"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/ReaderCreate"}
    assert "parameters" not in paths["/readers"]["post"]


def test_the_rank_of_a_reader_is_an_enum_of_its_own() -> None:
    assert app.openapi()["components"]["schemas"]["Rank"]["enum"] == [each.value for each in Rank]
