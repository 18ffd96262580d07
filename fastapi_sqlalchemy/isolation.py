"""One connection for all who use an engine, rolled back at the end: the engine's side of tests.

The engine stays what it is to everybody: sessions, `engine.begin()`, `create_all()`.  Its pool
hands out the same connection to all of them, and what its dialect does to begin, commit and roll
back moves a savepoint instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import Connection, Engine
from sqlalchemy.engine import ExecutionContext
from sqlalchemy.pool import ManagesConnection, PoolProxiedConnection

from ._caller import watching
from ._ground import ground_of
from ._one_connection import OneConnection, turn_of
from ._turns import Turns
from .exceptions import IsolationError
from .sqlite import IMMEDIATE

__all__ = ["Isolation"]

_READS: Final = re.compile(
    r"\s*\(*\s*(SELECT|WITH|VALUES|TABLE|SHOW|EXPLAIN|DESC|DESCRIBE|PRAGMA)\b", re.IGNORECASE
)
_CHANGES: Final = re.compile(
    r"\b(INSERT|UPDATE|DELETE|MERGE|INTO|FOR\s+(NO\s+KEY|KEY|SHARE))\b", re.IGNORECASE
)
"""What makes more of a statement that begins like a read; a name may only look so."""
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
        self._reading = False
        """Whether the statement that runs changes nothing."""
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
        self._one = OneConnection(self._pool, engine, self._ground, self._turns)
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

    def stop(self, connection: ManagesConnection, stop: Callable[[Any], None]) -> None:
        """End what runs on a connection, from another thread, and nothing else.

        SQLite rolls all of a transaction back when a write in it is interrupted: that one may end.
        """
        who = turn_of(connection)

        def interrupt() -> None:
            if self._dialect.name != "sqlite" or self._reading:
                stop(connection.driver_connection)

        self._turns.interrupt(who, interrupt)

    def _in_turn(self, execute: Callable[..., None]) -> Callable[..., None]:
        def execute_in_turn(cursor: Any, statement: str, *rest: Any) -> None:
            context: ExecutionContext = rest[-1]
            who = turn_of(context.root_connection.connection)
            options = context.execution_options
            reads = _only_reads(statement, context)
            hold = _lasts(options) or not reads
            begins = hold and not self._turns.holds(who)
            with self._turns.statement(who, hold=hold):
                self._reading = reads
                at_once = begins and self._autocommits(options)
                try:
                    self._refuse(statement)
                    if begins and options.get("postgresql_readonly"):
                        self._ground.refuse_writes()
                    self._execute(execute, cursor, statement, *rest, writes=not reads)
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
        self._ground.require()
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
        who = turn_of(connection)
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
        who = turn_of(connection)
        if self._turns.holds(who):
            with self._turns.statement(who, hold=True):
                self._ground.back()
                self._turns.give_back(who)


def _nothing(*_: Any) -> None:
    """What does not happen within a transaction."""


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
    return _READS.match(statement) is not None and _CHANGES.search(statement) is None
