"""What a model is where it stands in an annotation: a record, in a response and of a request.

For Pydantic the model is a type of its own: a record stays the record it is, anything else is
validated as a body and becomes a new one, and what is written is what the usual schema shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from sqlalchemy import inspect

from ._received import build
from ._schemas import schema_of
from ._shown import check_loaded

if TYPE_CHECKING:
    from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema
    from pydantic_core.core_schema import SerializationInfo

__all__ = ["core_schema_of"]


def core_schema_of(model: type, handler: GetCoreSchemaHandler) -> CoreSchema:
    """What Pydantic does with a model.

    Raises:
        TypeError: It has no table.
        SchemaTypeError: Pydantic does not know the type of an attribute.
    """
    if inspect(model, raiseerr=False) is None:
        raise TypeError(f"expected a mapped class, found {model.__name__}, which has no table")
    # of a class's own JSON schema Pydantic would copy the fields into each place that names it
    schema: CoreSchema = handler.generate_schema(Annotated[Any, _Record(model)])
    return schema


class _Record:
    """The annotation that makes a value of any type a record."""

    def __init__(self, model: type) -> None:
        self.model = model
        self.shown: type[BaseModel] = schema_of(model)
        self.body: type[BaseModel] = schema_of(model, purpose="create")

    # Functions, and not the two schemas: of both Pydantic would make a definition in either mode,
    # and FastAPI then call them `User-Input` and `User-Output`.
    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(
            self._validated,
            serialization=core_schema.plain_serializer_function_ser_schema(
                self._written, info_arg=True
            ),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        shown = self.shown if handler.mode == "serialization" else self.body
        whole: Any = shown.__pydantic_core_schema__
        if whole["type"] != "definitions":
            whole = {"type": "definitions", "schema": whole, "definitions": []}
        # what makes it a component of its own in OpenAPI, by the name Pydantic would give it
        reference = f"{shown.__module__}.{shown.__qualname__}:{id(shown)}"
        named: Any = {**whole, "schema": {**whole["schema"], "ref": reference}}
        return handler(named)

    def _validated(self, value: Any) -> Any:
        if isinstance(value, self.model):
            # not when it is written: an error there is wrapped in one of Pydantic's
            check_loaded(value, self.shown.model_fields)
            return value
        body = self.body.model_validate(value)
        given = {name: getattr(body, name) for name in body.model_fields_set}
        return build("new_from", self.model, given)

    def _written(self, record: Any, info: SerializationInfo) -> Any:
        shown = self.shown.model_validate(record)
        if info.include is None and info.exclude is None:
            return shown
        chosen: Any = {"include": info.include, "exclude": info.exclude}
        return shown.model_dump(mode=info.mode, by_alias=info.by_alias, **chosen)
