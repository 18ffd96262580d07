"""Values that a database sent, and how to compare with them once they are sent back.

A float of four bytes, an enumeration of MariaDB, a Decimal of SQLite: each is something else on
its way back, and would not equal itself.
"""

from __future__ import annotations

from decimal import Decimal
from math import isfinite
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Dialect,
    Double,
    Enum,
    Float,
    Integer,
    Interval,
    Numeric,
    TypeDecorator,
    cast,
    type_coerce,
)

__all__ = ["MYSQL", "comparable", "fits"]

MYSQL: Final = ("mysql", "mariadb")
"""The names of its dialects."""

_NUMBERS: Final = (int, float, Decimal)


def comparable(expression: ColumnElement[Any], dialect: Dialect) -> ColumnElement[Any]:
    """The expression in a form whose values, sent back, equal themselves and sort as it does."""
    kind = expression.type
    # the database sorts by what is stored; an Interval is a decorator where it has no such type
    while isinstance(kind, TypeDecorator) and not isinstance(kind, Interval):
        kind = kind.load_dialect_impl(dialect)
        expression = type_coerce(expression, kind)
    if isinstance(kind, Enum) and dialect.name in MYSQL and kind.native_enum:
        # sorted by number there, compared by name
        return type_coerce(expression, Integer) + 0
    if isinstance(kind, Numeric) and dialect.name == "sqlite":
        return type_coerce(expression, Double)  # stored as floats, which a Decimal rounds
    if isinstance(kind, Float) and not isinstance(kind, Double) and dialect.name != "sqlite":
        return cast(expression, Double)  # one of four bytes does not equal its eight
    return expression


def fits(kind: Any, value: Any, dialect: Dialect) -> bool:
    """Whether a value is of a kind that the database would have sent for this type."""
    if isinstance(value, Decimal) and dialect.name == "sqlite":
        return False  # it knows none
    special = _is_special(value)
    if special and dialect.name in MYSQL:
        return False
    try:
        expected = kind.python_type
    except NotImplementedError:
        return True
    if special:
        return issubclass(expected, float | Decimal)
    if issubclass(expected, _NUMBERS) and not issubclass(expected, bool):
        # functions give a number of one kind for one of another
        return isinstance(value, _NUMBERS) and not isinstance(value, bool)
    return isinstance(value, expected)


def _is_special(value: Any) -> bool:
    """Whether it is an infinity, or no number."""
    if isinstance(value, Decimal):
        return not value.is_finite()
    return isinstance(value, float) and not isfinite(value)
