"""One connection for all who use an engine, rolled back at the end: the engine's side of tests.

The engine stays what it is to everybody: sessions, `engine.begin()`, `create_all()`.  Its pool
hands out the same connection to all of them, and what its dialect does to begin, commit and roll
back moves a savepoint instead.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from typing import Any, Final, NoReturn, cast

from sqlalchemy import Connection, Engine, Pool, event
from sqlalchemy.engine import ExecutionContext
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

# a connection that no `connect` event announces: it was set up when it was opened
from sqlalchemy.pool.base import _ConnectionRecord as Record
from typing_extensions import override

from ._caller import watching
from ._ground import ground_of
from ._turns import Turns
from .exceptions import IsolationError
from .sqlite import IMMEDIATE

__all__ = ["Isolation", "refuse_connections"]

_WHO: Final = "fastapi_sqlalchemy_turn"

_READS: Final = re.compile(
    r"\s*\(*\s*(SELECT|VALUES|TABLE|SHOW|EXPLAIN|DESC|PRAGMA)\b", re.IGNORECASE
)
_LOCKS: Final = re.compile(r"\bFOR\s+(UPDATE|SHARE|NO\s+KEY|KEY\s+SHARE)\b|\bINTO\b", re.IGNORECASE)
_BEGINS: Final = re.compile(r"\s*(BEGIN|START\s+TRANSACTION)\b", re.IGNORECASE)
_ENDS: Final = re.compile(
    r"\s*(COMMIT|END|ROLLBACK(?!\s+(WORK\s+)?TO)|PREPARE\s+TRANSACTION)\b", re.IGNORECASE
)


class Isolation:
    """The isolation of one engine.

    Args:
        engine: The engine, for blocking access.
        timeout: Seconds that a statement waits for somebody else's transaction.
    """

    def __init__(self, engine: Engine, timeout: float) -> None:
        self._engine, self._dialect = engine, engine.dialect
        self._turns = Turns(timeout)
        self._watching = watching()
        self._replaced: dict[str, Any] = {}
        self._holder: Connection = engine.connect()
        try:
            connection = self._holder.connection.dbapi_connection
            self._ground = ground_of(connection, engine.dialect)
            self._ground.begin()
        except BaseException:
            self._holder.close()
            raise
        self._pool = engine.pool
        self._one = _OneConnection(self._pool, engine, connection, self._turns)
        self._take_over()

    def _take_over(self) -> None:
        hooks: dict[str, Any] = {
            "do_begin": _nothing,
            "do_commit": self._commit,
            "do_rollback": self._rollback,
            # they would end the transaction, or cannot be set in one
            "set_isolation_level": _nothing,
            "reset_isolation_level": _nothing,
            "set_readonly": _nothing,
            "set_deferrable": _nothing,
        }
        for name in ("do_execute", "do_executemany", "do_execute_no_params"):
            hooks[name] = self._in_turn(getattr(self._dialect, name))
        self._replaced = {name: vars(self._dialect).get(name) for name in hooks}
        vars(self._dialect).update(hooks)
        self._engine.pool = self._one
        self._watching.__enter__()

    def _hand_over(self) -> None:
        self._watching.__exit__(None, None, None)
        self._engine.pool = self._pool
        for name, own in self._replaced.items():
            del vars(self._dialect)[name]
            if own is not None:
                setattr(self._dialect, name, own)

    def begin(self) -> None:
        """Begin a part that can be rolled back alone.

        Raises:
            IsolationError: A transaction is open, which would be in both parts.
        """
        if self._turns.taken:
            raise IsolationError(
                "expected no open transaction where a `db.testing()` block begins within another "
                "one, found uncommitted changes\n\nCommit them before it, or roll them back."
            )
        with self._turns.statement(self, hold=False):
            self._ground.begin()

    def end(self) -> bool:
        """Roll back, and tell whether this was the outermost block."""
        with self._turns.last():
            if self._ground.level > 1:
                self._ground.end()
                return False
            self._hand_over()
            try:
                self._ground.end()
            except self._ground.errors:  # the connection was lost before
                self._holder.invalidate()
            if self._one.checkedout():  # whoever still has it must not write on it any more
                self._holder.invalidate()
            self._holder.close()
        return True

    def stop(self, connection: PoolProxiedConnection, stop: Callable[[Any], None]) -> None:
        """End what runs on a connection, from another thread, and nothing else.

        SQLite rolls all of a transaction back when a write in it is interrupted: that one may end.
        """
        who = _who(connection)

        def interrupt() -> None:
            if self._dialect.name != "sqlite" or not self._turns.holds(who):
                stop(connection.driver_connection)

        self._turns.interrupt(who, interrupt)

    def _in_turn(self, execute: Callable[..., None]) -> Callable[..., None]:
        def execute_in_turn(cursor: Any, statement: str, *rest: Any) -> None:
            context: ExecutionContext = rest[-1]
            who = _who(context.root_connection.connection)
            options = context.execution_options
            hold = _lasts(options) or not _only_reads(statement, context)
            begins = hold and not self._turns.holds(who)
            with self._turns.statement(who, hold=hold):
                at_once = begins and self._autocommits(options)
                try:
                    self._refuse(statement)
                    if begins and options.get("postgresql_readonly"):
                        self._ground.refuse_writes()
                    self._execute(execute, cursor, statement, *rest, writes=hold)
                    if at_once:
                        self._ground.keep()
                except BaseException:
                    if at_once or not self._turns.holds(who):
                        self._ground.back()
                    raise
                finally:
                    if at_once:
                        self._turns.give_back(who)

        return execute_in_turn

    def _execute(
        self, execute: Callable[..., None], cursor: Any, statement: str, *rest: Any, writes: bool
    ) -> None:
        if _BEGINS.match(statement):  # it has the turn, which is its transaction
            if "READ ONLY" in statement.upper():
                self._ground.refuse_writes()
            return
        self._ground.before(statement)
        if not self._commits(statement):
            self._ground.wrote = self._ground.wrote or writes
            execute(cursor, statement, *rest)
            return
        try:
            execute(cursor, statement, *rest)
        finally:
            self._ground.begin_again()

    def _commits(self, statement: str) -> bool:
        """Whether the database commits before and after this statement by itself."""
        commits = self._ground.implicit_commits
        return commits is not None and commits.match(statement) is not None

    def _autocommits(self, options: Any) -> bool:
        default = getattr(self._dialect, "_on_connect_isolation_level", None)
        return bool(options.get("isolation_level", default) == "AUTOCOMMIT")

    def _refuse(self, statement: str) -> None:
        if self._ground.lost:
            raise IsolationError(
                "The database gave up the transaction of `db.testing()`, and with it all that the "
                "block had written: a deadlock, an interrupted write or a lost connection."
            )
        found = statement.split(maxsplit=1)[0].upper()
        if _ENDS.match(statement):
            raise IsolationError(
                "expected `session.commit()` or `rollback()` within `db.testing()`, found the "
                f"statement {found}: it would end the transaction that isolates the test"
            )
        if self._commits(statement) and (self._ground.wrote or self._ground.level > 1):
            raise IsolationError(
                f"{self._dialect.name} commits before {found}, and `db.testing()` holds rows that "
                "must not stay\n\nCreate tables before the block, or before its first row."
            )

    def _commit(self, connection: PoolProxiedConnection) -> None:
        who = _who(connection)
        if not self._turns.holds(who):
            return
        with self._turns.statement(who, hold=True):
            try:
                self._ground.check()
                self._ground.keep()
            except BaseException:
                self._ground.back()
                raise
            finally:
                self._turns.give_back(who)

    def _rollback(self, connection: PoolProxiedConnection) -> None:
        who = _who(connection)
        if self._turns.holds(who):
            with self._turns.statement(who, hold=True):
                self._ground.back()
                self._turns.give_back(who)


class _OneConnection(Pool):
    """A pool of one connection that hands it out to everybody at once."""

    def __init__(self, real: Pool, engine: Engine, connection: Any, turns: Turns) -> None:
        # the listeners of the application hear what they always hear
        super().__init__(self._lost, dialect=engine.dialect, _dispatch=real.dispatch)
        self._connection, self._turns, self._process = connection, turns, os.getpid()
        self._out, self._lock = 0, threading.Lock()

    @staticmethod
    def _lost() -> NoReturn:
        raise IsolationError("The connection of `db.testing()` was lost, with all that was in it.")

    @override
    def _do_get(self) -> ConnectionPoolEntry:
        if os.getpid() != self._process:
            raise IsolationError("The connection of `db.testing()` belongs to the parent process.")
        record = Record(self, connect=False)
        record.dbapi_connection = self._connection
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


def _nothing(*_: Any) -> None:
    """What does not happen within a transaction."""


def _who(connection: PoolProxiedConnection) -> object:
    return (connection.record_info or {}).get(_WHO, connection)


def _lasts(options: Any) -> bool:
    """Whether even a read is part of a transaction that has the database to itself."""
    level = options.get("isolation_level")
    return (level is not None and level != "AUTOCOMMIT") or any(
        options.get(name)
        for name in (IMMEDIATE, "postgresql_readonly", "stream_results", "yield_per")
    )


def _only_reads(statement: str, context: ExecutionContext) -> bool:
    compiled = getattr(context, "compiled", None)
    if compiled is not None and getattr(compiled.statement, "is_select", False):
        return getattr(compiled.statement, "_for_update_arg", None) is None
    return _READS.match(statement) is not None and _LOCKS.search(statement) is None


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
