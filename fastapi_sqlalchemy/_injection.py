"""What FastAPI is told about those of our callables that stand in its `Depends`.

Below the web floor nothing knows FastAPI.  The floor that does says here which parameter makes a
callable run within a scope, and says it when somebody asks for a signature, not before.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Generic

from ._types import R
from .scope import Scopes

__all__ = ["Dependency", "inject", "signature"]

Injecting = Callable[[Scopes], Parameter | None]
"""Makes a parameter that stands for a scope of these; None where there is no FastAPI."""

_injecting: list[Injecting] = []


def inject(injecting: Injecting) -> None:
    """Say how a callable is told to run within a scope."""
    _injecting[:] = [injecting]


def signature(scopes: Scopes) -> Signature | None:
    """Of a callable that takes nothing but a scope; None where nobody has said how."""
    parameter = _injecting[0](scopes) if _injecting else None
    return None if parameter is None else Signature([parameter])


class Dependency(Generic[R]):
    """What `Depends` takes, `Depends(db.get_session)`: it runs within a scope of the request.

    Args:
        name: How it is called, for messages and for its `repr()`.
        scopes: Those of the database.
        provide: Makes what the route gets.
    """

    __slots__ = ("__name__", "_provide", "_scopes")

    __name__: str

    def __init__(self, name: str, scopes: Scopes, provide: Callable[[], R]) -> None:
        self.__name__ = name
        self._scopes, self._provide = scopes, provide

    # a coroutine function, so that FastAPI takes no thread for it
    async def __call__(self, session: None = None) -> R:
        return self._provide()

    @property
    def __signature__(self) -> Signature | None:
        return signature(self._scopes)

    def __repr__(self) -> str:
        return f"<dependency {self.__name__}>"
