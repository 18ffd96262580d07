"""An application with an API and an admin page over the stock.

    python -m tests.interop.admin SQLALCHEMY_URL

serves it, and prints its address.
"""

import sys
from typing import Any

from fastapi import FastAPI
from sqladmin import Admin, ModelView
from starlette.requests import Request

from examples.serving import serve
from fastapi_sqlalchemy import DBSessionMiddleware
from tests.interop.stock import Delivery, Product, Supplier, db


class SupplierAdmin(ModelView, model=Supplier):
    column_list = ("id", "name")
    form_columns = ("name",)


class ProductAdmin(ModelView, model=Product):
    column_list = ("id", "code", "supplier")
    column_searchable_list = ("code",)
    form_columns = ("code", "price", "state", "supplier")

    async def delete_model(self, request: Request, pk: Any) -> None:
        """Delete by our verb, in the scope of the request."""
        product = await Product.aget_one(int(pk))
        await product.adelete()


class DeliveryAdmin(ModelView, model=Delivery):
    column_list = ("id", "note", "created_at")
    form_columns = ("note", "product_id")  # what it shows empty it saves as NULL


def make_app(*, awaited: bool = False) -> FastAPI:
    """The application; its admin page opens sessions by blocking calls or by awaited ones."""
    app = FastAPI()
    app.add_middleware(DBSessionMiddleware, db=db)

    @app.get("/products")
    def list_products() -> list[str]:
        return Product.query.order_by(Product.id).pluck(Product.code)

    make_session = db.async_sessionmaker() if awaited else db.sessionmaker()
    admin = Admin(app, session_maker=make_session)
    for view in (SupplierAdmin, ProductAdmin, DeliveryAdmin):
        admin.add_view(view)
    return app


if __name__ == "__main__":
    db.init(sys.argv[1])
    serve(make_app())
