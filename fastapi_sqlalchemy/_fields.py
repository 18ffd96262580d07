"""The field of a Pydantic model that an attribute becomes.

Pydantic is imported when the first schema is made, here and in `_schemas`.
"""

from __future__ import annotations

import inspect
from base64 import b64decode
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Optional

from sqlalchemy import Column, Float, Numeric, String

from ._held import Held, held_by_column, held_by_property
from ._received import left_out
from ._selection import columns_of, has_default
from .columns import UTCDateTime
from .exceptions import SchemaTypeError

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema

__all__ = ["SchemaField", "field_of"]


class SchemaField(NamedTuple):
    """What Pydantic makes a field of, and whether None is one of its values."""

    annotation: Any
    field: Any
    optional: bool


def field_of(model: type, name: str, *, partial: bool) -> SchemaField:
    """The field of an attribute.

    Args:
        model: Whose.
        name: Of the attribute.
        partial: Whether it may be left out whatever it is.

    Raises:
        SchemaTypeError: Nothing tells its type.
    """
    from pydantic import Field

    column = columns_of(model).get(name)
    held = held_by_property(model, name) if column is None else _held(model, name, column)
    if held is None:
        raise SchemaTypeError(model.__name__, name, None)
    description = _description(model, name, column)
    told = [] if description is None else [Field(description=description)]
    extras: list[Any] = [*told, *_limits(held, column), *held.metadata]
    kind = Optional[held.kind] if held.optional else held.kind  # noqa: UP045 - a value, of any form
    default, field = _default(column), Field()
    if column is not None and (partial or default is None) and not held.optional:
        if partial or has_default(model, name):
            extras.append(_LeftOut())
            field = Field(default_factory=left_out)
    elif column is not None:
        field = Field(default_factory=left_out) if partial else Field(default=default)
    return SchemaField(Annotated[kind, *extras] if extras else kind, field, held.optional)


def _held(model: type, name: str, column: Any) -> Held | None:
    held = held_by_column(model, name, column.type)
    if held is None or not isinstance(column, Column):  # an expression says nothing of NULL
        return held
    if isinstance(column.type, UTCDateTime):
        from pydantic import AwareDatetime

        held = held._replace(kind=AwareDatetime)
    return held._replace(optional=bool(column.nullable))


def _limits(held: Held, column: Any) -> list[Any]:
    """What the type of the column says of its values, for Pydantic to check and to show."""
    from pydantic import BeforeValidator, Field

    kind = None if column is None else column.type
    if isinstance(kind, String) and held.kind is str and kind.length:
        return [Field(max_length=kind.length)]
    if isinstance(kind, Numeric) and not isinstance(kind, Float) and held.kind is Decimal:
        return [Field(max_digits=kind.precision, decimal_places=kind.scale)]
    if held.kind is bytes:
        return [BeforeValidator(_decoded, json_schema_input_type=bytes)]
    return []


def _decoded(value: Any) -> Any:
    """Bytes of JSON, where a schema writes them in Base64."""
    if not isinstance(value, str):
        return value
    plain = value.translate({ord("-"): "+", ord("_"): "/"})
    return b64decode(plain + "=" * (-len(plain) % 4), validate=True)


def _description(model: type, name: str, column: Any) -> str | None:
    if isinstance(column, Column):
        return column.doc or column.comment
    value = inspect.getattr_static(model, name, None)
    getter = getattr(value, "fget", None)
    return None if getter is None else inspect.getdoc(getter)


def _default(column: Any) -> Any:
    """The value that a new record gets, where it is the same for all and known in advance."""
    default = getattr(column, "default", None)
    return default.arg if default is not None and default.is_scalar else None


class _LeftOut:
    """Lets a field that is never null be left out."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        from pydantic_core import PydanticCustomError, core_schema

        def refuse_null(value: Any) -> Any:
            if value is None:
                raise PydanticCustomError("null", "Input should not be null; it may be left out")
            return value

        # nullable beneath, because a field that was left out is None when it is written
        return core_schema.no_info_before_validator_function(
            refuse_null, core_schema.nullable_schema(handler(source))
        )

    def __get_pydantic_json_schema__(
        self, schema: Any, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return handler(schema["schema"]["schema"])
