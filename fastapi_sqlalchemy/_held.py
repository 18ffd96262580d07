"""What an attribute of a record holds, as a Python type: by its annotation, else by its column.

Annotations are read as they were written, because SQLAlchemy keeps of `Mapped[Annotated[...]]` what
is about columns only.  Nothing here configures mappers: a route may name a model before the
modules of all its relationships are imported.
"""

from __future__ import annotations

import sys
from types import SimpleNamespace, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from sqlalchemy import ARRAY, JSON, Enum, PickleType, orm
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm.decl_api import declared_attr
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import TypeDecorator, TypeEngine
from typing_extensions import Format, get_annotations, get_original_bases

__all__ = ["Held", "held_by_column", "held_by_property"]


class Held(NamedTuple):
    """A type without its None, what `Annotated` says beside it, and whether None is in it."""

    kind: Any
    metadata: tuple[Any, ...] = ()
    optional: bool = False


def held_by_column(model: type, name: str, column_type: TypeEngine[Any]) -> Held | None:
    """What a column's attribute holds; None where neither annotation nor type tells."""
    told = _annotated(model, name) or Held(None, optional=True)
    if told.kind is None or (told.kind is str and isinstance(column_type, Enum)):
        told = told._replace(kind=_kind_of(column_type))
    return None if told.kind is None else told


def held_by_property(model: type, name: str) -> Held | None:
    """What a hybrid, a property or a composite gives, by its annotation; None where it has none."""
    for base in model.__mro__:
        value = vars(base).get(name)
        getter = value.fget if isinstance(value, property | hybrid_property) else None
        if getter is not None:
            hint = _evaluated(base, get_annotations(getter).get("return"))
            return None if hint is None else _parted(hint)
    return _annotated(model, name)


def _annotated(model: type, name: str) -> Held | None:
    for base in model.__mro__:
        hint = get_annotations(base, format=Format.FORWARDREF).get(name)
        declared = vars(base).get(name)
        if hint is None and isinstance(declared, declared_attr):
            hint = get_annotations(declared.fget).get("return")
        if hint is not None:
            return _unmapped(_evaluated(base, hint))
    return None


def _evaluated(base: type, hint: Any) -> Any:
    """An annotation as a type; None where it names what is imported for type checkers alone."""
    if hint is None:
        return None
    holder = SimpleNamespace(__annotations__={"it": hint})
    module = vars(sys.modules[base.__module__]) if base.__module__ in sys.modules else {}
    try:
        return get_type_hints(holder, module, dict(vars(base)), include_extras=True)["it"]
    except (NameError, TypeError):
        return None


def _unmapped(hint: Any) -> Held | None:
    origin = get_origin(hint)
    if not (isinstance(origin, type) and issubclass(origin, orm.Mapped)):
        return None
    (inner,) = get_args(hint)
    return _parted(inner)


def _parted(hint: Any) -> Held:
    origin = get_origin(hint)
    if origin is Annotated:
        inner, *extras = get_args(hint)
        part = _parted(inner)
        return part._replace(metadata=part.metadata + tuple(e for e in extras if not _is_sql(e)))
    if origin in (Union, UnionType):
        kinds = [kind for kind in get_args(hint) if kind is not type(None)]
        optional = len(kinds) < len(get_args(hint))
        if len(kinds) == 1:
            return _parted(kinds[0])._replace(optional=optional)
        return Held(Union[tuple(kinds)], optional=optional)  # noqa: UP007 - made of a tuple
    return Held(hint)


def _is_sql(extra: object) -> bool:
    if isinstance(extra, type):
        return issubclass(extra, TypeEngine)
    return isinstance(extra, orm.MappedColumn | SchemaItem | TypeEngine)


def _kind_of(column_type: TypeEngine[Any]) -> Any:
    """The type that values of a column have, None where its type does not tell."""
    match column_type:
        case Enum():
            return column_type.enum_class or Literal[tuple(column_type.enums)]
        case JSON() | PickleType():
            return Any
        case ARRAY():
            item = _kind_of(column_type.item_type)
            return None if item is None else list[item]  # type: ignore[valid-type]  # a value here
        case TypeDecorator():
            told = _argument_of(type(column_type))
            return _kind_of(column_type.impl_instance) if told is None else told
    try:
        kind = column_type.python_type
    except NotImplementedError:
        return None
    return None if kind is object else kind


def _argument_of(kind: type) -> Any:
    """`datetime` of `class Moment(TypeDecorator[datetime])`."""
    for base in kind.__mro__:
        for original in get_original_bases(base) if base is not object else ():
            if get_origin(original) is TypeDecorator and isinstance(get_args(original)[0], type):
                return get_args(original)[0]
    return None
