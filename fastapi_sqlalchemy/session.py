"""The session of a scope: SQLAlchemy's unit of work, with a home and a commit policy.

It is a `sqlalchemy.orm.Session` in every respect, and what it adds concerns three questions: where
a call runs (`_home`), when a transaction begins and gives its connection back, and what a failed
flush leaves behind.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, event, exc, inspect, orm
from sqlalchemy.engine import Result
from sqlalchemy.orm import SessionTransaction
from sqlalchemy.orm.exc import StaleDataError
from sqlalchemy.pool import PoolProxiedConnection
from typing_extensions import override

from . import sqlite
from ._cleanup import never_hiding
from ._deletion import WITH_DELETED, expire_partial, is_deleted
from ._home import Home, callers_level
from ._loaded import load_expired_of
from ._loss import Loss, first_error, loss_by
from ._operations import Operation, Read, Send, Write
from ._restore import Restorer, Snapshot
from ._shield import uninterrupted
from ._stale import typed
from ._strict import LOADING, refuse_lazy_load
from ._types import R
from .engines import Binds
from .exceptions import HeldConnectionWarning, RolledBackError, SessionClosedError
from .hooks import Hooks

__all__ = ["Position", "Session"]

S = TypeVar("S")
"""What a step returns."""


class Position(Protocol):
    """Where in its scope a piece of code stands."""

    awaited: bool
    """Whether what commits here can be awaited."""

    def check(self, session: Session) -> None:
        """Refuse what another task's transaction would swallow."""


