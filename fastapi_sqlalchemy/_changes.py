"""UPDATE and DELETE of all that a query finds, as operations.

Which rows a statement has changed is what the database says.  The criteria are never evaluated for
the records that a session holds, which may be older than their rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, cast

from sqlalchemy import (
    ClauseElement,
    Column,
    ColumnClause,
    ColumnElement,
    CursorResult,
    Delete,
    SelectBase,
    Table,
    Update,
    orm,
)
from sqlalchemy import delete as make_delete
from sqlalchemy import update as make_update

from ._deletion import WITH_DELETED, SoftDeletable
from ._found import Found, Key
from ._loaded import AT_ONCE, among_keys, load_again, loaded
from ._operations import Send
from .exceptions import (
    SeveralTablesError,
    UnknownNameError,
    ValueOfAnotherTableError,
)
from .session import Session

__all__ = ["delete", "name_of", "require_own_values", "update"]

_AS_IT_IS: Final = {"synchronize_session": False}
"""Records are left alone by SQLAlchemy: they are loaded again."""


def update(
    found: Found, values: Mapping[Any, Any], *, all_rows: bool, verb: str = "update"
) -> Send[int]:
    names = {name_of(found.mapper, key): value for key, value in values.items()}
    if not names:
        raise TypeError("update() expected attributes to set, found none")
    mapper = _owner(found.mapper, names)
    require_own_values(mapper, names)
    if not all_rows:
        found.require_criterion(verb)
    beside = _counting_beside(found.mapper, mapper)
    if beside or _is_hidden_by_another_table(mapper):
        return Send(lambda session: _update_by_keys(session, found, mapper, names, beside))
    statement = found.select_for(make_update(mapper.class_).values(names), mapper)

    def send(session: orm.Session) -> int:
        known = loaded(session, found.mapper)
        if not known:  # nobody to tell which rows these were
            return _changed(session, statement)
        keys: Collection[Key]
        if session.get_bind(mapper).dialect.update_returning:
            returned = statement.returning(*_columns_of_key(mapper))
            rows = session.execute(returned, execution_options=_AS_IT_IS).all()
            keys, count = [tuple(row) for row in rows], len(rows)
        else:
            keys = found.locked_keys(session, known)
            count = _changed(session, statement)
        _load_changed(session, [known[key] for key in keys if key in known])
        return count

    return Send(send)


def delete(found: Found, *, all_rows: bool) -> Send[int]:
    mapper = found.mapper
    family = {table for each in mapper.self_and_descendants for table in each.tables}
    if len(family) > 1:
        raise SeveralTablesError(
            "delete",
            mapper.class_.__name__,
            sorted(str(table) for table in family),
            "Delete its records one by one: `for record in query: record.delete()`.",
        )
    if not all_rows:
        found.require_criterion("delete")
    statement = found.select_for(make_delete(mapper.class_), mapper)

    def send(session: orm.Session) -> int:
        return _changed(session, statement, tell=bool(loaded(session, mapper)))

    return Send(send)


def _update_by_keys(
    session: orm.Session,
    found: Found,
    mapper: orm.Mapper[Any],
    names: Mapping[str, Any],
    beside: Collection[orm.Mapper[Any]],
) -> int:
    """Change rows of one table of several, and what counts the changes in the others.

    Their keys are found first: no single statement changes two tables, and after one of them the
    criteria might not find the same rows.
    """
    keys = list(found.locked_keys(session))
    statements = [make_update(mapper.class_).values(names)]
    for other in beside:  # a key that is set to itself, for the others have their `onupdate`
        key = _columns_of_key(other)[0]
        statements.append(make_update(other.class_).values({key: key}))
    for start in range(0, len(keys), AT_ONCE):
        some = keys[start : start + AT_ONCE]
        for each, statement in zip((mapper, *beside), statements, strict=True):
            chosen = statement.where(among_keys(tuple(_columns_of_key(each)), some))
            # that none of them is hidden is known
            _changed(session, chosen.execution_options(**{WITH_DELETED: True}))
    known = loaded(session, found.mapper)
    _load_changed(session, [known[key] for key in keys if key in known])
    return len(keys)


def _load_changed(session: orm.Session, states: Collection[orm.InstanceState[Any]]) -> None:
    if isinstance(session, Session):
        session.load_changed(states)
    else:  # one of SQLAlchemy's own has no saves that failed
        load_again(session, {state: frozenset() for state in states})


def _changed(session: orm.Session, statement: Update | Delete, *, tell: bool = False) -> int:
    options = {"synchronize_session": "fetch" if tell else False, "preserve_rowcount": True}
    result = session.execute(statement, execution_options=options)
    return cast("CursorResult[Any]", result).rowcount


def _columns_of_key(mapper: orm.Mapper[Any]) -> list[ColumnElement[Any]]:
    """The primary key as the mapper's own table has it."""
    return [
        next(
            each
            for each in mapper.get_property_by_column(column).columns
            if each.table is mapper.local_table
        )
        for column in mapper.primary_key
    ]


