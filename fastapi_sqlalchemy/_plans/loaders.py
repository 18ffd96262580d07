"""From the driver's rows to records, by a function that is written for one model.

It does for each row what `sqlalchemy.orm.loading` does for a record of one table: finds it in the
identity map, or makes it and puts it there, and fills in what it lacks.  The processors of the
types are SQLAlchemy's.
"""

from __future__ import annotations

import keyword
import sysconfig
import weakref
from collections.abc import Callable, Collection, Sequence
from itertools import count
from typing import Any, Final

from sqlalchemy import orm
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler

from fastapi_sqlalchemy._deletion import hiding
from fastapi_sqlalchemy._names import key_names

from .refusing import Refused
from .states import LoadedState

__all__ = [
    "Load",
    "dict_loader",
    "loader_of",
    "processors_of",
    "row_loader",
    "value_loader",
]

Load = Callable[[Sequence[Any], Any], list[Any]]
"""From the rows of a statement, and the session, to what they are."""

_RECORDS: Final = """
def load(rows, session):
    identity_map = session.identity_map
    known, reference, session_id = identity_map._dict, identity_map._wr, session.hash_key
    find, runid, records, again = known.get, next_runid(), [], False
    add = records.append
    for {row} in rows:
        key = (identity, {key}, None)
        state = find(key)
        if state is not None and (record := state.obj()) is not None:
            again = True
            unused = state.__class__ is State
            if record.__dict__.keys() >= every and (unused or not state.expired_attributes):
                add(record)
            else:
                add(fill(record, state, {{{pairs}}}))
            continue
        if {absent}:
            add(None)
            again = True
            continue
        record, state = {make}, State()
        state.class_ = model
        state.manager = manager
        state.obj = weak(record, state)
        state.key, state._instance_dict = key, reference
        state.session_id, state.runid, state.load_path = session_id, runid, path
        state._strong_obj = None
        {propagate}
        {fill}
        known[key] = state
        add(record)
    return once(records) if again else records
"""


_numbers: Final = count(-1, -1)
"""Of loads, each of which has another one: SQLAlchemy's own are positive."""


def processors_of(
    compiled: SQLCompiler, dialect: Dialect, description: Sequence[Any]
) -> list[Callable[[Any], Any] | None]:
    """What SQLAlchemy does to each column of a result.

    Raises:
        Refused: The columns that came are not those of the statement.
    """
    columns = compiled._result_columns
    if len(columns) != len(description):
        raise Refused("the columns of the result are not those of the statement")
    return [
        column.type._cached_result_processor(dialect, described[1])
        for column, described in zip(columns, description, strict=True)
    ]


def loader_of(
    mapper: orm.Mapper[Any],
    compiled: SQLCompiler,
    processors: Sequence[Any],
    *,
    options: tuple[Any, ...] | None = None,
    path: Any = None,
) -> Load:
    """The function for the records of a model.

    Args:
        mapper: The model's.
        compiled: The statement.
        processors: What is done to each of its columns.
        options: What the records keep for what they load later.
        path: How they are reached from the records of the query, if they are not these.

    Raises:
        Refused: The statement does not give every column of it.
    """
    keys = [_attribute(mapper, column.objects) for column in compiled._result_columns]
    every = frozenset(each.key for each in mapper.column_attrs)
    if len(keys) != len(every) or every != set(keys):
        raise Refused("the statement gives other columns than those of the model")
    values = {
        key: f"v{number}" if process is None else f"p{number}(v{number})"
        for number, (key, process) in enumerate(zip(keys, processors, strict=True))
    }
    identity, bare = key_names(mapper), _bare(mapper, every)
    names: dict[str, Any] = {f"p{n}": each for n, each in enumerate(processors) if each}
    names |= {
        "State": LoadedState,
        "bare": bare,
        "every": every,
        "fill": _fill,
        "identity": mapper._identity_class,
        "manager": mapper.class_manager,
        "model": mapper.class_,
        "new": object.__new__,
        "next_runid": _numbers.__next__,
        "once": _once,
        "options": hiding(mapper) if options is None else options,
        "path": mapper._path_registry if path is None else path,
        "weak": weakref.ref,
    }
    pairs = ", ".join(f"{key!r}: {value}" for key, value in values.items())
    make, fill = "new(model)", f"record.__dict__ = {{'_sa_instance_state': state, {pairs}}}"
    if bare is not None:
        sets = [f"record.{key} = {value}; " for key, value in values.items()]
        fill = f"record._sa_instance_state = state; {''.join(sets)}record.__class__ = model"
        make = "bare()"
    source = _RECORDS.format(
        make=make,
        fill=fill,
        row="".join(f"v{number}, " for number in range(len(keys))),
        key="(" + "".join(f"{values[name]}, " for name in identity) + ")",
        pairs=pairs,
        absent=" and ".join(f"key[1][{number}] is None" for number in range(len(identity))),
        propagate="state.load_options = options" if names["options"] else "",
    )
    exec(source, names)  # noqa: S102 - attribute names of the model, as literals
    load: Load = names["load"]
    return load


