"""Many rows for PostgreSQL, as an array for each column.

A parameter for every value of every row is what SQLAlchemy sends; to parse, describe and bind
thousands of them takes longer than to insert the rows.  Values of the ordinary types say the same
in arrays, as long as each is just what its type takes: whatever a driver or the server would make
of another one, or say of it, is left to SQLAlchemy's form.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from types import NoneType
from typing import Any, Final

from sqlalchemy import ARRAY, Dialect, String, bindparam, func, select, types

__all__ = ["Arrays"]

Takes = Callable[[Sequence[Any]], bool]
"""Whether the values of a column can stand in an array."""


class Arrays:
    """The INSERT of any number of rows.

    Args:
        table: Into which one.
        columns: Those that are given a value, in their order.
        takes: What tells of each whether its values can be sent so.
        dialect: For which database.
    """

    __slots__ = ("_names", "_sql", "_takes")

    def __init__(
        self, table: Any, columns: Sequence[Any], takes: Sequence[Takes], dialect: Dialect
    ) -> None:
        names = [f"p{number}" for number in range(len(columns))]
        arrays = [
            bindparam(name, type_=ARRAY(_element(column.type)))
            for name, column in zip(names, columns, strict=True)
        ]
        given = func.unnest(*arrays).table_valued(*names, with_ordinality="place").render_derived()
        # in this order keys are given, as in that of SQLAlchemy's form
        rows = select(*[given.c[name] for name in names]).order_by(given.c.place)
        keys = [column.key for column in columns]
        insert = table.insert().from_select(keys, rows, include_defaults=False)
        compiled: Any = insert.returning(*table.primary_key).compile(dialect=dialect)
        self._sql: str = compiled.string
        self._takes = takes
        self._names = None if compiled.positional else names

    @classmethod
    def of(cls, table: Any, columns: Sequence[Any], dialect: Dialect) -> Arrays | None:
        """That of these columns; None where one of them, or the database, takes none."""
        takes = [_taking(column.type) for column in columns]
        if dialect.name != "postgresql" or None in takes:
            return None
        return cls(table, columns, [each for each in takes if each is not None], dialect)

    def ready(self, columns: Sequence[list[Any]]) -> tuple[str, Any] | None:
        """The SQL, and the parameters of a cursor; None where a value cannot be sent so."""
        if not all(takes(values) for takes, values in zip(self._takes, columns, strict=True)):
            return None
        if self._names is None:
            return self._sql, tuple(columns)
        return self._sql, dict(zip(self._names, columns, strict=True))


def _element(kind: Any) -> Any:
    # a cast to a length would cut what is too long, instead of refusing it
    return String() if isinstance(kind, String) else kind


def _taking(kind: Any) -> Takes | None:
    if kind._variant_mapping or getattr(kind, "collation", None):
        return None
    if type(kind) is types.Float and kind.precision is not None:
        return None
    if type(kind) is types.DateTime or type(kind) is types.TIMESTAMP:
        return partial(_are_moments, aware=kind.timezone)
    return _TAKING.get(type(kind))


def _are(kind: type[Any], values: Sequence[Any]) -> bool:
    return {*map(type, values)} <= {kind, NoneType}


def _are_whole(bits: int, values: Sequence[Any]) -> bool:
    if not _are(int, values):
        return False
    present: list[int] = [value for value in values if value is not None] or [0]
    return -(1 << bits) <= min(present) and max(present) < 1 << bits


def _are_text(values: Sequence[Any]) -> bool:
    if not _are(str, values):
        return False
    together = "".join(filter(None, values))
    try:
        together.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in together


def _are_moments(values: Sequence[Any], *, aware: bool) -> bool:
    return _are(datetime, values) and all(
        value is None or (value.tzinfo is not None) is aware for value in values
    )


_TAKING: Final[dict[type[Any], Takes]] = {
    **dict.fromkeys((types.SmallInteger, types.SMALLINT), partial(_are_whole, 15)),
    **dict.fromkeys((types.Integer, types.INTEGER), partial(_are_whole, 31)),
    **dict.fromkeys((types.BigInteger, types.BIGINT), partial(_are_whole, 63)),
    **dict.fromkeys((types.String, types.VARCHAR, types.Text, types.TEXT), _are_text),
    **dict.fromkeys((types.Float, types.Double), partial(_are, float)),
    **dict.fromkeys((types.Numeric, types.NUMERIC), partial(_are, Decimal)),
    **dict.fromkeys((types.Boolean, types.BOOLEAN), partial(_are, bool)),
    **dict.fromkeys((types.Date, types.DATE), partial(_are, date)),
    **dict.fromkeys((types.Uuid, types.UUID), partial(_are, uuid.UUID)),
}
"""By the very type: one that is derived from it may do anything with a value."""
