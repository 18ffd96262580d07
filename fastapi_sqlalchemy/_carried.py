"""SQLAlchemy's own methods, carried home: each runs where the session lives, and is accounted for.

A read of an attribute is alone, as a verb's is.  What else is asked of a session itself has the
transaction that SQLAlchemy promises: it lasts until somebody commits or rolls back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, exc, orm
from sqlalchemy.engine import Result
from sqlalchemy.orm.exc import StaleDataError
from typing_extensions import override

from ._cleanup import never_hiding
from ._deletion import WITH_DELETED, expire_partial, is_deleted
from ._plans.running import Answer, Sent, changed_within, stored_within, within
from ._stale import typed
from ._strict import LOADING, refuse_lazy_load
from ._types import R
from ._unit import UnitOfWork

__all__ = ["CarriedSession"]


class CarriedSession(UnitOfWork):
    """A session whose methods can be called from anywhere, one at a time."""

    follows_deleted: bool
    sees_deleted: bool
    wrote: bool

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
        if self.commits_late:  # what the scope would have stored at its end
            self.committed.extend(self.waiting)
            self.waiting.clear()
        if self.committed:
            self.committed.run_plain()

    @override
    def rollback(self) -> None:
        self._refuse_within_a_block("rollback()")
        if not self._ended:
            self._carry(self._dropping_hooks, super().rollback)

    @override
    def close(self) -> None:
        self._refuse_within_a_block("close()")
        if self.in_transaction():
            self._carry(self._dropping_hooks, super().close)
        else:
            super().close()
        if self.committed:  # by a block of SQLAlchemy's, which calls no method of this class
            self.committed.run_plain()

    @override
    def reset(self) -> None:
        self._refuse_within_a_block("reset()")
        self._carry(self._dropping_hooks, super().reset)

    @override
    def invalidate(self) -> None:
        self._refuse_within_a_block("invalidate()")
        self._carry(self._dropping_hooks, super().invalidate)

    def _dropping_hooks(self, end: Callable[[], None]) -> None:
        end()
        if self.commits_late:
            self.waiting.clear()

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
        with self._releasing_after_errors():
            if _lasts(statement, kwargs.get("execution_options") or ()):
                return self._write_through(execute, statement, *args, **kwargs)
            with self._noting_failures():
                return execute(statement, *args, **kwargs)

    @contextmanager
    def _releasing_after_errors(self) -> Iterator[None]:
        """Let what follows begin anew after an error that took nothing, as after a failed read."""
        nothing_to_lose = self.block is None and self.idle()
        try:
            yield
        except exc.DBAPIError as error:
            if nothing_to_lose:
                with never_hiding(error):
                    self.release()
            raise

    def ask_within(self, sql: str, parameters: Any, *, describe: bool) -> Answer | None:
        """Run a plan's statement in the transaction, which it may begin."""
        with self._releasing_after_errors(), self._noting_failures():
            connection = self._connection_for_bind(self.get_bind())
            return within(connection, sql, parameters, describe=describe)

    def change_within(self, sql: str, parameters: Any) -> int | None:
        """The same of one that changes rows, and how many."""
        with self._releasing_after_errors():
            return self._write_through(self._changed_within, sql, parameters)

    def store_within(self, sql: str, make: Callable[[], Any], *, returns: bool) -> Sent | None:
        """The same of one that stores a record, and what became of that."""
        with self._releasing_after_errors():
            return self._write_through(self._stored_within, sql, make, returns=returns)

    def insert_within(self, insert: Callable[[Connection], R]) -> R:
        """Have rows inserted over the connection of the transaction, which it may begin."""
        with self._releasing_after_errors():
            return self._write_through(
                lambda: insert(self._connection_for_bind(self.get_bind())),
            )

    def _stored_within(self, sql: str, make: Callable[[], Any], *, returns: bool) -> Sent | None:
        connection = self._connection_for_bind(self.get_bind())
        return stored_within(connection, sql, make, returns=returns)

    def _changed_within(self, sql: str, parameters: Any) -> int | None:
        connection = self._connection_for_bind(self.get_bind())
        return changed_within(connection, sql, parameters)

    def _write_through(self, call: Callable[..., R], *args: Any, **kwargs: Any) -> R:
        """Run what needs a transaction that lasts."""
        self.wrote, self._reading = True, False
        with self._noting_failures():
            return call(*args, **kwargs)

    def _carry(self, call: Callable[..., R], *args: Any, **kwargs: Any) -> R:
        self._require_open()
        return self.home.run(call, *args, **kwargs)


def _carried(name: str) -> Callable[..., Any]:
    @wraps(getattr(orm.Session, name))
    def carried(self: CarriedSession, *args: Any, **kwargs: Any) -> Any:
        return self._carry(getattr(super(CarriedSession, self), name), *args, **kwargs)

    return carried


def _reloading(name: str) -> Callable[..., Any]:
    @wraps(getattr(orm.Session, name))
    def reloading(
        self: CarriedSession,
        instance: object,
        attribute_names: Any = None,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        method = getattr(super(CarriedSession, self), name)
        self._carry(method, instance, attribute_names, *args, **kwargs)
        self._restorer.drop(instance, attribute_names)

    return reloading


def _whole(name: str) -> Callable[..., Any]:
    @wraps(getattr(orm.Session, name))
    def whole(self: CarriedSession, *args: Any, **kwargs: Any) -> Any:
        method = getattr(super(CarriedSession, self), name)
        return self._carry(self._finding_deleted, method, *args, **kwargs)

    return whole


def _noted(name: str) -> Callable[..., Any]:
    @wraps(getattr(orm.Session, name))
    def noted(self: CarriedSession, statement: Any, *args: Any, **kwargs: Any) -> Any:
        method = getattr(super(CarriedSession, self), name)
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
    def written(self: CarriedSession, *args: Any, **kwargs: Any) -> Any:
        method = getattr(super(CarriedSession, self), name)
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
            setattr(CarriedSession, _name, _wrap(_name))
