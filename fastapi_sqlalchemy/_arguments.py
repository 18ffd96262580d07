"""Which model a generic class is about: `User` in `class Users(Repository[User])`.

The type argument is followed through generic classes in between, by the names of their type
variables, as a type checker does it.
"""

from __future__ import annotations

import sys
from abc import ABC
from typing import Any, ForwardRef, TypeVar, get_args, get_origin

from sqlalchemy import inspect
from typing_extensions import get_original_bases

__all__ = ["is_open", "model_of"]


def model_of(kind: type, root: type) -> type | None:
    """The model of a class that derives from a generic one, None where nothing tells it.

    Args:
        kind: The class.
        root: The generic one, whose only parameter is the model.
    """
    told = _told(kind, root)
    if isinstance(told, TypeVar):
        # a default is what an argument that is left out means, a bound the least that it can be
        told = _mapped(getattr(told, "__default__", None)) or _mapped(told.__bound__)
    if isinstance(told, str | ForwardRef):
        told = _named(told, kind)
    return told if isinstance(told, type) and told is not Any else None


def is_open(kind: type) -> bool:
    """Whether a class leaves the model to those that derive from it."""
    return bool(getattr(kind, "__parameters__", ())) or ABC in kind.__bases__


def _told(kind: type, root: type) -> Any:
    """What stands for the parameter of `root`: a model, its name, a type variable, or None."""
    if (own := vars(kind).get("model")) is not None:
        return own
    found = None
    for base in get_original_bases(kind):
        origin: Any = get_origin(base) or base
        if not (isinstance(origin, type) and issubclass(origin, root)):
            continue
        arguments: tuple[Any, ...] = get_args(base)
        if origin is root:
            told = arguments[0] if arguments else None
        else:
            told = _told(origin, root)
            parameters = getattr(origin, "__parameters__", ())
            told = dict(zip(parameters, arguments, strict=False)).get(told, told)
        if told is not None and not isinstance(told, TypeVar):
            return told
        found = told if found is None else found
    return found


def _mapped(kind: Any) -> type | None:
    if isinstance(kind, type) and inspect(kind, raiseerr=False) is not None:
        return kind
    return None


def _named(name: str | ForwardRef, kind: type) -> Any:
    """The class that a string in brackets means, where its module has it already."""
    name = name if isinstance(name, str) else name.__forward_arg__
    return getattr(sys.modules.get(kind.__module__), name, None)
