"""What every page is as an object: it does not change, and is JSON for FastAPI and Pydantic.

`dict(page)` is what it tells.  Pydantic is asked for nothing until it asks for the schema itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, get_args

from typing_extensions import override

from ._types import T

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

__all__ = ["Part"]


class Part(Generic[T]):
    """Some of the items of a query, and what is known of the others."""

    __slots__ = ("items",)

    items: list[T]
    """The records, in order."""

    _given: ClassVar[tuple[str, ...]]
    _told: ClassVar[dict[str, Any]]

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @override
    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"cannot set `{name}`: a {type(self).__name__} does not change")

    @override
    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"cannot delete `{name}`: a {type(self).__name__} does not change")

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def keys(self) -> list[str]:
        """The names of what `dict(page)` holds, which is what it becomes as JSON."""
        return ["items", *self._told]

    def __getitem__(self, name: str) -> Any:
        if name not in self.keys():
            raise KeyError(name)
        return getattr(self, name)

    @override
    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self._given)

    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # as for every class that compares a list

    @override
    def __repr__(self) -> str:
        given = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._given[1:])
        return f"<{type(self).__name__} of {len(self)} items, {given}>"

    @override
    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), {name: getattr(self, name) for name in self._given})

    def _with_items(self, items: list[Any]) -> Any:
        return type(self)(**{name: getattr(self, name) for name in self._given} | {"items": items})

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core import core_schema

        (item,) = get_args(source) or (Any,)
        fields = {"items": list[item], **cls._told}  # type: ignore[valid-type]  # a value here
        name = f"{cls.__name__}[{getattr(item, '__name__', item)}]"
        shape = core_schema.typed_dict_schema(
            {
                name: core_schema.typed_dict_field(handler.generate_schema(kind), required=True)
                for name, kind in fields.items()
            },
            cls=type(name, (), {}),  # where Pydantic looks for a title
            # what makes it a component of its own in OpenAPI, by the name Pydantic would give it
            ref=f"{cls.__module__}.{cls.__qualname__}:{id(cls)}[{_reference(item)}]",
        )
        return core_schema.no_info_after_validator_function(
            lambda values: cls(**{name: values[name] for name in cls._given}),
            core_schema.no_info_before_validator_function(
                lambda page: dict(page) if isinstance(page, cls) else page, shape
            ),
            serialization=core_schema.wrap_serializer_function_ser_schema(
                lambda page, serialize: serialize(dict(page)), schema=shape
            ),
        )


def _rebuild(kind: type[Any], given: dict[str, Any]) -> Any:
    return kind(**given)


def _reference(kind: Any) -> str:
    if isinstance(kind, type):
        return f"{kind.__module__}.{kind.__qualname__}:{id(kind)}"
    return repr(kind)
