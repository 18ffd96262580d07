"""What a failed flush must not take from the caller: the records as they were.

A rollback makes SQLAlchemy expire every record of the session and forget what was set on them, so
that reading an attribute would run SQL and saving again would save nothing.  What is here puts the
values back.  The changes that failed are set aside until their record is saved again: neither a
query nor the save of another record may run into them once more.  What else was waiting to be
flushed waits again.
"""

from __future__ import annotations

import weakref
from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

from sqlalchemy import inspect, orm
from sqlalchemy.orm.attributes import flag_modified, set_committed_value
from sqlalchemy.util import memoized_property

from ._names import key_names

__all__ = ["Restorer", "Snapshot"]

Values = dict[str, Any]


class Restorer:
    """Keeps the records of one session over a failed flush."""

    def __init__(self) -> None:
        self._before: list[_Memory] = []
        self._new: list[_New] = []
        self._inserted: list[tuple[orm.InstanceState[Any], Values]] = []
        self._given: list[tuple[_Memory, bool]] = []
        self._flushed: list[object] = []
        self._waiting: tuple[list[object], list[object], list[object]] = ([], [], [])

    @memoized_property  # most never have any
    def _unsaved(self) -> weakref.WeakKeyDictionary[orm.InstanceState[Any], Values]:
        # by their states: the records of a dataclass have no hash
        return weakref.WeakKeyDictionary()

    def note_waiting(self, session: orm.Session, own: tuple[object, ...]) -> None:
        """Before a change: what waits to be flushed and has nothing to do with it."""
        mine = {id(record) for record in own}
        new, dirty, deleted = (
            [record for record in records if id(record) not in mine]
            for records in (session.new, session.dirty, session.deleted)
        )
        self._waiting = new, dirty, deleted

    def note_values(self, records: tuple[object, ...]) -> None:
        """Before a change that sets values itself: those of its caller."""
        memories = [_Memory.of(record) for record in records]
        self._given = [(memory, memory.state.transient) for memory in memories]

    def put_back(self, session: orm.Session) -> None:
        """After that change failed, in setting the values or in sending them."""
        given, self._given = self._given, []
        for (state, record, values, originals, _), was_transient in given:
            unsaved = self._unsaved.pop(state, {})
            if kept := {key: old for key, old in unsaved.items() if key in originals}:
                self._unsaved[state] = kept
            columns = set(state.mapper.column_attrs.keys())
            for key in columns & state.dict.keys() - values.keys():
                state.dict.pop(key)
                state.committed_state.pop(key, None)
            for key in columns & values.keys():
                if state.persistent and key not in originals:
                    set_committed_value(record, key, values[key])
                else:
                    state.dict[key] = values[key]
            related = set(state.mapper.relationships.keys()) & state.dict.keys()
            moved = [key for key in related if state.dict[key] is not values.get(key)]
            if moved and state.persistent:
                session.expire(record, moved)
            if was_transient and state.pending:
                session.expunge(record)
            elif state.persistent and not originals:  # nothing is left to be flushed
                state._commit_all(state.dict, session.identity_map)

    def note(self, session: orm.Session) -> None:
        """Before a flush: what it is about to touch, beside what an earlier one touched."""
        noted = self._noted()
        pending = (*session.new, *session.dirty, *session.deleted)
        found = [_Memory.of(record) for record in pending]
        self._before += [memory for memory in found if memory.state not in noted]

    def note_new(self, states: Sequence[orm.InstanceState[Any]], records: Sequence[object]) -> None:
        """The same of new records that were stored without a flush, before the session has them."""
        self._new.append(_New(states, records, [vars(record).copy() for record in records]))

    def _noted(self) -> set[orm.InstanceState[Any]]:
        noted = {memory.state for memory in self._before}
        return noted.union(*[new.states for new in self._new])

    def note_others(self, session: orm.Session) -> None:
        """On a rollback, before SQLAlchemy expires them: the records it did not touch."""
        noted = self._noted()
        self._before += [
            _Memory.of(record)
            for state in session.identity_map.all_states()
            if state not in noted and (record := state.obj()) is not None
        ]

    def forget(self, *, lasts: bool = True) -> None:
        """After a flush, whatever became of it.

        Args:
            lasts: Whether the transaction goes on, and may be rolled back yet.
        """
        if lasts:
            self._inserted += [
                (memory.state, memory.values)
                for memory in self._before
                if memory.state.persistent and None in _key_of(memory)
            ]
            for new in self._new:
                self._inserted += zip(new.states, new.given, strict=True)
        self._before, self._new = [], []
        self._waiting, self._given = ([], [], []), []

    def keep_flushed(self, session: orm.Session) -> None:
        """On a flush within a savepoint: its records outlive the caller's interest in them.

        SQLAlchemy remembers them weakly.  One that nobody keeps and a query loads again would
        stay as it was flushed when the savepoint is rolled back.
        """
        self.keep([*session.new, *session.dirty])

    def keep(self, records: Collection[object]) -> None:
        """The same of records that were stored without a flush."""
        self._flushed += records

    def let_go(self) -> None:
        """After the last savepoint."""
        self._flushed = []

    def note_inserted(self, state: orm.InstanceState[Any], values: Values) -> None:
        """After an INSERT that no flush has sent: what the caller gave of the record."""
        self._inserted.append((state, values))

    def forget_inserted(self) -> None:
        """After a commit."""
        self._inserted = []

    def take_keys_back(self) -> None:
        """After a rollback: a row that is gone leaves its record no key."""
        gone = [(state, values) for state, values in self._inserted if state.transient]
        for state, values in gone:
            _reset(state, values)
        if gone:
            self._inserted = [each for each in self._inserted if not each[0].transient]

    def restore(self, session: orm.Session) -> None:
        """After the rollback of a flush that did not."""
        before, self._before = self._before, []
        inserted, self._new = self._new, []
        for rows in inserted:
            for state, values in zip(rows.states, rows.given, strict=True):
                if state.transient:
                    _reset(state, values)
        for state, record, values, originals, expired in before:
            if state.transient:
                _reset(state, values)
            elif state.persistent:
                lost = _load_again(state, record, values, expired)
                if changed := {key: old for key, old in originals.items() if key in lost}:
                    self._unsaved[state] = changed
        new, dirty, deleted = self._waiting
        session.add_all(new)
        for record in dirty:
            self.take_up(record)
        for record in deleted:
            session.delete(record)

    def take_up(self, record: object) -> None:
        """Before a record is saved: its changes that failed the last time count again."""
        if not self.sets_aside():
            return
        state: orm.InstanceState[Any] = inspect(record, raiseerr=True)
        for key, original in self._unsaved.pop(state, {}).items():
            present = state.dict
            if key not in present:
                continue
            value = present[key]
            if isinstance(original, orm.LoaderCallableStatus):  # it was not loaded when it was set
                flag_modified(record, key)
            else:
                set_committed_value(record, key, original)
                setattr(record, key, value)

    def sets_aside(self) -> bool:
        """Whether there are changes that could not be saved, of whatever record."""
        return "_unsaved" in vars(self) and bool(self._unsaved)

    def unsaved(self, state: orm.InstanceState[Any]) -> Collection[str]:
        """What was set on a record and could not be saved."""
        return self._unsaved.get(state, {}).keys()

    def drop(self, record: object, names: Collection[str] | None) -> None:
        """After a record was loaded again: its changes that failed are not wanted any more.

        Args:
            record: The record.
            names: What was loaded of it; None is every attribute.
        """
        state: orm.InstanceState[Any] = inspect(record, raiseerr=True)
        unsaved = self._unsaved.pop(state, {})
        if names and (kept := {key: unsaved[key] for key in unsaved.keys() - set(names)}):
            self._unsaved[state] = kept


