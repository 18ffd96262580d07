"""Whose records a plan can load: models that are one table.

What is refused here is loaded by SQLAlchemy.  A reason is said once for a model; what may be added
to it later, such as a listener, is asked for every time.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from sqlalchemy import Table, orm
from sqlalchemy.orm import instrumentation

__all__ = ["Attributes", "obstacle"]

_LAZY: Final = frozenset(
    {"select", True, "raise", "raise_on_sql", "noload", None, "write_only", "dynamic", "selectin"}
)
"""How relationships are loaded that add nothing to the statement of a record."""


def obstacle(mapper: orm.Mapper[Any]) -> str | None:
    """Why records of a model are loaded by SQLAlchemy, None where a plan can."""
    model = mapper.class_
    if (
        mapper.inherits is not None
        or mapper.polymorphic_on is not None
        or mapper._inheriting_mappers
    ):
        return "the model inherits, or is inherited from"
    if (
        not isinstance(mapper.local_table, Table)
        or mapper.persist_selectable is not mapper.local_table
    ):
        return "the model is not mapped to a table"
    if mapper.always_refresh or not mapper.allow_partial_pks:
        return "the mapper has options of its own"
    if type(mapper.class_manager) is not instrumentation.ClassManager:
        return "the model is instrumented in a way of its own"
    plain: tuple[Any, ...] = (object.__new__, object.__setattr__)
    if (model.__new__, model.__setattr__) != plain or not hasattr(model, "__dict__"):
        return "the model makes its records in a way of its own"
    return _of_attributes(mapper)


def _of_attributes(mapper: orm.Mapper[Any]) -> str | None:
    for each in mapper.attrs:
        if isinstance(each, orm.RelationshipProperty):
            if each.lazy not in _LAZY:
                return f"the relationship `{each.key}` is loaded with the record"
        elif isinstance(each, orm.ColumnProperty):
            if each.deferred or each.columns[0].table is not mapper.local_table:
                return f"`{each.key}` is deferred, or no column of the table"
        elif not isinstance(each, orm.SynonymProperty):
            return f"`{each.key}` is neither a column nor a relationship"
    return None


class Attributes(NamedTuple):
    """The names of a model's attributes, by their kinds."""

    columns: frozenset[str]
    relationships: frozenset[str]
    source: object

    @classmethod
    def of(cls, mapper: orm.Mapper[Any]) -> Attributes:
        """Those of a model; a model that is defined later may give it another one."""
        relationships = mapper.relationships
        known: Attributes | None = mapper.__dict__.get(_ATTRIBUTES)
        if known is None or known.source is not relationships:
            columns = frozenset(mapper.column_attrs.keys())
            known = cls(columns, frozenset(relationships.keys()), relationships)
            mapper.__dict__[_ATTRIBUTES] = known
        return known


_ATTRIBUTES: Final = "_fastapi_sqlalchemy_attributes"