class Session(orm.Session):
    """One unit of work, usable from threads and from the event loop, one call at a time.

    Args:
        binds: The engine, as plain, for lone reads and for transaction blocks.
        home: Where its calls run.
        commits_late: Whether the end of the scope commits, so that `save()` only flushes.
        stop: Ends the statement that runs on a connection.
        hold_warning: Seconds after which a connection was held for too long.
        options: Keyword arguments of `sqlalchemy.orm.Session`.
    """

    def __init__(
        self,
        binds: Binds,
        home: Home,
        *,
        commits_late: bool,
        stop: Callable[[PoolProxiedConnection], None],
        hold_warning: float | None = None,
        **options: Any,
    ) -> None:
        # None of SQLAlchemy's defaults but this one: a saved record can be returned by a route
        super().__init__(**{"expire_on_commit": False, **options})
        self.home = home
        self.commits_late = commits_late
        self.block: Position | None = None
        """The innermost `db.transaction()` block that is open on this session."""
        self.wrote = False
        """Whether the transaction did anything but read."""
        self.awaited = False
        """Whether the end of the scope can be awaited."""
        self.committed = Hooks()
        """Of records that are stored, to be run as soon as this session's call is over."""
        self.within_flush = False
        """Whether a method of a record runs that is called within a flush."""
        self.sees_deleted = self.follows_deleted = False
        """Whether every load finds records that are soft-deleted, or that of a relationship."""
        self._binds = binds
        self._routed = "binds" in options
        self._connection: Connection | None = None
        self._stop = stop
        self._hold_warning, self._held_since = hold_warning, 0.0
        self._reading = self._guarding = self._opening_savepoint = self._ended = False
        self._lost = False
        self._failed_in: SessionTransaction | None = None
        self._restorer = Restorer()
        self._snapshots: WeakKeyDictionary[SessionTransaction, Snapshot] = WeakKeyDictionary()

    def perform(self, operation: Operation[R], position: Position) -> R:
        """Run an operation and block until it is done."""
        result = self.home.run(self._perform, operation, position)
        if self.committed:
            self.committed.run_plain()
        return result

    async def aperform(self, operation: Operation[R], position: Position) -> R:
        """Awaitable twin of `perform`."""
        result = await self.home.arun(self._perform, operation, position)
        if self.committed:
            await uninterrupted(self.committed.arun())
        return result

    def _perform(self, operation: Operation[R], position: Position) -> R:
        self._require_open()
        position.check(self)
        if isinstance(operation, Read):
            return self._read(operation)
        if isinstance(operation, Write):
            return self._write(operation)
        if isinstance(operation, Send):
            return self._send(operation)

        def perform(step: Operation[S]) -> S:
            return self._perform(step, position)

        return operation.take(perform)

    def _read(self, operation: Read[R]) -> R:
        if self._reads_within():
            with self._noting_failures():
                return operation.ask(self)
        self._reading = True
        try:
            return operation.ask(self)
        finally:
            self._reading = False
            if self.idle():
                self.release()

    def _reads_within(self) -> bool:
        """Whether a read is part of a transaction, rather than alone."""
        within = self.block is not None or self.in_transaction() or not self.idle()
        return within or self._binds.one_view

    def _write(self, operation: Write[R]) -> R:
        self._refuse_within_a_flush()
        commit = operation.commit
        if commit is None:
            commit = self.commits_at_once
        elif commit:
            self._refuse_within_a_block("commit=True")
        if not self._is_clean():
            self._restorer.note_waiting(self, operation.records)
        for record in operation.records:
            self._restorer.take_up(record)
        if operation.puts_back:
            self._restorer.note_values(operation.records)
        try:
            result = operation.change(self)
        except BaseException:
            self._restorer.put_back(self)
            raise
        with self._undoing(operation.undo) as savepoint:
            self.flush()
            load_expired_of(self, *operation.records)
            savepoint.release()
            if commit:
                super().commit()
        if commit and self.expire_on_commit and not self.home.attributes_load:
            self._read(Read(lambda _: load_expired_of(self, *operation.records)))
        return result

    def _refuse_within_a_flush(self) -> None:
        if self.within_flush:
            raise exc.InvalidRequestError(
                "expected no verb that writes in a method that a flush calls, found one"
                "\n\n"
                "Set attributes, or `db.session.add()` a record: what `before_save` adds is part "
                "of the same flush. In `after_commit` every verb works."
            )

    def _send(self, operation: Send[R]) -> R:
        self._refuse_within_a_flush()
        if not self._is_clean():
            self._restorer.note_waiting(self, ())
        with self._undoing(None) as savepoint:
            self.flush()
            self._restorer.note_others(self)  # before a statement changes what they hold
            result = operation.send(self)
            savepoint.release()
            if self.commits_at_once:
                super().commit()
        return result

    def flush_on_the_way(self) -> None:
        """Flush between statements: a failure after it gives these records back as well."""
        self._restorer.note(self)
        self.flush()

    def account_for_inserted(self, records: Iterable[Any], rows: Iterable[dict[str, Any]]) -> None:
        """Let a rollback take back records that an INSERT has returned.

        Args:
            records: They; a rollback leaves them no row, and so no place in the session.
            rows: What was given for each, and stays then.
        """
        transaction = self.get_nested_transaction() or self.get_transaction()
        assert transaction is not None  # that of the INSERT
        for record, values in zip(records, rows, strict=True):
            state: orm.InstanceState[Any] = inspect(record, raiseerr=True)
            # to SQLAlchemy they are loaded, as if their rows had been there before
            transaction._new[state] = True
            self._restorer.note_inserted(state, values)

    @property
    def commits_at_once(self) -> bool:
        """Whether a write is a transaction of its own."""
        return self.block is None and not self.commits_late

    @contextmanager
    def _undoing(self, undo: Callable[[], None] | None) -> Iterator[_Savepoint]:
        """What fails within takes nothing with it that was written before.

        The records are given back to the caller as they were, with the help of `undo`.
        """
        written_before = self.wrote or (self.block is not None and self.in_transaction())
        self._restorer.note(self)
        savepoint = _Savepoint(self.begin_savepoint(flush=False) if written_before else None)
        self._guarding = True
        try:
            yield savepoint
        except BaseException as error:
            with never_hiding(error):
                if not savepoint.roll_back():
                    super().rollback()
            self._restorer.restore(self)
            self._restorer.put_back(self)
            if undo is not None:
                undo()
            raise
        finally:
            self._guarding = False
            self._restorer.forget()

    def idle(self) -> bool:
        """Whether nothing is pending and nothing was written: a transaction, if any, only read."""
        return not self.wrote and self._is_clean()

    def release(self) -> None:
        """Give the connection back, ending the transaction; unlike `rollback()`, expire nothing."""
        if (transaction := self.get_transaction()) is not None:
            transaction.close()

    def begin_anew(self, *, special: bool = False) -> None:
        """Let a block begin its own transaction, which what was only read before is no part of.

        Args:
            special: Whether it cannot be part of another one's view of the data.
        """
        if special or not self._binds.one_view:
            self.release()

    def begin_savepoint(self, *, flush: bool = True) -> SessionTransaction:
        """Begin a savepoint; it is sent before the first statement within it.

        Args:
            flush: Whether what is pending goes before it, rather than within.
        """
        self._opening_savepoint = not flush
        try:
            return super().begin_nested()
        finally:
            self._opening_savepoint = False

    def characterise(self, options: dict[str, Any], *, read_only: bool) -> None:
        """Begin the transaction of a block that differs from others.

        Args:
            options: Execution options of the connection.
            read_only: Whether the database is to refuse changes.
        """
        dialect = self._binds.plain.dialect.name
        if read_only and dialect == "postgresql":
            options["postgresql_readonly"] = True
        # what only reads needs no write lock on SQLite
        bind = self._binds.plain if read_only else self._binds.transaction
        connection = super().connection(bind_arguments={"bind": bind}, execution_options=options)
        if read_only and dialect in ("mysql", "mariadb"):
            connection.exec_driver_sql("START TRANSACTION READ ONLY")
        elif read_only and dialect == "sqlite":
            sqlite.refuse_writes(connection)

    def complete(self) -> None:
        """Commit the transaction of the outermost block, or end it where it only read."""
        if self.idle():
            self.release()
            return
        try:
            super().commit()
        except BaseException as error:
            with never_hiding(error):
                self.discard()
            raise

    def discard(self) -> None:
        """Roll the transaction back, with what is pending."""
        super().rollback()

    def hand_back(self) -> None:
        """Give the connection back at the caller's wish."""
        if self.block is not None or not self.idle():
            raise exc.InvalidRequestError(
                "expected a session without a transaction to release, found "
                + ("an open `db.transaction()` block" if self.block else "uncommitted changes")
                + "\n\nLeave the block, or save or roll back first."
            )
        self.release()

    @property
    def drops_statements(self) -> bool:
        """Whether the driver, when cancelled, leaves the statement running at the server."""
        return self._binds.plain.dialect.driver in ("aiomysql", "asyncmy")

    def interrupt(self) -> None:
        """End the statement that is running, from another thread."""
        connection = self._connection
        if connection is None or connection.closed or connection.invalidated:
            return
        self._stop(connection.connection)

    def _warn_if_held(self) -> None:
        held = time.monotonic() - self._held_since
        if self._hold_warning is not None and held > self._hold_warning:
            warnings.warn(
                f"a connection was held for {held:.1f} seconds, more than {self._hold_warning}: "
                "end the transaction, or call `db.release()`, before waiting for something else",
                HeldConnectionWarning,
                stacklevel=callers_level(),
            )

    def end(self) -> None:
        """Close for good: the scope is over."""
        self._ended = True
        self.home.tenant = None
        super().close()

    def _require_open(self) -> None:
        if self._ended:
            raise SessionClosedError

    @override
    def get_bind(self, *args: Any, bind: Engine | Connection | None = None, **kwargs: Any) -> Any:
        """The engine for what is about to run; a transaction keeps to the one it began on."""
        if bind is not None:
            return bind
        if self._routed:
            return super().get_bind(*args, **kwargs)
        if self._connection is not None:
            return self._connection.engine
        if self._reading:
            return self._binds.reading
        return self._binds.plain if self.block is None else self._binds.transaction

    @override
    def flush(self, objects: Any = None) -> None:
        if self._opening_savepoint or self._is_clean():
            return
        try:
            flush = super().flush
            self._carry(self._following_deleted, self._write_through, flush, objects)
        except StaleDataError as error:
            if (better := typed(error, self)) is error:
                raise
            raise better from error

    @override
    def delete(self, instance: object) -> None:
        expire_partial(self, instance)
        self._following_deleted(super().delete, instance)

    def _following_deleted(self, call: Callable[..., R], *args: Any) -> R:
        """Run what may leave no row that refers to one that goes, not even a hidden one."""
        before, self.follows_deleted = self.follows_deleted, True
        try:
            return call(*args)
        finally:
            self.follows_deleted = before

    def _finding_deleted(self, call: Callable[..., R], *args: Any, **kwargs: Any) -> R:
        before, self.sees_deleted = self.sees_deleted, True
        try:
            return call(*args, **kwargs)
        finally:
            self.sees_deleted = before

    @override
    def _identity_lookup(self, *args: Any, **kwargs: Any) -> Any:
        # of `get()` and of a lazy load; the method is SQLAlchemy's for subclasses to override
        found = super()._identity_lookup(*args, **kwargs)
        if not is_deleted(found) or self.sees_deleted or self.follows_deleted:
            return found
        options = kwargs.get("execution_options") or {}
        return found if options.get(WITH_DELETED) else None

    @override
    def commit(self) -> None:
        self._refuse_within_a_block("commit()")
        if self._ended and self._is_clean():
            return  # a dependency that tidies up after the response
        self._carry(super().commit)
        if self.committed:
            self.committed.run_plain()

    def _refuse_within_a_block(self, found: str) -> None:
        if self.block is not None:
            raise exc.InvalidRequestError(
                f"expected the `db.transaction()` block to end itself, found `{found}` within it"
                "\n\n"
                "Leave the block to commit; raise an exception to roll back."
            )

    @override
    def rollback(self) -> None:
        self._refuse_within_a_block("rollback()")
        if not self._ended:
            self._carry(super().rollback)

    @override
    def close(self) -> None:
        self._refuse_within_a_block("close()")
        if self.in_transaction():
            self._carry(super().close)
        else:
            super().close()

    @override
    def reset(self) -> None:
        self._refuse_within_a_block("reset()")
        self._carry(super().reset)

    @override
    def invalidate(self) -> None:
        self._refuse_within_a_block("invalidate()")
        self._carry(super().invalidate)

    def _load(self, execute: Callable[..., Result[Any]], *args: Any, **kwargs: Any) -> Result[Any]:
        """What reading an attribute asks outside a transaction: as short as any other read."""
        if self._reads_within():
            return execute(*args, **kwargs)
        self._reading = True
        try:
            return execute(*args, **kwargs).freeze()()
        finally:
            self._reading = False
            if self.idle():
                self.release()

    def _execute(self, execute: Callable[..., R], statement: Any, *args: Any, **kwargs: Any) -> R:
        nothing_to_lose = self.block is None and self.idle()
        try:
            if _lasts(statement, kwargs.get("execution_options") or ()):
                return self._write_through(execute, statement, *args, **kwargs)
            with self._noting_failures():
                return execute(statement, *args, **kwargs)
        except exc.DBAPIError as error:
            if nothing_to_lose:  # what follows begins anew, as after a failed read
                with never_hiding(error):
                    self.release()
            raise

    def _write_through(self, call: Callable[..., R], *args: Any, **kwargs: Any) -> R:
        """Run what needs a transaction that lasts."""
        self.wrote, self._reading = True, False
        with self._noting_failures():
            return call(*args, **kwargs)

    @contextmanager
    def _noting_failures(self) -> Iterator[None]:
        """Remember what a failed statement took with it: the rest must not be committed."""
        try:
            yield
        except exc.DBAPIError as error:
            first = first_error(error)
            connection = self._connection
            if connection is not None and self.wrote and not self._reading:
                loss = loss_by(first, connection)
                if loss is Loss.EVERYTHING:
                    self._lost = True
                elif loss is Loss.SAVEPOINT:
                    self._failed_in = self.get_nested_transaction() or self.get_transaction()
            if first is not error:
                first.add_note("Going back to a savepoint failed as well.")
                raise first from first.__cause__
            raise

    def _carry(self, call: Callable[..., R], *args: Any, **kwargs: Any) -> R:
        self._require_open()
        return self.home.run(call, *args, **kwargs)


