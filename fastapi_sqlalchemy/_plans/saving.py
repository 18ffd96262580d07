"""The INSERT, UPDATE or DELETE of one record that has nothing to do with any other.

SQLAlchemy's unit of work sorts what depends on what.  Where a single record waits in a session that
has no transaction, one statement in the driver's autocommit is the whole transaction: what the unit
of work would send, with the same values.  Whatever is more than that is left to it: relationships,
SQL as a value, defaults of the server, versions, listeners.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlalchemy import Column, and_, bindparam, orm
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import schema
from sqlalchemy.sql.compiler import SQLCompiler

from fastapi_sqlalchemy._deletion import hiding
from fastapi_sqlalchemy._names import is_sql

from . import mappings
from .statements import Make, Refused, make_of
from .steps import PLAIN

__all__ = ["Change", "change_of", "is_watched", "saved_alone"]

_EVENTS: Final = (
    *("before_insert", "after_insert", "before_update", "after_update"),
    *("before_delete", "after_delete"),
)


def is_watched(mapper: orm.Mapper[Any]) -> bool:
    """Whether somebody listens to the saving of the model's records."""
    dispatch: Any = mapper.dispatch
    return bool(mapper.class_manager.dispatch.refresh_flush) or any(
        getattr(dispatch, name) for name in _EVENTS
    )


class Change:
    """A statement for one record.

    Args:
        compiled: The statement.
        values: Gives its values, from those of a record.
        key: The attribute whose value the database gives.
        defaults: Where in the values those of attributes are that had none.
    """

    __slots__ = ("defaults", "key", "make", "returns", "sql", "values")

    defaults: Mapping[str, int]
    key: str | None
    make: Make
    returns: bool
    values: Callable[[Mapping[str, Any], tuple[Any, ...]], tuple[Any, ...]]

    def __init__(
        self,
        compiled: SQLCompiler,
        columns: list[str],
        values: Callable[[Mapping[str, Any], tuple[Any, ...]], tuple[Any, ...]],
        key: str | None = None,
        defaults: Mapping[str, int] | None = None,
    ) -> None:
        places = {compiled.bind_names[bind]: bind.key for bind in compiled.bind_names}
        numbers = {name: columns.index(key) for name, key in places.items()}
        if compiled.literal_execute_params or compiled.post_compile_params:
            raise Refused("values become part of the SQL")
        self.sql: str = compiled.string
        self.make = make_of(compiled, numbers, len(columns))
        self.values, self.key, self.defaults = values, key, defaults or {}
        self.returns = bool(compiled.effective_returning)


def change_of(
    verb: str, mapper: orm.Mapper[Any], names: tuple[str, ...], dialect: Dialect
) -> Change:
    """The statement of a verb.

    Args:
        verb: "insert", "update" or "delete".
        mapper: The record's.
        names: The attributes that have a value, or a new one.
        dialect: For which database.

    Raises:
        Refused: It takes more than this statement.
    """
    if (obstacle := mappings.obstacle(mapper)) is not None:
        raise Refused(obstacle)
    if mapper.version_id_col is not None or mapper._readonly_props or mapper._delete_orphans:
        raise Refused("the model has a version, what is only read, or orphans")
    if mapper.eager_defaults is True or mapper._insert_orm_defaults[mapper.local_table]:
        raise Refused("the mapper has defaults of its own")
    if hiding(mapper) and verb == "delete":
        raise Refused("records may be hidden")
    return _CHANGES[verb](mapper, names, dialect)


def _attribute(mapper: orm.Mapper[Any], column: Column[Any]) -> str:
    try:
        return str(mapper.get_property_by_column(column).key)
    except orm.exc.UnmappedColumnError:
        raise Refused("a column is not mapped") from None


def _insert(mapper: orm.Mapper[Any], names: tuple[str, ...], dialect: Dialect) -> Change:
    table: Any = mapper.local_table
    columns: list[str] = []
    given: list[str] = []
    others: list[Callable[[], Any]] = []
    missing: list[str] = []
    made: list[tuple[str, bool]] = []
    generated = None
    for column in table.columns:
        attribute = _attribute(mapper, column)
        if attribute in names:
            columns.append(column.key)
            given.append(attribute)
        elif column is table.autoincrement_column and column.identity is None:
            generated = attribute
            if column.type._cached_result_processor(dialect, None) is not None:
                raise Refused("the key is of a type that SQLAlchemy processes")
        else:
            others.append(_default(column))
            missing.append(column.key)
            made.append((attribute, column.default is not None))
    if len(given) != len(names):
        raise Refused("a value is for no column")
    columns += missing
    compiled = table.insert().compile(dialect=dialect, column_keys=columns)
    if (
        generated is not None
        and not compiled.effective_returning
        and not compiled.postfetch_lastrowid
    ):
        raise Refused("the database does not give the key")

    def values(present: Mapping[str, Any], _: tuple[Any, ...]) -> tuple[Any, ...]:
        return (*[present[name] for name in given], *[default() for default in others])

    defaults = {name: len(given) + n for n, (name, has_one) in enumerate(made) if has_one}
    return Change(compiled, columns, values, generated, defaults)


def _default(column: Column[Any]) -> Callable[[], Any]:
    """What a column holds that nothing was set for."""
    made = column.server_default is not None or column.computed is not None
    if (
        made
        or column.identity is not None
        or column.primary_key
        or column.type.should_evaluate_none
    ):
        raise Refused("the database makes a value")
    default: Any = column.default
    if default is None:
        return lambda: None
    if default.is_scalar:
        return lambda: default.arg
    code = getattr(default.arg, "__code__", None)
    # a function of no arguments is wrapped there; another one wants to know of the statement
    if default.is_callable and code is not None and code.co_filename == schema.__file__:
        return lambda: default.arg(None)
    raise Refused("a default is SQL, or a function of the statement")


