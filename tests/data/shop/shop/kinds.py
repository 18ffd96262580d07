"""Types and mixins; no model, and so no stub."""

import enum
from datetime import date

from sqlalchemy.orm import Mapped


class Kind(enum.Enum):
    book = "book"
    pen = "pen"


class Priced:
    price: Mapped[int]
    since: Mapped[date | None]
