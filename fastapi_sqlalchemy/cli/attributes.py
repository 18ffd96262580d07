"""What a model's keywords are: its mapped attributes, and the types of their values."""

from __future__ import annotations

import contextlib
import typing
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import ARRAY, Column, TypeDecorator, inspect, orm
from sqlalchemy.ext.associationproxy import AssociationProxy
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.types import TypeEngine

__all__ = ["Attribute", "attributes"]


@dataclass(frozen=True)
class Attribute:
    """An attribute that a verb takes by keyword."""

    name: str
    type: Any
    """Of its value; `Any` where nothing tells it."""
    is_column: bool
    """Whether SQL may stand for the value."""
    settable: bool
    comparable: bool
    """Whether `filter_by()` takes it."""


def attributes(model: type[Any]) -> list[Attribute]:
    """The mapped attributes of a model, inherited ones too, in the order of their names."""
    mapper: orm.Mapper[Any] = inspect(model, raiseerr=True)
    hints = _hints(model, mapper)
    found = [
        *(_of_column(each, hints) for each in mapper.column_attrs),
        *(_of_relationship(each, hints) for each in mapper.relationships),
        *(_plain(each.key, hints.get(each.key, Any)) for each in mapper.composites),
    ]
    known = {each.name: each for each in found}
    for synonym in mapper.synonyms:
        if target := known.get(synonym.name):
            known[synonym.key] = Attribute(**{**vars(target), "name": synonym.key})
    for name, descriptor in mapper.all_orm_descriptors.items():
        if isinstance(descriptor, hybrid_property):
            known[name] = _of_hybrid(name, descriptor, model)
        elif isinstance(descriptor, AssociationProxy):
            known[name] = _plain(name, Any)
    return sorted(
        (each for each in known.values() if each.name.isidentifier()), key=lambda each: each.name
    )


def _plain(name: str, kind: Any) -> Attribute:
    return Attribute(name, kind, is_column=False, settable=True, comparable=True)


def _of_column(attribute: orm.ColumnProperty[Any], hints: dict[str, Any]) -> Attribute:
    column = attribute.columns[0]
    stored = isinstance(column, Column)
    kind = hints.get(attribute.key)
    if kind is None:
        kind = _python_type(column.type)
        if stored and column.nullable and kind is not Any:
            kind = kind | None
    settable = stored and column.computed is None
    return Attribute(attribute.key, kind, is_column=True, settable=settable, comparable=True)


def _python_type(kind: TypeEngine[Any]) -> Any:
    """Of its values: what a `TypeDecorator` says that it reads, or what SQLAlchemy knows."""
    if isinstance(kind, TypeDecorator):
        with contextlib.suppress(NameError, TypeError):
            read = typing.get_type_hints(type(kind).process_result_value).get("return", Any)
            some = [each for each in typing.get_args(read) if each is not type(None)]
            return some[0] if len(some) == 1 else Any
    if isinstance(kind, ARRAY):
        of: Any = _python_type(kind.item_type)
        for _ in range(kind.dimensions or 1):
            of = list[of]
        return of
    try:
        found = kind.python_type
    except NotImplementedError:
        return Any
    return Any if found is object else found


def _of_relationship(
    relationship: orm.RelationshipProperty[Any], hints: dict[str, Any]
) -> Attribute:
    name, target = relationship.key, relationship.mapper.class_
    if relationship.uselist:
        kind: Any = hints.get(name)
        if relationship.lazy in ("write_only", "dynamic"):
            kind = cast("Any", Iterable)[target]
        elif kind is None:
            kind = _collection(relationship, target)
        return Attribute(name, kind, is_column=False, settable=True, comparable=False)
    settable = not relationship.viewonly
    is_owner = relationship.direction is orm.MANYTOONE
    always = is_owner and not any(each.nullable for each in relationship.local_columns)
    kind = target if always else target | None
    return Attribute(name, kind, is_column=False, settable=settable, comparable=True)


def _collection(relationship: orm.RelationshipProperty[Any], target: Any) -> Any:
    made: Any = relationship.collection_class
    if made is None:
        return list[target]
    return set[target] if made is set else Any


def _of_hybrid(name: str, descriptor: hybrid_property[Any], model: type[Any]) -> Attribute:
    kind: Any = Any
    with contextlib.suppress(NameError, TypeError):  # it stays what nothing tells
        kind = typing.get_type_hints(descriptor.fget).get("return", Any)
    settable = descriptor.fset is not None
    return Attribute(name, kind, is_column=True, settable=settable, comparable=True)


def _hints(model: type[Any], mapper: orm.Mapper[Any]) -> dict[str, Any]:
    """What `Mapped[...]` says of each attribute, where it can be evaluated."""
    models: dict[str, Any] = {each.class_.__name__: each.class_ for each in mapper.registry.mappers}
    hints: dict[str, Any] = {}
    for owner in reversed(model.__mro__):
        for name, annotation in vars(owner).get("__annotations__", {}).items():
            holder = type(
                owner.__name__,
                (),
                {"__annotations__": {name: annotation}, "__module__": owner.__module__},
            )
            with contextlib.suppress(NameError, TypeError, AttributeError, SyntaxError):
                hint = typing.get_type_hints(holder, localns=models)[name]
                hints.update(_mapped(name, hint))
        for name, declared in vars(owner).items():
            if isinstance(declared, orm.declared_attr):
                with contextlib.suppress(NameError, TypeError, AttributeError):
                    hint = typing.get_type_hints(declared.fget, localns=models).get("return")
                    hints.update(_mapped(name, hint))
    return hints


def _mapped(name: str, hint: Any) -> Iterator[tuple[str, Any]]:
    origin = typing.get_origin(hint)
    if isinstance(origin, type) and issubclass(origin, orm.base._MappedAnnotationBase):
        yield name, typing.get_args(hint)[0]
