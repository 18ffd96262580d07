"""What can be done with the records of a model, as operations.

The verbs of a model run them, and so does whatever else offers the same verbs in another style.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import exc, inspect, orm

from ._deletion import SoftDeletable, mark_deleted, reset
from ._names import (
    check_attributes,
    check_construction,
    check_criteria,
    check_values,
    is_sql,
    mapper_of,
)
from ._operations import Operation, Read, Steps, Write
from ._plans.inserting import inserting
from ._plans.saving import added_alone, deleted_alone, updated_alone
from ._received import changes_of, made_of
from ._types import R, T, Values
from .exceptions import RecordNotFoundError, answered
from .query import Query, get_by_plan, get_needed_by_plan, query_of

__all__ = [
    "checked",
    "create",
    "delete",
    "delete_one",
    "find",
    "find_one",
    "find_or_404",
    "make_from",
    "matching",
    "refresh",
    "restore",
    "save",
    "save_all",
    "update",
    "update_from",
    "update_one",
    "update_one_from",
]

S = TypeVar("S", bound=SoftDeletable)


def find(
    model: type[T], criteria: tuple[Any, ...], eq: Mapping[str, Any], *, verb: str = "get"
) -> Read[T | None]:
    if len(criteria) == 1 and not eq and (read := get_by_plan(model, criteria[0])) is not None:
        return read
    query, keys = _asked(verb, model, criteria, eq)
    return query._get(*keys) if keys else query._first()


def find_one(model: type[T], criteria: tuple[Any, ...], eq: Mapping[str, Any]) -> Read[T]:
    if len(criteria) == 1 and not eq:
        read = get_needed_by_plan(model, criteria[0], RecordNotFoundError)
        if read is not None:
            return read
    query, keys = _asked("get_one", model, criteria, eq)
    if keys:
        return query._get_one(*keys)
    return query._needed(query._first(), RecordNotFoundError, instead="get")


def find_or_404(model: type[T], criteria: tuple[Any, ...], eq: Mapping[str, Any]) -> Read[T]:
    if len(criteria) == 1 and not eq:
        read = get_needed_by_plan(model, criteria[0], answered(RecordNotFoundError))
        if read is not None:
            return read
    query, keys = _asked("get_or_404", model, criteria, eq)
    if keys:
        return query._get_or_404(*keys)
    return query._needed(query._first(), answered(RecordNotFoundError), instead="get")


def _asked(
    verb: str, model: type[T], criteria: tuple[Any, ...], eq: Mapping[str, Any]
) -> tuple[Query[T], list[Any]]:
    """The query that the criteria make, or one and the key that was given instead."""
    if not criteria and not eq:
        raise TypeError(
            f"{model.__name__}.{verb}() expected a primary key or criteria, found neither"
        )
    if eq:
        check_criteria(verb, model, eq)
    keys = [value for value in criteria if not _is_criterion(value)]
    if not keys:
        return matching(verb, model, criteria, eq), keys
    if len(criteria) > 1 or eq:
        raise TypeError(
            f"{model.__name__}.{verb}() expected either one primary key or criteria, found both; "
            "the key of several columns is one tuple"
        )
    return query_of(model), keys


def _is_criterion(value: Any) -> bool:
    if isinstance(value, bool):
        raise TypeError(
            "expected a primary key or a criterion, found a bool: a comparison of a record's "
            "attribute (`user.id == 1`) instead of the model's (`User.id == 1`)?"
        )
    return is_sql(value)


def matching(
    verb: str, model: type[T], criteria: tuple[Any, ...], eq: Mapping[str, Any]
) -> Query[T]:
    """The query that the criteria make.

    Raises:
        TypeError: One is a value, such as a primary key.
    """
    check_criteria(verb, model, eq)
    for value in criteria:
        if not _is_criterion(value):
            raise TypeError(
                f"{model.__name__}.{verb}() expected criteria such as `{model.__name__}.id == 1`, "
                f"found a value of type {type(value).__name__}: by its primary key a record is "
                f"found with `{model.__name__}.get(...)`"
            )
    return query_of(model).filter(*criteria).filter_by(**eq)


def save(record: T, *, commit: bool | None) -> Write[T]:
    def add(session: orm.Session) -> T:
        _join(session, record)
        return record

    alone = partial(added_alone, record)
    return Write(add, (record,), commit=commit, alone=alone, result=record)


def save_all(model: type[T], records: Iterable[T]) -> Write[list[T]]:
    given = [checked(model, record) for record in records]

    def add(session: orm.Session) -> list[T]:
        session.add_all(given)
        return given

    def together(session: orm.Session) -> Callable[[], bool] | None:
        return inserting(session, mapper_of(model), given)

    return Write(add, tuple(given), result=given, together=together)


def create(model: type[T], values: Mapping[str, Any]) -> Write[T]:
    check_construction("create", model, values)
    return save(model(**values), commit=None)


def make_from(verb: str, model: type[T], values: Values) -> Write[T]:
    return save(made_of(verb, model, values), commit=None)


def checked(model: type[T], record: T) -> T:
    """The record, unless it is none of this model.

    Raises:
        TypeError: It is none.
    """
    if not isinstance(record, model):
        raise TypeError(f"expected a record of {model.__name__}, found {type(record).__name__}")
    return record


def update(record: T, values: Mapping[str, Any]) -> Write[T]:
    check_values("update", type(record), values)
    return _set(record, values)


def update_from(record: T, values: Values, *, exclude_unset: bool) -> Write[T]:
    return _set(record, changes_of(type(record), values, exclude_unset=exclude_unset))


def _set(record: T, values: Mapping[str, Any]) -> Write[T]:
    def change(session: orm.Session) -> T:
        _join(session, record)
        # setting a relationship may load what it held: not before this, which runs at home
        with session.no_autoflush:
            for name, value in values.items():
                setattr(record, name, value)
        return record

    alone = partial(updated_alone, record, values)
    return Write(change, (record,), puts_back=True, alone=alone, result=record)


def _join(session: orm.Session, record: object) -> None:
    # once more, SQLAlchemy would ask for what it relates to, and refuse what was deleted of that
    if record not in session:
        session.add(record)


def update_one(model: type[T], record_or_ident: Any, values: Mapping[str, Any]) -> Operation[T]:
    check_values("update", model, values)
    return _with_record(model, record_or_ident, lambda record: update(record, values))


def update_one_from(
    model: type[T], record_or_ident: Any, values: Values, *, exclude_unset: bool
) -> Operation[T]:
    def change(record: T) -> Write[T]:
        return update_from(record, values, exclude_unset=exclude_unset)

    return _with_record(model, record_or_ident, change)


def delete_one(model: type[Any], record_or_ident: Any) -> Operation[None]:
    return _with_record(model, record_or_ident, delete)


def _with_record(
    model: type[T], record_or_ident: Any, change: Callable[[T], Operation[R]]
) -> Operation[R]:
    """A change to a record that is given, or by its key."""
    if isinstance(inspect(record_or_ident, raiseerr=False), orm.InstanceState):
        return change(checked(model, record_or_ident))
    found = query_of(model)._get_one(record_or_ident)
    return Steps(lambda perform: perform(change(perform(found))))


def delete(record: object, *, force: bool = False) -> Write[None]:
    marked: list[SoftDeletable] = []

    def delete(session: orm.Session) -> None:
        if isinstance(record, SoftDeletable) and not force:
            marked[:] = mark_deleted(session, record)
        else:
            session.delete(record)

    return Write(delete, undo=lambda: reset(marked), alone=partial(deleted_alone, record))


def restore(record: S) -> Write[S]:
    if not inspect(record, raiseerr=True).has_identity:
        raise exc.InvalidRequestError("restore() expected a deleted record, found one never saved")

    def restore(session: orm.Session) -> S:
        _join(session, record)
        record.deleted_at = None
        return record

    return Write(restore, (record,), puts_back=True)


def refresh(record: T, attributes: tuple[str, ...]) -> Read[T]:
    check_attributes("refresh", type(record), attributes)

    def load(session: orm.Session) -> T:
        with session.no_autoflush:
            if inspect(record, raiseerr=True).detached:
                session.add(record)
            session.refresh(record, attributes or None)
        return record

    return Read(load)
