"""The records a session has loaded, kept true to rows that changed under them.

A statement sent past the unit of work leaves the records of its rows as they were.  What is here
expires what may be wrong and loads it again in one statement for many records, so that no
attribute shows an old value, nor runs SQL when it is read.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import ColumnElement, inspect, orm, select, tuple_

from ._deletion import WITH_DELETED
from ._types import T

__all__ = ["expire", "load_expired", "load_expired_of", "rows_with"]

_ALL: Final = {WITH_DELETED: True}

_AT_ONCE: Final = 500
"""Keys in one statement; SQLite has 999 variables at least, and a key may have two columns."""


def expire(session: orm.Session, mapper: orm.Mapper[Any], names: Collection[str]) -> None:
    """Forget these attributes of the model's loaded records."""
    states = [state for state in session.identity_map.all_states() if state.mapper.isa(mapper)]
    for state in states:
        if (record := state.obj()) is not None and (loaded := state.dict.keys() & names):
            session.expire(record, loaded)
    # a savepoint that is rolled back expires those it knows of: their values will be from within
    session._register_altered(states)


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
    keys, size = list(keys), _AT_ONCE // len(columns)
    found: list[T] = []
    for start in range(0, len(keys), size):
        statement = select(mapper.class_).where(_among(columns, keys[start : start + size]))
        with session.no_autoflush:
            found += session.scalars(statement, execution_options=_ALL).unique()
    return found


def _among(
    columns: tuple[ColumnElement[Any], ...], keys: list[tuple[Any, ...]]
) -> ColumnElement[bool]:
    if len(columns) == 1:  # every database has an index for it then
        return columns[0].in_([key for (key,) in keys])
    return tuple_(*columns).in_(keys)
