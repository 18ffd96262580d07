"""What a failed flush must not take from the caller: the records as they were.

A rollback makes SQLAlchemy expire every record of the session and forget what was set on them, so
that reading an attribute would run SQL and saving again would save nothing.  What is here puts the
values back.  The changes that failed are set aside until their record is saved again: neither a
query nor the save of another record may run into them once more.  What else was waiting to be
flushed waits again.
"""

from __future__ import annotations

import weakref
from collections.abc import Container
from typing import Any

from sqlalchemy import inspect, orm
from sqlalchemy.orm.attributes import flag_modified, set_committed_value

__all__ = ["Restorer"]

Values = dict[str, Any]


class Restorer:
    """Keeps the records of one session over a failed flush."""

    __slots__ = ("_before", "_inserted", "_unsaved", "_untouched", "_waiting")

    def __init__(self) -> None:
        self._before: list[tuple[orm.InstanceState[Any], object, Values, Values]] = []
        self._inserted: list[tuple[orm.InstanceState[Any], Values]] = []
        self._untouched: list[tuple[object, Values]] = []
        self._waiting: tuple[list[object], list[object], list[object]] = ([], [], [])
        self._unsaved: weakref.WeakKeyDictionary[object, Values] = weakref.WeakKeyDictionary()

    def note_waiting(self, session: orm.Session, own: tuple[object, ...]) -> None:
        """Before a change: what waits to be flushed and has nothing to do with it."""
        mine = {id(record) for record in own}
        new, dirty, deleted = (
            [record for record in records if id(record) not in mine]
            for records in (session.new, session.dirty, session.deleted)
        )
        self._waiting = new, dirty, deleted

    def note(self, session: orm.Session) -> None:
        """Before a flush: what it is about to touch, beside what an earlier one touched."""
        noted = {state for state, *_ in self._before}
        pending = (*session.new, *session.dirty, *session.deleted)
        found = [_memory(record) for record in pending]
        self._before += [memory for memory in found if memory[0] not in noted]

    def note_others(self, session: orm.Session) -> None:
        """On a rollback, before SQLAlchemy expires them: the records it did not touch."""
        noted = {state for state, *_ in self._before}
        self._before += [
            _memory(record)
            for state in session.identity_map.all_states()
            if state not in noted and (record := state.obj()) is not None
        ]

    def forget(self) -> None:
        """After a flush, whatever became of it."""
        self._inserted += [
            (state, values)
            for state, _, values, _ in self._before
            if state.persistent and not values.keys() >= set(_keys(state))
        ]
        self._before, self._waiting = [], ([], [], [])

    def note_untouched(self, session: orm.Session, touched: Container[Any]) -> None:
        """On the rollback of a block, before SQLAlchemy expires them: what it left alone.

        Args:
            session: The session.
            touched: The states of the records that were flushed in it.
        """
        self._untouched = [
            (record, dict(state.dict))
            for state in session.identity_map.all_states()
            if not state.modified
            and state not in touched
            and (record := state.obj()) is not None
            and record not in self._unsaved
        ]

    def give_back_untouched(self) -> None:
        """After that rollback."""
        untouched, self._untouched = self._untouched, []
        for record, values in untouched:
            state: orm.InstanceState[Any] = inspect(record, raiseerr=True)
            if state.persistent:
                _load_again(state, record, values)

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
        for state, record, values, originals in before:
            if state.transient:
                _reset(state, values)
            elif state.persistent:
                lost = _load_again(state, record, values)
                if changed := {key: old for key, old in originals.items() if key in lost}:
                    self._unsaved[record] = changed
        new, dirty, deleted = self._waiting
        session.add_all(new)
        for record in dirty:
            self.take_up(record)
        for record in deleted:
            session.delete(record)

    def take_up(self, record: object) -> None:
        """Before a record is saved: its changes that failed the last time count again."""
        for key, original in self._unsaved.pop(record, {}).items():
            present = inspect(record, raiseerr=True).dict
            if key not in present:
                continue
            value = present[key]
            if isinstance(original, orm.LoaderCallableStatus):  # it was not loaded when it was set
                flag_modified(record, key)
            else:
                set_committed_value(record, key, original)
                setattr(record, key, value)


def _memory(record: object) -> tuple[orm.InstanceState[Any], object, Values, Values]:
    state: orm.InstanceState[Any] = inspect(record, raiseerr=True)
    return state, record, dict(state.dict), dict(state.committed_state)


def _load_again(state: orm.InstanceState[Any], record: object, values: Values) -> set[str]:
    """Give a record back the values that it lost when it was expired, and name them."""
    lost = values.keys() & state.mapper.attrs.keys() - state.dict.keys()
    for key in lost:
        set_committed_value(record, key, values[key])
    if lost:  # what it had no value for was never loaded, or is None
        state.expired_attributes.clear()
    return lost


def _keys(state: orm.InstanceState[Any]) -> list[str]:
    mapper = state.mapper
    return [mapper.get_property_by_column(column).key for column in mapper.primary_key]


def _reset(state: orm.InstanceState[Any], values: Values) -> None:
    # what the flush gave it: keys and defaults of rows that are not there any more
    for key in state.dict.keys() - values.keys():
        if key in state.mapper.attrs:
            state.dict.pop(key)
    state.dict.update(values)
