"""The INSERT, UPDATE or DELETE of one record that has nothing to do with any other.

SQLAlchemy's unit of work sorts what depends on what.  Where a single record waits in a session, one
statement is all that is sent: what the unit of work would send, with the same values.  Outside a
transaction it is the whole transaction, in the driver's autocommit; within one, the session is told
what a rollback has to take back.  Whatever is more than that is left to the unit of work:
relationships, SQL as a value, defaults of the server, versions, listeners.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import Column, and_, bindparam, orm, util
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import attributes
from sqlalchemy.sql import schema
from sqlalchemy.sql.compiler import SQLCompiler

from fastapi_sqlalchemy._deletion import hiding
from fastapi_sqlalchemy._names import is_sql, key_names
from fastapi_sqlalchemy.exceptions import StaleRecordError

from . import mappings
from .listeners import OfRecords, Silence
from .mappings import Attributes
from .plain import PLAIN
from .refusing import Refused
from .running import Sent
from .statements import Make, make_of

__all__ = [
    "Change",
    "Storing",
    "ToSend",
    "added_alone",
    "attribute_of",
    "change_of",
    "default_of",
    "deleted_alone",
    "maker_of",
    "require_ordinary",
    "saved_alone",
    "updated_alone",
]


class Change:
    """A statement for one record.

    Args:
        compiled: The statement.
        values: Gives its values, from those of a record.
        key: The attribute whose value the database gives.
        defaults: Where in the values those of attributes are that had none.
    """

    __slots__ = (
        *("defaults", "identity", "key", "make", "missed", "returns", "setting", "silence"),
        *("sql", "values", "watchers"),
    )

    defaults: Mapping[str, int]
    key: str | None
    make: Make
    missed: Callable[[orm.Mapper[Any]], None]
    """Called where there is no such row any more."""

    returns: bool
    watchers: OfRecords
    identity: tuple[str, ...]
    """The attributes of the primary key."""
    setting: OfRecords | None
    """Those who hear of its values being set; None where that is more than setting them."""
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
        self.setting = None
        self.silence: Silence | None = None
        """That nobody listens who would hear nothing of its use, once that was looked at."""


ToSend = tuple[Change, Callable[[], tuple[Any, ...]]]
"""A statement, and what makes its values."""

Storing = Generator[ToSend, Sent | None, bool]
"""What stores a record alone: it says what to send, with which values, and is told what became of
it, None where that cannot be sent alone.  It gives whether the record is stored.
"""


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
    require_ordinary(mapper)
    if hiding(mapper) and verb == "delete":
        raise Refused("records may be hidden")
    change = _CHANGES[verb](mapper, names, dialect)
    change.watchers = OfRecords.saving(mapper)
    keys: Any = mapper.primary_key
    change.identity = tuple([attribute_of(mapper, column) for column in keys])
    return change


def require_ordinary(mapper: orm.Mapper[Any]) -> None:
    """Refuse a model whose records are more than rows of a table.

    Raises:
        Refused: It is one.
    """
    orm.class_mapper(mapper.class_)  # what models that were defined meanwhile add to it
    if (obstacle := mappings.obstacle(mapper)) is not None:
        raise Refused(obstacle)
    table: Any = mapper.local_table
    if tuple(mapper.primary_key) != tuple(table.primary_key):
        raise Refused("the model has another primary key than its table")
    if mapper.version_id_col is not None or mapper._readonly_props or mapper._delete_orphans:
        raise Refused("the model has a version, what is only read, or orphans")
    if mapper.eager_defaults is True or mapper._insert_orm_defaults[table]:
        raise Refused("the mapper has defaults of its own")


def attribute_of(mapper: orm.Mapper[Any], column: Column[Any]) -> str:
    """The attribute that has the values of a column.

    Raises:
        Refused: There is none.
    """
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
        attribute = attribute_of(mapper, column)
        if attribute in names:
            columns.append(column.key)
            given.append(attribute)
        elif column is table.autoincrement_column and column.identity is None:
            generated = attribute
            if column.type._cached_result_processor(dialect, None) is not None:
                raise Refused("the key is of a type that SQLAlchemy processes")
        else:
            others.append(default_of(column))
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

    get = itemgetter(*given) if len(given) > 1 else lambda present: (present[given[0]],)

    def values(present: Mapping[str, Any], _: tuple[Any, ...]) -> tuple[Any, ...]:
        own: tuple[Any, ...] = get(present)
        return (*own, *[default() for default in others]) if others else own

    defaults = {name: len(given) + n for n, (name, has_one) in enumerate(made) if has_one}
    return Change(compiled, columns, values, generated, defaults)


def default_of(column: Column[Any]) -> Callable[[], Any]:
    """What makes the value of a column that nothing was set for.

    Raises:
        Refused: The database does, or a value has to be given.
    """
    made = column.server_default is not None or column.computed is not None
    if (
        made
        or column.identity is not None
        or column.primary_key
        or column.type.should_evaluate_none
    ):
        raise Refused("the database makes a value")
    return (lambda: None) if column.default is None else maker_of(column.default)


def maker_of(default: Any) -> Callable[[], Any]:
    """What makes the values of a default in Python.

    Raises:
        Refused: The database does, or it wants to know of the statement.
    """
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
    followed = _followed(mapper)
    for name in names:
        [column, *others] = mapper.column_attrs[name].columns
        if others or column.primary_key or column in followed:
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

    change = Change(compiled, [*keys, *identity], values)
    change.missed = _found_nothing_to_update
    changed = [mapper.class_manager[name] for name in names]
    if all(_is_plainly_set(each) for each in changed):
        change.setting = OfRecords.setting(changed)
    return change


def _followed(mapper: orm.Mapper[Any]) -> set[Any]:
    """The columns whose values the records of a relationship have too, and are given anew."""
    relations = [each for one in mapper.registry.mappers for each in one.relationships]
    return {
        column
        for each in relations
        if not each.viewonly
        for column, _ in (*each.synchronize_pairs, *(each.secondary_synchronize_pairs or ()))
    }


def _is_plainly_set(attribute: Any) -> bool:
    """Whether to set it is to put a value in its place, unless somebody listens."""
    impl = attribute.impl
    own = getattr(attribute.class_, attribute.key) is attribute
    return own and type(impl) is attributes._ScalarAttributeImpl and not impl.active_history


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

    change = Change(compiled, identity, values)
    change.missed = _found_nothing_to_delete
    return change


_CHANGES: Final = {"delete": _delete, "insert": _insert, "update": _update}


def saved_alone(session: Any, records: Iterable[Any]) -> Storing:
    """Store what waits in a session, where that is one record and one statement does it.

    Args:
        session: The session.
        records: Those that were asked for, whose values are all known then.
    """
    new, deleted, modified = session._new, session._deleted, session.identity_map._modified
    if len(new) + len(deleted) + len(modified) != 1:
        return False
    if any(each._sa_instance_state.expired_attributes for each in records):
        return False
    if new:
        return (yield from _inserted(session, next(iter(new))))
    if deleted:
        return (yield from _deleted(session, next(iter(deleted))))
    return (yield from _updated(session, next(iter(modified))))


def added_alone(record: Any, session: Any) -> Storing:
    """Store a record that no session has yet: `session.add(record)` and its flush."""
    state: Any = getattr(record, "_sa_instance_state", None)
    transient = state is not None and state.key is None and state.session_id is None
    return transient and (yield from _inserted(session, state))


def updated_alone(record: Any, values: Mapping[str, Any], session: Any) -> Storing:
    """Store new values of a record that the session has, and set them when they are stored.

    So it begins no transaction, as setting them would, and has nothing to put back.
    """
    state: Any = getattr(record, "_sa_instance_state", None)
    if not values or state is None or not _is_held(session, state) or state.expired_attributes:
        return False
    present, columns = state.dict, Attributes.of(state.manager.mapper).columns
    for name, value in values.items():  # each a value for a column, and another one
        if name not in columns or name not in present or type(value) not in PLAIN:
            return False
        if not _is_another(state, name, value, present[name]):
            return False
    change = session._plans.change(session, "update", state.manager.mapper, tuple(values))
    if change is None or change.setting is None or change.setting.any():
        return False
    if not (yield from _done(change, present | values, state)):
        return False
    present.update(values)
    _settle_changed(session, state)
    return True


def deleted_alone(record: Any, session: Any) -> Storing:
    """Delete the row of a record that the session has: `session.delete(record)` and its flush."""
    state: Any = getattr(record, "_sa_instance_state", None)
    if state is None or not _is_held(session, state):
        return False
    return (yield from _deleted(session, state))


def _is_held(session: Any, state: Any) -> bool:
    """Whether a session has a record, which has a row."""
    attached: bool = state.session_id == session.hash_key
    return attached and state.key is not None and not state._deleted


def _inserted(session: Any, state: Any) -> Storing:
    present, mapper = state.dict, state.manager.mapper
    names = _values_of_new(state, present, Attributes.of(mapper))
    if names is None:
        return False
    change = session._plans.change(session, "insert", mapper, names)
    if change is None or (change.key is None and _conflicts(session, state)):
        return False
    values: tuple[Any, ...] = ()

    def make() -> tuple[Any, ...]:
        nonlocal values
        values = change.values(present, ())
        return values

    if (sent := (yield change, make)) is None:
        return False
    # whatever it says of rows, it was sent, and a trigger may have put the row elsewhere
    _, generated = sent
    given = None if change.key is None else dict(present)
    if change.key is not None and generated is None:
        raise orm.exc.FlushError(
            f"expected the INSERT of a {state.class_.__name__} to give its key, found none: "
            "a trigger may have kept the row out"
        )
    for name, number in change.defaults.items():
        present[name] = values[number]
    if change.key is not None:
        present[change.key] = generated
    _become_persistent(session, state, present, change.identity)
    if (transaction := _transaction_of(session)) is not None:
        transaction._new[state] = True
        session.note_stored(state, given)
    return True


def _transaction_of(session: Any) -> Any:
    """That in which a statement was sent; None where it was a transaction of its own."""
    transaction = session._transaction
    return transaction if transaction is not None and transaction._connections else None


def _become_persistent(
    session: Any, state: Any, present: dict[str, Any], key: Sequence[str]
) -> None:
    """What a session does with a new record that has its key, where nobody listens."""
    if state.session_id is None:  # what `session.add()` does
        state.session_id, state.insert_order = session.hash_key, 1
    values = (*[present[name] for name in key],)
    identity = (state.manager.mapper._identity_class, values, state.identity_token)
    known = session.identity_map
    if None in values or identity in known._dict:  # of which it warns
        session._register_persistent({state})
        return
    state.key = identity
    known._add_unpresent(state, identity)
    if session._new:
        session._new.pop(state, None)
    # what `_commit_all()` does with one that no map has known before
    state._orphaned_outside_of_session = state.modified = state.expired = False
    state._strong_obj = None
    state.committed_state.clear()
    if state.expired_attributes:
        state.expired_attributes.difference_update(present)


def _settle(session: Any, state: Any) -> None:
    """What a session does with a record that is as its row is."""
    state._orphaned_outside_of_session = False
    state._commit_all(state.dict, session.identity_map)


def _settle_changed(session: Any, state: Any) -> None:
    """The same of one that is not new."""
    _settle(session, state)
    if (transaction := _transaction_of(session)) is not None:
        transaction._dirty[state] = True
        session.note_stored(state)


def _updated(session: Any, state: Any) -> Storing:
    names = _changes(state)
    if names is None or not (yield from _sent(session, "update", state, names)):
        return False
    _settle_changed(session, state)
    return True


def _deleted(session: Any, state: Any) -> Storing:
    related = Attributes.of(state.manager.mapper).relationships
    loaded = state.expired_attributes or not related.isdisjoint(state.dict)
    if loaded or not (yield from _sent(session, "delete", state, ())):
        return False
    if (transaction := _transaction_of(session)) is not None:
        transaction._deleted[state] = True
    session.identity_map.safe_discard(state)
    session._deleted.pop(state, None)
    state._deleted = True
    return True


def _sent(session: Any, verb: str, state: Any, names: tuple[str, ...]) -> Storing:
    change = session._plans.change(session, verb, state.manager.mapper, names)
    return change is not None and (yield from _done(change, state.dict, state))


def _done(change: Change, values: Mapping[str, Any], state: Any) -> Storing:
    sent = yield change, partial(change.values, values, state.key[1])
    if sent is None or sent[0] not in (0, 1):
        return False
    if sent[0] == 0:
        change.missed(state.manager.mapper)
    return True


def _found_nothing_to_update(mapper: orm.Mapper[Any]) -> None:
    raise StaleRecordError(mapper.class_.__name__, key_names(mapper), expected=1, matched=0)


def _found_nothing_to_delete(mapper: orm.Mapper[Any]) -> None:
    if mapper.confirm_deleted_rows:  # as SQLAlchemy warns, who takes it for deleted then
        util.warn(
            f"DELETE statement on table '{mapper.local_table}' expected to delete 1 row(s); 0 were "
            "matched.  Please set confirm_deleted_rows=False within the mapper configuration to "
            "prevent this warning."
        )


def _values_of_new(
    state: Any, present: Mapping[str, Any], attributes: Attributes
) -> tuple[str, ...] | None:
    """The attributes that a new record has values for; None where it has more than columns."""
    related = not attributes.relationships.isdisjoint(present)
    if related or "_pending_mutations" in state.__dict__:
        return None
    columns = attributes.columns
    names = [n for n, value in present.items() if value is not None and n in columns]
    return tuple(names) if names and _are_plain(present, names) else None


def _changes(state: Any) -> tuple[str, ...] | None:
    """The attributes that have a new value; None where more than columns has changed."""
    if state.expired_attributes or "_pending_mutations" in state.__dict__:
        return None
    present, before = state.dict, state.committed_state
    if not (
        before.keys() <= Attributes.of(state.manager.mapper).columns
        and before.keys() <= present.keys()
    ):
        return None
    names = [name for name, old in before.items() if _is_another(state, name, present[name], old)]
    return tuple(names) if names and _are_plain(present, names) else None


def _conflicts(session: Any, state: Any) -> bool:
    """Whether the session has another record with the key of a new one, of which it warns."""
    _, key, _ = known = state.manager.mapper._identity_key_from_state(state)
    return None not in key and known in session.identity_map


def _is_another(state: Any, name: str, value: Any, before: Any) -> bool:
    # as SQLAlchemy asks: arrays answer with an array, which is neither true nor false
    return state.manager[name].impl.is_equal(value, before) is not True


def _are_plain(values: Mapping[str, Any], names: list[str]) -> bool:
    """Whether no value is SQL."""
    for name in names:
        value = values[name]
        if type(value) not in PLAIN and is_sql(value):
            return False
    return True
