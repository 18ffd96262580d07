"""Which exception of a request became its response.

Starlette turns an exception into a response where it catches it, which is out of sight when a
middleware made from `BaseHTTPMiddleware` runs what is within it in another task.  What can be seen
everywhere is that a handler is looked up in the ASGI scope of the request.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from starlette.types import Scope as Connection
from typing_extensions import override

__all__ = ["watched"]

_KEY: Final = "starlette.exception_handlers"


def watched(connection: Connection, note: Callable[[], None]) -> Connection:
    """The same ASGI scope, which calls a function when an exception finds its handler."""
    return _Connection(connection, note)


class _Connection(dict[str, Any]):
    """An ASGI scope that stands for another one: what is set here is set there too."""

    __slots__ = ("_note", "_original")

    def __init__(self, original: Connection, note: Callable[[], None]) -> None:
        super().__init__(original)
        self._original, self._note = original, note

    @override
    def __setitem__(self, key: str, value: Any) -> None:
        if key == _KEY:
            value = tuple(_Handlers(handlers, self._note) for handlers in value)
        self._original[key] = value
        super().__setitem__(key, value)

    @override
    def __delitem__(self, key: str) -> None:
        self._original.pop(key, None)
        super().__delitem__(key)

    @override
    def update(self, *values: Any, **named: Any) -> None:
        for key, value in dict(*values, **named).items():
            self[key] = value

    @override
    def setdefault(self, key: str, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        return self[key]

    @override
    def pop(self, key: str, *default: Any) -> Any:
        self._original.pop(key, None)
        return super().pop(key, *default)


class _Handlers(dict[Any, Any]):
    """Handlers by exception or by status: to find one is to use it."""

    __slots__ = ("_note",)

    def __init__(self, handlers: dict[Any, Any], note: Callable[[], None]) -> None:
        super().__init__(handlers)
        self._note = note

    @override
    def __getitem__(self, key: Any) -> Any:
        self._note()
        return super().__getitem__(key)

    @override
    def get(self, key: Any, default: Any = None) -> Any:
        if key in self:
            self._note()
        return super().get(key, default)
