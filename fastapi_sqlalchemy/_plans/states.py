"""The state of a record that a plan has loaded: SQLAlchemy's, made with fewer parts.

A thousand records are a thousand of these, and each part of one is made, visited by Python's
garbage collector and freed.  What every loaded record has stands in slots here instead of a dict of
its own; what tells how it was changed since, or has expired, is made for whoever asks for it.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from sqlalchemy import orm

__all__ = ["LoadedState", "UsedState"]

_committed: Any = vars(orm.InstanceState).get("committed_state")
_expired: Any = vars(orm.InstanceState).get("expired_attributes")


class UsedState(orm.InstanceState[Any]):
    """What `inspect(record)` gives, as SQLAlchemy has it.

    In slots are only those of its names that SQLAlchemy never deletes: an unset slot would hide
    the default of the class.
    """

    __slots__ = ("_strong_obj", "load_path", "runid", "session_id")

    def __call__(self, reference: weakref.ref[Any]) -> None:
        """The record is gone; a bound method to be told that would be one more part of each."""
        if self.session_id is not None:  # in a session: no other's identity map has it
            self._cleanup(reference)

    def __reduce__(self) -> tuple[Any, ...]:
        # a pickle is to be read where there are no plans, too
        return object.__new__, (orm.InstanceState,), self.__getstate__()


class LoadedState(UsedState):
    """The same until somebody asks what has changed or expired: nothing has."""

    __slots__ = ()

    if not TYPE_CHECKING:  # to a checker they are attributes, which no property may override
        __init__ = object.__init__  # the loader sets what there is

        @property
        def committed_state(self) -> dict[str, Any]:
            return _used(self, _committed)

        @committed_state.setter
        def committed_state(self, committed: dict[str, Any]) -> None:
            _used(self, _committed)
            self.committed_state = committed

        @property
        def expired_attributes(self) -> set[str]:
            return _used(self, _expired)

        @expired_attributes.setter
        def expired_attributes(self, expired: set[str]) -> None:
            _used(self, _expired)
            self.expired_attributes = expired


def _used(state: Any, slot: Any) -> Any:
    """Give a state all of its parts, and what is in one of them."""
    kind: type = state.__class__
    if kind is LoadedState:
        _committed.__set__(state, {})
        _expired.__set__(state, set())
        state.__class__ = UsedState
    return slot.__get__(state)
