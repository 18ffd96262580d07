"""Which attributes of a model a schema has: what a record shows, or what a client may set.

Columns are looked up without configuring mappers, as in `_held`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from sqlalchemy import Column, orm
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import RelationshipProperty

from ._guarding import guarded_of
from ._names import mapper_of
from .exceptions import UnknownNameError

__all__ = ["columns_of", "has_default", "selected"]


def selected(
    model: type, include: Iterable[str] | None, exclude: Iterable[str] | None, *, purpose: str
) -> list[str]:
    """The names of the attributes, in the order of the columns.

    Args:
        model: Whose.
        include: These alone; hybrids, properties, composites and deferred columns among them.
        exclude: All but these.
        purpose: "show" for a response, "create" or "update" for a request body.

    Raises:
        UnknownNameError: A name is none of them.
    """
    shown = [*columns_of(model), *_others(model)]
    usual, kind = (
        [name for name in columns_of(model) if not _is_deferred(model, name)],
        "attributes",
    )
    if purpose != "show":
        shown = usual = [n for n in columns_of(model) if _is_settable(model, n, purpose)]
        kind = "attributes that a request may set"
    for name in [*(include or ()), *(exclude or ())]:
        if name not in (shown if name in (include or ()) else [*columns_of(model), *shown]):
            raise UnknownNameError("schema", model.__name__, name, shown, kind=kind)
    taken = usual if include is None else [name for name in shown if name in include]
    return [name for name in taken if name not in (exclude or ())]


def columns_of(model: type) -> dict[str, Any]:
    """The column, or the SQL expression, of each attribute that holds one."""
    return {key: column for key, column in mapper_of(model).columns.items() if key[0] != "_"}


def _others(model: type) -> list[str]:
    """What has no column of its own and can be shown where it is asked for."""
    mapped = [
        name
        for name, attribute in mapper_of(model).all_orm_descriptors.items()
        if isinstance(attribute, hybrid_property) or not _is_relationship(attribute)
    ]
    own = [
        name
        for base in reversed(model.__mro__)
        for name, value in vars(base).items()
        if isinstance(value, property)
    ]
    columns = columns_of(model)
    return [n for n in dict.fromkeys([*mapped, *own]) if n not in columns and n[0] != "_"]


def _is_relationship(attribute: Any) -> bool:
    return isinstance(getattr(attribute, "comparator", None), RelationshipProperty.Comparator)


def _is_deferred(model: type, name: str) -> bool:
    prop = mapper_of(model).get_property_by_column(columns_of(model)[name])
    return bool(getattr(prop, "deferred", False))


def _is_settable(model: type, name: str, purpose: str) -> bool:
    """Whether a client says it: not what is guarded, and not what the database or a mapper says."""
    mapper, column = mapper_of(model), columns_of(model)[name]
    if name in guarded_of(model) or not isinstance(column, Column) or column.computed is not None:
        return False
    if any(part.primary_key for part in _parts(mapper, column)):
        return purpose == "create" and not has_default(model, name)
    return True


def has_default(model: type, name: str) -> bool:
    """Whether a row gets a value where nobody says one."""
    column = columns_of(model)[name]
    if not isinstance(column, Column) or name in _factories(model):
        return True
    return any(
        part.default is not None
        or part.server_default is not None
        or part.identity is not None
        or part is getattr(part.table, "autoincrement_column", None)
        for part in _parts(mapper_of(model), column)
    )


def _factories(model: type) -> set[str]:
    """The fields of a dataclass that its constructor fills, of which a column knows nothing."""
    if not is_dataclass(model):
        return set()
    return {each.name for each in fields(model) if each.default_factory is not MISSING}


def _parts(mapper: orm.Mapper[Any], column: Column[Any]) -> list[Column[Any]]:
    """The columns of an attribute: several where a table is joined to that of a base by its key."""
    prop = mapper.get_property_by_column(column)
    return [part for part in prop.columns if isinstance(part, Column)]
