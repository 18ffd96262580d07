"""The session of a scope: SQLAlchemy's unit of work, with a home and a commit policy.

It is a `sqlalchemy.orm.Session` in every respect (`_unit`, `_carried`).  What is here does the
operations of verbs: when a read is alone, when a write commits, and what a failed one leaves.  It
runs at home already, and calls SQLAlchemy's methods as they are, `self._plain.commit()`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, Protocol, TypeVar, cast

from sqlalchemy import exc, inspect, orm
from sqlalchemy.orm import SessionTransaction

from . import sqlite
from ._carried import CarriedSession
from ._cleanup import never_hiding
from ._home import LoopHome
from ._loaded import load_again, load_expired_of
from ._operations import Alone, Operation, Read, Send, Write
from ._plans.asking import Shape
from ._plans.listeners import OfSessions
from ._plans.saving import Storing, saved_alone
from ._restore import Restorer
from ._shield import uninterrupted
from ._types import R
from ._unit import Committing

__all__ = ["Position", "Session"]

S = TypeVar("S")
"""What a step returns."""


class Position(Committing, Protocol):
    """Where in its scope a piece of code stands."""

    over: bool
    """Whether it is a block that was rolled back with the one it was in."""

    def check(self, session: Session) -> None:
        """Refuse what another task's transaction would swallow."""


