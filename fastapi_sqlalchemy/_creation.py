"""A record that is there already, or else is made: by one of those who try at the same time.

Nobody can ask first and insert afterwards without somebody else in between.  So the database
decides: whoever is refused for a key that is taken finds the record of the one who was quicker.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass
from inspect import signature
from typing import Any, Final

from sqlalchemy import orm
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import MANYTOONE

from ._loaded import load_expired_of
from ._names import check_criteria, check_values, mapper_of
from ._operations import Perform, Read, Send, Steps
from ._records import save
from ._types import T
from .exceptions import UniqueViolation
from .query import Query, query_of
from .session import Session
from .transaction import is_conflict

__all__ = ["get_or_create", "update_or_create"]

Defaults = Mapping[str, Any] | None


def get_or_create(
    model: type[T], defaults: Defaults, eq: Mapping[str, Any]
) -> Steps[tuple[T, bool]]:
    query = _sought("get_or_create", model, defaults, eq)

    def take(perform: Perform) -> tuple[T, bool]:
        found = perform(query._one_or_none())
        if found is not None:
            return found, False
        record = model(**(dict(eq) | _called(defaults)))
        try:
            return _insert(perform, record), True
        except UniqueViolation:
            found = perform(_winner(query, record))
            if found is None:  # it was another constraint
                raise
            return found, False

    return Steps(take)


def update_or_create(
    model: type[T], defaults: Defaults, eq: Mapping[str, Any]
) -> Steps[tuple[T, bool]]:
    query = _sought("update_or_create", model, defaults, eq)

    def take(perform: Perform) -> tuple[T, bool]:
        # a look without a lock: locks on what is not there are where MariaDB finds deadlocks
        looked = perform(query._one_or_none())
        values = _called(defaults)
        if looked is not None:
            found = perform(_change(query, values))
            if found is not None:
                return found, False
        record = _made(model, dict(eq) | values)
        try:
            return _insert(perform, record), True
        except UniqueViolation:
            perform(Read(lambda session: _let_go(session, record)))
            found = perform(_change(query, values))
            if found is None:  # it was another constraint
                raise
            return found, False

    return Steps(take)


def _sought(verb: str, model: type[T], defaults: Defaults, eq: Mapping[str, Any]) -> Query[T]:
    if not eq:
        raise TypeError(f"{model.__name__}.{verb}() expected what to look for, found nothing")
    check_criteria(verb, model, eq)
    check_values(verb, model, defaults or {})
    return query_of(model).filter_by(**eq)


def _made(model: type[T], values: dict[str, Any]) -> T:
    """A record of these values, also of those that the constructor of a dataclass leaves out."""
    if not is_dataclass(model):
        return model(**values)
    taken = signature(model).parameters
    record = model(**{name: values[name] for name in values if name in taken})
    for name in values.keys() - taken.keys():
        setattr(record, name, values[name])
    return record


def _called(defaults: Defaults) -> dict[str, Any]:
    """The values to set, each of its own where a function makes it."""
    given = (defaults or {}).items()
    return {name: value() if callable(value) else value for name, value in given}


_ATTEMPTS: Final = 3
"""Of those who wait for one who gives up, MariaDB lets one in and calls the others a deadlock."""


def _insert(perform: Perform, record: T) -> T:
    for _ in range(_ATTEMPTS - 1):
        try:
            return perform(save(record, commit=None))
        except DBAPIError as error:
            if not is_conflict(error) or not perform(Read(_is_alone)):
                raise
    return perform(save(record, commit=None))


def _is_alone(session: orm.Session) -> bool:
    return isinstance(session, Session) and session.commits_at_once


def _winner(query: Query[T], record: T) -> Read[T | None]:
    """The record of somebody else who was quicker."""

    def look(session: orm.Session) -> T | None:
        _let_go(session, record)
        again = query
        mysql = session.get_bind(mapper_of(query._model)).dialect.name in ("mysql", "mariadb")
        if mysql and session.in_transaction():
            # what this transaction saw first would not show it; and a stronger lock than the
            # refused INSERT has already would be a deadlock of two who were refused
            again = query._with(query._statement.with_for_update(read=True))
        return again._one_or_none().ask(session)

    return Read(look)


def _change(query: Query[T], values: Mapping[str, Any]) -> Send[T | None]:
    """Set values on the record as it is, while nobody else can."""
    locking = query._statement.with_for_update(of=query._model)
    locked = query._with(locking.execution_options(populate_existing=True))

    def change(session: orm.Session) -> T | None:
        record = locked._one_or_none().ask(session)
        if record is not None:
            with session.no_autoflush:
                for name, value in values.items():
                    setattr(record, name, value)
            session.flush()
            load_expired_of(session, record)
        return record

    return Send(change)


def _let_go(session: orm.Session, record: object) -> None:
    """Take a record that was refused out of the collections of others, and so of what waits."""
    with session.no_autoflush:
        for relationship in mapper_of(type(record)).relationships:
            if relationship.direction is MANYTOONE and relationship.key in record.__dict__:
                delattr(record, relationship.key)
        if record in session:  # a collection that it was in has taken it along
            session.expunge(record)
