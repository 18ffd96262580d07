"""Types as they are written in a stub, and what the stub has to import for them."""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Callable, Collection
from typing import Any

__all__ = ["Names"]


class Names:
    """What one stub calls the things of other modules: `_Any`, imported under that name.

    Args:
        module: The name of the module that the stub is of.
        taken: The names that stand in it.
    """

    def __init__(self, module: str, taken: Collection[str]) -> None:
        self.module = module
        self._taken = set(taken)
        self._imported: dict[tuple[str, str], str] = {}

    def of(self, module: str, name: str) -> str:
        """How `name` of a module is written here."""
        if module in ("builtins", self.module):
            return name
        outermost, *inner = name.split(".")
        alias = self._imported.get((module, outermost))
        if alias is None:
            alias = f"_{outermost.lstrip('_')}"
            while alias in self._taken:
                alias += "_"
            self._taken.add(alias)
            self._imported[module, outermost] = alias
        return ".".join([alias, *inner])

    @property
    def imports(self) -> list[str]:
        """The lines that import what was named so far."""
        found = sorted(self._imported.items())
        return [f"from {module} import {name} as {alias}" for (module, name), alias in found]

    def type(self, kind: Any) -> str:
        """A type as an annotation; what cannot be written is `Any`."""
        if kind is None or kind is type(None):
            return "None"
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if origin in (typing.Union, types.UnionType):
            return " | ".join(dict.fromkeys(self.type(each) for each in arguments))
        if origin is typing.Annotated:
            return self.type(arguments[0])
        if origin is typing.Literal and all(isinstance(a, str | int | bytes) for a in arguments):
            return f"{self.of('typing', 'Literal')}[{', '.join(map(repr, arguments))}]"
        if origin is not None and origin is not Callable and isinstance(origin, type):
            inner = ("..." if each is ... else self.type(each) for each in arguments)
            return f"{self.type(origin)}[{', '.join(inner)}]"
        if origin is None and (named := self._named(kind)) is not None:
            return named
        return self.of("typing", "Any")

    def _named(self, kind: Any) -> str | None:
        """A class, or another thing that its module has by name."""
        module, name = getattr(kind, "__module__", None), getattr(kind, "__qualname__", None)
        name = name or getattr(kind, "__name__", None)
        if not isinstance(module, str) or not isinstance(name, str):
            return None
        found: Any = sys.modules.get(module)
        for part in name.split("."):
            found = getattr(found, part, None)
        return self.of(module, name) if found is kind else None
