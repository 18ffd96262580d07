"""What a query finds, for a statement that is to change it.

A query of one table is the WHERE of the statement.  Whatever else it has, a join, a limit, a
DISTINCT, stands in a subquery that finds the primary keys: a derived table, because MariaDB cannot
select from the table that it changes.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeAlias, cast

from sqlalchemy import ColumnElement, Delete, Select, Update, orm, select, tuple_
from sqlalchemy.orm import LoaderCriteriaOption
from sqlalchemy.orm.interfaces import ORMOption

from ._loaded import AT_ONCE, among_keys
from ._names import mapper_of
from .exceptions import MissingCriterionError

__all__ = ["Found", "Key"]

Key: TypeAlias = tuple[Any, ...]
"""The values of a primary key."""


class Found:
    """What a query finds, for the statement that is to change it.

    Args:
        model: What is queried, a model or an alias of one.
        statement: Its SELECT.
        options: Its loader options, of which the criteria count.
        joined: Whether there are joins.
        limited: Whether there is a limit or an offset.
        distinct: Whether there is a DISTINCT, of whole rows or on columns.
        own: Whether it is known that the statement is about the model's table alone.
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
        own: bool = False,
    ) -> None:
        self.mapper = mapper_of(model)
        self._entity, self._statement, self._limited = model, statement, limited
        self._ordered = limited or distinct  # which rows these are depends on the order
        grouped = bool(statement._group_by_clauses or statement._having_criteria)
        one_table = own or statement.get_final_froms() == [self.mapper.local_table]
        self._is_where = one_table and not (joined or self._ordered or grouped)
        self._repeats = distinct or grouped  # PostgreSQL locks no rows of these
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

    def locked_keys(
        self, session: orm.Session, among: Collection[Key] | None = None
    ) -> Collection[Key]:
        """The primary keys of these rows, which nobody else can change until they are changed.

        Args:
            session: Finds them.
            among: Keys, where others do not matter.
        """
        entity, ours = self._entity, self._attributes(self._entity)
        rows = self._statement.with_only_columns(*ours, maintain_column_froms=True)
        if self._repeats:
            entity, ours = self.mapper.class_, self._attributes(self.mapper.class_)
            rows = select(*ours).where(self._by_key(self.mapper))
            rows = rows.execution_options(**self._statement.get_execution_options())
        if self._repeats or not self._ordered:
            rows = rows.order_by(None)
            if among is not None and len(among) <= AT_ONCE:
                rows = rows.where(among_keys(tuple(ours), among))
        rows = rows.options(*self._criteria).with_for_update(of=entity)
        # as a dictionary, for a join may find a row several times
        return dict.fromkeys(tuple(row) for row in session.execute(rows))

    def _attributes(self, entity: Any) -> list[Any]:
        """The primary key of the model or of an alias of it."""
        return [
            getattr(entity, self.mapper.get_property_by_column(column).key)
            for column in self.mapper.primary_key
        ]

    def _by_key(self, mapper: orm.Mapper[Any]) -> ColumnElement[bool]:
        ours = self._attributes(self._entity)
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
