"""`db.transaction()`: all of it or nothing.

The outermost block commits, a block within it is a savepoint, and what a block has written is
rolled back when an exception leaves it.  As a decorator it can repeat a function whose transaction
the database gave up in favour of another one.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from contextvars import Token
from functools import partial, wraps
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from types import TracebackType
from typing import Any, Final, NoReturn, Self, cast

from sqlalchemy import exc
from sqlalchemy.orm import SessionTransaction
from typing_extensions import override

from ._caller import held_for_others
from ._cleanup import never_hiding
from ._shield import uninterrupted
from ._types import P, R
from .block import Block
from .exceptions import ConcurrencyError, RolledBackError, TransactionOptionError
from .hooks import Hooks
from .scope import Place, Scope, Scopes, leave
from .session import Session

__all__ = ["Transaction", "is_conflict"]


class Transaction(Place):
    """A transaction block: `with`, `async with`, and a decorator of functions of both kinds.

    Args:
        scopes: Those of the database; the block belongs to the scope it is entered in.
        open_scope: Opens a scope, for each attempt of a function with retries.
        retries: How often the decorated function runs again.
        isolation_level: SQLAlchemy's name of one, for this transaction.
        read_only: Have the database refuse changes.
        savepoint: Whether a block within another one can be rolled back alone.
        durable: Refuse to be a block within another one.
    """

    nested: bool
    awaited: bool
    hooks: Hooks
    outer: Place | None
    doomed: bool

    def __init__(
        self,
        scopes: Scopes,
        open_scope: Callable[..., Block[Any]],
        *,
        retries: int = 0,
        isolation_level: str | None = None,
        read_only: bool = False,
        savepoint: bool = True,
        durable: bool = False,
    ) -> None:
        self._scopes, self._open_scope = scopes, open_scope
        self._retries, self._isolation_level = retries, isolation_level
        self._read_only, self._wants_savepoint, self._durable = read_only, savepoint, durable
        self._token: Token[Place] | None = None
        self._savepoint: SessionTransaction | None = None
        self.nested = self.awaited = False
        self.hooks = Hooks()

    @property
    @override
    def scope(self) -> Scope:
        return self._around.scope

    def _again(self) -> Transaction:
        return Transaction(
            self._scopes,
            self._open_scope,
            isolation_level=self._isolation_level,
            read_only=self._read_only,
            savepoint=self._wants_savepoint,
            durable=self._durable,
        )

    def _stand(self, *, awaited: bool) -> Scope:
        if self._token is not None:
            raise RuntimeError("this block is entered already: call `db.transaction()` again")
        if self._retries:
            raise TransactionOptionError(
                "retries", "a decorated function: a `with` block cannot run again"
            )
        self._around = self._scopes.here
        self.awaited = awaited
        self._savepoint, self.outer, self.hooks = None, None, Hooks()
        self.nested = self.doomed = self.over = False
        return self.scope

    def _begin(self, session: Session) -> None:
        self._around.check(session)
        outer = cast("Transaction | None", session.block)
        self.outer, self.nested = outer, outer is not None or session.commits_late
        if self.nested:
            self._refuse_nesting()
            self.awaited = (outer or self.scope).awaited
            if self._wants_savepoint:
                self._savepoint = session.begin_savepoint()
            session.block = self
        else:
            self._begin_outermost(session)

    def _begin_in_memory(self, session: Session) -> bool:
        """Begin where that asks the database nothing; False where it may, and nothing is begun."""
        special = self._isolation_level is not None or self._read_only
        within = session.block is not None or session.commits_late
        if special or within or session.in_transaction() or not session.idle():
            return False
        self._begin(session)
        return True

    def _refuse_nesting(self) -> None:
        for option, given in (
            ("durable", self._durable),
            ("isolation_level", self._isolation_level is not None),
            ("read_only", self._read_only),
        ):
            if given:
                raise TransactionOptionError(option, "an outermost block, and this one is within")

    def _begin_outermost(self, session: Session) -> None:
        options: dict[str, Any] = {}
        if self._isolation_level is not None:
            options["isolation_level"] = self._isolation_level
        special = bool(options) or self._read_only
        if session.idle():
            session.begin_anew(special=special)
        elif special:
            raise TransactionOptionError(
                next(iter(options), "read_only"), "a new transaction, and changes are waiting"
            )
        if special:
            try:
                session.characterise(options, read_only=self._read_only)
            except BaseException as error:
                with never_hiding(error):
                    session.discard()
                raise
        session.block = self

    def _end(self, session: Session, *, commit: bool) -> None:
        if session.block is not self:
            self._end_out_of_turn(session)
        session.block = self.outer
        if self._savepoint is not None:
            self._end_savepoint(self._savepoint, commit=commit)
        elif self.nested:
            if self.doomed or not commit:
                (self.outer or self.scope).doomed = True
        elif commit and not self.doomed:
            session.complete()
        else:
            session.discard()
        if commit and self.doomed:
            raise RolledBackError

    def _end_out_of_turn(self, session: Session) -> NoReturn:
        """A task's block within this one is still open: neither can be committed."""
        inner = cast("Transaction | None", session.block)
        while inner is not None and inner is not self:
            inner.over = True
            inner = cast("Transaction | None", inner.outer)
        if inner is None or self.over:
            raise RolledBackError("This block ended after the one it was in, which rolled it back.")
        self.doomed = True
        with suppress(RolledBackError):
            session.block = self
            self._end(session, commit=False)
        raise ConcurrencyError(
            "A block of another task, within this one, is still open: both were rolled back.\n\n"
            "Await the task before the block ends."
        )

    def _end_savepoint(self, savepoint: SessionTransaction, *, commit: bool) -> None:
        try:
            if commit and not self.doomed:
                savepoint.commit()
                return
        except BaseException as error:
            with never_hiding(error):
                savepoint.rollback()
            raise
        with suppress(exc.ResourceClosedError):  # the connection was lost, and all with it
            savepoint.rollback()

    def _pass_hooks_on(self, *, commit: bool) -> Hooks:
        """Those to run now; a savepoint's wait for the transaction it is part of."""
        hooks, self.hooks = self.hooks, Hooks()
        if not commit:
            return Hooks()
        if self.nested:
            (self.outer or self.scope).hooks.extend(hooks)
            return Hooks()
        return hooks

    def _leave(self) -> None:
        token, self._token = self._token, None
        if token is not None:
            leave(token)
        if self._around.within is self:
            self._around.within = None

    def __enter__(self) -> Self:
        session = self._stand(awaited=False).open(awaited=False)
        session.home.run(self._begin, session)
        self._token = self._scopes.enter(self)
        if held_for_others():
            self._around.within = self
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leave()
        with never_hiding(error):
            session = self.scope.open(awaited=False)
            session.home.run(self._end, session, commit=error is None)
            session.committed.run_plain()
        self._pass_hooks_on(commit=error is None).run()

    async def __aenter__(self) -> Self:
        session = self._stand(awaited=True).open(awaited=True)
        try:
            if not session.home.at_once(partial(self._begin_in_memory, session)):
                await uninterrupted(session.home.arun(self._begin, session))
        except asyncio.CancelledError as cancelled:  # it came while the block was being opened
            if session.block is self:
                with never_hiding(cancelled):
                    await uninterrupted(session.home.arun(self._end, session, commit=False))
            raise
        self._token = self._scopes.enter(self)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leave()
        with never_hiding(error):
            session = self.scope.open(awaited=True)
            await uninterrupted(self._aend(session, commit=error is None))

    async def _aend(self, session: Session, *, commit: bool) -> None:
        await session.home.arun(self._end, session, commit=commit)
        await session.committed.arun()
        await self._pass_hooks_on(commit=commit).arun()

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Run every call of a function in a transaction of its own.

        Raises:
            TypeError: It is a generator function, which would leave its transaction open.
        """
        if isgeneratorfunction(function) or isasyncgenfunction(function):
            raise TypeError(
                "db.transaction() expected a function or a coroutine function to decorate, found "
                f"the generator function {function.__qualname__}: open the block in its body"
            )
        if iscoroutinefunction(function):

            @wraps(function)
            async def coroutine(*args: P.args, **kwargs: P.kwargs) -> Any:
                for attempt in self._attempts():
                    try:
                        async with self._attempt(), self._again():
                            return await function(*args, **kwargs)
                    except exc.DBAPIError as error:
                        if attempt == self._retries or not is_conflict(error):
                            raise
                    await asyncio.sleep(_pause(attempt))
                raise AssertionError("the last attempt returns or raises")

            return cast("Callable[P, R]", coroutine)

        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            for attempt in self._attempts():
                try:
                    with self._attempt(), self._again():
                        return function(*args, **kwargs)
                except exc.DBAPIError as error:
                    if attempt == self._retries or not is_conflict(error):
                        raise
                time.sleep(_pause(attempt))
            raise AssertionError("the last attempt returns or raises")

        return call

    def _attempts(self) -> range:
        around = self._scopes.surrounding()
        within = around is not None and (around is not around.scope or around.scope.saves_late)
        if self._retries and within:
            raise TransactionOptionError("retries", "an outermost block, and this one is within")
        return range(self._retries + 1)

    def _attempt(self) -> Block[Any]:
        """The scope of one attempt: with retries a new one, whose session has seen nothing yet."""
        return self._open_scope(commit_on_exit=False, join=not self._retries)


_STATES: Final = frozenset({"40001", "40P01"})
"""SQLSTATE of a serialization failure and of PostgreSQL's deadlock."""

_MYSQL: Final = frozenset({1020, 1205, 1213})
"""https://mariadb.com/kb/en/mariadb-error-code-reference/: a record that changed since it was
read, a lock that was waited for too long, a deadlock."""


def is_conflict(error: exc.DBAPIError) -> bool:
    """Whether the database gave a transaction up for another one's sake: it may be tried again."""
    cause: Any = error.orig
    if getattr(cause, "sqlstate", None) in _STATES or getattr(cause, "pgcode", None) in _STATES:
        return True
    if isinstance(cause, sqlite3.OperationalError):
        return cause.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    return bool(getattr(cause, "args", ())) and cause.args[0] in _MYSQL


def _pause(attempt: int) -> float:
    """Seconds until the next attempt: random, so that two who collided do not again."""
    return random.uniform(0, min(1, 0.01 * 2**attempt))  # noqa: S311 - nothing to guess here
