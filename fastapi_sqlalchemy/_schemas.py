"""Pydantic models made of mapped ones: each once, under a name of its own.

A schema takes a record of its model as it is: what the row has is shown, not judged, and nothing is
loaded for it.  Everything else it validates as every Pydantic model does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from inspect import cleandoc
from threading import RLock
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Optional, Self, TypeAlias
from warnings import catch_warnings, filterwarnings
from weakref import WeakKeyDictionary, WeakValueDictionary, ref

from sqlalchemy import orm

from ._eager import start
from ._fields import field_of
from ._names import mapper_of
from ._selection import selected
from ._shown import ShownRecord, shown
from .exceptions import SchemaNameError, SchemaTypeError

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["Purpose", "schema_of"]

Purpose: TypeAlias = Literal["show", "create", "update"]
With: TypeAlias = "Mapping[Any, type[BaseModel]] | Iterable[Any]"

SUFFIXES: Final = {"show": "", "create": "Create", "update": "Update"}


@dataclass(frozen=True)
class Related:
    """A relationship in a schema, and the schema of what it leads to."""

    schema: type[BaseModel]
    many: bool
    optional: bool


@dataclass(frozen=True, eq=False)
class Plan:
    """What a schema shows of a record."""

    model: ref[type]
    names: tuple[str, ...]
    never_null: frozenset[str]
    related: Mapping[str, Related]

    def is_about(self, value: object) -> bool:
        """Whether a value is a record of the model."""
        model = self.model()
        return model is not None and isinstance(value, model)

    def values(self, record: object) -> dict[str, Any]:
        """What a record shows.

        Raises:
            NotLoadedError: An attribute is not loaded.
        """
        values = shown(record, (*self.names, *self.related))
        for name, related in self.related.items():
            held = values[name]
            if related.many:
                values[name] = [related.schema.model_validate(each) for each in held]
            elif held is not None:
                values[name] = related.schema.model_validate(held)
        return values


@dataclass
class _Branch:
    """The relationships to show of a model, in the order in which they were named."""

    model: type
    below: dict[str, _Branch | type[BaseModel]] = field(default_factory=dict)

    def key(self) -> tuple[Any, ...]:
        return tuple(
            (name, each.key() if isinstance(each, _Branch) else each)
            for name, each in self.below.items()
        )


_making = RLock()  # a schema makes those of its relationships
_made: WeakKeyDictionary[type, dict[Any, type[BaseModel]]] = WeakKeyDictionary()
_named: WeakKeyDictionary[orm.registry, WeakValueDictionary[tuple[str, str], type[BaseModel]]]
_named = WeakKeyDictionary()


def schema_of(
    model: type,
    *,
    purpose: Purpose = "show",
    include: Iterable[str] | None = None,
    exclude: Iterable[str] | None = None,
    name: str | None = None,
    with_: With = (),
) -> type[BaseModel]:
    """The schema for these arguments, the same class each time.

    Raises:
        UnknownNameError, NotARelationshipError: An argument names what the model does not have.
        SchemaNameError: The name is that of another schema.
        SchemaTypeError: Pydantic does not know the type of an attribute.
    """
    for names in (include, exclude):
        if isinstance(names, str):
            raise TypeError(f'schema() expected a set of names, found a string: `{{"{names}"}}`')
    branch = _branch(model, with_)
    if branch.below and purpose != "show":
        raise TypeError(
            "schema() expected no `with_` for a request body, found relationships: a body sets "
            "columns; make the related records of schemas of their own"
        )
    taken = None if include is None else frozenset(include)
    return _schema(model, purpose, taken, frozenset(exclude or ()), name, branch)


def plan_of(schema: Any) -> Plan | None:
    """What a schema that was made here shows; None for others, and for what derives from it."""
    plan: Plan | None = vars(schema).get("__plan__")
    return plan


def _branch(model: type, with_: With) -> _Branch:
    branch = _Branch(model)
    reached = [(mapper_of(model), branch)]
    given = with_.items() if isinstance(with_, Mapping) else [(each, None) for each in with_]
    for relationship, schema in given:
        parent = start(reached, relationship, verb="schema")
        if schema is not None:
            parent.below[relationship.key] = schema
            continue
        target = relationship.comparator.entity.mapper
        below = _Branch(target.class_)
        found = parent.below.setdefault(relationship.key, below)
        reached.append((target, found if isinstance(found, _Branch) else below))
    return branch


def _schema(
    model: type,
    purpose: Purpose,
    include: frozenset[str] | None,
    exclude: frozenset[str],
    name: str | None,
    branch: _Branch,
) -> type[BaseModel]:
    key = (purpose, include, exclude, name, branch.key())
    with _making:
        known = _made.setdefault(model, {})
        if key not in known:
            called = name or _name(model, purpose, include, exclude, branch)
            names = selected(model, include, exclude, purpose=purpose)
            known[key] = _register(model, _make(model, purpose, names, called, branch))
        return known[key]


def _name(
    model: type,
    purpose: Purpose,
    include: frozenset[str] | None,
    exclude: frozenset[str],
    branch: _Branch,
) -> str:
    """A name that says how this schema differs from the usual one."""
    parts = [model.__name__, SUFFIXES[purpose], *(_camel(each) for each in sorted(include or ()))]
    parts += [f"Without{''.join(_camel(each) for each in sorted(exclude))}" if exclude else ""]
    for each, below in branch.below.items():
        if isinstance(below, _Branch):
            nested = _name(below.model, "show", None, frozenset(), below)
            parts.append(f"With{_camel(each)}{nested.removeprefix(below.model.__name__)}")
        else:
            parts.append(f"With{_camel(each)}{below.__name__}")
    return "".join(parts)


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _register(model: type, schema: type[BaseModel]) -> type[BaseModel]:
    taken = _named.setdefault(mapper_of(model).registry, WeakValueDictionary())
    place = (schema.__module__, schema.__name__)
    if place in taken:
        raise SchemaNameError(model.__name__, schema.__name__)
    taken[place] = schema
    return schema


def _make(
    model: type, purpose: Purpose, names: list[str], name: str, branch: _Branch
) -> type[BaseModel]:
    fields = {each: field_of(model, each, partial=purpose == "update") for each in names}
    related = {each: _related(model, each, below) for each, below in branch.below.items()}
    definitions = {each: (made.annotation, made.field) for each, made in fields.items()}
    for each, found in related.items():
        kind: Any = list[found.schema] if found.many else found.schema  # type: ignore[name-defined]  # a value here
        definitions[each] = (Optional[kind] if found.optional else kind, ...)  # noqa: UP045
    made: Any = _created(model, name, definitions)
    made.__plan__ = Plan(
        ref(model),
        tuple(names),
        frozenset(each for each, found in (fields | related).items() if not found.optional),
        related,
    )
    schema: type[BaseModel] = made
    return schema


def _related(model: type, name: str, below: _Branch | type[BaseModel]) -> Related:
    prop = mapper_of(model).relationships[name]
    if isinstance(below, _Branch):
        below = _schema(below.model, "show", None, frozenset(), None, below)
    # the row says whether there is one: else it is a row of the other table that refers to it
    told = prop.direction is orm.RelationshipDirection.MANYTOONE
    optional = not told or any(column.nullable for column in prop.local_columns)
    return Related(below, bool(prop.uselist), not prop.uselist and optional)


def _created(model: type, name: str, definitions: dict[str, Any]) -> type[BaseModel]:
    from pydantic import create_model
    from pydantic.errors import PydanticSchemaGenerationError

    def create(name: str, fields: dict[str, Any]) -> type[BaseModel]:
        with catch_warnings():
            # a column may be called `json` or `copy`
            filterwarnings("ignore", "Field name .* shadows", UserWarning)
            made: type[BaseModel] = create_model(
                name, __base__=_base(), __module__=model.__module__, **fields
            )
        return made

    try:
        made = create(name, definitions)
    except PydanticSchemaGenerationError as error:
        for each, definition in definitions.items():
            try:
                create(name, {each: definition})
            except PydanticSchemaGenerationError:
                kind = definition[0]
                shown = getattr(kind, "__name__", None) or str(kind)
                raise SchemaTypeError(model.__name__, each, shown) from error
        raise
    made.__doc__ = _documentation(model)
    return made


def _documentation(model: type) -> str | None:
    """The docstring of a model, unless it is the one that `dataclass` writes."""
    text = vars(model).get("__doc__")
    return None if text is None or text.startswith(f"{model.__name__}(") else cleandoc(text)


@cache
def _base() -> type[BaseModel]:
    from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, model_validator

    class Schema(BaseModel):
        model_config = ConfigDict(
            from_attributes=True,
            populate_by_name=True,
            protected_namespaces=(),
            json_schema_serialization_defaults_required=True,
            ser_json_bytes="base64",
        )
        __plan__: ClassVar[Plan | None] = None

        @model_validator(mode="wrap")
        @classmethod
        def _show(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
            plan = cls.__plan__
            if plan is None or not plan.is_about(value):
                return handler(value)
            if plan_of(cls) is None:  # it derives from a schema, with fields of its own
                return handler(ShownRecord(value))
            values = plan.values(value)
            if any(values[name] is None for name in plan.never_null):
                return handler(values)  # which says what is missing
            return cls.model_construct(**values)

    return Schema
