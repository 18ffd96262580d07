"""Reading what a record has: half the way of SQLAlchemy's, for the same answer.

An attribute of a model looks up what kind it is before it looks into the record.  Here each name
has a class of its own, which looks into the record at once; everything else, what is not loaded and
every change, is SQLAlchemy's.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import orm
from sqlalchemy.orm import instrumentation

from .private import is_tested

__all__ = ["read_at_once"]


def read_at_once(model: type[Any], _: str, attribute: Any) -> None:
    """Where an attribute of a model is set up: have it read so, if it is an ordinary one."""
    manager: Any = instrumentation.manager_of_class(model)
    if (
        is_tested()
        and type(manager) is instrumentation.ClassManager
        and type(attribute) is orm.InstrumentedAttribute
        and attribute.impl.supports_population
    ):
        attribute.__class__ = _kind(attribute.key)


@cache
def _kind(name: str) -> type[orm.InstrumentedAttribute[Any]]:
    """The class of attributes of this name; a constant is faster to look up than a name."""
    otherwise = orm.InstrumentedAttribute.__get__

    def get(attribute: Any, record: Any, owner: Any) -> Any:
        if record is None:
            return attribute
        try:
            return record.__dict__[name]
        except KeyError:
            pass  # beyond here it is not an error that was being handled
        return otherwise(attribute, record, owner)

    members = {"__slots__": (), "__get__": get, "inherit_cache": True}
    return type("InstrumentedAttribute", (orm.InstrumentedAttribute,), members)
