"""Who listens where a plan makes no call: to statements, connections, sessions.

How many listeners there are is looked at every time, and only when that changes who they are: in
the very collections that SQLAlchemy puts them in, a tenth of the time of asking it for them.
Ours do what a plan does itself, or what it has no need of.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from typing import Any, Final

from sqlalchemy import Connection, Engine, Pool, orm

__all__ = ["OfPool", "OfRecords", "OfSessions", "OfStatements", "Silence"]

_HERE: Final = __name__.partition(".")[0]
_MODULES: Final = (
    *("_deletion", "_lifecycle", "_unit", "autocommit", "drivers", "sqlite", "violations"),
)
_OURS: Final = frozenset(f"{_HERE}.{name}" for name in _MODULES)


def _is_foreign(listeners: Collection[Any]) -> bool:
    return any(getattr(each, "__module__", None) not in _OURS for each in listeners)


def _of_one(dispatch: Any, names: tuple[str, ...]) -> Iterator[Collection[Any]]:
    """Where `event.listen()` puts those who listen to one object, or to every such object."""
    for name in names:
        own = getattr(dispatch, name).for_modify(dispatch)  # else the first listener makes it
        yield own.parent_listeners
        yield own.listeners


class Silence:
    """That nobody listens but we.

    Args:
        collections: Where listeners are put.
    """

    __slots__ = ("_empty", "_number", "_ours", "collections")

    collections: tuple[Collection[Any], ...]

    def __init__(self, collections: Iterable[Collection[Any]]) -> None:
        self.collections = self._empty = tuple(collections)
        self._ours: tuple[Collection[Any], ...] = ()
        self._number = 0

    @classmethod
    def of(cls, *watched: OfPool | OfRecords | OfSessions | OfStatements | None) -> Silence:
        """That of all these together."""
        return cls(
            chain.from_iterable([each.silence.collections for each in watched if each is not None])
        )

    def is_broken(self) -> bool:
        """Whether somebody else does."""
        ours = self._ours
        if not any(self._empty) and (not ours or sum(map(len, ours)) == self._number):
            return False
        if any(_is_foreign(each) for each in self.collections):
            return True
        self._empty = tuple([each for each in self.collections if not each])
        self._ours = tuple([each for each in self.collections if each])
        self._number = sum(map(len, self._ours))
        return False


class OfStatements:
    """Those who run the statements of an engine, or hear of them before they are run.

    Args:
        engine: The engine.
    """

    __slots__ = ("_engine", "silence")

    silence: Silence

    _NAMES: Final = (
        *("before_execute", "after_execute", "before_cursor_execute", "after_cursor_execute"),
        *("begin", "commit", "engine_connect", "rollback", "set_connection_execution_options"),
    )

    def __init__(self, engine: Engine) -> None:
        self._engine: Any = engine
        names = ("do_execute", "do_executemany", "handle_error")
        self.silence = Silence(_of_one(engine.dialect.dispatch, names))

    def any(self) -> bool:
        """Whether there are, `echo` included."""
        engine = self._engine
        if engine._should_log_info() or Connection._has_events:
            return True
        if engine._has_events and any(getattr(engine.dispatch, name) for name in self._NAMES):
            return True
        return self.silence.is_broken()


class OfPool:
    """Those who hear of the connections that leave a pool and come back.

    Args:
        pool: The pool.
    """

    __slots__ = ("silence",)

    silence: Silence

    def __init__(self, pool: Pool) -> None:
        self.silence = Silence(_of_one(pool.dispatch, ("checkout", "checkin", "reset")))


class OfRecords:
    """Those who hear of what becomes of a model's records.

    Args:
        listeners: Where they are put.
    """

    __slots__ = ("silence",)

    silence: Silence

    def __init__(self, *listeners: Iterator[Collection[Any]]) -> None:
        self.silence = Silence(chain.from_iterable(listeners))

    @classmethod
    def loading(cls, *mappers: orm.Mapper[Any]) -> OfRecords:
        """Those who hear of records that are loaded."""
        names = ("load", "refresh")
        return cls(*[_of_one(each.class_manager.dispatch, names) for each in mappers])

    @classmethod
    def saving(cls, mapper: orm.Mapper[Any]) -> OfRecords:
        """Those who hear of records that are written."""
        written = _of_one(mapper.class_manager.dispatch, ("refresh_flush",))
        return cls(written, _of_one(mapper.dispatch, _SAVING))

    @classmethod
    def setting(cls, attributes: Iterable[orm.QueryableAttribute[Any]]) -> OfRecords:
        """Those who hear of values that are set."""
        return cls(*[_of_one(each.dispatch, ("set",)) for each in attributes])

    def any(self) -> bool:
        """Whether there are, ours included: what they do for a record, a plan does not."""
        return any(self.silence.collections)


_SAVING: Final = (
    *("before_insert", "after_insert", "before_update", "after_update"),
    *("before_delete", "after_delete"),
)
_READING: Final = (
    *("after_begin", "after_transaction_create", "after_transaction_end", "do_orm_execute"),
    "loaded_as_persistent",
)
_WRITING: Final = (
    *("after_attach", "after_begin", "after_commit", "after_flush", "after_flush_postexec"),
    *("after_rollback", "after_soft_rollback", "after_transaction_create", "after_transaction_end"),
    *("before_attach", "before_commit", "before_flush", "deleted_to_detached"),
    *("pending_to_persistent", "pending_to_transient", "persistent_to_deleted"),
    "transient_to_pending",
)
_CHANGING: Final = (
    *("after_begin", "after_commit", "after_soft_rollback", "after_transaction_create"),
    *("after_transaction_end", "before_commit", "do_orm_execute"),
)

_DETACHING: Final = ("deleted_to_detached", "pending_to_transient", "persistent_to_detached")


class OfSessions:
    """Those who hear of what sessions do.

    Args:
        kind: The class of the sessions.
        names: Of the events.
    """

    __slots__ = ("_names", "silence")

    silence: Silence

    def __init__(self, kind: type[orm.Session], names: tuple[str, ...]) -> None:
        dispatch: Any = kind.dispatch
        of_kind = dispatch._for_class(kind)
        self._names = names
        self.silence = Silence(getattr(of_kind, name).parent_listeners for name in names)

    @classmethod
    def reading(cls, kind: type[orm.Session]) -> OfSessions:
        """Those who hear of transactions that only read, and of what is loaded."""
        return cls(kind, _READING)

    @classmethod
    def writing(cls, kind: type[orm.Session]) -> OfSessions:
        """Those who hear of transactions that write, and of what is written."""
        return cls(kind, _WRITING)

    @classmethod
    def detaching(cls, kind: type[orm.Session]) -> OfSessions:
        """Those who hear of records that outlive their session."""
        return cls(kind, _DETACHING)

    @classmethod
    def executing(cls, kind: type[orm.Session]) -> OfSessions:
        """Those who hear of statements."""
        return cls(kind, ("do_orm_execute",))

    @classmethod
    def changing(cls, kind: type[orm.Session]) -> OfSessions:
        """Those who hear of statements that change rows, and of their transactions."""
        return cls(kind, _CHANGING)

    def any(self, session: orm.Session) -> bool:
        """Whether there are."""
        if self.silence.is_broken():
            return True
        if "dispatch" not in session.__dict__:  # nobody has asked for its own
            return False
        own = session.dispatch
        for name in self._names:
            if (listeners := getattr(own, name).listeners) and _is_foreign(listeners):
                return True
        return False
