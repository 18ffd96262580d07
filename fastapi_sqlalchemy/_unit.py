"""What a session knows of its transaction: its connection, what it wrote, what an error took.

It is a `sqlalchemy.orm.Session` that chooses an engine for what it is about to do, and keeps the
account from which its subclasses decide when to commit, and what to give back after a failure.
"""

from __future__ import annotations

import time
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Protocol, cast
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, event, exc, orm
from sqlalchemy.orm import SessionTransaction, SessionTransactionOrigin
from sqlalchemy.orm import session as making
from sqlalchemy.pool import ConnectionPoolEntry, ManagesConnection
from sqlalchemy.util import memoized_property
from typing_extensions import override

from ._cleanup import never_hiding
from ._home import Home, callers_level
from ._loss import Loss, first_error, loss_by
from ._restore import Restorer, Snapshot
from .engines import Binds
from .exceptions import HeldConnectionWarning, RolledBackError, SessionClosedError
from .hooks import Hooks

__all__ = ["Committing", "UnitOfWork"]


class Committing(Protocol):
    """A place whose end commits: a scope, or a transaction block."""

    awaited: bool
    """Whether what commits here can be awaited."""


class _Name(weakref.ref["UnitOfWork"]):
    """What SQLAlchemy's dictionary of sessions holds, made in a quarter of its own time."""

    __slots__ = ("key",)

    key: int


_numbers: Final = count(-1, -1)
"""Names of sessions: SQLAlchemy's own are positive."""


class UnitOfWork(orm.Session):
    """A session and the account of its transaction.

    Args:
        binds: The engine, as plain, for lone reads and for transaction blocks.
        home: Where its calls run.
        hold_warning: Seconds after which a connection was held for too long.
        options: Keyword arguments of `sqlalchemy.orm.Session`.
    """

    committed: Hooks

    stop: Callable[[ManagesConnection], None]
    """Ends the statement that runs on a connection."""

    def __init__(
        self,
        binds: Binds,
        home: Home,
        /,  # SQLAlchemy has an option `binds` too
        *,
        hold_warning: float | None = None,
        **options: Any,
    ) -> None:
        # None of SQLAlchemy's defaults but this one: a saved record can be returned by a route
        super().__init__(**{"expire_on_commit": False, **options})
        self.home = home
        self.commits_late = False
        """Whether the end of the scope commits, so that `save()` only flushes."""
        self.block: Committing | None = None
        """The innermost `db.transaction()` block that is open on this session."""
        self.wrote = False
        """Whether the transaction did anything but read."""
        self.awaited = False
        """Whether the end of the scope can be awaited."""
        self.committed = Hooks()
        """Of what is stored, to be run as soon as this session's call is over."""
        self.within_flush = False
        """Whether a method of a record runs that is called within a flush."""
        self.sees_deleted = self.follows_deleted = False
        """Whether every load finds records that are soft-deleted, or that of a relationship."""
        self._binds = binds
        self._routed = "binds" in options
        self._connection: Connection | None = None
        self._hold_warning, self._held_since = hold_warning, 0.0
        self._plans = binds.plans
        self._lone: ConnectionPoolEntry | None = None
        self._reading = self._guarding = self._opening_savepoint = self._ended = False
        self._lost = False
        self._failed_in: SessionTransaction | None = None

    if not TYPE_CHECKING:  # to a checker it is the attribute that this one stands for

        @memoized_property
        def hash_key(self) -> int:
            """By which records find their session: until there is one, none need to."""
            known: Any = making._sessions
            name = _Name(self, known._remove)
            name.key = key = next(_numbers)
            known.data[key] = name
            return key

    @memoized_property
    def waiting(self) -> Hooks:
        """Those of its scope, which gives them to it."""
        return Hooks()

    @memoized_property
    def _restorer(self) -> Restorer:
        return Restorer()

    @memoized_property
    def _snapshots(self) -> WeakKeyDictionary[SessionTransaction, Snapshot]:
        return WeakKeyDictionary()

    @property
    def _plain(self) -> orm.Session:
        """SQLAlchemy's methods, or those of a session class of the user's, past the ones here."""
        return cast(orm.Session, super())

    def idle(self) -> bool:
        """Whether nothing is pending and nothing was written: a transaction, if any, only read."""
        return not self.wrote and self.is_clean()

    def is_clean(self) -> bool:
        """Whether nothing is pending: SQLAlchemy's own word on that, in one call."""
        return not (self._new or self._deleted or self.identity_map._modified)

    def release(self) -> None:
        """Give the connection back, ending the transaction; unlike `rollback()`, expire nothing."""
        if (transaction := self.get_transaction()) is not None:
            self._end_or_drop(transaction.close)

    def _end_or_drop(self, end: Callable[[], None]) -> None:
        """End a transaction; a connection on which not even that works is dropped."""
        connection = self._connection
        try:
            end()
        except BaseException as error:
            if connection is not None and not connection.closed:
                with never_hiding(error):
                    connection.invalidate(error)
                    connection.close()
            raise

    def _reads_within(self) -> bool:
        """Whether a read is part of a transaction, rather than alone."""
        return (
            self._transaction is not None
            or self.block is not None
            or self.wrote
            or self._binds.one_view
            or not self.is_clean()
        )

    @property
    def reads_alone(self) -> bool:
        """Whether what is asked now is a lone read, which needs no transaction."""
        return self._reading and self._transaction is None and self._hold_warning is None

    @property
    def sends_alone(self) -> bool:
        """Whether what is stored now may be one statement, and that a transaction."""
        transaction = self._transaction
        if transaction is not None and (transaction.parent or transaction._connections):
            return False
        ordinary = self._hold_warning is None and not self.expire_on_commit
        return ordinary and self.block is None

    @property
    def drops_statements(self) -> bool:
        """Whether the driver, when cancelled, leaves the statement running at the server."""
        return self._binds.plain.dialect.driver in ("aiomysql", "asyncmy")

    def interrupt(self) -> None:
        """End the statement that is running, from another thread."""
        if (lone := self._lone) is not None:
            self.stop(lone)
            return
        connection = self._connection
        if connection is None or connection.closed or connection.invalidated:
            return
        self.stop(connection.connection)

    def _warn_if_held(self) -> None:
        held = time.monotonic() - self._held_since
        if self._hold_warning is not None and held > self._hold_warning:
            warnings.warn(
                f"a connection was held for {held:.1f} seconds, more than {self._hold_warning}: "
                "end the transaction, or call `db.release()`, before waiting for something else",
                HeldConnectionWarning,
                stacklevel=callers_level(),
            )

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
        binds = self._binds
        chosen = binds.plain if self.block is None else binds.transaction
        chosen = binds.reading if self._reading else chosen
        # an engine with options has the `echo` that the other one had when it was made
        if chosen is not binds.plain and isinstance(chosen, Engine):
            chosen.logger = binds.plain.engine.logger
        return chosen

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

    def _refuse_within_a_block(self, found: str) -> None:
        if self.block is not None:
            raise exc.InvalidRequestError(
                f"expected the `db.transaction()` block to end itself, found `{found}` within it"
                "\n\n"
                "Leave the block to commit; raise an exception to roll back."
            )


