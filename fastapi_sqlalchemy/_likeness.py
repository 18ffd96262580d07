"""Sessions like one that was constructed, made in a fifth of the time.

A scope has a session of its own, and SQLAlchemy's constructor gives each the same thirty values.
The first one of a kind is constructed; the next are copies of what it was then, with the few things
that each must have for itself.
"""

from __future__ import annotations

import weakref
from enum import Enum
from types import NoneType
from typing import Any, Final, Generic, Self, TypeVar

from sqlalchemy import Engine
from sqlalchemy.orm import identity
from sqlalchemy.util import immutabledict

from ._home import Home
from ._plans.plans import Plans
from ._plans.private import is_tested
from ._unit import UnitOfWork
from .engines import Binds
from .hooks import Hooks

__all__ = ["Likeness"]

S = TypeVar("S", bound=UnitOfWork)
"""The class of the sessions."""

OWN: Final = frozenset(
    {"_deleted", "_new", "committed", "hash_key", "home", "identity_map"},
)
"""The attributes that a session shares with no other."""

_NEVER_CHANGED: Final = (
    *(NoneType, bool, int, float, str, type, Enum, immutabledict, Binds, Engine, Plans),
)
"""Types of values that many sessions may have."""


class Likeness(Generic[S]):
    """What the sessions of one kind have in common."""

    __slots__ = ("_kind", "_values")

    def __init__(self, kind: type[S], values: dict[str, Any]) -> None:
        self._kind, self._values = kind, values

    @classmethod
    def of(cls, session: S) -> Self | None:
        """That of a session that was just constructed; None where each must be constructed."""
        values = {name: value for name, value in vars(session).items() if name not in OWN}
        common = all(isinstance(value, _NEVER_CHANGED) for value in values.values())
        return cls(type(session), values) if common and is_tested() else None

    def make(self, home: Home) -> S:
        """Another one."""
        session = object.__new__(self._kind)
        session.__dict__ = self._values.copy()
        session.home, session.committed = home, Hooks()
        session.identity_map = known = object.__new__(identity._WeakInstanceDict)
        known._dict, known._modified, known._wr = {}, set(), weakref.ref(known)
        session._new, session._deleted = {}, {}
        return session
