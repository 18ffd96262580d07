"""The state of a record that a plan has loaded: SQLAlchemy's, made with fewer parts.

A thousand records are a thousand of these, and each part of one is made, visited by Python's
garbage collector and freed.  What every loaded record has stands in slots here instead of a dict of
its own, and the set of expired attributes is made for whoever asks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import orm

__all__ = ["LoadedState"]

_expired: Any = vars(orm.InstanceState).get("expired_attributes")


class LoadedState(orm.InstanceState[Any]):
    """What `inspect(record)` gives, as SQLAlchemy has it.

    In slots are only those of its names that SQLAlchemy never deletes: an unset slot would hide
    the default of the class.
    """

    __slots__ = ("_strong_obj", "load_path", "runid", "session_id")

    if not TYPE_CHECKING:  # to a checker it is an attribute, which no property may override

        @property
        def expired_attributes(self) -> set[str]:
            try:
                return _expired.__get__(self)
            except AttributeError:
                made = set()
                _expired.__set__(self, made)
                return made

        @expired_attributes.setter
        def expired_attributes(self, expired: set[str]) -> None:
            _expired.__set__(self, expired)

    def __reduce__(self) -> tuple[Any, ...]:
        # a pickle is to be read where there are no plans, too
        return object.__new__, (orm.InstanceState,), self.__getstate__()
