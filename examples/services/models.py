import enum
import os
from decimal import Decimal
from typing import Annotated

from pydantic import Field
from sqlalchemy import CheckConstraint, Enum, ForeignKey, Numeric, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from fastapi_sqlalchemy import ModelBase, SQLAlchemy, TimestampMixin


class Base(ModelBase, DeclarativeBase):
    pass


db = SQLAlchemy(os.environ.get("DATABASE_URL", "sqlite:///example.db"), model_class=Base)


class Product(Base):
    __tablename__ = "products"
    __guarded__ = frozenset({"stock"})  # counted by orders and deliveries alone
    __table_args__ = (CheckConstraint("stock >= 0", name="ck_products_stock"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[Annotated[str, Field(min_length=1)]] = mapped_column(String(20), unique=True)
    name: Mapped[Annotated[str, Field(min_length=1)]] = mapped_column(String(100))
    price: Mapped[Annotated[Decimal, Field(ge=0)]] = mapped_column(Numeric(10, 2))
    stock: Mapped[int] = mapped_column(default=0)


class Status(enum.Enum):
    PLACED = "placed"
    CANCELLED = "cancelled"


class Order(TimestampMixin, Base):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(100), index=True)
    status: Mapped[Status] = mapped_column(Enum(Status, native_enum=False, length=20))
    lines: Mapped[list["Line"]] = relationship(order_by="Line.id", cascade="all, delete-orphan")

    @property
    def total(self) -> Decimal:
        return sum((line.price * line.quantity for line in self.lines), Decimal(0))


class Line(Base):
    __tablename__ = "order_lines"

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"))
    quantity: Mapped[int]
    price: Mapped[Decimal] = mapped_column(Numeric(10, 2))  # what it was when it was ordered
    product: Mapped[Product] = relationship()

    @property
    def code(self) -> str:
        return self.product.code