@event.listens_for(UnitOfWork, "after_begin")
def _began(session: orm.Session, __: SessionTransaction, connection: Connection) -> None:
    ours = cast(UnitOfWork, session)
    ours._connection = connection
    _ = ours.hash_key  # by which `close_all_sessions()` finds it
    ours._held_since = time.monotonic()


@event.listens_for(UnitOfWork, "before_commit")
def _committing(session: orm.Session) -> None:
    ours = cast(UnitOfWork, session)
    if ours._lost or ours._failed_in is not None:
        raise RolledBackError(
            "This transaction cannot be committed: a statement in it failed, and with it the "
            "database gave up what was written before.\n\n"
            "Let the exception of that statement pass, or run the statement within a "
            "`db.transaction()` block of its own, which is a savepoint."
        )


@event.listens_for(UnitOfWork, "after_commit")
def _committed(session: orm.Session) -> None:
    if session.get_nested_transaction() is None:
        cast(UnitOfWork, session)._restorer.forget_inserted()


@event.listens_for(UnitOfWork, "after_transaction_create")
def _created(session: orm.Session, transaction: SessionTransaction) -> None:
    ours = cast(UnitOfWork, session)
    if ours._reading or ours._opening_savepoint:
        return
    # what a verb's flush takes, the verb gives back: to look at all records for each of many saves
    # would make every one slower than the one before
    if ours._guarding and transaction.origin is SessionTransactionOrigin.SUBTRANSACTION:
        return
    if ours.block is not None or ours.commits_late:
        ours._snapshots[transaction] = Snapshot(session)


@event.listens_for(UnitOfWork, "after_flush")
def _flushed(session: orm.Session, _: object) -> None:
    if session.in_nested_transaction():
        cast(UnitOfWork, session)._restorer.keep_flushed(session)


@event.listens_for(UnitOfWork, "after_soft_rollback")
def _rolled_back_for_good(session: orm.Session, transaction: SessionTransaction) -> None:
    ours = cast(UnitOfWork, session)
    ours._restorer.take_keys_back()
    snapshot = ours._snapshots.pop(transaction, None)
    if snapshot is not None and not ours._guarding:
        snapshot.give_back()


@event.listens_for(UnitOfWork, "after_transaction_end")
def _ended(session: orm.Session, transaction: SessionTransaction) -> None:
    if transaction is cast(UnitOfWork, session)._failed_in:
        cast(UnitOfWork, session)._failed_in = None
    if session.get_nested_transaction() is None:
        cast(UnitOfWork, session)._restorer.let_go()
    if transaction.parent is None:
        ours = cast(UnitOfWork, session)
        ours._lost = False
        if ours._connection is not None:
            ours._warn_if_held()
        ours._connection, ours.wrote = None, False


@event.listens_for(UnitOfWork, "after_rollback")
def _rolled_back(session: orm.Session) -> None:
    ours = cast(UnitOfWork, session)
    if ours._guarding:
        ours._restorer.note_others(session)
