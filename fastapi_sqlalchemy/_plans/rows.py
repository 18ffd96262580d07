"""The INSERT of many rows of one model that become no records.

SQLAlchemy makes a dict of every row, another one by its columns and a third one for the driver.
Rows with values for the same columns go to the driver as they are, with what defaults make of the
others: by the statement that SQLAlchemy writes for them, or as arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain
from operator import itemgetter
from types import NoneType
from typing import Any, Final

from sqlalchemy import Connection, Dialect, Table, orm, text
from sqlalchemy.engine.interfaces import BindTyping

from fastapi_sqlalchemy._names import is_sql

from .arrays import Arrays
from .inserting import order_of, pages_of
from .plain import PLAIN
from .refusing import Refused
from .running import changed_within, repeated_within
from .saving import attribute_of, maker_of

__all__ = ["RowInsertion", "left_to_insert"]

Row = dict[str, Any]
Values = Sequence[tuple[Any, ...]]
"""Of each row, in the order of the statement."""

Send = Callable[[Connection, str, Any], int | None]
"""Runs SQL with parameters; gives None where SQLAlchemy has to."""

Sending = Sequence[tuple[Send, str, Any]]
"""What sends rows: all of these, in their order."""

_TOGETHER: Final = 50
"""Rows of one statement for SQLite, which each takes a step of the driver's: most are saved."""


class RowInsertion:
    """The INSERT of rows that name the same attributes.

    Args:
        mapper: The model's.
        names: The attributes.
        dialect: For which database.

    Raises:
        Refused: They are not what SQLAlchemy inserts, or it does more than that.
    """

    __slots__ = (
        *("_arrays", "_get", "_keys", "_number", "_pages", "_parameters", "_processes", "_sql"),
        *("_several", "_size", "makers"),
    )

    makers: Mapping[str, Callable[[], Any]]
    """What makes the values of other attributes."""

    def __init__(self, mapper: orm.Mapper[Any], names: tuple[str, ...], dialect: Dialect) -> None:
        _require_one_table(mapper)
        table: Any = mapper.local_table
        columns: Any = mapper._propkey_to_col[table]
        if not names or not columns.keys() >= {*names}:
            raise Refused("a value is for no column")
        given = {columns[name].key: name for name in names}
        compiled: Any = _compiled(table.insert(), [*given], dialect)
        made = compiled.insert_prefetch
        self.makers = {attribute_of(mapper, each): maker_of(each.default) for each in made}
        order = order_of(compiled)
        keys = [key for _, key in order if key in given]
        if len(keys) < len(names) or len(keys) + len(made) != len(order):
            raise Refused("the statement has other parameters")
        if dialect.bind_typing is BindTyping.SETINPUTSIZES or compiled.literal_execute_params:
            raise Refused("the driver is told the types of values, or values are SQL")
        sent = [given[key] for key in keys]
        self._get = itemgetter(*sent) if len(sent) > 1 else lambda row: (row[sent[0]],)
        self._keys = [n for n, key in enumerate(keys) if table.columns[key].primary_key]
        self._number, self._sql = len(names), compiled.string
        processes = [compiled._bind_processors.get(name) for name, _ in order]
        self._processes = processes if any(processes) else None
        escaped = compiled.escaped_bind_names
        named = None if compiled.positional else [escaped.get(name, name) for name, _ in order]
        self._parameters, self._pages = named, dialect.insertmanyvalues_page_size
        self._size, self._several = 1, self._sql
        if dialect.name == "sqlite" and dialect.insert_returning:
            # of what returns something the compiler says how it writes a row, and of nothing else
            telling = _compiled(table.insert().returning(text("1")), [*given], dialect)
            row = f"({telling.insert_single_values_expr})"
            if self._sql.endswith(row):
                most = dialect.insertmanyvalues_max_parameters // len(order)
                self._size = max(1, min(_TOGETHER, most))
                self._several += f", {row}" * (self._size - 1)
        others = [each for each in table.columns if each.key not in given]
        self._arrays: Arrays | None = None
        if all(each.default is None for each in others):  # else it stands in the statement
            of_keys = [table.columns[key] for key in keys]
            self._arrays = Arrays.of(table, of_keys, dialect, returns=False)

    def values_of(self, rows: Sequence[Row]) -> Values | None:
        """The values of rows; None where a row has other names, SQL, or no key for its name."""
        if {*map(len, rows)} != {self._number}:
            return None
        try:
            values = [*map(self._get, rows)]
        except KeyError:
            return None
        kinds = {*map(type, chain.from_iterable(values))}
        if not kinds <= PLAIN and any(map(is_sql, chain.from_iterable(values))):
            return None
        if NoneType in kinds and any(row[n] is None for n in self._keys for row in values):
            return None
        return values

    def filled(self, rows: Sequence[Row]) -> list[Row]:
        """Rows with what defaults make: one row after the other, as SQLAlchemy asks for it."""
        makers = self.makers.items()
        return [{**row, **{name: make() for name, make in makers}} for row in rows]

    def ready(self, values: Values) -> Sending:
        """What is sent for rows, with the parameters of a cursor."""
        if (arrays := self._in_arrays(values)) is not None:
            return arrays
        if self._processes is not None:
            columns = [
                column if process is None else map(process, column)
                for process, column in zip(self._processes, zip(*values, strict=True), strict=True)
            ]
            values = [*zip(*columns, strict=True)]
        if (names := self._parameters) is not None:
            named = [dict(zip(names, row, strict=True)) for row in values]
            return [(repeated_within, self._sql, named)]
        if (size := self._size) == 1:
            return [(repeated_within, self._sql, values)]
        whole = len(values) - len(values) % size
        several = [
            tuple(chain.from_iterable(values[start : start + size]))
            for start in range(0, whole, size)
        ]
        sent = ((self._several, several), (self._sql, values[whole:]))
        return [(repeated_within, sql, rows) for sql, rows in sent if rows]

    def _in_arrays(self, values: Values) -> Sending | None:
        if self._arrays is None:
            return None
        sent: list[tuple[Send, str, Any]] = []
        for some in pages_of([*zip(*values, strict=True)], self._pages):
            if (ready := self._arrays.ready(some)) is None:
                return None
            sent.append((changed_within, *ready))
        return sent


