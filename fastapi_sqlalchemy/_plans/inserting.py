"""The INSERT of many records of one model, which have nothing to do with any other.

SQLAlchemy's unit of work looks at every record a dozen times.  New records of a table that have
values for columns and no more go into the statement of many rows that SQLAlchemy writes for them,
and are given the keys that it returns: what the unit of work would send, with the same values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Dialect, orm
from sqlalchemy.sql.compiler import SQLCompiler

from fastapi_sqlalchemy._names import is_sql

from .listeners import OfRecords
from .refusing import Refused
from .running import inserted_within, within
from .saving import attribute_of, default_of, require_ordinary
from .steps import PLAIN

__all__ = ["Insertion", "inserted"]

_FORMS: Final = 8
"""Numbers of rows for which a model keeps its SQL."""

Default = Callable[[], Any]


class _Column(NamedTuple):
    """A column that is given a value."""

    attribute: str
    """Of the model."""

    default: Default | None
    """Makes the value of a record that has none; None where the database does."""

    keeps: bool
    """Whether the record has that value afterwards."""

    process: Callable[[Any], Any] | None
    """What SQLAlchemy does to a value."""


class _Form(NamedTuple):
    """The statement for one number of rows."""

    sql: str
    names: Sequence[str] | None
    """Those of the parameters, for a driver that wants names."""


class _Missing(NamedTuple):
    """A value that a default makes."""

    place: int
    column: _Column
    present: dict[str, Any]


class _Rows(NamedTuple):
    """What is sent for records."""

    values: list[Any]
    """One row after the other."""

    missing: list[_Missing]
    """Those among them that defaults have made."""

    made: list[Any]
    """What they have made, before it was processed."""

    def give_defaults(self) -> None:
        """Have the records hold what was made for them."""
        for (_, column, present), value in zip(self.missing, self.made, strict=True):
            if column.keeps:
                present[column.attribute] = value


class Insertion:
    """The INSERT of a model.

    Args:
        mapper: The model's.
        dialect: For which database.

    Raises:
        Refused: It takes more than values for columns, and a key that the database gives.
    """

    __slots__ = (
        *("_columns", "_compiled", "_forms", "_related", "_size", "_together"),
        *("key", "watchers"),
    )

    key: str
    """The attribute whose value the database gives."""

    watchers: OfRecords
    """Those who hear of it."""

    def __init__(self, mapper: orm.Mapper[Any], dialect: Dialect) -> None:
        require_ordinary(mapper)
        self.watchers = OfRecords.saving(mapper)
        table: Any = mapper.local_table
        generated: Any = table.autoincrement_column
        if generated is None or generated.identity is not None or len(table.primary_key) > 1:
            raise Refused("the records bring their keys")
        if generated.type._cached_result_processor(dialect, None) is not None:
            raise Refused("the key is of a type that SQLAlchemy processes")
        self.key = attribute_of(mapper, generated)
        self._related = frozenset(mapper.relationships.keys())
        others = {each.key: each for each in table.columns if each is not generated}
        self._compiled = compiled = _compiled(table, [*others], dialect)
        if compiled.insert_prefetch or compiled.postfetch or not others:
            raise Refused("the database makes a value")
        order = _order(compiled)
        self._columns = [_column(mapper, others[key], compiled, name) for name, key in order]
        self._together = compiled._insertmanyvalues is not None
        most = dialect.insertmanyvalues_max_parameters
        pages: int = dialect.insertmanyvalues_page_size
        self._size = min(pages, most // len(order)) if most else pages
        self._forms: dict[int, _Form] = {}

    def rows_of(self, records: Iterable[dict[str, Any]]) -> _Rows | None:
        """The values of records; None where they take more than that."""
        values: list[Any] = []
        missing: list[_Missing] = []
        key, columns, related = self.key, self._columns, self._related
        for present in records:
            if present.get(key) is not None or not related.isdisjoint(present):
                return None
            for column in columns:
                value = present.get(column.attribute)
                if value is None:
                    if column.default is None:
                        return None
                    missing.append(_Missing(len(values), column, present))
                elif type(value) not in PLAIN and is_sql(value):
                    return None
                elif column.process is not None:
                    value = column.process(value)
                values.append(value)
        # made once it is sure that they are needed
        made = [column.default() if column.default else None for _, column, _ in missing]
        for (place, column, _), value in zip(missing, made, strict=True):
            values[place] = value if column.process is None else column.process(value)
        return _Rows(values, missing, made)

    def keys_of(self, connection: Connection, values: Sequence[Any]) -> list[Any] | None:
        """Insert rows, and the keys they were given, in their order; None where SQLAlchemy has to.

        Raises:
            sqlalchemy.exc.DBAPIError: The database refused one of them.
        """
        width = len(self._columns)
        if not self._together:
            rows = zip(*[iter(values)] * width, strict=True)
            return inserted_within(connection, self._compiled.string, rows)
        keys: list[Any] = []
        for start in range(0, len(values), self._size * width):
            sql, parameters = self._ready(values[start : start + self._size * width])
            answer = within(connection, sql, parameters, describe=False)
            if answer is None:
                return None
            # as SQLAlchemy has it, a key that counts up tells the order
            keys += [row[0] for row in sorted(answer[0], key=itemgetter(-1))]
        return keys

    def _ready(self, values: Sequence[Any]) -> tuple[str, Any]:
        """The SQL for so many rows, and the parameters of a cursor."""
        number = len(values) // len(self._columns)
        form = self._forms.get(number)
        if form is None:
            form = self._new_form(number)
            while len(self._forms) >= _FORMS:
                self._forms.pop(next(iter(list(self._forms))), None)  # other threads change it
            self._forms[number] = form
        if form.names is None:
            return form.sql, tuple(values)
        return form.sql, dict(zip(form.names, values, strict=True))

    def _new_form(self, number: int) -> _Form:
        compiled: Any = self._compiled
        names = [name for name, _ in _order(self._compiled)]
        places = range(number * len(names))
        rows = [
            dict(zip(names, row, strict=True))
            for row in zip(*[iter(places)] * len(names), strict=True)
        ]
        [batch] = compiled._deliver_insertmanyvalues_batches(
            compiled.string,
            [tuple(row.values()) for row in rows] if compiled.positional else rows,
            rows,
            None,
            batch_size=number,
            sort_by_parameter_order=True,
            schema_translate_map=None,
        )
        if compiled.positional:
            return _Form(batch.replaced_statement, None)
        by_place = {place: name for name, place in batch.replaced_parameters.items()}
        return _Form(batch.replaced_statement, [by_place[place] for place in places])


def _compiled(table: Any, names: list[str], dialect: Dialect) -> SQLCompiler:
    """The statement, of many rows where the keys that it returns tell whose they are."""
    returning = table.insert().return_defaults(*table.primary_key, sort_by_parameter_order=True)
    compiled: SQLCompiler
    compiled = returning.compile(dialect=dialect, column_keys=names, for_executemany=True)
    many = compiled._insertmanyvalues
    if many is not None and many.implicit_sentinel and many.num_sentinel_columns == 1:
        return compiled
    compiled = table.insert().compile(dialect=dialect, column_keys=names)
    if compiled.effective_returning or not compiled.postfetch_lastrowid:
        raise Refused("the database does not tell which key is whose")
    return compiled


def _order(compiled: SQLCompiler) -> list[tuple[str, str]]:
    """The parameters of a row by the compiler's names, each with the key of its column."""
    keys = {name: bind.key for bind, name in compiled.bind_names.items()}
    names = compiled.positiontup if compiled.positional else [*keys]
    return [(name, keys[name]) for name in names or ()]


