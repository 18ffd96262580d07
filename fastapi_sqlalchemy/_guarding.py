"""`__guarded__`: which attributes nothing that comes from outside may set."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import event, orm

from ._names import mapper_of
from .exceptions import GuardedNameError

__all__ = ["guarded_of"]


def guarded_of(model: type) -> frozenset[str]:
    """The guarded names of a model, its own and those of its bases."""
    return frozenset(name for base in model.__mro__ for name in _own(base))


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
