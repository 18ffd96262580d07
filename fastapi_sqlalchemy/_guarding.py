"""`__guarded__`: which attributes nothing that comes from outside may set."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import event, orm

from ._names import mapper_of
from .exceptions import GuardedNameError

__all__ = ["guarded_of"]


def guarded_of(model: type) -> frozenset[str]:
    """What nothing from outside sets of a model: what it and its bases guard, by every name.

    So is what a mapper keeps in order: the version of a row, and which class it is a record of.
    """
    mapper = mapper_of(model)
    names = {name for base in model.__mro__ for name in _own(base)}
    kept = {mapper.version_id_col, mapper.polymorphic_on}
    kept.update(column for name in names for column in _columns(mapper, name))
    others = mapper.all_orm_descriptors.keys()
    return frozenset({*names, *(n for n in others if not kept.isdisjoint(_columns(mapper, n)))})


def _columns(mapper: orm.Mapper[Any], name: str) -> list[Any]:
    """The columns that an attribute sets, without configuring mappers; of a hybrid none."""
    if name in mapper.columns:
        return [mapper.columns[name]]
    match getattr(mapper.all_orm_descriptors.get(name), "original_property", None):
        case orm.Synonym() as other:
            return _columns(mapper, other.name)
        case orm.Composite() as whole:
            return [column for part in whole.props for column in part.columns]
    return []


def _own(base: type) -> Collection[str]:
    names: Collection[str] = vars(base).get("__guarded__", ())
    if isinstance(names, str):
        raise TypeError(
            f"{base.__name__}.__guarded__ expected a set of names, found a string: "
            f'`__guarded__ = {{"{names}"}}`'
        )
    return names


@event.listens_for(orm.Mapper, "after_mapper_constructed")
def _check_guarded(mapper: orm.Mapper[Any], model: type) -> None:
    """Refuse a misspelt name where it stands; a base of many models may guard what some have."""
    known = mapper_of(model).all_orm_descriptors.keys()
    for base in model.__mro__:
        if "registry" in vars(base) or vars(base).get("__abstract__", False):
            continue
        for name in _own(base):
            if name not in known and not hasattr(base, name):
                raise GuardedNameError(base.__name__, name, known)
