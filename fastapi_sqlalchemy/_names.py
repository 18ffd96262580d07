"""Which names a model answers to: those of its attributes, and the verbs they must not hide."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass
from inspect import signature
from types import FunctionType
from typing import Any, Final, cast

from sqlalchemy import ClauseElement, Table, event, inspect, orm
from sqlalchemy.orm import MappedColumn, MapperProperty, QueryableAttribute
from sqlalchemy.orm.decl_api import declared_attr
from sqlalchemy.schema import SchemaItem
from typing_extensions import Format, get_annotations

from ._types import AnySelect
from .exceptions import NotAColumnError, ReservedNameError, UnknownNameError

__all__ = [
    "check_arguments",
    "check_attributes",
    "check_columns",
    "check_construction",
    "check_criteria",
    "check_values",
    "column_named",
    "is_sql",
    "key_names",
    "mapper_of",
    "refuse_hidden_verbs",
]

_MAPPED: Final = (MappedColumn, MapperProperty, QueryableAttribute, SchemaItem, declared_attr)


def mapper_of(entity: Any) -> orm.Mapper[Any]:
    """The mapper of a model or of an alias of one."""
    own: Any = getattr(entity, "__mapper__", None)
    # what `inspect()` finds of a model; of an alias, this is its model's
    if own is not None and own.class_ is entity and not own.registry._new_mappers:
        return cast("orm.Mapper[Any]", own)
    mapper: orm.Mapper[Any] = inspect(entity, raiseerr=True).mapper
    return mapper


def key_names(mapper: orm.Mapper[Any]) -> list[str]:
    """The attributes of the primary key, in its order."""
    return [mapper.get_property_by_column(column).key for column in mapper.primary_key]


def is_sql(value: object) -> bool:
    """Whether a value is an SQL expression, an attribute of a model included."""
    return isinstance(value, ClauseElement) or hasattr(value, "__clause_element__")


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


def _column_names(entity: Any) -> list[str]:
    """What a row has: columns, hybrids, composites; no relationship, and nothing private."""
    mapper = mapper_of(entity)
    related = mapper.relationships.keys()
    names = mapper.all_orm_descriptors.keys()
    return [name for name in names if name not in related and not name.startswith("_")]


def column_named(verb: str, entities: Iterable[Any], statement: AnySelect, name: str) -> Any:
    """The column that a string means: of an entity, or of the columns the statement selects.

    Raises:
        UnknownNameError: There is none of that name.
    """
    entities = list(dict.fromkeys(entities))
    known = {each: _column_names(each) for each in entities}
    for each, names in known.items():
        if name in names:
            return getattr(each, name)
    selected = statement.selected_columns
    if name in selected and not name.startswith("_"):
        return name  # a label
    model = mapper_of(entities[0]).class_.__name__
    raise UnknownNameError(verb, model, name, {n for names in known.values() for n in names})


def check_columns(verb: str, model: type, columns: Iterable[Any]) -> None:
    """Refuse what has no value in a row: strings, relationships, numbers.

    Raises:
        NotAColumnError: The first of them.
    """
    for column in columns:
        if isinstance(column, str):
            raise NotAColumnError(verb, model.__name__, repr(column), _column_names(model))
        prop = getattr(column, "property", None)
        if isinstance(prop, orm.RelationshipProperty):
            found = f"the relationship {column}"
            raise NotAColumnError(verb, model.__name__, found, _column_names(model))


def check_values(verb: str, model: type, values: Mapping[str, Any]) -> None:
    """Refuse keywords that are no attribute one could set on a record.

    Raises:
        UnknownNameError: The first of them.
    """
    mapped = mapper_of(model).all_orm_descriptors.keys()
    for name in values:
        if name not in mapped and not _is_plain_attribute(model, name):
            raise UnknownNameError(verb, model.__name__, name, mapped)


def check_attributes(verb: str, model: type, names: Iterable[str]) -> None:
    """Refuse names of what cannot be loaded.

    Raises:
        UnknownNameError: The first of them.
    """
    mapped = mapper_of(model).attrs.keys()
    for name in names:
        if name not in mapped:
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


def check_construction(verb: str, model: type, names: Iterable[str]) -> None:
    """Refuse keywords that are neither an argument of the constructor nor an attribute.

    Constructors that take any keyword may drop what they do not know without a word.

    Raises:
        UnknownNameError: The first of them.
    """
    check_arguments(verb, model, names)
    mapped = mapper_of(model).all_orm_descriptors.keys()
    others = [n for n in names if n not in mapped and not _is_plain_attribute(model, n)]
    taken = signature(model).parameters if others else {}
    for name in others:
        if name not in taken:
            raise UnknownNameError(verb, model.__name__, name, mapped)


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
