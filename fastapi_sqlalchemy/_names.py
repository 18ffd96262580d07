"""Which names a model answers to: those of its attributes, and the verbs they must not hide."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass
from inspect import signature
from types import FunctionType
from typing import Any, Final

from sqlalchemy import Table, event, inspect, orm
from sqlalchemy.orm import MappedColumn, MapperProperty, QueryableAttribute
from sqlalchemy.orm.decl_api import declared_attr
from sqlalchemy.schema import SchemaItem
from typing_extensions import Format, get_annotations

from .exceptions import ReservedNameError, UnknownNameError

__all__ = ["check_arguments", "check_criteria", "check_values", "mapper_of", "refuse_hidden_verbs"]

_MAPPED: Final = (MappedColumn, MapperProperty, QueryableAttribute, SchemaItem, declared_attr)


def mapper_of(entity: Any) -> orm.Mapper[Any]:
    """The mapper of a model or of an alias of one."""
    mapper: orm.Mapper[Any] = inspect(entity, raiseerr=True).mapper
    return mapper


def check_criteria(verb: str, entity: Any, names: Iterable[str]) -> None:
    """Refuse keywords that are no attribute one could compare in SQL.

    Raises:
        UnknownNameError: The first of them.
    """
    mapper = mapper_of(entity)
    known = mapper.all_orm_descriptors.keys()
    for name in names:
        if name not in known:
            raise UnknownNameError(verb, mapper.class_.__name__, name, known)


def check_values(verb: str, model: type, values: Mapping[str, Any]) -> None:
    """Refuse keywords that are no attribute one could set on a record.

    Raises:
        UnknownNameError: The first of them.
    """
    mapped = mapper_of(model).all_orm_descriptors.keys()
    for name in values:
        if name not in mapped and not _is_plain_attribute(model, name):
            raise UnknownNameError(verb, model.__name__, name, mapped)


def check_arguments(verb: str, model: type, names: Iterable[str]) -> None:
    """Refuse keywords that the constructor of a dataclass does not take.

    Raises:
        UnknownNameError: The first of them.
    """
    if not is_dataclass(model):
        return
    taken = signature(model).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken.values()):
        return
    for name in names:
        if name not in taken:
            raise UnknownNameError(verb, model.__name__, name, taken)


def _is_plain_attribute(model: type, name: str) -> bool:
    """An attribute that is not mapped but the user's own: a property, a default value."""
    if name in ("metadata", "query", "registry") or not hasattr(model, name):
        return False
    return not callable(getattr(model, name))


def refuse_hidden_verbs(model: type, verbs_of: type) -> None:
    """Refuse a column or relationship named like a verb: it would hide it without a word.

    A method may take a verb's place; `query` may be a column, and is none of the verbs.

    Raises:
        ReservedNameError: The first of them.
    """
    for ancestor in model.__mro__:
        if ancestor not in verbs_of.__mro__:
            _refuse(model, _mapped_names(ancestor), verbs_of)


def _refuse(model: type, names: set[str], verbs_of: type) -> None:
    verbs = {
        name
        for ancestor in verbs_of.__mro__
        for name, value in vars(ancestor).items()
        if isinstance(value, FunctionType | classmethod) and not name.startswith("_")
    }
    if hidden := names & verbs:
        raise ReservedNameError(model.__name__, min(hidden))


@event.listens_for(orm.Mapper, "after_mapper_constructed")
def _refuse_hidden_verbs_of_a_mapping(mapper: orm.Mapper[Any], model: type) -> None:
    """The same for a model that is mapped after it was defined."""
    verbs_of = getattr(model, "__verbs_of__", None)
    if verbs_of is not None:
        own = vars(model).items()
        _refuse(model, {n for n, v in own if isinstance(v, QueryableAttribute)}, verbs_of)


def _mapped_names(model: type) -> set[str]:
    table = vars(model).get("__table__")
    names = {column.key for column in table.columns} if isinstance(table, Table) else set()
    names |= {name for name, value in vars(model).items() if isinstance(value, _MAPPED)}
    annotations = get_annotations(model, format=Format.STRING)
    return names | {name for name, kind in annotations.items() if "Mapped[" in str(kind)}
