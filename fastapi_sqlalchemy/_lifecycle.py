"""Methods of a model that are called when its records are saved, deleted and committed.

`before_save`, `after_save`, `before_delete`, `after_delete` and `after_commit` are plain methods
that a model defines.  They are called for every record that a flush writes, whichever verb, cascade
or session brought it there; statements that touch many rows know of no records and call none.

Listeners are there for models that define one, and for no others.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import iscoroutinefunction, isfunction
from typing import Any, Final, cast

from sqlalchemy import event, inspect, orm
from sqlalchemy.orm import SessionTransaction

from ._deletion import SoftDeletable
from .session import Session

__all__ = ["refuse_coroutines"]

_IN_FLUSH: Final = ("before_save", "after_save", "before_delete", "after_delete")
_AFTER_COMMIT: Final = "after_commit"


def refuse_coroutines(model: type) -> None:
    """Refuse `async def` where nothing can await it.

    Raises:
        TypeError: A method that is called within a flush is a coroutine function.
    """
    for name in _IN_FLUSH:
        if iscoroutinefunction(getattr(model, name, None)):
            raise TypeError(
                f"{model.__name__}.{name}() expected a plain method, found a coroutine function: a "
                "flush cannot await it\n\n"
                "Blocking verbs are fine there, in an awaited save too. What has to be awaited "
                "goes into `async def after_commit`."
            )


_methods: weakref.WeakKeyDictionary[type, frozenset[str]] = weakref.WeakKeyDictionary()
"""Which of the methods a model defines, for those that define any."""


@event.listens_for(orm.Mapper, "after_mapper_constructed")
def _note_model(mapper: orm.Mapper[Any], model: type) -> None:
    if not hasattr(model, "__verbs_of__"):
        return
    # a column may have the name of one, and is no function then
    names = {name for name in (*_IN_FLUSH, _AFTER_COMMIT) if isfunction(getattr(model, name, None))}
    if not names:
        return
    _methods[model] = frozenset(names)
    for when, listener in _OF_MAPPERS.items():
        event.listen(mapper, when, listener)
    if not event.contains(Session, "before_flush", _before_flush):
        for when, listener in _OF_SESSIONS.items():
            event.listen(Session, when, listener)


class _Work:
    """What one session has to do about the methods of its records."""

    __slots__ = ("flushed", "prepared", "uncommitted")

    def __init__(self) -> None:
        self.prepared: dict[object, str] = {}
        """By their states, the records of this flush: to "save" or to "delete"."""
        self.flushed: list[tuple[object, str]] = []
        self.uncommitted: dict[int, tuple[Any, SessionTransaction | None]] = {}
        """Records that wait for the commit, and the transaction in which they were written."""


_works: weakref.WeakKeyDictionary[orm.Session, _Work] = weakref.WeakKeyDictionary()


def _work_of(session: orm.Session) -> _Work:
    if (work := _works.get(session)) is None:
        work = _works[session] = _Work()
    return work


def _before_flush(session: orm.Session, *_: Any) -> None:
    work = _work_of(session)
    work.prepared, work.flushed = {}, []
    # a method may add records, which have their own
    while waiting := [each for each in _waiting(session) if inspect(each[0]) not in work.prepared]:
        for record, act in waiting:
            _prepare(session, record, act)


def _waiting(session: orm.Session) -> Iterator[tuple[object, str]]:
    for record in session.new:
        if type(record) in _methods:
            yield record, "save"
    for record in session.dirty:
        if type(record) in _methods and session.is_modified(record, include_collections=False):
            yield record, "delete" if _is_orphan(record) or _is_being_hidden(record) else "save"
    for record in session.deleted:
        if type(record) in _methods:
            yield record, "delete"


def _is_orphan(record: object) -> bool:
    # what a flush asks next, and nothing public tells: such a record is not saved but deleted
    state: orm.InstanceState[Any] = inspect(record, raiseerr=True)
    return bool(state.mapper._is_orphan(state))


def _is_being_hidden(record: object) -> bool:
    if not isinstance(record, SoftDeletable):
        return False
    state: orm.InstanceState[Any] = inspect(record, raiseerr=True)
    return any(state.attrs.deleted_at.history.added or ())


def _prepare(session: orm.Session, record: object, act: str) -> None:
    _work_of(session).prepared[inspect(record)] = act
    _require_awaited(cast(Session, session), record)
    _call(cast(Session, session), record, f"before_{act}")


def _require_awaited(session: Session, record: object) -> None:
    awaited = session.awaited if session.block is None else session.block.awaited
    if not awaited and iscoroutinefunction(getattr(type(record), _AFTER_COMMIT, None)):
        raise TypeError(
            f"{type(record).__name__}.{_AFTER_COMMIT}() expected to be awaited, found a `with` "
            "block that commits: use `async with`, or make it a plain method"
        )


def _call(session: Session, record: object, name: str) -> None:
    if name not in _methods[type(record)]:
        return
    method: Callable[[], object] = getattr(record, name)
    with _refusing_writes(session):
        method()


@contextmanager
def _refusing_writes(session: Session) -> Iterator[None]:
    before, session.within_flush = session.within_flush, True
    try:
        yield
    finally:
        session.within_flush = before


def _late(act: str) -> Callable[..., None]:
    """For what only the flush finds: a row whose reference a relationship sets."""

    def before(mapper: orm.Mapper[Any], connection: Any, record: object) -> None:
        session = orm.object_session(record)
        if not isinstance(session, Session):  # one of SQLAlchemy's own knows nothing of this
            return
        if _work_of(session).prepared.get(inspect(record)) in (act, "delete"):
            return
        if act == "delete" or session.is_modified(record, include_collections=False):
            _prepare(session, record, act)

    return before


def _written(mapper: orm.Mapper[Any], connection: Any, record: object) -> None:
    if (session := orm.object_session(record)) is not None:
        work = _work_of(session)
        if (act := work.prepared.get(inspect(record))) is not None:
            work.flushed.append((record, act))


def _after_flush(session: orm.Session, *_: Any) -> None:
    work = _work_of(session)
    flushed, work.flushed, work.prepared = work.flushed, [], {}
    transaction = session.get_nested_transaction() or session.get_transaction()
    for record, act in flushed:
        _call(cast(Session, session), record, f"after_{act}")
        if _AFTER_COMMIT in _methods[type(record)]:
            work.uncommitted.setdefault(id(record), (record, transaction))


def _after_commit(session: orm.Session) -> None:
    if session.get_nested_transaction() is None:
        work = _work_of(session)
        for record, _ in work.uncommitted.values():
            cast(Session, session).committed.append(record.after_commit)
        work.uncommitted = {}


def _after_rollback(session: orm.Session, rolled_back: SessionTransaction) -> None:
    work = _work_of(session)
    work.uncommitted = {
        key: (record, transaction)
        for key, (record, transaction) in work.uncommitted.items()
        if not _is_within(transaction, rolled_back)
    }


def _is_within(transaction: SessionTransaction | None, other: SessionTransaction) -> bool:
    while transaction is not None and transaction is not other:
        transaction = transaction.parent
    return transaction is other


def _after_end(session: orm.Session, transaction: SessionTransaction) -> None:
    if transaction.parent is None:
        _work_of(session).uncommitted = {}


_OF_MAPPERS: Final = {
    "before_insert": _late("save"),
    "before_update": _late("save"),
    "before_delete": _late("delete"),
    "after_insert": _written,
    "after_update": _written,
    "after_delete": _written,
}
_OF_SESSIONS: Final[dict[str, Callable[..., None]]] = {
    "before_flush": _before_flush,
    "after_flush_postexec": _after_flush,
    "after_commit": _after_commit,
    "after_soft_rollback": _after_rollback,
    "after_transaction_end": _after_end,
}
