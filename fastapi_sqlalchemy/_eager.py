"""`eager()`: the loader that fits a relationship, chosen by what it leads to."""

from __future__ import annotations

from typing import Any

from sqlalchemy import orm
from sqlalchemy.orm import joinedload, selectinload
from sqlalchemy.orm.strategy_options import _AbstractLoad

from ._names import mapper_of
from .exceptions import NotARelationshipError

__all__ = ["loaders"]


def loaders(model: type, relationships: tuple[Any, ...]) -> tuple[_AbstractLoad, ...]:
    """A loader option for each relationship, those of other models under what leads to them.

    Raises:
        NotARelationshipError: One is none, or neither the model nor a relationship before it
            leads to where it begins.
    """
    reached: list[tuple[orm.Mapper[Any], _AbstractLoad | None]] = [(mapper_of(model), None)]
    for relationship in relationships:
        prop = getattr(relationship, "property", None)
        if not isinstance(prop, orm.RelationshipProperty):
            raise NotARelationshipError(model.__name__, _shown(relationship), _names(model))
        start = _start(reached, relationship.parent.mapper)
        if start is None:
            raise NotARelationshipError(model.__name__, str(relationship), _names(model))
        option = _loader(start[1], relationship, collection=bool(prop.uselist))
        reached.append((relationship.comparator.entity.mapper, option))
    return tuple(option for _, option in reached if option is not None)


def _start(
    reached: list[tuple[orm.Mapper[Any], _AbstractLoad | None]], parent: orm.Mapper[Any]
) -> tuple[orm.Mapper[Any], _AbstractLoad | None] | None:
    """The query's model where the relationship belongs to it, else the nearest that has it."""
    for candidate in (reached[0], *reached[:0:-1]):
        if candidate[0].isa(parent):
            return candidate
    return None


def _loader(parent: _AbstractLoad | None, relationship: Any, *, collection: bool) -> _AbstractLoad:
    if parent is not None:
        return parent.selectinload(relationship) if collection else parent.joinedload(relationship)
    return selectinload(relationship) if collection else joinedload(relationship)


def _shown(value: object) -> str:
    return repr(value) if isinstance(value, str) else str(value)


def _names(model: type) -> list[str]:
    return list(mapper_of(model).relationships.keys())
