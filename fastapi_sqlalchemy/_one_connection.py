"""A pool of one connection for everybody, and engines that may have none meanwhile."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, Final, NoReturn, cast

from sqlalchemy import Engine, Pool, event
from sqlalchemy.pool import ConnectionPoolEntry, ManagesConnection

# without its `connect` event: the connection was set up when it was opened
from sqlalchemy.pool.base import _ConnectionRecord as Record
from typing_extensions import override

from ._ground import Ground
from ._turns import Turns
from .exceptions import IsolationError

__all__ = ["OneConnection", "refuse_connections", "turn_of"]

_WHO: Final = "fastapi_sqlalchemy_turn"


class OneConnection(Pool):
    """A pool of one connection that hands it out to everybody at once.

    Args:
        real: The pool whose place it takes.
        engine: The engine of both.
        ground: The transaction on the connection.
        turns: Who may use it.
    """

    def __init__(self, real: Pool, engine: Engine, ground: Ground, turns: Turns) -> None:
        # the listeners of the application hear what they always hear
        super().__init__(self._reconnect, dialect=engine.dialect, _dispatch=real.dispatch)
        self._ground, self._turns, self._process = ground, turns, os.getpid()
        self._out, self._lock = 0, threading.Lock()

    def _reconnect(self) -> NoReturn:
        self._ground.lost = True
        self._ground.require()
        raise AssertionError("what is lost is refused")

    @override
    def _do_get(self) -> ConnectionPoolEntry:
        self._ground.require()
        if os.getpid() != self._process:
            raise IsolationError("The connection of `db.testing()` belongs to the parent process.")
        record = Record(self, connect=False)
        record.dbapi_connection = self._ground.connection
        cast("dict[str, Any]", record.record_info)[_WHO] = object()
        with self._lock:
            self._out += 1
        return record

    @override
    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        self._turns.give_back(cast("dict[str, Any]", record.record_info)[_WHO])
        with self._lock:
            self._out -= 1

    def checkedout(self) -> int:
        """How many hold it."""
        return self._out

    @override
    def status(self) -> str:
        return f"One connection, to be rolled back; checked out {self._out} times"

    @override
    def dispose(self) -> None:
        """Nothing: the shutdown of an application is not the end of the test."""

    @override
    def recreate(self) -> Pool:
        return self


def turn_of(connection: ManagesConnection) -> object:
    """Who this is in the turns: the same for one who has it checked out, until it is returned."""
    return (connection.record_info or {}).get(_WHO, connection)


def refuse_connections(engine: Engine) -> Callable[[], None]:
    """Let nobody have a connection of an asyncio engine, until the returned function is called."""

    def refuse(*_: Any) -> NoReturn:
        raise IsolationError(
            "expected everything within `db.testing()` to use its one connection, found an asyncio "
            "engine, or a session from before the block, that has its own\n\n"
            "Use `db.session`, `db.async_session` or `db.engine` in a scope opened in the block."
        )

    event.listen(engine, "checkout", refuse)
    return lambda: event.remove(engine, "checkout", refuse)