def _counting_beside(mapper: orm.Mapper[Any], owner: orm.Mapper[Any]) -> list[orm.Mapper[Any]]:
    """The mappers of the other tables of a model that note a change by themselves."""
    others = {
        each.local_table: each
        for each in mapper.iterate_to_root()
        if each.local_table is not owner.local_table
    }
    return [
        each
        for table, each in others.items()
        if any(column.onupdate is not None for column in cast("Table", table).columns)
    ]


def _is_hidden_by_another_table(mapper: orm.Mapper[Any]) -> bool:
    """Whether the criterion that leaves deleted rows out is about a table of an ancestor."""
    model = mapper.class_
    return issubclass(model, SoftDeletable) and not any(
        column.table is mapper.local_table for column in mapper.column_attrs["deleted_at"].columns
    )


def require_own_values(mapper: orm.Mapper[Any], names: Mapping[str, Any]) -> None:
    """Refuse SQL that would be joined with all the rows of another table.

    Raises:
        ValueOfAnotherTableError: The first of them.
    """
    for name, value in names.items():
        for column in _columns_in(value):
            if column.table is not None and column.table != mapper.local_table:
                table = getattr(column.table, "name", str(column.table))
                raise ValueOfAnotherTableError(mapper.class_.__name__, name, table)


def _columns_in(value: Any) -> Iterator[ColumnClause[Any]]:
    """The columns of an expression that are not in a subquery of its own."""
    if hasattr(value, "__clause_element__"):
        value = value.__clause_element__()
    if not isinstance(value, ClauseElement) or isinstance(value, SelectBase):
        return
    if isinstance(value, ColumnClause):
        yield value
    for part in value.get_children():
        yield from _columns_in(part)


def name_of(mapper: orm.Mapper[Any], key: Any) -> str:
    """The name of an attribute that was given as such, or by its name."""
    if isinstance(key, str):
        return key
    parent = getattr(key, "parent", None)  # of an attribute; an alias has the mapper within
    ours = parent is None or mapper.isa(parent.mapper)
    return str(key.key) if ours else str(key)


def _owner(mapper: orm.Mapper[Any], names: Mapping[str, Any]) -> orm.Mapper[Any]:
    """The mapper of the one table that has all these columns.

    Raises:
        UnknownNameError: One of the names is no column.
        SeveralTablesError: They are in several tables.
    """
    computed = {
        name
        for name, attribute in mapper.column_attrs.items()
        if not isinstance(attribute.columns[0], Column)
    }
    known = set(mapper.all_orm_descriptors.keys()) - set(mapper.relationships.keys()) - computed
    for name in names:
        if name not in known:
            raise UnknownNameError("update", mapper.class_.__name__, name, known, kind="columns")
    tables = {
        cast("Table", column.table)
        for name in names
        if name in mapper.column_attrs
        for column in mapper.column_attrs[name].columns[:1]
    }
    if len(tables) > 1:
        raise SeveralTablesError(
            "update",
            mapper.class_.__name__,
            sorted(str(table) for table in tables),
            "Update the columns of each table by themselves.",
        )
    owners = [each for each in mapper.iterate_to_root() if each.local_table in tables]
    return owners[-1] if owners and len(mapper.tables) > 1 else mapper
