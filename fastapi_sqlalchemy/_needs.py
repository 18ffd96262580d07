"""What a Pydantic model reads of a record, as options of the query that loads the record.

A field stands for the attribute of its name or alias; a field that is a relationship leads on to
the Pydantic model of what it holds.  Nothing here imports Pydantic.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import inspect, orm
from sqlalchemy.orm.strategy_options import _AbstractLoad

from ._names import mapper_of
from .exceptions import UnknownNameError

__all__ = ["loaders_for"]


def loaders_for(model: type, schema: Any) -> list[_AbstractLoad]:
    """Options that load what a schema reads, and nothing else.

    Args:
        model: Whose records the query finds.
        schema: A Pydantic model, or a mapped class, which reads its columns.

    Raises:
        UnknownNameError: A field that is required is no attribute of the model.
        TypeError: It is neither, or leads back to itself over several relationships.
    """
    if not _is_schema(schema):
        raise TypeError(
            f"for_schema() expected a Pydantic model or a mapped class, found {schema!r}"
        )
    return _options(mapper_of(model), [schema], ())


class _Needs:
    """What some schemas read of one model."""

    def __init__(self, mapper: orm.Mapper[Any]) -> None:
        self.mapper = mapper
        self.columns: dict[str, Any] = {}
        self.related: dict[str, list[Any]] = {}
        self.all_columns = False
        """Whether something reads what cannot be known: a property, a hybrid."""

    def add(self, name: str, annotation: Any) -> None:
        prop = self.mapper.attrs.get(name)
        match prop:
            case orm.Synonym():
                self.add(prop.name, annotation)
            case orm.Composite():
                for part in prop.props:
                    self.add(part.key, annotation)
            case orm.RelationshipProperty():
                self.related.setdefault(name, []).extend(_schemas_in(annotation))
                for column in prop.local_columns:
                    self.add_column(column)
            case orm.ColumnProperty():
                self.columns[name] = prop
            case _:
                self.all_columns = True

    def add_column(self, column: Any) -> None:
        prop = self.mapper.get_property_by_column(column)
        self.columns[prop.key] = prop

    def column_options(self) -> list[_AbstractLoad]:
        attributes = {name: getattr(self.mapper.class_, name) for name in self.columns}
        if self.all_columns:
            return [orm.undefer(attributes[n]) for n, p in self.columns.items() if p.deferred]
        return [orm.load_only(*attributes.values())] if attributes else []


def _options(
    mapper: orm.Mapper[Any], schemas: list[Any], above: tuple[Any, ...]
) -> list[_AbstractLoad]:
    needs = _Needs(mapper)
    if mapper.version_id_col is not None:  # a record that is saved afterwards compares it
        needs.add_column(mapper.version_id_col)
    for column in mapper.primary_key:
        needs.add_column(column)
    for schema in schemas:
        _add_fields(needs, schema)
    options = needs.column_options()
    trees = []
    for name, below in needs.related.items():
        attribute = getattr(mapper.class_, name)
        target = attribute.property.mapper
        again = [schema for schema in below if schema in (*above, *schemas)]
        if not again:
            nested = _options(target, below, (*above, *schemas))
            options.append(orm.selectinload(attribute).options(*nested))
        elif target is mapper and below == schemas:
            trees.append(orm.selectinload(attribute, recursion_depth=-1))
        else:
            raise TypeError(
                f"for_schema() expected schemas that end, found {again[0].__name__} again below "
                f"itself, at {attribute}: give what lies there a schema of its own"
            )
    # what is below a branch of a tree is as the tree is
    return [*options, *(tree.options(*options) for tree in trees)]


def _add_fields(needs: _Needs, schema: Any) -> None:
    fields = _fields_of(schema)
    if fields is None:
        needs.all_columns = True
        return
    model = needs.mapper.class_
    for name, field in fields.items():
        sought = list(_sought(schema, name, field))
        found = next((each for each in sought if hasattr(model, each)), None)
        if found is not None:
            needs.add(found, field.annotation)
        elif field.is_required() or "__plan__" in vars(schema):
            # of a schema that was made of a model each field is one of its attributes
            known = needs.mapper.all_orm_descriptors.keys()
            raise UnknownNameError("for_schema", model.__name__, sought[0], known)


def _sought(schema: Any, name: str, field: Any) -> Iterator[str]:
    """The names under which a value may be found, in Pydantic's order."""
    alias = field.validation_alias
    for each in getattr(alias, "choices", (alias,)):
        path = getattr(each, "path", (each,))
        if isinstance(path[0], str):
            yield path[0]
    by_name = ("populate_by_name", "validate_by_name")
    if alias is None or any(schema.model_config.get(option) for option in by_name):
        yield name


def _fields_of(schema: Any) -> dict[str, Any] | None:
    """The fields of a Pydantic model; None for a mapped class."""
    fields: dict[str, Any] | None = getattr(schema, "model_fields", None)
    if fields is not None and not schema.__pydantic_complete__:
        schema.model_rebuild()
        fields = schema.model_fields
    return fields


def _is_schema(kind: Any) -> bool:
    if not isinstance(kind, type):
        return False
    return hasattr(kind, "__pydantic_fields__") or inspect(kind, raiseerr=False) is not None


def _schemas_in(annotation: Any) -> Iterator[Any]:
    """The schemas in `list[PostOut] | None`."""
    if _is_schema(annotation):
        yield annotation
    # of an alias by `type` the value
    inner = getattr(annotation, "__value__", None)
    for part in getattr(annotation, "__args__", ()) if inner is None else (inner,):
        yield from _schemas_in(part)
