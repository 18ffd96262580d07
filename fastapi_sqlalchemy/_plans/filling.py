"""Giving a new record its values in one go, where nobody would hear of them one by one.

Setting an attribute of a record that is in no session notes that there was no value before, calls
its listeners, and stores the value.  Without listeners, validators among them, all values of a
record that has none yet can be noted and stored together.

Before that SQLAlchemy gives the record its state, in a constructor that it puts around the model's
own and that is as long.  Where nobody listens to that either, a shorter one does both.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Any, Final, NamedTuple

from sqlalchemy import orm
from sqlalchemy.orm import attributes, base, instrumentation

from .listeners import OfRecords
from .private import is_tested

__all__ = ["filled", "shorten"]

_PLAIN: Final = "_fastapi_sqlalchemy_plain"


def filled(record: Any, values: dict[str, Any]) -> bool:
    """Give a new record its values; False where each has to be set, and nothing was done."""
    mapper: Any = getattr(record, "__mapper__", None)
    present = record.__dict__
    if mapper is None or mapper.class_ is not record.__class__ or len(present) != 1:
        return False
    plain: dict[str, Any] | None = mapper.__dict__.get(_PLAIN)
    if plain is None:
        plain = mapper.__dict__[_PLAIN] = _plain_of(mapper)
    for name in values:
        # who listens may change at any time
        if name not in plain or plain[name].set:
            return False
    if values:
        state = present[base.DEFAULT_STATE_ATTR]
        if state.session_id is not None:
            return False
        state.committed_state = dict.fromkeys(values, base.NO_VALUE)
        state.modified = True
        present.update(values)
    return True


def _plain_of(mapper: orm.Mapper[Any]) -> dict[str, Any]:
    """The attributes of which a value is stored as it is, and those who listen to each."""
    model: Any = mapper.class_
    manager = mapper.class_manager
    if (
        not is_tested()
        or type(manager) is not instrumentation.ClassManager
        or model.__setattr__ is not object.__setattr__
    ):
        return {}
    return {
        key: manager[key].dispatch
        for key in mapper.column_attrs.keys()  # noqa: SIM118 - of no dict
        if vars(model).get(key) is manager[key]
        and type(impl := manager[key].impl) is attributes._ScalarAttributeImpl
        and impl.callable_ is None
        and impl.send_modified_events
    }


class _Making(NamedTuple):
    """What has to hold for a record to be made and filled in one go."""

    names: frozenset[str]
    """Of the attributes that have nobody to listen to them."""
    others: tuple[Any, ...]
    """Where those are put who begin to listen."""
    init: Any
    """Where SQLAlchemy is among those who hear of new records, alone."""

    @classmethod
    def of(cls, mapper: orm.Mapper[Any]) -> _Making:
        """Of a model; what never holds where its records take more."""
        manager: Any = mapper.class_manager
        heard = manager.dispatch.init.for_modify(manager.dispatch)
        known = [each.__module__ for each in heard.listeners] == [orm.Mapper.__module__]
        if not known or mapper.polymorphic_on is not None:
            return cls(frozenset(), (True,), ())
        names = frozenset([name for name, each in _plain_of(mapper).items() if not each.set])
        listening = OfRecords.setting([manager[name] for name in names])
        others = (*listening.silence.collections, heard.parent_listeners)
        distinct = {id(each): each for each in others}  # most have their class's in common
        return cls(names, tuple(distinct.values()), heard.listeners)


def shorten(mapper: orm.Mapper[Any], own: Callable[..., None]) -> None:
    """Give a model a shorter constructor than SQLAlchemy's, which does the rest.

    Args:
        mapper: The model's.
        own: The constructor that fills a record; a model with another one keeps SQLAlchemy's.
    """
    model: Any = mapper.class_
    manager: Any = mapper.class_manager
    innermost = longer = vars(model).get("__init__")
    while hasattr(innermost, "_sa_original_init"):
        innermost = innermost._sa_original_init
    if innermost is not own or innermost is longer or not is_tested():
        return
    registry: Any = mapper.registry
    make_state, no_value, state_name = manager._state_constructor, base.NO_VALUE, manager.STATE_ATTR
    making: _Making | None = None

    def __init__(self: Any, **values: Any) -> None:  # noqa: N807 - of a model
        nonlocal making
        present = self.__dict__
        if making is None or registry._new_mappers:
            longer(self, **values)
            making = None if registry._new_mappers else _Making.of(mapper)
        elif (
            present
            or self.__class__ is not model
            or not making.names.issuperset(values)
            or any(making.others)
            or len(making.init) != 1
        ):
            longer(self, **values)
        else:
            present[state_name] = state = make_state(self, manager)
            if values:
                state.committed_state = dict.fromkeys(values, no_value)
                state.modified = True
                present.update(values)

    model.__init__ = update_wrapper(__init__, longer)
