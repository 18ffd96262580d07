from decimal import Decimal

import httpx

from examples.services.models import Order, Product
from examples.services.repositories import Orders
from examples.services.tests.conftest import Letters
from fastapi_sqlalchemy.testing import max_queries

ADA = "ada@example.com"


async def order(client: httpx.AsyncClient, **quantities: int) -> httpx.Response:
    lines = [{"code": code, "quantity": quantity} for code, quantity in quantities.items()]
    return await client.post("/orders", json={"email": ADA, "lines": lines})


async def stock(product: Product) -> int:
    """How many there are now, whoever took some."""
    return (await product.arefresh()).stock


async def test_an_order_takes_from_the_stock(
    client: httpx.AsyncClient, letters: Letters, pen: Product, ink: Product
) -> None:
    answer = await order(client, PEN=3, INK=1)
    assert answer.status_code == 201, answer.text
    placed = answer.json()
    assert (placed["status"], placed["total"]) == ("placed", "11.50")
    assert (await stock(pen), await stock(ink)) == (7, 0)
    assert letters.sent == [(ADA, f"Your order {placed['id']}")]


async def test_an_order_is_placed_as_a_whole_or_not_at_all(
    client: httpx.AsyncClient, letters: Letters, pen: Product, ink: Product
) -> None:
    answer = await order(client, PEN=3, INK=2)
    assert (answer.status_code, answer.json()["detail"]) == (409, "There is not enough of INK")
    assert (await stock(pen), await stock(ink)) == (10, 1)
    assert await Orders().acount() == 0
    assert letters.sent == []


async def test_an_order_of_what_is_not_there_is_refused(client: httpx.AsyncClient) -> None:
    assert (await order(client, PEN=1)).status_code == 409
    assert (await order(client, PEN=0)).status_code == 422
    assert (await order(client)).status_code == 422


async def test_a_cancelled_order_gives_back_what_it_took(
    client: httpx.AsyncClient, letters: Letters, pen: Product
) -> None:
    placed = (await order(client, PEN=3)).json()
    answer = await client.delete(f"/orders/{placed['id']}")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert await stock(pen) == 10
    again = await client.delete(f"/orders/{placed['id']}")
    assert again.status_code == 409
    assert await stock(pen) == 10
    assert [subject for _, subject in letters.sent] == [
        f"Your order {placed['id']}",
        f"Order {placed['id']} is cancelled",
    ]


async def test_an_order_shows_its_lines(client: httpx.AsyncClient, pen: Product) -> None:
    placed = (await order(client, PEN=2)).json()
    await pen.aupdate(price=Decimal(9))
    shown = await client.get(f"/orders/{placed['id']}")
    assert shown.json() == placed, "at the price of that day"
    assert (await client.get("/orders/404")).status_code == 404


async def test_orders_are_listed_with_their_lines_from_the_newest(
    client: httpx.AsyncClient, pen: Product
) -> None:
    for quantity in (1, 2, 3):
        await order(client, PEN=quantity)
    with max_queries(3):
        page = (await client.get("/orders", params={"email": ADA, "limit": 2})).json()
    assert [item["lines"][0]["quantity"] for item in page["items"]] == [3, 2]
    params = {"email": ADA, "limit": 2, "after": page["next"]}
    rest = (await client.get("/orders", params=params)).json()
    assert [item["lines"][0]["quantity"] for item in rest["items"]] == [1]
    nobodys = (await client.get("/orders", params={"email": "eve@example.com"})).json()
    assert nobodys["items"] == []


async def test_an_order_knows_its_total_without_a_line(client: httpx.AsyncClient) -> None:
    assert Order(email=ADA).total == 0
