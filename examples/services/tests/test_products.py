import httpx
import pytest

from examples.services.models import Product
from fastapi_sqlalchemy.testing import max_queries

CAP = {"code": "CAP", "name": "Cap", "price": "1.20"}


async def test_a_product_that_is_added_can_be_shown(client: httpx.AsyncClient) -> None:
    added = await client.post("/products", json=CAP)
    assert added.status_code == 201
    shown = await client.get(f"/products/{added.json()['id']}")
    assert shown.json() == CAP | {"id": added.json()["id"], "stock": 0}


async def test_a_code_is_there_once(client: httpx.AsyncClient, pen: Product) -> None:
    answer = await client.post("/products", json=CAP | {"code": "PEN"})
    assert (answer.status_code, answer.json()["code"]) == (409, "unique_violation")


async def test_a_product_that_is_not_there_is_not_found(client: httpx.AsyncClient) -> None:
    assert (await client.get("/products/404")).status_code == 404
    assert (await client.patch("/products/404", json={"name": "Cap"})).status_code == 404


async def test_only_what_a_change_names_is_changed(client: httpx.AsyncClient, pen: Product) -> None:
    answer = await client.patch(f"/products/{pen.id}", json={"price": "3.00"})
    assert (answer.json()["name"], answer.json()["price"]) == ("Pen", "3.00")


async def test_nobody_says_what_the_stock_is(client: httpx.AsyncClient, pen: Product) -> None:
    added = await client.post("/products", json=CAP | {"stock": 99})
    assert added.json()["stock"] == 0
    changed = await client.patch(f"/products/{pen.id}", json={"stock": 99})
    assert (changed.status_code, changed.json()["stock"]) == (200, 10)


@pytest.mark.parametrize(
    "wrong", [{"name": ""}, {"name": None}, {"price": "-1"}, {"code": "x" * 21}]
)
async def test_what_a_product_cannot_be_is_refused(
    client: httpx.AsyncClient, pen: Product, wrong: dict[str, str | None]
) -> None:
    assert (await client.post("/products", json=CAP | wrong)).status_code == 422
    assert (await client.patch(f"/products/{pen.id}", json=wrong)).status_code == 422


async def test_stock_is_added_to_what_there_is(client: httpx.AsyncClient, pen: Product) -> None:
    answer = await client.post(f"/products/{pen.id}/stock", json={"quantity": 5})
    assert answer.json()["stock"] == 15


async def test_products_are_found_by_their_names_page_by_page(
    client: httpx.AsyncClient, pen: Product, ink: Product
) -> None:
    with max_queries(2):
        page = (await client.get("/products", params={"per_page": 1})).json()
    assert ([item["code"] for item in page["items"]], page["total"]) == (["INK"], 2)
    page = (await client.get("/products", params={"text": "pEn"})).json()
    assert [item["code"] for item in page["items"]] == ["PEN"]
