"""What a record has, read without asking the database.

An attribute that is not loaded is never loaded here: a response that sent SQL would send it record
by record, and could not await it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import inspect, orm
from sqlalchemy.orm.collections import collection_adapter

from .exceptions import NotLoadedError

__all__ = ["ShownRecord", "check_loaded", "shown"]


def shown(record: object, names: Iterable[str]) -> dict[str, Any]:
    """The values of these attributes; of a relationship to many, whatever its collection, a list.

    Raises:
        NotLoadedError: One is not loaded.
    """
    state: orm.InstanceState[Any] = inspect(record, raiseerr=True)
    return {name: _value(record, state, name) for name in names}


def check_loaded(record: object, names: Iterable[str]) -> None:
    """Refuse a record that lacks one of these attributes.

    Raises:
        NotLoadedError: It does.
    """
    state: orm.InstanceState[Any] = inspect(record, raiseerr=True)
    for name in state.unloaded.intersection(names):
        _value(record, state, name)


def _value(record: object, state: orm.InstanceState[Any], name: str) -> Any:
    prop = state.mapper.attrs.get(name)
    match prop:
        case None:  # a hybrid, or a property of the model's own: it may do what it wants
            return getattr(record, name)
        case orm.Synonym():
            return _value(record, state, prop.name)
        case orm.Composite():
            shown(record, [part.key for part in prop.props])
            return getattr(record, name)
    if name not in state.dict:
        return _absent(state, prop)
    value = state.dict[name]
    if isinstance(prop, orm.RelationshipProperty) and prop.uselist:
        return list(collection_adapter(value))
    return value


def _absent(state: orm.InstanceState[Any], prop: orm.MapperProperty[Any]) -> Any:
    """What an attribute without a value shows, where the database has none for it either."""
    key, expired = prop.key, prop.key in state.expired_attributes
    related = isinstance(prop, orm.RelationshipProperty)
    # a column that every SELECT of the record has lacks a value when no INSERT named it
    kept_back = related or key in state.callables or getattr(prop, "deferred", False)
    if state.has_identity and (expired or kept_back):
        # one that the query left out expires alone
        base = _base_without(state.mapper, key) if expired and not state.expired else None
        raise NotLoadedError(state.class_.__name__, key, expired=expired, base=base)
    return [] if related and getattr(prop, "uselist", False) else None


def _base_without(mapper: orm.Mapper[Any], key: str) -> str | None:
    """The class nearest by that lacks an attribute: a query of it does not load the attribute."""
    base = mapper.inherits
    while base is not None and key in base.attrs:
        base = base.inherits
    return None if base is None else base.class_.__name__


class ShownRecord:
    """A record for Pydantic to read the attributes of."""

    __slots__ = ("_record",)

    def __init__(self, record: object) -> None:
        self._record = record

    def __getattr__(self, name: str) -> Any:
        return shown(self._record, (name,))[name]
