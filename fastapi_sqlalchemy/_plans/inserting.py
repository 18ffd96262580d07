"""The INSERT of many records of one model, which have nothing to do with any other.

SQLAlchemy's unit of work looks at every record a dozen times.  New records of a table that have
values for columns and no more go into the statement of many rows that SQLAlchemy writes for them,
and are given the keys that it returns: what the unit of work would send, with the same values.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from operator import itemgetter
from types import NoneType
from typing import Any, Final, NamedTuple, TypeVar

from sqlalchemy import Connection, Dialect, orm
from sqlalchemy.sql.compiler import SQLCompiler

from fastapi_sqlalchemy._names import is_sql

from .arrays import Arrays
from .keeping import keep
from .listeners import OfRecords
from .plain import PLAIN
from .refusing import Refused
from .running import inserted_within, within
from .saving import attribute_of, default_of, require_ordinary

__all__ = ["Insertion", "inserted", "inserting", "order_of", "pages_of"]

Values = TypeVar("Values", list[Any], tuple[Any, ...])
"""Those of a column."""

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


class _Made(NamedTuple):
    """A value that a default has made."""

    present: dict[str, Any]
    """The values of the record that lacked it."""

    attribute: str
    value: Any


class _Rows(NamedTuple):
    """What is sent for records."""

    columns: list[list[Any]]
    """The values of each."""

    made: list[_Made]
    """What the records have afterwards that they had not before."""

    def give_defaults(self) -> None:
        """Have the records hold what was made for them."""
        for present, attribute, value in self.made:
            present[attribute] = value


class Insertion:
    """The INSERT of a model.

    Args:
        mapper: The model's.
        dialect: For which database.

    Raises:
        Refused: It takes more than values for columns, and a key that the database gives.
    """

    __slots__ = (
        *("_arrays", "_columns", "_compiled", "_forms", "_pages", "_related", "_size", "_together"),
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
        order = order_of(compiled)
        self._columns = [_column(mapper, others[key], compiled, name) for name, key in order]
        self._together = compiled._insertmanyvalues is not None
        most = dialect.insertmanyvalues_max_parameters
        self._pages: int = dialect.insertmanyvalues_page_size
        self._size = min(self._pages, most // len(order)) if most else self._pages
        self._forms: dict[int, _Form] = {}
        sent = [others[key] for _, key in order]
        self._arrays = Arrays.of(table, sent, dialect, returns=True) if self._together else None

    def takes(self, states: Sequence[Any], mapper: orm.Mapper[Any]) -> bool:
        """Whether these are of new records of the model, to which no others were added."""
        manager, related = mapper.class_manager, self._related
        for state in states:
            if state is None or state.manager is not manager or state.session_id is not None:
                return False
            # what was added to a collection that is not loaded is noted there
            if state.key is not None or not related.isdisjoint(state.committed_state):
                return False
        return True

    def rows_of(self, records: Sequence[dict[str, Any]]) -> _Rows | None:
        """The values of records; None where they take more than that."""
        key, related = self.key, self._related
        if [present.get(key) for present in records].count(None) < len(records):
            return None
        if related and not all(map(related.isdisjoint, records)):
            return None
        columns: list[list[Any]] = []
        missing: list[tuple[int, int]] = []
        for number, column in enumerate(self._columns):
            name = column.attribute
            values = [present.get(name) for present in records]
            kinds = {*map(type, values)}
            if not kinds <= PLAIN and any(type(v) not in PLAIN and is_sql(v) for v in values):
                return None
            if NoneType in kinds:
                if column.default is None:
                    return None
                if column.keeps:
                    missing += [(row, number) for row, value in enumerate(values) if value is None]
            if (process := column.process) is not None:
                made_later = column.keeps
                values = [None if v is None and made_later else process(v) for v in values]
            columns.append(values)
        return _Rows(columns, [*self._made(records, columns, missing)] if missing else [])

    def _made(
        self,
        records: Sequence[dict[str, Any]],
        columns: list[list[Any]],
        missing: list[tuple[int, int]],
    ) -> Iterator[_Made]:
        """Fill in what defaults make, now that it is sure to be needed: one row after the other."""
        for row, number in sorted(missing):
            column = self._columns[number]
            assert column.default is not None
            value = column.default()
            columns[number][row] = value if column.process is None else column.process(value)
            yield _Made(records[row], column.attribute, value)

    def keys_of(self, connection: Connection, columns: Sequence[list[Any]]) -> list[Any] | None:
        """Insert rows, and the keys they were given, in their order; None where SQLAlchemy has to.

        Raises:
            sqlalchemy.exc.DBAPIError: The database refused one of them.
        """
        if not self._together:
            return inserted_within(connection, self._compiled.string, zip(*columns, strict=True))
        keys: list[Any] = []
        for sql, parameters in self._statements(columns):
            answer = within(connection, sql, parameters, describe=False)
            if answer is None:
                return None
            # as SQLAlchemy has it, a key that counts up tells the order
            keys += [row[0] for row in sorted(answer[0], key=itemgetter(-1))]
        return keys

    def _statements(self, columns: Sequence[list[Any]]) -> Iterator[tuple[str, Any]]:
        """What is sent for rows, each with as many of them as it takes."""
        for some in pages_of(columns, self._pages):
            if self._arrays is not None and (ready := self._arrays.ready(some)) is not None:
                yield ready
            else:
                yield from map(self._ready, pages_of(some, self._size))

    def _ready(self, columns: Sequence[list[Any]]) -> tuple[str, Any]:
        """The SQL for so many rows, and the parameters of a cursor."""
        number = len(columns[0])
        form = self._forms.get(number)
        if form is None:
            form = self._new_form(number)
            keep(self._forms, number, form, most=_FORMS)
        values = chain.from_iterable(zip(*columns, strict=True))
        if form.names is None:
            return form.sql, tuple(values)
        return form.sql, dict(zip(form.names, values, strict=True))

    def _new_form(self, number: int) -> _Form:
        compiled: Any = self._compiled
        names = [name for name, _ in order_of(self._compiled)]
        places = range(number * len(names))
        rows = [
            dict(zip(names, row, strict=True))
            for row in zip(*[iter(places)] * len(names), strict=True)
        ]
        escaped = compiled.escaped_bind_names
        sent = [{escaped.get(name, name): place for name, place in row.items()} for row in rows]
        [batch] = compiled._deliver_insertmanyvalues_batches(
            compiled.string,
            [tuple(row.values()) for row in rows] if compiled.positional else sent,
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


def pages_of(columns: Sequence[Values], size: int) -> Iterator[Sequence[Values]]:
    """So many rows after the other."""
    if len(columns[0]) <= size:
        yield columns
        return
    for start in range(0, len(columns[0]), size):
        yield [values[start : start + size] for values in columns]


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


def order_of(compiled: SQLCompiler) -> list[tuple[str, str]]:
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
    insert = inserting(session, mapper, records)
    return insert is not None and insert()


def inserting(
    session: Any, mapper: orm.Mapper[Any], records: Sequence[Any]
) -> Callable[[], bool] | None:
    """What does the same, when it is called; None where SQLAlchemy has to."""
    plans = getattr(session, "_plans", None)
    if plans is None or len(records) < 2 or not session._is_clean():
        return None
    insertion: Insertion | None = plans.insertion(session, mapper)
    states = [getattr(each, "_sa_instance_state", None) for each in records]
    if insertion is None or not insertion.takes(states, mapper) or len(set(states)) < len(states):
        return None
    return partial(_inserted, session, insertion, mapper, records, states)


def _inserted(
    session: Any,
    insertion: Insertion,
    mapper: orm.Mapper[Any],
    records: Sequence[Any],
    states: list[Any],
) -> bool:
    present = [each.__dict__ for each in records]
    try:
        rows = insertion.rows_of(present)
    except Exception:  # the processor of a type: SQLAlchemy raises it as an error of its own
        rows = None
    if rows is None:
        return False
    keys = session.insert_within(lambda connection: insertion.keys_of(connection, rows.columns))
    if keys is None:
        return False
    if len(keys) != len(records) or None in keys:
        raise orm.exc.FlushError(
            f"expected the INSERT of {len(records)} {mapper.class_.__name__} to give as many keys, "
            f"found {len(keys) - keys.count(None)}: a trigger may have kept rows out"
        )
    session.note_inserted(states, records)
    rows.give_defaults()
    _become_persistent(session, mapper, states, present, insertion.key, keys)
    return True


def _become_persistent(
    session: Any,
    mapper: orm.Mapper[Any],
    states: Sequence[Any],
    present: Sequence[dict[str, Any]],
    key: str,
    values: Sequence[Any],
) -> None:
    """What a session does with new records that have their keys, where nobody listens."""
    hash_key, known, of_model = session.hash_key, session.identity_map, mapper._identity_class
    for number, (state, own, value) in enumerate(zip(states, present, values, strict=True), 1):
        own[key] = value
        state.session_id, state.insert_order = hash_key, number
    identities = [(of_model, (value,), None) for value in values]
    held = dict(zip(identities, states, strict=True))
    if len(held) < len(states) or (known._dict and not known._dict.keys().isdisjoint(held)):
        session._register_persistent(set(states))  # which warns of it
        return
    known._dict.update(held)
    reference = weakref.ref(known)
    for state, own, identity in zip(states, present, identities, strict=True):
        state.key, state._instance_dict = identity, reference
        state._orphaned_outside_of_session = False
        state.committed_state.clear()
        if state.expired_attributes:
            state.expired_attributes.difference_update(own)
        state.modified = state.expired = False
        state._strong_obj = None
