"""Pages over HTTP: what FastAPI makes of them, and of numbers and cursors that are none."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from fastapi_sqlalchemy import CursorPage, DBSessionMiddleware, Page, SQLAlchemy
from fastapi_sqlalchemy.exceptions import InvalidCursorError, InvalidPageError
from tests.blog import created
from tests.paging import model
from tests.paging.model import Box


class BoxOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    label: str


app = FastAPI()


@app.get("/boxes", response_model=Page[BoxOut])
async def boxes(page: int = 1, per_page: int = 2) -> Any:
    return await Box.query.apaginate(page, per_page)


@app.get("/blocking")
def blocking(page: int = 1) -> Page[BoxOut]:
    return Box.query.paginate(page, 2).map(BoxOut.model_validate)


@app.get("/annotated")
async def annotated(page: int = 1) -> Page[BoxOut]:
    return await Box.query.apaginate(page, 2)  # type: ignore[return-value]  # FastAPI converts it


@app.get("/plain")
async def plain(page: int = 1):  # type: ignore[no-untyped-def]  # as untyped code writes it
    return await Box.query.apaginate(page, 2)


@app.get("/cursors", response_model=CursorPage[BoxOut])
async def cursors(limit: int = 2, after: str | None = None, before: str | None = None) -> Any:
    return await Box.query.order_by(Box.label.desc()).acursor_paginate(
        limit, after=after, before=before
    )


@pytest.fixture(params=["sqlite", "postgresql"])
async def db(request: pytest.FixtureRequest) -> AsyncIterator[SQLAlchemy]:
    """One whose awaited calls run in threads, and one with an asyncio driver."""
    url = "sqlite://" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    with created(model.db, url) as database:
        yield database
        await database.adispose()


@pytest.fixture
async def api(db: SQLAlchemy) -> AsyncIterator[httpx.AsyncClient]:
    async with db(commit_on_exit=True):
        for label in "abc":
            await Box.anew(label=label)
    transport = httpx.ASGITransport(DBSessionMiddleware(app, db=db))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as api:
        yield api


FIRST = {
    "items": [{"label": "a"}, {"label": "b"}],
    "page": 1,
    "per_page": 2,
    "total": 3,
    "pages": 2,
    "has_next": True,
    "has_prev": False,
    "next_num": 2,
    "prev_num": None,
}


@pytest.mark.parametrize("path", ["/boxes", "/blocking", "/annotated"])
async def test_a_page_is_json_with_its_numbers(api: httpx.AsyncClient, path: str) -> None:
    assert (await api.get(path)).json() == FIRST
    last = (await api.get(path, params={"page": 2})).json()
    assert last["items"] == [{"label": "c"}]
    assert (last["has_next"], last["next_num"], last["prev_num"]) == (False, None, 1)


async def test_a_page_that_no_annotation_describes_is_json_by_the_columns(
    api: httpx.AsyncClient,
) -> None:
    items = [{"id": 1, "label": "a"}, {"id": 2, "label": "b"}]
    assert (await api.get("/plain")).json() == {**FIRST, "items": items}


async def test_the_cursors_of_a_page_lead_forth_and_back(api: httpx.AsyncClient) -> None:
    first = (await api.get("/cursors")).json()
    assert [item["label"] for item in first["items"]] == ["c", "b"]
    assert (first["has_next"], first["has_prev"], first["previous"]) == (True, False, None)
    last = (await api.get("/cursors", params={"after": first["next"]})).json()
    assert [item["label"] for item in last["items"]] == ["a"]
    assert (last["next"], last["has_prev"]) == (None, True)
    back = (await api.get("/cursors", params={"before": last["previous"]})).json()
    assert back["items"] == first["items"]


@pytest.mark.parametrize(
    ("params", "detail"),
    [
        ({"page": 0}, "expected `page` to be a whole number from 1 on, found 0"),
        ({"page": -1}, "expected `page` to be a whole number from 1 on, found -1"),
        ({"per_page": 0}, "expected `per_page` to be a whole number from 1 to 100, found 0"),
        ({"per_page": 101}, "expected `per_page` to be a whole number from 1 to 100, found 101"),
        (
            {"page": 2**80},
            "expected `page` to be a whole number from 1 on, found a number beyond every page",
        ),
    ],
)
async def test_a_number_that_no_page_has_is_answered_with_422(
    api: httpx.AsyncClient, params: dict[str, Any], detail: str
) -> None:
    answer = await api.get("/boxes", params=params)
    assert (answer.status_code, answer.json()) == (422, {"detail": detail})


@pytest.mark.parametrize("after", ["", "x", "bm9uc2Vuc2U", "%00", "AAAA" * 20])
async def test_a_cursor_that_is_none_is_answered_with_422(
    api: httpx.AsyncClient, after: str
) -> None:
    answer = await api.get("/cursors", params={"after": after})
    detail = "expected a cursor that this query gave out, found a damaged one"
    assert (answer.status_code, answer.json()) == (422, {"detail": detail})


async def test_a_foreign_cursor_is_answered_with_422(
    api: httpx.AsyncClient, db: SQLAlchemy
) -> None:
    async with db():
        page = await Box.query.order_by(Box.label).acursor_paginate(1)
    answer = await api.get("/cursors", params={"after": page.next})
    assert answer.status_code == 422
    assert answer.json()["detail"].endswith("found one of another order")


async def test_the_handler_of_an_application_is_asked_first(api: httpx.AsyncClient) -> None:
    def teapot(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": str(error).partition(",")[0]}, 418)

    app.add_exception_handler(InvalidPageError, teapot)
    app.middleware_stack = None
    try:
        answer = await api.get("/boxes", params={"page": 0})
    finally:
        del app.exception_handlers[InvalidPageError]
        app.middleware_stack = None
    assert (answer.status_code, answer.json()) == (
        418,
        {"error": "expected `page` to be a whole number from 1 on"},
    )


async def test_starlette_alone_answers_with_422_too(db: SQLAlchemy) -> None:
    async def boxes(request: Request) -> PlainTextResponse:
        await Box.query.acursor_paginate(after=request.query_params["after"])
        return PlainTextResponse("")

    served: Any = Starlette(routes=[Route("/", boxes)])
    served.add_middleware(DBSessionMiddleware, db=db)
    transport = httpx.ASGITransport(served)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as api:
        answer = await api.get("/", params={"after": "x"})
    assert answer.status_code == 422
    assert answer.text == "expected a cursor that this query gave out, found a damaged one"


def test_the_schema_of_the_application_says_what_the_items_are() -> None:
    schema = app.openapi()
    for path in ("/boxes", "/blocking", "/annotated"):
        content = schema["paths"][path]["get"]["responses"]["200"]["content"]
        assert content["application/json"]["schema"] == {
            "$ref": "#/components/schemas/Page_BoxOut_"
        }
    page = schema["components"]["schemas"]["Page_BoxOut_"]
    assert page["properties"]["items"] == {
        "items": {"$ref": "#/components/schemas/BoxOut"},
        "type": "array",
        "title": "Items",
    }
    assert page["properties"]["total"]["anyOf"] == [{"type": "integer"}, {"type": "null"}]
    assert "CursorPage_BoxOut_" in schema["components"]["schemas"]


async def test_outside_of_a_request_it_is_the_error_that_it_says(db: SQLAlchemy) -> None:
    async with db():
        with pytest.raises(InvalidPageError) as caught:
            await Box.query.apaginate(0)
        with pytest.raises(InvalidCursorError):
            await Box.query.acursor_paginate(after="x")
    assert isinstance(caught.value, ValueError)
    assert str(caught.value).startswith("expected `page` to be a whole number from 1 on, found 0")
    assert "Annotated[int, Query(ge=1" in str(caught.value)