class Snapshot:
    """The columns of a session's records as they were when a transaction or savepoint began.

    SQLAlchemy's rollback expires them; what was known of them before is true again.
    """

    __slots__ = ("_known",)

    def __init__(self, session: orm.Session) -> None:
        self._known = [_Known.of(state) for state in session.identity_map.all_states()]

    def give_back(self) -> None:
        """After the rollback: to the records that still have a row."""
        for state, values, unknown in self._known:
            record = state.obj()
            if record is not None and state.persistent and state.expired_attributes:
                _load_again(state, record, values, unknown)


class _Known(NamedTuple):
    """What the database holds in the columns of a record, and which of them are not known."""

    state: orm.InstanceState[Any]
    values: Values
    unknown: set[str]

    @classmethod
    def of(cls, state: orm.InstanceState[Any]) -> _Known:
        values = {
            key: state.committed_state.get(key, value)
            for key, value in state.dict.items()
            if key in state.mapper.column_attrs
        }
        replaced = {k for k, value in values.items() if isinstance(value, orm.LoaderCallableStatus)}
        for key in replaced:
            del values[key]
        return cls(state, values, state.expired_attributes | replaced)


class _Memory(NamedTuple):
    """A record as it was before a flush."""

    state: orm.InstanceState[Any]
    record: object
    values: Values
    originals: Values
    expired: frozenset[str]

    @classmethod
    def of(cls, record: object) -> _Memory:
        state: orm.InstanceState[Any] = inspect(record, raiseerr=True)
        return cls(
            state,
            record,
            dict(state.dict),
            dict(state.committed_state),
            frozenset(state.expired_attributes),
        )


class _New(NamedTuple):
    """Records that an INSERT has stored past the unit of work."""

    states: Sequence[orm.InstanceState[Any]]
    records: Sequence[object]
    """They, so that they live as long as this may be needed."""
    given: list[Values]
    """What each had before."""


def _load_again(
    state: orm.InstanceState[Any], record: object, values: Values, unknown: AbstractSet[str]
) -> set[str]:
    """Give a record back the values that it lost when it was expired, and name them."""
    lost = values.keys() & state.mapper.attrs.keys() - state.dict.keys()
    for key in lost:
        set_committed_value(record, key, values[key])
    # what it had no value for, and did not expire then, was never loaded, or is None
    state.expired_attributes.intersection_update(unknown)
    return lost


def _key_of(memory: _Memory) -> list[Any]:
    return [memory.values.get(name) for name in key_names(memory.state.mapper)]


def _reset(state: orm.InstanceState[Any], values: Values) -> None:
    # what the flush gave it: keys and defaults of rows that are not there any more
    for key in state.dict.keys() - values.keys():
        if key in state.mapper.attrs:
            state.dict.pop(key)
    state.dict.update(values)
