"""UPDATE and DELETE of all that a query finds, as operations.

A query of one table is the WHERE of the statement.  Whatever else it has, a join, a limit, a
DISTINCT, stands in a subquery that finds the primary keys: a derived table, because MariaDB cannot
select from the table that it changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from sqlalchemy import (
    ClauseElement,
    ColumnElement,
    CursorResult,
    Delete,
    Select,
    Table,
    Update,
    orm,
    select,
    tuple_,
)
from sqlalchemy import delete as make_delete
from sqlalchemy import update as make_update
from sqlalchemy.orm import LoaderCriteriaOption
from sqlalchemy.orm.interfaces import ORMOption

from ._loaded import expire, load_expired
from ._names import mapper_of
from ._operations import Send
from .exceptions import MissingCriterionError, SeveralTablesError, UnknownNameError

__all__ = ["Found", "delete", "update"]


class Found:
    """What a query finds, for the statement that is to change it.

    Args:
        model: What is queried, a model or an alias of one.
        statement: Its SELECT.
        options: Its loader options, of which the criteria count.
        joined: Whether there are joins.
        limited: Whether there is a limit or an offset.
        distinct: Whether there is a DISTINCT, of whole rows or on columns.
    """

    def __init__(
        self,
        model: Any,
        statement: Select[Any],
        options: tuple[ORMOption, ...],
        *,
        joined: bool,
        limited: bool,
        distinct: bool,
    ) -> None:
        self.mapper = mapper_of(model)
        self._entity, self._statement, self._limited = model, statement, limited
        self._ordered = limited or distinct  # which rows these are depends on the order
        grouped = bool(statement._group_by_clauses or statement._having_criteria)
        one_table = statement.get_final_froms() == [self.mapper.local_table]
        self._is_where = one_table and not (joined or self._ordered or grouped)
        self._criteria = [each for each in options if isinstance(each, LoaderCriteriaOption)]

    def require_criterion(self, verb: str) -> None:
        """Refuse what means every row.

        Raises:
            MissingCriterionError: It does.
        """
        if self._statement.whereclause is None and not self._limited:
            raise MissingCriterionError(verb, self.mapper.class_.__name__)

    def select_for(self, statement: Update | Delete, mapper: orm.Mapper[Any]) -> Update | Delete:
        """The statement, for these rows only.

        Args:
            statement: An UPDATE or DELETE of the model, or of an ancestor with its own table.
            mapper: That one's.
        """
        statement = statement.options(*self._criteria).execution_options(
            **self._statement.get_execution_options()
        )
        if not self._is_where or mapper is not self.mapper:
            return statement.where(self._by_key(mapper))
        where = self._statement.whereclause
        return statement if where is None else statement.where(where)

    def _by_key(self, mapper: orm.Mapper[Any]) -> ColumnElement[bool]:
        ours = [
            getattr(self._entity, self.mapper.get_property_by_column(column).key)
            for column in self.mapper.primary_key
        ]
        rows = self._statement
        if not self._ordered:
            rows = rows.order_by(None).with_only_columns(*ours, maintain_column_froms=True)
        found = rows.subquery()
        keys = [found.corresponding_column(each.__clause_element__()) for each in ours]
        theirs = [
            getattr(mapper.class_, mapper.get_property_by_column(column).key)
            for column in mapper.primary_key
        ]
        chosen = select(*(key for key in keys if key is not None))
        if len(theirs) == 1:
            return cast("ColumnElement[bool]", theirs[0].in_(chosen))
        return tuple_(*theirs).in_(chosen)


def update(
    found: Found, values: Mapping[Any, Any], *, all_rows: bool, verb: str = "update"
) -> Send[int]:
    names = {_name(key): value for key, value in values.items()}
    if not names:
        raise TypeError("update() expected attributes to set, found none")
    mapper = _owner(found.mapper, names)
    if not all_rows:
        found.require_criterion(verb)
    statement = found.select_for(make_update(mapper.class_).values(names), mapper)
    computed = {name for name, value in names.items() if _is_sql(value)}

    def send(session: orm.Session) -> int:
        count = _changed(session, statement)
        expire(session, found.mapper, computed)  # SQLAlchemy computes from what it has loaded
        load_expired(session, found.mapper)
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
    return Send(lambda session: _changed(session, statement))


def _changed(session: orm.Session, statement: Update | Delete) -> int:
    options = {"synchronize_session": "auto", "preserve_rowcount": True}
    result = session.execute(statement, execution_options=options)
    return cast("CursorResult[Any]", result).rowcount


def _name(key: Any) -> str:
    return key if isinstance(key, str) else str(key.key)


def _is_sql(value: Any) -> bool:
    return isinstance(value, ClauseElement) or hasattr(value, "__clause_element__")


def _owner(mapper: orm.Mapper[Any], names: Mapping[str, Any]) -> orm.Mapper[Any]:
    """The mapper of the one table that has all these columns.

    Raises:
        UnknownNameError: One of the names is no column.
        SeveralTablesError: They are in several tables.
    """
    known = set(mapper.all_orm_descriptors.keys()) - set(mapper.relationships.keys())
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
