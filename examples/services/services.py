import logging
from typing import Annotated, Protocol

from fastapi import Depends

from fastapi_sqlalchemy import Changes, Query

from .errors import NotOpen, OutOfStock
from .models import Line, Order, Product, Status, db
from .repositories import Orders, Products
from .schemas import OrderIn


class Mailer(Protocol):
    def send(self, to: str, subject: str) -> None: ...


class LoggingMailer:
    """In place of one that has a server to talk to."""

    def send(self, to: str, subject: str) -> None:
        logging.getLogger(__name__).info("To %s: %s", to, subject)


def get_mailer() -> Mailer:
    return LoggingMailer()


class Catalogue:
    """What is sold; called by routes that block."""

    def __init__(self, products: Annotated[Products, Depends()]) -> None:
        self.products = products

    def find(self, text: str) -> Query[Product]:
        return self.products.named(text).order_by(Product.name, Product.id)

    def add(self, product: Product) -> Product:
        return self.products.add(product)

    def change(self, ident: int, changes: Changes[Product]) -> Product:
        return self.products.update_from(ident, changes)

    def stock_up(self, ident: int, quantity: int) -> Product:
        # counted by the database, so that no order placed meanwhile is lost
        return self.products.update(ident, stock=Product.stock + quantity)


class Ordering:
    """Placing orders and cancelling them; awaited."""

    def __init__(
        self,
        products: Annotated[Products, Depends()],
        orders: Annotated[Orders, Depends()],
        mailer: Annotated[Mailer, Depends(get_mailer)],
    ) -> None:
        self.products, self.orders, self.mailer = products, orders, mailer

    async def place(self, wanted: OrderIn) -> Order:
        """Take what is ordered from the stock, all of it or nothing."""
        order = Order(email=wanted.email, status=Status.PLACED)
        async with db.transaction():
            sold = await self.products.for_sale({line.code for line in wanted.lines})
            for line in wanted.lines:
                product = sold.get(line.code)
                if product is None or product.stock < line.quantity:
                    raise OutOfStock(line.code)
                await self.products.aupdate(product, stock=product.stock - line.quantity)
                order.lines.append(
                    Line(product=product, quantity=line.quantity, price=product.price)
                )
            await self.orders.aadd(order)
            db.on_commit(lambda: self.mailer.send(order.email, f"Your order {order.id}"))
        return order

    async def cancel(self, ident: int) -> Order:
        """Put what was ordered back."""
        async with db.transaction():
            order = await self.orders.complete().with_for_update(of=Order).aget_one(ident)
            if order.status is not Status.PLACED:
                raise NotOpen
            sold = await self.products.for_sale({line.code for line in order.lines})
            for line in order.lines:
                product = sold[line.code]
                await self.products.aupdate(product, stock=product.stock + line.quantity)
            await self.orders.aupdate(order, status=Status.CANCELLED)
            db.on_commit(lambda: self.mailer.send(order.email, f"Order {order.id} is cancelled"))
        return order
