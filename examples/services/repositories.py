from collections.abc import Collection

from fastapi_sqlalchemy import Query, Repository

from .models import Line, Order, Product


class Products(Repository[Product]):
    def named(self, text: str) -> Query[Product]:
        return self.query.filter(Product.name.icontains(text, autoescape=True))

    async def for_sale(self, codes: Collection[str]) -> dict[str, Product]:
        """Those of these codes, locked until the transaction ends, in an order that all keep to."""
        query = self.query.filter(Product.code.in_(codes)).order_by(Product.id)
        return {product.code: product async for product in query.with_for_update()}


class Orders(Repository[Order]):
    def complete(self) -> Query[Order]:
        """With all that an answer shows of them."""
        return self.query.eager(Order.lines, Line.product)

    def of(self, email: str) -> Query[Order]:
        return self.complete().filter_by(email=email).order_by(Order.id.desc())
