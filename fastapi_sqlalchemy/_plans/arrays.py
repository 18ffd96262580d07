"""Many rows for PostgreSQL, as an array for each column.

A parameter for every value of every row is what SQLAlchemy sends; to parse, describe and bind
thousands of them takes longer than to insert the rows.  Values of the ordinary types say the same
in arrays, as long as each is just what its type takes: whatever a driver or the server would make
of another one, or say of it, is left to SQLAlchemy's form.  An array is written as PostgreSQL's own
text for one: a driver would look at each of its elements.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import MAXYEAR, MINYEAR, date, datetime
from decimal import Decimal
from functools import partial
from operator import attrgetter
from types import NoneType
from typing import Any, Final

from sqlalchemy import ARRAY, Dialect, String, bindparam, cast, func, select, types

__all__ = ["Arrays"]

Write = Callable[[Sequence[Any]], str | None]
"""Writes the values of a column as an array; None where one of them cannot stand in it."""


class Arrays:
    """The INSERT of any number of rows.

    Args:
        table: Into which one.
        columns: Those that are given a value, in their order.
        writes: What writes the values of each.
        dialect: For which database.
        returns: Whether it returns the keys of the rows.
    """

    __slots__ = ("_names", "_sql", "_writes")

    def __init__(
        self,
        table: Any,
        columns: Sequence[Any],
        writes: Sequence[Write],
        dialect: Dialect,
        *,
        returns: bool,
    ) -> None:
        names = [f"p{number}" for number in range(len(columns))]
        arrays = [
            cast(bindparam(name, type_=String()), ARRAY(_element(column.type)))
            for name, column in zip(names, columns, strict=True)
        ]
        given = func.unnest(*arrays).table_valued(*names, with_ordinality="place").render_derived()
        # in this order keys are given, as in that of SQLAlchemy's form
        rows = select(*[given.c[name] for name in names]).order_by(given.c.place)
        keys = [column.key for column in columns]
        insert = table.insert().from_select(keys, rows, include_defaults=False)
        if returns:
            insert = insert.returning(*table.primary_key)
        compiled: Any = insert.compile(dialect=dialect)
        self._sql: str = compiled.string
        self._writes = writes
        self._names = None if compiled.positional else names

    @classmethod
    def of(
        cls, table: Any, columns: Sequence[Any], dialect: Dialect, *, returns: bool
    ) -> Arrays | None:
        """That of these columns; None where one of them, or the database, takes none."""
        if dialect.name != "postgresql":
            return None
        writes = [each for column in columns if (each := _writing(column.type)) is not None]
        if len(writes) < len(columns):
            return None
        return cls(table, columns, writes, dialect, returns=returns)

    def ready(self, columns: Sequence[Sequence[Any]]) -> tuple[str, Any] | None:
        """The SQL, and the parameters of a cursor; None where a value cannot be sent so."""
        arrays: list[str] = []
        for write, values in zip(self._writes, columns, strict=True):
            if (array := write(values)) is None:
                return None
            arrays.append(array)
        if self._names is None:
            return self._sql, tuple(arrays)
        return self._sql, dict(zip(self._names, arrays, strict=True))


def _element(kind: Any) -> Any:
    # a cast to a length would cut what is too long, instead of refusing it
    return String() if isinstance(kind, String) else kind


def _writing(kind: Any) -> Write | None:
    if kind._variant_mapping or getattr(kind, "collation", None):
        return None
    if type(kind) is types.Float and kind.precision is not None:
        return None
    if type(kind) is types.DateTime or type(kind) is types.TIMESTAMP:
        return partial(_moments, aware=kind.timezone)
    return _WRITING.get(type(kind))


def _are(kind: type[Any], values: Sequence[Any]) -> bool:
    return {*map(type, values)} <= {kind, NoneType}


def _plain(kind: type[Any], values: Sequence[Any]) -> str | None:
    """Values that Python and PostgreSQL write alike."""
    if not _are(kind, values):
        return None
    return "{" + str([*values])[1:-1].replace("None", "NULL") + "}"


def _whole(bits: int, values: Sequence[Any]) -> str | None:
    array = _plain(int, values)
    present: list[int] = [value for value in values if value is not None] if array else []
    if present and not (-(1 << bits) <= min(present) and max(present) < 1 << bits):
        return None
    return array


def _text(values: Sequence[Any]) -> str | None:
    if not _are(str, values):
        return None
    together = "".join(filter(None, values))
    try:
        together.encode()
    except UnicodeEncodeError:
        return None
    if "\0" in together:
        return None
    if '"' in together or "\\" in together:
        values = [each and each.replace("\\", r"\\").replace('"', r"\"") for each in values]
    return _quoted(values)


def _shown(kind: type[Any], show: Callable[[Any], str], values: Sequence[Any]) -> str | None:
    """Values whose text says all of them."""
    if not _are(kind, values):
        return None
    array = _quoted([None if value is None else show(value) for value in values])
    # of which there are several, and PostgreSQL knows one
    return None if "NaN" in array else array


def _days(values: Sequence[Any], *, kind: type[date] = date) -> str | None:
    array = _shown(kind, str, values)
    present: list[date] = [value for value in values if value is not None] if array else []
    # asyncpg has the first and the last one stand for infinity, and no driver goes beyond in UTC
    return array if {value.year for value in present}.isdisjoint((MINYEAR, MAXYEAR)) else None


def _moments(values: Sequence[Any], *, aware: bool) -> str | None:
    array = _days(values, kind=datetime)
    present: list[datetime] = [value for value in values if value is not None] if array else []
    if not aware:
        return array if all(value.tzinfo is None for value in present) else None
    offsets = {value.utcoffset() for value in present}
    # PostgreSQL reads none of less than a second
    return array if all(each is not None and not each.microseconds for each in offsets) else None


def _quoted(texts: Sequence[str | None]) -> str:
    """An array of texts, in none of which is a NUL."""
    marked = ["\0" if text is None else text for text in texts]
    return ('{"' + '","'.join(marked) + '"}').replace('"\0"', "NULL")


_WRITING: Final[dict[type[Any], Write]] = {
    **dict.fromkeys((types.SmallInteger, types.SMALLINT), partial(_whole, 15)),
    **dict.fromkeys((types.Integer, types.INTEGER), partial(_whole, 31)),
    **dict.fromkeys((types.BigInteger, types.BIGINT), partial(_whole, 63)),
    **dict.fromkeys((types.String, types.VARCHAR, types.Text, types.TEXT), _text),
    **dict.fromkeys((types.Float, types.Double), partial(_plain, float)),
    **dict.fromkeys((types.Numeric, types.NUMERIC), partial(_shown, Decimal, str)),
    **dict.fromkeys((types.Boolean, types.BOOLEAN), partial(_plain, bool)),
    **dict.fromkeys((types.Date, types.DATE), _days),
    **dict.fromkeys((types.Uuid, types.UUID), partial(_shown, uuid.UUID, attrgetter("hex"))),
}
"""By the very type: one that is derived from it may do anything with a value."""
