"""The models of these tests: suppliers, and their products, which are deleted by hiding them."""

import enum
from decimal import Decimal

from sqlalchemy import Enum, ForeignKey, MetaData, Numeric, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from fastapi_sqlalchemy import (
    ModelBase,
    SoftDeleteMixin,
    SQLAlchemy,
    TimestampMixin,
    UUIDMixin,
    VersionedMixin,
)


class Base(ModelBase, DeclarativeBase):
    # without names a migration could not drop a constraint again
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


db = SQLAlchemy(model_class=Base)


class State(enum.Enum):
    PLANNED = "planned"
    SOLD = "sold"


class Supplier(Base):
    __tablename__ = "suppliers"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50), unique=True)
    products: Mapped[list["Product"]] = relationship(
        back_populates="supplier", order_by="Product.id"
    )


class Product(SoftDeleteMixin, Base):
    __tablename__ = "products"

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(String(20), index=True)
    price: Mapped[Decimal] = mapped_column(Numeric(8, 2), default=Decimal(1))
    state: Mapped[State] = mapped_column(
        Enum(State, native_enum=False, length=20), default=State.SOLD
    )
    supplier_id: Mapped[int] = mapped_column(ForeignKey("suppliers.id"))
    supplier: Mapped[Supplier] = relationship(back_populates="products")

    def before_save(self) -> None:
        self.code = self.code.upper()


class Delivery(UUIDMixin, TimestampMixin, VersionedMixin, Base):
    __tablename__ = "deliveries"

    product_id: Mapped[int] = mapped_column(ForeignKey("products.id", ondelete="CASCADE"))
    note: Mapped[str | None] = mapped_column(String(50))


def fill(*codes: str) -> None:
    """Store one supplier, with a product of each of these codes."""
    with db(commit_on_exit=True):
        Supplier.new(name="Ada & Sons", products=[Product(code=code) for code in codes])
