"""What comes from outside, a schema's instance or a mapping, as values of a record's attributes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from ._guarding import guarded_of
from ._names import check_construction, check_values, key_names, mapper_of
from ._types import T, Values

__all__ = ["build", "changes_of", "left_out", "made_of"]


def left_out() -> None:
    """What a field has that was left out; no default, which OpenAPI would show."""


def changes_of(model: type, values: Values, *, exclude_unset: bool) -> dict[str, Any]:
    """What of these values a record is to have that is there already.

    Raises:
        UnknownNameError: A name is no attribute of the model.
        TypeError: There is a relationship among them, or they are no values.
    """
    given = _received("update_from", model, values, exclude_unset=exclude_unset)
    check_values("update_from", model, given)
    key = key_names(mapper_of(model))
    return {name: value for name, value in given.items() if name not in key}


def made_of(verb: str, model: type[T], values: Values) -> T:
    """A new record that has these values.

    Raises:
        UnknownNameError: A name is no attribute of the model.
        TypeError: There is a relationship among them, or they are no values.
    """
    given = _received(verb, model, values, exclude_unset=False)
    return build(verb, model, given)


def build(verb: str, model: type[T], given: dict[str, Any]) -> T:
    """A new record; of a dataclass also what its constructor does not take, or cannot do without.

    Raises:
        UnknownNameError: A name is no attribute of the model.
    """
    if not is_dataclass(model):
        check_construction(verb, model, given)
        return model(**given)
    check_values(verb, model, given)
    taken = {each.name: each for each in fields(model) if each.init}
    missing = {  # the database has a value for it: None is no value for SQLAlchemy
        name: None
        for name, each in taken.items()
        if each.default is MISSING and each.default_factory is MISSING
    }
    record: Any = model(**missing | {n: v for n, v in given.items() if n in taken})
    for name in given.keys() - taken.keys():
        setattr(record, name, given[name])
    made: T = record
    return made


def _received(verb: str, model: type, values: Values, *, exclude_unset: bool) -> dict[str, Any]:
    given = _as_mapping(verb, model, values, exclude_unset=exclude_unset)
    for name in given.keys() & mapper_of(model).relationships.keys():
        raise TypeError(
            f"{verb}() expected values of columns of {model.__name__}, found the relationship "
            f"`{name}`: which records it is to hold is for your code to say, "
            f"`record.{name} = ...`; leave it out of the schema, or exclude it"
        )
    guarded = guarded_of(model)
    return {n: value for n, value in given.items() if n not in guarded and n[:1] != "_"}


def _as_mapping(verb: str, model: type, values: Any, *, exclude_unset: bool) -> dict[str, Any]:
    if isinstance(values, Mapping):
        return dict(values)
    kind = type(values)
    if not (hasattr(kind, "model_fields") and hasattr(kind, "model_dump")):
        raise TypeError(
            f"{verb}() expected an instance of a Pydantic model or a mapping for "
            f"{model.__name__}, found a {kind.__name__}"
        )
    unset = kind.model_fields.keys() - values.model_fields_set
    absent = {n for n in unset if exclude_unset or kind.model_fields[n].default_factory is left_out}
    if "__plan__" in vars(kind):  # its fields have the types of the attributes
        return {n: getattr(values, n) for n in kind.model_fields if n not in absent}
    dumped: dict[str, Any] = values.model_dump(exclude=absent, by_alias=False)
    return dumped
