from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from .models import Status

Code = Annotated[str, Field(min_length=1, max_length=20)]
Price = Annotated[Decimal, Field(ge=0, max_digits=10, decimal_places=2)]


class ProductIn(BaseModel):
    code: Code
    name: Annotated[str, Field(min_length=1, max_length=100)]
    price: Price
    stock: Annotated[int, Field(ge=0)] = 0


class ProductChange(BaseModel):
    name: Annotated[str, Field(min_length=1, max_length=100)] = ""
    price: Price = Decimal(0)


class ProductOut(ProductIn):
    model_config = ConfigDict(from_attributes=True)

    id: int


class LineIn(BaseModel):
    code: Code
    quantity: Annotated[int, Field(gt=0, le=1000)]


class LineOut(LineIn):
    model_config = ConfigDict(from_attributes=True)

    price: Decimal


class OrderIn(BaseModel):
    email: Annotated[str, Field(pattern=r"^\S+@\S+$", max_length=100)]
    lines: Annotated[list[LineIn], Field(min_length=1, max_length=50)]


class OrderOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    email: str
    status: Status
    total: Decimal
    created_at: datetime
    lines: list[LineOut]