def _by_key(mapper: orm.Mapper[Any]) -> tuple[Any, list[str]]:
    columns: Any = mapper.primary_key
    criteria = [each == bindparam(each._label, type_=each.type) for each in columns]
    return and_(*criteria), [each._label for each in columns]


def _update(mapper: orm.Mapper[Any], names: tuple[str, ...], dialect: Dialect) -> Change:
    table: Any = mapper.local_table
    keys: list[str] = []
    for name in names:
        [column, *others] = mapper.column_attrs[name].columns
        if others or column.primary_key:
            raise Refused("a key is changed")
        keys.append(column.key)
    for column in table.columns:
        changes = column.onupdate is not None or column.server_onupdate is not None
        if (changes and column.key not in keys) or column.computed is not None:
            raise Refused("a column changes by itself")
    criterion, identity = _by_key(mapper)
    compiled = table.update().where(criterion).compile(dialect=dialect, column_keys=keys)
    if compiled.effective_returning:
        raise Refused("the statement returns rows")

    def values(present: Mapping[str, Any], key: tuple[Any, ...]) -> tuple[Any, ...]:
        return (*[present[name] for name in names], *key)

    return Change(compiled, [*keys, *identity], values)


def _is_indifferent(relation: orm.RelationshipProperty[Any]) -> bool:
    """Whether a row can go without a look at what is related to it, if that is not loaded."""
    if relation.viewonly:
        return True
    if relation.secondary is not None or relation.cascade.delete_orphan:
        return False
    if relation.direction is orm.RelationshipDirection.MANYTOONE:
        return not relation.cascade.delete
    return bool(relation.passive_deletes)


def _delete(mapper: orm.Mapper[Any], _: tuple[str, ...], dialect: Dialect) -> Change:
    if not all(_is_indifferent(each) for each in mapper.relationships):
        raise Refused("other records may depend on it")
    criterion, identity = _by_key(mapper)
    table: Any = mapper.local_table
    compiled = table.delete().where(criterion).compile(dialect=dialect)

    def values(_: Mapping[str, Any], key: tuple[Any, ...]) -> tuple[Any, ...]:
        return key

    return Change(compiled, identity, values)


_CHANGES: Final = {"delete": _delete, "insert": _insert, "update": _update}


def saved_alone(session: Any) -> bool:
    """Store what waits in a session, where that is one record and one statement does it.

    Raises:
        sqlalchemy.exc.DBAPIError: The database refused it; nothing is stored.
    """
    new, deleted, modified = session._new, session._deleted, session.identity_map._modified
    if len(new) + len(deleted) + len(modified) != 1:
        return False
    if new:
        return _sent(session, "insert", next(iter(new)))
    return _sent(session, "delete" if deleted else "update", next(iter(deleted or modified)))


def _sent(session: Any, verb: str, state: Any) -> bool:
    names = _changed(verb, state)
    if names is None or (verb == "insert" and _conflicts(session, state)):
        return False
    plans, present, mapper = session._plans, state.dict, state.mapper
    change = plans.change(session, verb, mapper, names)
    if change is None:
        return False
    values: tuple[Any, ...] = ()

    def make() -> tuple[Any, ...]:
        nonlocal values
        values = change.values(present, () if state.key is None else state.key[1])
        return values

    if (sent := plans.send(session, change, make)) is None:
        return False
    # of a row that is gone SQLAlchemy finds as few, and says what that means; but an INSERT was
    # sent, and a trigger may have put the row elsewhere
    if sent.rows != 1 and verb != "insert":
        return False
    if verb == "delete":
        session._remove_newly_deleted([state])
        return True
    for name, number in change.defaults.items():
        present[name] = values[number]
    if change.key is not None:
        if sent.key is None:
            raise orm.exc.FlushError(
                f"expected the INSERT of a {mapper.class_.__name__} to give its key, found none: "
                "a trigger may have kept the row out"
            )
        present[change.key] = sent.key
    session._register_persistent({state})
    return True


def _changed(verb: str, state: Any) -> tuple[str, ...] | None:
    """The attributes that a statement is about; None where there is more than columns."""
    present, mapper = state.dict, state.mapper
    if verb == "delete":
        loaded = state.expired_attributes or any(n in mapper.relationships for n in present)
        return None if loaded else ()
    columns = mapper.column_attrs
    if "_pending_mutations" in state.__dict__:
        return None
    if verb == "insert":
        names = [n for n, value in present.items() if value is not None and n in columns]
        related = any(name in mapper.relationships for name in present)
    else:
        related = state.expired_attributes or any(n not in columns for n in state.committed_state)
        if related or not all(name in present for name in state.committed_state):
            return None
        names = [n for n in state.committed_state if _differs(state, n, present[n])]
    values = [present[name] for name in names]
    return tuple(names) if names and not related and _are_plain(values) else None


def _conflicts(session: Any, state: Any) -> bool:
    """Whether the session has another record with the key of a new one, of which it warns."""
    _, key, _ = known = state.mapper._identity_key_from_state(state)
    return None not in key and known in session.identity_map


def _differs(state: Any, name: str, value: Any) -> bool:
    return not state.manager[name].impl.is_equal(value, state.committed_state[name])


def _are_plain(values: list[Any]) -> bool:
    """Whether no value is SQL."""
    return all(type(value) in PLAIN or not is_sql(value) for value in values)
