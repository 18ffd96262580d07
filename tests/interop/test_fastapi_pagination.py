"""fastapi-pagination makes its pages of our queries, with the session of the request."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI
from fastapi_pagination import LimitOffsetPage, Page, add_pagination
from fastapi_pagination.cursor import CursorPage
from fastapi_pagination.ext.sqlalchemy import apaginate, paginate
from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, joinedload

from fastapi_sqlalchemy import Query, Repository, SQLAlchemy
from fastapi_sqlalchemy.testing import assert_queries
from tests.interop import stock
from tests.interop.stock import Product, Supplier, fill
from tests.web.asgi import serving

CODES = [f"P{number}" for number in range(1, 8)]
"""Of which the third product is deleted."""


class ProductOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    code: str


def found() -> Query[Product]:
    return Product.query.order_by(Product.id)


BlockingSession = Annotated[Session, Depends(stock.db.get_session)]
AwaitedSession = Annotated[AsyncSession, Depends(stock.db.get_async_session)]


def catalogue(*, middleware: bool) -> FastAPI:
    """An application that pages products in each way, with the middleware or without it."""
    app = FastAPI()

    @app.get("/def/numbered", response_model=Page[ProductOut])
    def numbered(session: BlockingSession) -> Any:
        return paginate(session, found().statement)

    @app.get("/def/offset", response_model=LimitOffsetPage[ProductOut])
    def offset(session: BlockingSession) -> Any:
        return paginate(session, found().statement)

    @app.get("/def/cursor", response_model=CursorPage[ProductOut])
    def cursor(session: BlockingSession) -> Any:
        return paginate(session, found().statement)

    @app.get("/async/numbered", response_model=Page[ProductOut])
    async def awaited_numbered(session: AwaitedSession) -> Any:
        return await apaginate(session, found().statement)

    @app.get("/async/offset", response_model=LimitOffsetPage[ProductOut])
    async def awaited_offset(session: AwaitedSession) -> Any:
        return await apaginate(session, found().statement)

    @app.get("/async/cursor", response_model=CursorPage[ProductOut])
    async def awaited_cursor(session: AwaitedSession) -> Any:
        return await apaginate(session, found().statement)

    add_pagination(app)
    return serving(app, stock.db) if middleware else app


@pytest.fixture(autouse=True)
def products(db: SQLAlchemy) -> None:
    fill(*CODES)
    with db():
        Product.query.filter_by(code="P3").one().delete()


@asynccontextmanager
async def asking(app: FastAPI) -> AsyncIterator[Callable[..., Any]]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:

        async def ask(path: str, **params: Any) -> Any:
            answer = await client.get(path, params=params)
            assert answer.status_code == 200, answer.text
            return answer.json()

        yield ask


def codes(page: Any) -> list[str]:
    return [item["code"] for item in page["items"]]


@pytest.mark.parametrize("middleware", [True, False], ids=["middleware", "dependency"])
@pytest.mark.parametrize("colour", ["def", "async"])
async def test_its_pages_are_those_of_our_query(colour: str, middleware: bool) -> None:
    async with asking(catalogue(middleware=middleware)) as ask:
        page = await ask(f"/{colour}/numbered", page=2, size=4)
        assert (codes(page), page["total"], page["pages"]) == (["P6", "P7"], 6, 2)
        page = await ask(f"/{colour}/offset", offset=1, limit=3)
        assert (codes(page), page["total"]) == (["P2", "P4", "P5"], 6)


@pytest.mark.parametrize("middleware", [True, False], ids=["middleware", "dependency"])
@pytest.mark.parametrize("colour", ["def", "async"])
async def test_its_cursors_walk_through_our_query(colour: str, middleware: bool) -> None:
    async with asking(catalogue(middleware=middleware)) as ask:
        first = await ask(f"/{colour}/cursor", size=4)
        assert codes(first) == ["P1", "P2", "P4", "P5"]
        second = await ask(f"/{colour}/cursor", size=4, cursor=first["next_page"])
        assert (codes(second), second["next_page"]) == (["P6", "P7"], None)
        back = await ask(f"/{colour}/cursor", size=4, cursor=second["previous_page"])
        assert codes(back) == codes(first)


@pytest.mark.parametrize("colour", ["def", "async"])
async def test_a_page_leaves_no_connection_out(db: SQLAlchemy, colour: str) -> None:
    async with asking(catalogue(middleware=True)) as ask:
        await ask(f"/{colour}/numbered")
        with db.testing():  # which needs all of them
            await ask(f"/{colour}/offset")


@pytest.fixture
def paging() -> Iterator[None]:
    """What `add_pagination` does for a route, for the test itself."""
    from fastapi_pagination import Params, set_page, set_params

    with set_page(Page[Any]), set_params(Params(page=1, size=2)):
        yield


@pytest.mark.usefixtures("paging")
def test_it_takes_a_query_as_it_is(db: SQLAlchemy) -> None:
    with db(), assert_queries(2):
        page = paginate(db.session, Product.query.filter(Product.id > 3).order_by(Product.id))  # type: ignore[call-overload]  # it names the classes it takes
    assert ([product.code for product in page.items], page.total) == (["P4", "P5"], 4)


@pytest.mark.usefixtures("paging")
async def test_it_takes_a_query_as_it_is_when_awaited(db: SQLAlchemy) -> None:
    async with db():
        page = await apaginate(db.async_session, Repository(Product).query.order_by(Product.id))  # type: ignore[arg-type]  # it names the classes it takes
    assert ([product.code for product in page.items], page.total) == (["P1", "P2"], 6)


@pytest.mark.usefixtures("paging")
def test_its_page_of_records_with_a_joined_collection_is_one_of_records(db: SQLAlchemy) -> None:
    with db(commit_on_exit=True):
        Supplier.new(name="Grace")
        Supplier.new(name="Hedy")
    with db():
        query = Supplier.query.options(joinedload(Supplier.products)).order_by(Supplier.id)
        page = paginate(db.session, query.statement)
        assert ([supplier.name for supplier in page.items], page.total) == (
            ["Ada & Sons", "Grace"],
            3,
        )
        assert [product.code for product in page.items[0].products] == CODES[:2] + CODES[3:]