def _compiled(insert: Any, keys: list[str], dialect: Dialect) -> Any:
    return insert.compile(dialect=dialect, column_keys=keys, for_executemany=True)


def _send(sending: Sending, connection: Connection) -> bool:
    return all(send(connection, sql, given) is not None for send, sql, given in sending)


def _require_one_table(mapper: orm.Mapper[Any]) -> None:
    """Refuse a model whose rows have more than what is given for their columns."""
    orm.class_mapper(mapper.class_)  # what models that were defined meanwhile add to it
    if mapper.inherits is not None or mapper.polymorphic_on is not None:
        raise Refused("the model inherits, or is inherited from")
    table = mapper.local_table
    if not isinstance(table, Table) or mapper.persist_selectable is not table:
        raise Refused("the model is not mapped to a table")
    if mapper.version_id_col is not None:
        raise Refused("the model has a version")


def left_to_insert(session: Any, mapper: orm.Mapper[Any], rows: list[Row]) -> list[Row]:
    """Insert rows in the session's transaction, and give those that SQLAlchemy has to insert.

    Args:
        session: It, with nothing to flush.
        mapper: The model's.
        rows: They, of which nothing is known yet.

    Returns:
        None of them; or `rows`; or rows of the same values, with those of defaults.

    Raises:
        sqlalchemy.exc.DBAPIError: The database refused one of them.
    """
    plans = getattr(session, "_plans", None)
    if plans is None or len(rows) < 2 or not session._is_clean():
        return rows
    insertion: RowInsertion | None = plans.row_insertion(session, mapper, tuple(rows[0]))
    if insertion is None or (values := insertion.values_of(rows)) is None:
        return rows
    sending, filled = None, rows
    try:
        if insertion.makers:
            filled = insertion.filled(rows)
        else:
            sending = insertion.ready(values)
    except Exception:  # of a default, or of a type: SQLAlchemy raises it as an error of its own
        return rows
    if sending is None:
        return left_to_insert(session, mapper, filled)
    return [] if session.insert_within(partial(_send, sending)) else rows