def _column(mapper: orm.Mapper[Any], column: Any, compiled: SQLCompiler, name: str) -> _Column:
    attribute = attribute_of(mapper, column)
    process: Any = compiled._bind_processors.get(name)
    try:
        default: Default | None = default_of(column)
    except Refused:
        default = None
    return _Column(attribute, default, column.default is not None, process)


def inserted(session: Any, mapper: orm.Mapper[Any], records: Sequence[Any]) -> bool:
    """Insert new records in the session's transaction, and have the session hold them.

    Args:
        session: It, with nothing to flush.
        mapper: That of the records.
        records: They.

    Returns:
        Whether that was done; where it was not, SQLAlchemy has to.

    Raises:
        sqlalchemy.exc.DBAPIError: The database refused one of them.
    """
    plans = getattr(session, "_plans", None)
    if plans is None or len(records) < 2 or not session._is_clean():
        return False
    insertion: Insertion | None = plans.insertion(session, mapper)
    states = [getattr(each, "_sa_instance_state", None) for each in records]
    if insertion is None or not _are_new(states, mapper) or len(set(states)) < len(states):
        return False
    given = [dict(each.__dict__) for each in records]
    try:
        rows = insertion.rows_of([each.__dict__ for each in records])
    except Exception:  # the processor of a type: SQLAlchemy raises it as an error of its own
        rows = None
    if rows is None:
        return False
    keys = session.insert_within(lambda connection: insertion.keys_of(connection, rows.values))
    if keys is None:
        return False
    if len(keys) != len(records) or None in keys:
        raise orm.exc.FlushError(
            f"expected the INSERT of {len(records)} {mapper.class_.__name__} to give as many keys, "
            f"found {len(keys) - keys.count(None)}: a trigger may have kept rows out"
        )
    rows.give_defaults()
    session.hold_inserted(states, given, insertion.key, keys)
    return True


def _are_new(states: Sequence[Any], mapper: orm.Mapper[Any]) -> bool:
    manager = mapper.class_manager
    return all(
        state is not None
        and state.manager is manager
        and state.key is None
        and state.session_id is None
        and "_pending_mutations" not in state.__dict__
        for state in states
    )
