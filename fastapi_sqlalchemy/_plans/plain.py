"""Values and columns of which their types alone say what a comparison becomes."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy.types import ExternalType

__all__ = ["BOUND", "PLAIN", "compares_plainly"]

PLAIN: Final = frozenset(
    {int, str, float, bytes, datetime, date, time, timedelta, Decimal, UUID, bool, type(None)}
)
"""Types of which alone it depends what a comparison with a value becomes."""

BOUND: Final = PLAIN - {bool, type(None)}
"""Those whose values are parameters; the others stand in the SQL."""


def compares_plainly(column: Any) -> bool:
    """Whether its type has no say in what a comparison becomes, and SQLAlchemy keeps its SQL."""
    kind: Any = column.type
    comparing: Any = type(kind).coerce_compared_value
    if isinstance(kind, ExternalType) and kind.cache_ok is not True:
        return False
    classes = type(column.comparator).__mro__
    modules = {comparing.__module__, *(each.__module__ for each in classes)}
    return all(each.partition(".")[0] in _PLAIN_MODULES for each in modules)


_PLAIN_MODULES: Final = frozenset({"builtins", "typing", "sqlalchemy", __name__.partition(".")[0]})
