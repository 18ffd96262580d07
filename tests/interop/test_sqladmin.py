"""An admin page of sqladmin over our models, without a browser."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

import pytest
from sqlalchemy import select

from fastapi_sqlalchemy import SQLAlchemy
from fastapi_sqlalchemy.testing import max_queries
from tests.interop.admin import make_app
from tests.interop.stock import Delivery, Product, Supplier, fill
from tests.web.clients import TestClient

PRODUCT = {"code": "p3", "price": "2.50", "state": "PLANNED", "supplier": "1", "save": "Save"}


@contextmanager
def page(*, awaited: bool = False) -> Iterator[TestClient]:
    with TestClient(make_app(awaited=awaited), base_url="http://test") as client:
        yield client


@pytest.fixture(params=["blocking", "awaited"])
def client(request: pytest.FixtureRequest, db: SQLAlchemy) -> Iterator[TestClient]:
    fill("P1", "P2")
    with page(awaited=request.param == "awaited") as client:
        yield client


def shown(client: TestClient, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    text: str = answer.text
    return text


def test_it_lists_records_and_shows_one(client: TestClient) -> None:
    text = shown(client, "/admin/product/list")
    assert all(code in text for code in ("P1", "P2"))
    assert "P2" not in shown(client, "/admin/product/list?search=P1")
    assert "Ada &amp; Sons" in shown(client, "/admin/supplier/details/1")


def test_a_record_that_it_creates_is_in_the_answers_of_the_application(client: TestClient) -> None:
    answer = client.post("/admin/product/create", data=PRODUCT, follow_redirects=False)
    assert answer.status_code == 302, answer.text
    assert client.get("/products").json() == ["P1", "P2", "P3"]


def test_a_record_that_it_changes_is_saved_as_by_a_verb(client: TestClient, db: SQLAlchemy) -> None:
    answer = client.post("/admin/product/edit/2", data=PRODUCT, follow_redirects=False)
    assert answer.status_code == 302, answer.text
    with db():
        product = Product.get_one(2)
        assert (product.code, product.price) == ("P3", Decimal("2.5")), "before_save() was called"


def test_a_record_that_it_deletes_by_our_verb_is_hidden(client: TestClient, db: SQLAlchemy) -> None:
    assert client.delete("/admin/product/delete?pks=1").status_code == 200
    assert client.get("/products").json() == ["P2"]
    assert "P1" not in shown(client, "/admin/product/list")
    with db.engine.connect() as connection:
        rows = connection.execute(select(Product.code, Product.deleted_at).order_by("id")).all()
    assert [(code, deleted is not None) for code, deleted in rows] == [("P1", True), ("P2", False)]


def test_a_record_that_it_deletes_itself_is_gone(client: TestClient, db: SQLAlchemy) -> None:
    with db():
        Supplier.new(name="Grace")
    assert client.delete("/admin/supplier/delete?pks=2").status_code == 200
    with db():
        assert Supplier.query.pluck(Supplier.name) == ["Ada & Sons"]


def test_it_shows_what_the_mixins_give(client: TestClient, db: SQLAlchemy) -> None:
    with db():
        delivery = Delivery.new(product_id=1, note="by boat")
    assert "by boat" in shown(client, "/admin/delivery/list")
    assert str(delivery.created_at.year) in shown(client, f"/admin/delivery/details/{delivery.id}")
    answer = client.post(
        f"/admin/delivery/edit/{delivery.id}",
        data={"note": "by train", "product_id": "2", "save": "Save"},
        follow_redirects=False,
    )
    assert answer.status_code == 302, answer.text
    with db():
        assert (delivery.refresh().note, delivery.version_id) == ("by train", 2)


def test_one_that_is_there_already_is_told_on_the_page(client: TestClient, db: SQLAlchemy) -> None:
    answer = client.post("/admin/supplier/create", data={"name": "Ada & Sons", "save": "Save"})
    assert answer.status_code == 400
    with db.testing():  # which needs every connection
        assert Supplier.query is not None


def test_what_it_writes_in_a_test_is_rolled_back(client: TestClient, db: SQLAlchemy) -> None:
    with db.testing():
        client.post("/admin/product/create", data=PRODUCT, follow_redirects=False)
        assert client.get("/products").json() == ["P1", "P2", "P3"]
    assert client.get("/products").json() == ["P1", "P2"]


def test_a_list_with_a_relationship_is_a_few_statements(client: TestClient) -> None:
    with max_queries(4):
        shown(client, "/admin/product/list")
