"""`eager()`: the loader that fits a relationship, chosen by what it leads to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import orm
from sqlalchemy.orm import joinedload, selectinload
from sqlalchemy.orm.strategy_options import _AbstractLoad

from ._names import mapper_of
from ._types import R
from .exceptions import NotARelationshipError

__all__ = ["loaders", "start"]


def loaders(model: type, relationships: tuple[Any, ...]) -> tuple[_AbstractLoad, ...]:
    """A loader option for each relationship, those of other models under what leads to them.

    Raises:
        NotARelationshipError: One is none, or neither the model nor a relationship before it
            leads to where it begins.
    """
    reached: list[tuple[orm.Mapper[Any], _AbstractLoad | None]] = [(mapper_of(model), None)]
    for relationship in relationships:
        parent = start(reached, relationship, verb="eager")
        option = _loader(parent, relationship, collection=bool(relationship.property.uselist))
        reached.append((relationship.comparator.entity.mapper, option))
    return tuple(option for _, option in reached if option is not None)


def start(reached: Sequence[tuple[orm.Mapper[Any], R]], relationship: Any, *, verb: str) -> R:
    """Where a relationship begins: at the first model if it is its own, else at the nearest.

    Args:
        reached: The models that may have it, the first one and those that others led to, each with
            what stands for it.
        relationship: It.
        verb: What it was given to.

    Raises:
        NotARelationshipError: It is none, or no model has it.
    """
    first = reached[0][0]
    prop = getattr(relationship, "property", None)
    if not isinstance(prop, orm.RelationshipProperty):
        raise _refused(first, _shown(relationship), verb)
    for mapper, found in (reached[0], *reached[:0:-1]):
        if mapper.isa(relationship.parent.mapper):
            return found
    raise _refused(first, str(relationship), verb)


def _loader(parent: _AbstractLoad | None, relationship: Any, *, collection: bool) -> _AbstractLoad:
    if parent is not None:
        return parent.selectinload(relationship) if collection else parent.joinedload(relationship)
    return selectinload(relationship) if collection else joinedload(relationship)


def _shown(value: object) -> str:
    return repr(value) if isinstance(value, str) else str(value)


def _refused(mapper: orm.Mapper[Any], found: str, verb: str) -> NotARelationshipError:
    known = mapper.relationships.keys()
    return NotARelationshipError(mapper.class_.__name__, found, known, verb=verb)
