"""Giving a new record its values in one go, where nobody would hear of them one by one.

Setting an attribute of a record that is in no session notes that there was no value before, calls
its listeners, and stores the value.  Without listeners, validators among them, all values of a
record that has none yet can be noted and stored together.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import orm
from sqlalchemy.orm import attributes, base, instrumentation

from .private import is_tested

__all__ = ["filled"]

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