def _attribute(mapper: orm.Mapper[Any], objects: Sequence[Any]) -> str | None:
    for each in objects:
        if each is not None and getattr(each, "table", None) is mapper.local_table:
            return str(mapper.get_property_by_column(each).key)
    return None


def _bare(mapper: orm.Mapper[Any], names: Collection[str]) -> Callable[[], Any] | None:
    """A class like the model without its attributes, None where there cannot be one.

    Its instances are filled by plain assignments and become records.  That is a third of the work
    of a dict for each, and such dicts have their keys in common.
    """
    model: Any = mapper.class_
    # one is made to see whether it can be, and thrown away
    if _STOPS_ALL or hasattr(model, "__del__") or len(names) > _MOST:
        return None
    if not all(map(_is_plain, names)):
        return None
    known: Callable[[], Any] | None = mapper.__dict__.get(_BARE)
    if known is not None:
        return known
    bare = type(model.__name__, (), {})
    try:
        bare().__class__ = model
    except TypeError:  # it has slots of its own, or is laid out by more than one of its bases
        return None
    mapper.__dict__[_BARE] = bare
    return bare


def _is_plain(name: str) -> bool:
    """Whether a name means the same in source as it does to `setattr()`."""
    plain = name.isascii() and name.isidentifier() and not keyword.iskeyword(name)
    return plain and not name.startswith("__")


_BARE: Final = "_fastapi_sqlalchemy_bare"
_MOST: Final = 29
"""Attributes of which Python lets dicts share the keys, but for the state."""
_STOPS_ALL: Final = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
"""Whether the class of an object changes only while all other threads stand still."""


def _fill(record: Any, state: Any, values: dict[str, Any]) -> Any:
    """A record that the session had: what it lacks, and nothing that it has."""
    unloaded, present = state.unloaded, state.dict
    for key, value in values.items():
        if key in unloaded:
            present[key] = value
    state._commit(present, unloaded)
    return record


def _once(records: list[Any]) -> list[Any]:
    """Each record once, in the order in which they came."""
    return list({id(each): each for each in records}.values())


def value_loader(processors: Sequence[Callable[[Any], Any] | None]) -> Load:
    """The function for rows of one column: its values."""
    row, (value,), known = _row(processors)
    return _written(f"[{value} for {row} in rows]", known)


def dict_loader(names: Sequence[str], processors: Sequence[Any]) -> Load:
    """The function for rows that become dicts by the names of their columns."""
    row, values, known = _row(processors)
    pairs = ", ".join(f"{name!r}: {value}" for name, value in zip(names, values, strict=True))
    return _written(f"[{{{pairs}}} for {row} in rows]", known)


def row_loader(make: Callable[[Any], Any] | None, processors: Sequence[Any]) -> Load:
    """The function for rows that become those of SQLAlchemy."""
    row, values, known = _row(processors)
    known["make"] = make
    if not any(processors):
        return _written("[*map(make, rows)]", known)
    made = "".join(f"{value}, " for value in values)
    return _written(f"[make(({made})) for {row} in rows]", known)


def _row(processors: Sequence[Any]) -> tuple[str, list[str], dict[str, Any]]:
    """What a row is unpacked into, what becomes of its values, and the names in that."""
    row = "".join(f"v{number}, " for number in range(len(processors)))
    values = [f"p{n}(v{n})" if each else f"v{n}" for n, each in enumerate(processors)]
    return row, values, {f"p{n}": each for n, each in enumerate(processors) if each}


def _written(body: str, names: dict[str, Any]) -> Load:
    exec(f"def load(rows, session): return {body}", names)  # noqa: S102 - names, as literals
    load: Load = names["load"]
    return load
