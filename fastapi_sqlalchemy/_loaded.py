"""The records a session has loaded, kept true to rows that changed under them.

A statement sent past the unit of work leaves the records of its rows as they were.  What is here
expires what may be wrong and loads it again in one statement for many records, so that no
attribute shows an old value, nor runs SQL when it is read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, inspect, orm, select, tuple_

from ._deletion import WITH_DELETED
from ._types import T

__all__ = [
    "AT_ONCE",
    "among_keys",
    "expire",
    "load_again",
    "load_expired",
    "load_expired_of",
    "loaded",
    "rows_with",
]

_ALL: Final = {WITH_DELETED: True}

AT_ONCE: Final = 500
"""Keys in one statement; SQLite has 999 variables at least, and a key may have two columns."""


def expire(session: orm.Session, mapper: orm.Mapper[Any], names: Collection[str]) -> None:
    """Forget these attributes of the model's loaded records."""
    states = [state for state in session.identity_map.all_states() if state.mapper.isa(mapper)]
    for state in states:
        if (record := state.obj()) is not None and (loaded := state.dict.keys() & names):
            session.expire(record, loaded)
    # a savepoint that is rolled back expires those it knows of: their values will be from within
    session._register_altered(states)


def loaded(
    session: orm.Session, mapper: orm.Mapper[Any]
) -> dict[tuple[Any, ...], orm.InstanceState[Any]]:
    """The model's records that a session holds, by their keys."""
    return {
        state.identity: state
        for state in session.identity_map.all_states()
        if state.identity is not None and state.mapper.isa(mapper)
    }


def load_again(
    session: orm.Session, states: Mapping[orm.InstanceState[Any], Collection[str]]
) -> None:
    """Load every column that these records have loaded, as their rows are now.

    Part of them would not do: a new version beside old values says that these are new too.

    Args:
        session: Holds them.
        states: They, each with the names to leave alone; the version is, where there are any.
    """
    keys: dict[orm.Mapper[Any], list[tuple[Any, ...]]] = defaultdict(list)
    for state, kept in states.items():
        columns = set(state.mapper.column_attrs.keys()).intersection(state.dict).difference(kept)
        version = state.mapper.version_id_col
        if kept and version is not None:
            columns.discard(state.mapper.get_property_by_column(version).key)
        if (record := state.obj()) is not None and columns:
            session.expire(record, columns)
        if state.identity is not None:
            keys[state.mapper].append(state.identity)
    # a savepoint that is rolled back expires those it knows of: their values will be from within
    session._register_altered(states)
    for mapper, wanted in keys.items():  # each with the columns of its own tables
        rows_with(session, mapper, mapper.primary_key, wanted)


def load_expired(session: orm.Session, mapper: orm.Mapper[Any]) -> None:
    """Load what is expired of the model's records, leaving alone what is not."""
    columns = mapper.column_attrs.keys()
    keys = [
        state.identity
        for state in session.identity_map.all_states()
        if state.identity is not None
        and state.mapper.isa(mapper)
        and not state.expired_attributes.isdisjoint(columns)
    ]
    rows_with(session, mapper, mapper.primary_key, keys)


def load_expired_of(session: orm.Session, *records: object) -> None:
    """Load what the database decided, so that no attribute runs SQL after the save."""
    for record in records:
        state: orm.InstanceState[Any] = inspect(record, raiseerr=True)
        columns = state.mapper.column_attrs.keys()
        if state.persistent and (expired := state.expired_attributes.intersection(columns)):
            session.refresh(record, expired)


def rows_with(
    session: orm.Session,
    mapper: orm.Mapper[T],
    columns: tuple[ColumnElement[Any], ...],
    keys: Collection[tuple[Any, ...]],
) -> list[T]:
    """The records whose columns have one of these values, in any order."""
    keys, size = list(keys), AT_ONCE // len(columns)
    found: list[T] = []
    for start in range(0, len(keys), size):
        statement = select(mapper.class_).where(among_keys(columns, keys[start : start + size]))
        with session.no_autoflush:
            found += session.scalars(statement, execution_options=_ALL).unique()
    return found


def among_keys(
    columns: tuple[ColumnElement[Any], ...], keys: Collection[tuple[Any, ...]]
) -> ColumnElement[bool]:
    """A criterion: the columns have one of these values."""
    if len(columns) == 1:  # every database has an index for it then
        return columns[0].in_([key for (key,) in keys])
    return tuple_(*columns).in_(list(keys))