class Session(CarriedSession):
    """One unit of work, usable from threads and from the event loop, one call at a time."""

    def perform(self, operation: Operation[R], position: Position) -> R:
        """Run an operation and block until it is done."""
        result = self.home.run(self._perform, operation, position)
        if self.committed:
            self.committed.run_plain()
        return result

    async def aperform(self, operation: Operation[R], position: Position) -> R:
        """Awaitable twin of `perform`."""
        home = self.home
        # by awaiting the driver, where that is all
        if isinstance(home, LoopHome) and home.is_here():
            if isinstance(operation, Read):
                shape, read = operation.shape, operation.read
                if shape is not None and read is not None and self._may_read_alone():
                    found = await home.aown(self._aread(shape, position))
                    if found is not None:
                        return read(found)
            elif isinstance(operation, Write) and operation.alone is not None:
                stored = await home.aown(self._awrite(operation, position))
                if stored:
                    return await self._after(cast(R, operation.result))
            elif isinstance(operation, Send) and operation.alone is not None:
                sent = await home.aown(self._asend(operation.alone, position))
                if sent is not None:
                    return await self._after(sent)
        return await self._after(await home.arun(self._perform, operation, position))

    async def _after(self, result: R) -> R:
        """What an awaited operation gives, once the hooks of what it committed have run."""
        if self.committed:
            await uninterrupted(self.committed.arun())
        return result

    def _may_read_alone(self) -> bool:
        return self._plans is not None and self._hold_warning is None and not self._reads_within()

    async def _aread(self, shape: Shape, position: Position) -> list[Any] | None:
        """Find what a lone read asks for by awaiting the driver; None where it cannot be done so.

        It runs at home, as what it stands for would.
        """
        if self._ended:
            self._require_open()
        position.check(self)
        if not self._may_read_alone():  # no more, now that it is this one's turn
            return None
        self._reading = True
        try:
            return await shape.aanswer(self)
        finally:
            self._reading = False
            if self._ended:  # the scope did meanwhile, and nothing stays in it
                self._end()

    async def _awrite(self, operation: Write[Any], position: Position) -> bool:
        """The same, when it is this one's turn."""
        self._require_open()
        position.check(self)
        commit = self.commits_at_once if operation.commit is None else operation.commit
        if not commit or self.within_flush or self._plans is None:
            return False
        if (storing := self._storing(operation, commit=True)) is not None:
            return await self._plans.astore(self, storing)
        return self._has_only_set(operation) and await self._asave_alone(operation)

    async def _asend(self, statement: Alone[R], position: Position) -> R | None:
        """The same of a statement that changes rows; None is not done at all."""
        self._require_open()
        position.check(self)
        alone = self._transaction is None and self.commits_at_once and self.sends_alone
        if not alone or self.within_flush or not self._is_clean():
            return None
        return await statement.aalone(self)

    def _has_only_set(self, operation: Write[Any]) -> bool:
        """Whether a save is of values that were set on a record, and nothing else waits."""
        states: Any = self.identity_map._modified
        if self._new or self._deleted or len(states) != 1 or len(operation.records) != 1:
            return False
        (state,) = states
        same = state.obj() is operation.records[0] and not operation.puts_back
        return same and self.sends_alone and not self._restorer.sets_aside()

    async def _asave_alone(self, operation: Write[Any]) -> bool:
        assert self._plans is not None  # they were asked for
        try:
            saved = await self._plans.astore(self, saved_alone(self, operation.records))
        except BaseException as error:
            await cast(LoopHome, self.home).aowned(partial(self._give_back, error, operation.undo))
            raise
        if saved:
            self._restorer.forget()
            self.release()
        return saved

    def _give_back(self, error: BaseException, undo: Callable[[], None] | None) -> None:
        with self._undoing(undo):
            raise error

    def _perform(self, operation: Operation[R], position: Position) -> R:
        if self._ended:
            self._require_open()
        if position.over or (self.block is not None and self.block is not position):
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
            if self._transaction is not None and self.idle():
                self.release()
            if self._ended:  # the scope did meanwhile, and nothing stays in it
                self._end()

    def _write(self, operation: Write[R]) -> R:
        self._refuse_within_a_flush()
        commit = operation.commit
        if commit is None:
            commit = self.commits_at_once
        elif commit:
            self._refuse_within_a_block("commit=True")
        storing = self._storing(operation, commit=commit)
        if storing is not None and self._store(storing, commit=commit, undo=operation.undo):
            return cast(R, operation.result)
        if operation.together is not None and (store := operation.together(self)) is not None:
            return self._write_together(operation, store, commit=commit)
        if not self.is_clean():
            self._restorer.note_waiting(self, operation.records)
        if self._restorer.sets_aside():
            for record in operation.records:
                self._restorer.take_up(record)
        if operation.puts_back:
            self._restorer.note_values(operation.records)
        try:
            result = operation.change(self)
        except BaseException:
            self._restorer.put_back(self)
            raise
        if self._save_waiting(operation, commit=commit):
            return result

        def flush() -> None:
            self.flush()
            load_expired_of(self, *operation.records)

        self._conclude(operation, flush, commit=commit)
        return result

    def _write_together(self, operation: Write[R], store: Callable[[], bool], *, commit: bool) -> R:
        """Do a write by what stores its records past the unit of work, unless it does not."""

        def store_or_flush() -> None:
            if not store():
                operation.change(self)
                self.flush_on_the_way()
                load_expired_of(self, *operation.records)

        self._conclude(operation, store_or_flush, commit=commit)
        return cast(R, operation.result)

    def _conclude(self, operation: Write[Any], send: Callable[[], None], *, commit: bool) -> None:
        """Send what a write has left to send, all or nothing, and commit where that is its own."""
        with self._undoing(operation.undo) as savepoint:
            send()
            savepoint.release()
            if commit:
                self._plain.commit()
        # what the commit has expired, where no attribute could load it later
        if commit and self.expire_on_commit and not self.home.attributes_load:
            self._read(Read(lambda _: load_expired_of(self, *operation.records)))

    def _storing(self, operation: Write[Any], *, commit: bool) -> Storing | None:
        """What does all of it by one statement, where the session has nothing else to do."""
        if operation.alone is None or self._plans is None or not self.is_clean():
            return None
        if commit and (self._transaction is not None or not self.sends_alone):
            return None
        restorer: Restorer | None = vars(self).get("_restorer")  # most sessions never have one
        if restorer is not None and restorer.sets_aside():
            return None
        return operation.alone(self)

    def _store(self, storing: Storing, *, commit: bool, undo: Callable[[], None] | None) -> bool:
        """Store a record by one statement, as a transaction or in that of the session."""
        assert self._plans is not None  # they were asked for
        if commit:
            return self._plans.store(self, storing)
        # neither a savepoint for nothing, nor a transaction in place of one that was lost
        if self._lost or (asked := next(storing, None)) is None:
            return False
        before = self._wrote_before()
        if before and self._binds.plain.dialect.name != "sqlite":
            with self._undoing(undo) as savepoint:
                stored = self._plans.store_within(self, storing, asked)
                savepoint.release()
            return stored
        try:  # a failed statement leaves SQLite's transaction as it was, or nothing of it
            return self._plans.store_within(self, storing, asked)
        except BaseException:
            with self._undoing(undo, wrote_before=before):
                raise

    def _save_waiting(self, operation: Write[Any], *, commit: bool) -> bool:
        """Store what waits by one statement, where that is all that it takes."""
        if self._plans is None or (commit and not self.sends_alone):
            return False
        storing, undo = saved_alone(self, operation.records), operation.undo
        if not commit:
            saved = self._store(storing, commit=False, undo=undo)
        else:
            try:
                saved = self._plans.store(self, storing)
            except BaseException:
                with self._undoing(undo):  # only now: until it is sent they are as they were
                    raise
        if saved:
            self._restorer.forget()
            if commit:
                self.release()  # the transaction that began when values were set
        return saved

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
        if (sent := self._sent_alone(operation)) is not None:
            return sent
        if not self.is_clean():
            self._restorer.note_waiting(self, ())
        with self._undoing(None) as savepoint:
            self.flush()
            self._restorer.note_others(self)  # before a statement changes what they hold
            result = operation.send(self)
            savepoint.release()
            if self.commits_at_once:
                self._plain.commit()
        return result

    def _sent_alone(self, operation: Send[R]) -> R | None:
        """What a single statement gives that is all there is to do; None where there is more."""
        if operation.alone is None or not (self.commits_at_once and self.sends_alone):
            return None
        if not self._is_clean() or (sent := operation.alone.alone(self)) is None:
            return None
        if self._transaction is not None:  # which nothing was sent in
            self._plain.commit()
        return sent

    def flush_on_the_way(self) -> None:
        """Flush between statements: a failure after it gives these records back as well."""
        self._restorer.note(self)
        self.flush()

    def load_changed(self, states: Iterable[orm.InstanceState[Any]]) -> None:
        """Load records of rows that a statement has changed, but for what could not be saved."""
        load_again(self, {state: self._restorer.unsaved(state) for state in states})

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

    def note_stored(
        self, state: orm.InstanceState[Any], given: dict[str, Any] | None = None
    ) -> None:
        """Let a rollback take back what one statement has stored in the transaction.

        Args:
            state: Of the record.
            given: What was set on a new one, where the database gave its key.
        """
        if given is not None:
            self._restorer.note_inserted(state, given)
        if self.in_nested_transaction() and (record := state.obj()) is not None:
            self._restorer.keep([record])

    def note_inserted(
        self, states: Sequence[orm.InstanceState[Any]], records: Sequence[Any]
    ) -> None:
        """Account for records that an INSERT has stored, before the session holds them.

        Args:
            states: Theirs.
            records: As their caller gave them; so they are again after a rollback.
        """
        transaction = self.get_nested_transaction() or self.get_transaction()
        assert transaction is not None  # that of the INSERT
        self._restorer.note_new(states, records)
        transaction._new.update(dict.fromkeys(states, True))
        if self.in_nested_transaction():
            self._restorer.keep(records)

    @property
    def commits_at_once(self) -> bool:
        """Whether a write is a transaction of its own."""
        return self.block is None and not self.commits_late

    @contextmanager
    def _undoing(
        self, undo: Callable[[], None] | None, *, wrote_before: bool | None = None
    ) -> Iterator[_Savepoint]:
        """What fails within takes nothing with it that was written before.

        The records are given back to the caller as they were, with the help of `undo`.
        """
        if wrote_before is None:
            wrote_before = self._wrote_before()
        self._restorer.note(self)
        savepoint = _Savepoint(self.begin_savepoint(flush=False) if wrote_before else None)
        self._guarding = True
        try:
            yield savepoint
        except BaseException as error:
            with never_hiding(error):
                if not savepoint.roll_back():
                    self._plain.rollback()
            self._restorer.restore(self)
            self._restorer.put_back(self)
            if undo is not None:
                undo()
            raise
        finally:
            self._guarding = False
            self._restorer.forget(lasts=self._transaction is not None)

    def _wrote_before(self) -> bool:
        """Whether the transaction has anything that a failure must not take."""
        return self.wrote or (self.block is not None and self.in_transaction())

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
            return self._plain.begin_nested()
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
        connection = self._plain.connection(
            bind_arguments={"bind": bind}, execution_options=options
        )
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
            self._plain.commit()
        except BaseException as error:
            with never_hiding(error):
                self.discard()
            raise

    def discard(self) -> None:
        """Roll the transaction back, with what is pending."""
        self._plain.rollback()

    def hand_back(self) -> None:
        """Give the connection back at the caller's wish."""
        if self.block is not None or not self.idle():
            raise exc.InvalidRequestError(
                "expected a session without a transaction to release, found "
                + ("an open `db.transaction()` block" if self.block else "uncommitted changes")
                + "\n\nLeave the block, or save or roll back first."
            )
        self.release()

    def end(self) -> None:
        """Close for good: the scope is over."""
        if self._transaction is None:
            self._end()
        else:
            self.home.finish(self._end)

    async def aend(self) -> None:
        """Awaitable twin of `end`; a cancellation waits for it."""
        if self._transaction is None:  # no I/O to do
            self._end()
        else:
            await uninterrupted(self.home.arun(self._end))

    def _end(self) -> None:
        self._ended, self.home.tenant = True, None
        own = "dispatch" in vars(self)
        if self._transaction is not None or self._plans is None or own or _DETACHED_HEARD():
            self._end_or_drop(self._plain.close)
            return
        # what `close()` does to records where nobody hears of it, without asking who does
        known = self.identity_map._dict
        for state in [*known.values(), *self._new]:
            state.session_id = state._strong_obj = None
        known.clear()
        self._new.clear()
        self._deleted.clear()
        self.identity_map._modified.clear()


_DETACHED_HEARD: Final = OfSessions.detaching(Session).silence.is_broken
"""Whether somebody listens to records that outlive their session."""


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
