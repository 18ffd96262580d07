from typing import Annotated

from fastapi import APIRouter, Body, Depends

from fastapi_sqlalchemy import Changes, CursorPage, Page, problem_responses
from fastapi_sqlalchemy.dependencies import CursorParams, PageParams

from .models import Order, Product
from .repositories import Orders, Products
from .schemas import OrderIn, OrderOut
from .services import Catalogue, Ordering

CatalogueDep = Annotated[Catalogue, Depends()]
OrderingDep = Annotated[Ordering, Depends()]
OrdersDep = Annotated[Orders, Depends()]

products = APIRouter(prefix="/products", tags=["products"], responses=problem_responses(404, 409))
orders = APIRouter(prefix="/orders", tags=["orders"], responses=problem_responses(404, 409))


@products.get("")
def list_products(
    catalogue: CatalogueDep, pages: Annotated[PageParams, Depends()], text: str = ""
) -> Page[Product]:
    return pages.paginate(catalogue.find(text))


@products.post("", status_code=201)
def add_product(catalogue: CatalogueDep, product: Annotated[Product, Body()]) -> Product:
    return catalogue.add(product)


@products.get("/{ident}")
def show_product(products: Annotated[Products, Depends()], ident: int) -> Product:
    return products.get_one(ident)


@products.patch("/{ident}")
def change_product(catalogue: CatalogueDep, ident: int, changes: Changes[Product]) -> Product:
    return catalogue.change(ident, changes)


@products.post("/{ident}/stock")
def stock_up(
    catalogue: CatalogueDep, ident: int, quantity: Annotated[int, Body(embed=True, gt=0)]
) -> Product:
    return catalogue.stock_up(ident, quantity)


@orders.post("", status_code=201, response_model=OrderOut)
async def place_order(ordering: OrderingDep, wanted: OrderIn) -> Order:
    return await ordering.place(wanted)


@orders.get("", response_model=CursorPage[OrderOut])
async def list_orders(
    orders: OrdersDep, cursors: Annotated[CursorParams, Depends()], email: str
) -> CursorPage[Order]:
    return await cursors.apaginate(orders.of(email))


@orders.get("/{ident}", response_model=OrderOut)
async def show_order(orders: OrdersDep, ident: int) -> Order:
    return await orders.complete().aget_one(ident)


@orders.delete("/{ident}", response_model=OrderOut)
async def cancel_order(ordering: OrderingDep, ident: int) -> Order:
    return await ordering.cancel(ident)
