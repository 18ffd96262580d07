"""Who listens where a plan makes no call: to statements, connections, sessions.

How many listeners there are is looked at every time, and only when that changes who they are.
Ours do what a plan does itself, or what it has no need of.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import Connection, Engine, Pool, orm

__all__ = ["OfPool", "OfSessions", "OfStatements"]

_HERE: Final = __name__.partition(".")[0]
_MODULES: Final = (
    *("_deletion", "_lifecycle", "_unit", "autocommit", "drivers", "sqlite", "violations"),
)
_OURS: Final = frozenset(f"{_HERE}.{name}" for name in _MODULES)


def _is_foreign(listeners: Collection[Any]) -> bool:
    return any(getattr(each, "__module__", None) not in _OURS for each in listeners)


class OfStatements:
    """Those who run the statements of an engine, or hear of them before they are run.

    Args:
        engine: The engine.
    """

    __slots__ = ("_engine", "_known")

    _NAMES: Final = (
        *("before_execute", "after_execute", "before_cursor_execute", "after_cursor_execute"),
        *("begin", "commit", "engine_connect", "rollback", "set_connection_execution_options"),
    )

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known = -1

    def any(self) -> bool:
        """Whether there are, `echo` included."""
        engine: Any = self._engine
        if engine._should_log_info() or Connection._has_events:
            return True
        if engine._has_events and any(getattr(engine.dispatch, name) for name in self._NAMES):
            return True
        dispatch = engine.dialect.dispatch
        number = len(dispatch.do_execute) + len(dispatch.handle_error)
        if number != self._known:
            if _is_foreign(dispatch.do_execute) or _is_foreign(dispatch.handle_error):
                return True
            self._known = number
        return False


class OfPool:
    """Those who hear of the connections that leave a pool and come back.

    Args:
        pool: The pool.
    """

    __slots__ = ("_dispatch", "_known")

    def __init__(self, pool: Pool) -> None:
        self._dispatch: Any = pool.dispatch
        self._known = -1

    def any(self) -> bool:
        """Whether there are."""
        dispatch = self._dispatch
        number = len(dispatch.checkout) + len(dispatch.checkin) + len(dispatch.reset)
        if number != self._known:
            for each in (dispatch.checkout, dispatch.checkin, dispatch.reset):
                if _is_foreign(each):
                    return True
            self._known = number
        return False


_READING: Final = (
    *("after_begin", "after_transaction_create", "after_transaction_end", "do_orm_execute"),
    "loaded_as_persistent",
)
_WRITING: Final = (
    *("after_attach", "after_begin", "after_commit", "after_flush", "after_flush_postexec"),
    *("after_soft_rollback", "after_transaction_create", "after_transaction_end"),
    *("before_attach", "before_commit", "before_flush", "deleted_to_detached"),
    *("pending_to_persistent", "persistent_to_deleted", "transient_to_pending"),
)


class OfSessions:
    """Those who hear of what sessions do.

    Args:
        kind: The class of the sessions.
        names: Of the events.
    """

    __slots__ = ("_known", "_listeners", "_names")

    def __init__(self, kind: type[orm.Session], names: tuple[str, ...]) -> None:
        dispatch: Any = kind.dispatch
        of_kind = dispatch._for_class(kind)
        self._names = names
        self._listeners = tuple(getattr(of_kind, name).parent_listeners for name in names)
        self._known = -1

    @classmethod
    def reading(cls, kind: type[orm.Session]) -> OfSessions:
        """Those who hear of transactions that only read, and of what is loaded."""
        return cls(kind, _READING)

    @classmethod
    def writing(cls, kind: type[orm.Session]) -> OfSessions:
        """Those who hear of transactions that write, and of what is written."""
        return cls(kind, _WRITING)

    def any(self, session: orm.Session) -> bool:
        """Whether there are."""
        number = sum(map(len, self._listeners))
        if number != self._known:
            if any(_is_foreign(each) for each in self._listeners):
                return True
            self._known = number
        if "dispatch" not in session.__dict__:  # nobody has asked for its own
            return False
        return any(_is_foreign(getattr(session.dispatch, name)) for name in self._names)
