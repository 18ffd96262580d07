"""Of orders, which are not what their tables are; products need no schemas of their own."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from .models import Status


class LineIn(BaseModel):
    code: Annotated[str, Field(min_length=1, max_length=20)]
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