class _Savepoint:
    """A savepoint that may not have been needed, and is used up once."""

    __slots__ = ("_open",)

    def __init__(self, savepoint: SessionTransaction | None) -> None:
        self._open = savepoint

    def release(self) -> None:
        """Keep what was written since."""
        if self._open is not None:
            self._open.commit()
            self._open = None

    def roll_back(self) -> bool:
        """Undo what was written since, where there is a savepoint."""
        if self._open is None:
            return False
        self._open.rollback()
        return True


def _carried(name: str) -> Callable[..., Any]:
    @wraps(getattr(orm.Session, name))
    def carried(self: Session, *args: Any, **kwargs: Any) -> Any:
        return self._carry(getattr(super(Session, self), name), *args, **kwargs)

    return carried


def _reloading(name: str) -> Callable[..., Any]:
    @wraps(getattr(orm.Session, name))
    def reloading(
        self: Session, instance: object, attribute_names: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        method = getattr(super(Session, self), name)
        self._carry(method, instance, attribute_names, *args, **kwargs)
        self._restorer.drop(instance, attribute_names)

    return reloading


def _whole(name: str) -> Callable[..., Any]:
    @wraps(getattr(orm.Session, name))
    def whole(self: Session, *args: Any, **kwargs: Any) -> Any:
        method = getattr(super(Session, self), name)
        return self._carry(self._finding_deleted, method, *args, **kwargs)

    return whole


def _noted(name: str) -> Callable[..., Any]:
    @wraps(getattr(orm.Session, name))
    def noted(self: Session, statement: Any, *args: Any, **kwargs: Any) -> Any:
        method = getattr(super(Session, self), name)
        options = kwargs.get("execution_options") or {}
        if name == "execute" and LOADING in options and getattr(statement, "is_select", False):
            refuse_lazy_load(statement, options)
        if name == "execute" and _is_attribute_load(statement, options):
            return self._carry(self._load, method, statement, *args, **kwargs)
        return self._carry(self._execute, method, statement, *args, **kwargs)

    return noted


def _is_attribute_load(statement: Any, options: Mapping[str, Any]) -> bool:
    """Whether SQLAlchemy loads a relationship or what was expired, because it was asked for."""
    loading = options.get(LOADING)
    asked = getattr(loading, "_lazy_loaded_from", None) or getattr(loading, "_refresh_state", None)
    return asked is not None and not _lasts(statement, options)


def _lasts(statement: Any, options: Any) -> bool:
    """Whether a statement is more than a read that is over once its rows are here."""
    if hasattr(statement, "__clause_element__"):
        statement = statement.__clause_element__()
    own = getattr(statement, "_execution_options", ())
    return (
        not getattr(statement, "is_select", False)
        or getattr(statement, "_for_update_arg", None) is not None
        or any(name in options or name in own for name in ("stream_results", "yield_per"))
    )


def _written(name: str) -> Callable[..., Any]:
    @wraps(getattr(orm.Session, name))
    def written(self: Session, *args: Any, **kwargs: Any) -> Any:
        method = getattr(super(Session, self), name)
        return self._carry(self._write_through, method, *args, **kwargs)

    return written


if not TYPE_CHECKING:  # their signatures and overloads are SQLAlchemy's
    for _wrap, _names in (
        (_carried, ("get", "get_one")),
        # a record that is there, but hidden, would be inserted again
        (_whole, ("merge",)),
        (_reloading, ("refresh",)),
        (_noted, ("execute", "scalars", "scalar")),
        # what is done with a connection, or in bulk, is out of sight: it counts as written
        (_written, ("connection", "begin_nested", "bulk_save_objects")),
        (_written, ("bulk_insert_mappings", "bulk_update_mappings")),
    ):
        for _name in _names:
            setattr(Session, _name, _wrap(_name))


@event.listens_for(Session, "after_begin")
def _began(session: orm.Session, _: SessionTransaction, connection: Connection) -> None:
    ours = cast(Session, session)
    ours._connection = connection
    ours._held_since = time.monotonic()


@event.listens_for(Session, "before_commit")
def _committing(session: orm.Session) -> None:
    ours = cast(Session, session)
    if ours._lost or ours._failed_in is not None:
        raise RolledBackError(
            "This transaction cannot be committed: a statement in it failed, and with it the "
            "database gave up what was written before.\n\n"
            "Let the exception of that statement pass, or run the statement within a "
            "`db.transaction()` block of its own, which is a savepoint."
        )


@event.listens_for(Session, "after_commit")
def _committed(session: orm.Session) -> None:
    if session.get_nested_transaction() is None:
        cast(Session, session)._restorer.forget_inserted()


@event.listens_for(Session, "after_transaction_create")
def _created(session: orm.Session, transaction: SessionTransaction) -> None:
    ours = cast(Session, session)
    if ours._reading or ours._opening_savepoint:
        return
    if ours.block is not None or ours.commits_late:
        ours._snapshots[transaction] = Snapshot(session)


@event.listens_for(Session, "after_flush")
def _flushed(session: orm.Session, _: object) -> None:
    if session.in_nested_transaction():
        cast(Session, session)._restorer.keep_flushed(session)


@event.listens_for(Session, "after_soft_rollback")
def _rolled_back_for_good(session: orm.Session, transaction: SessionTransaction) -> None:
    ours = cast(Session, session)
    ours._restorer.take_keys_back()
    snapshot = ours._snapshots.pop(transaction, None)
    if snapshot is not None and not ours._guarding:
        snapshot.give_back()


@event.listens_for(Session, "after_transaction_end")
def _ended(session: orm.Session, transaction: SessionTransaction) -> None:
    if transaction is cast(Session, session)._failed_in:
        cast(Session, session)._failed_in = None
    if session.get_nested_transaction() is None:
        cast(Session, session)._restorer.let_go()
    if transaction.parent is None:
        ours = cast(Session, session)
        ours._lost = False
        if ours._connection is not None:
            ours._warn_if_held()
        ours._connection, ours.wrote = None, False


@event.listens_for(Session, "after_rollback")
def _rolled_back(session: orm.Session) -> None:
    ours = cast(Session, session)
    if ours._guarding:
        ours._restorer.note_others(session)
