"""Transactions that are still open when a response starts: their commit comes after the answer.

FastAPI ends a dependency with `yield` after the body was sent and the background tasks ran, unless
it has `scope="function"`.  A commit in its last lines that fails then is an answer of 200 to data
that was lost.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from inspect import isasyncgenfunction, isgeneratorfunction, unwrap
from typing import Any

from .exceptions import LateCommitWarning
from .scope import Scope

__all__ = ["warn_of_late_commits"]


def warn_of_late_commits(scope: Scope, connection: Mapping[str, Any]) -> None:
    """Warn of a transaction that only a dependency can still commit, and name those there are.

    Args:
        scope: The scope of the request.
        connection: Its ASGI scope, in which FastAPI leaves the route.
    """
    session = scope.session
    if session is None or not (session.wrote or session.block is not None):
        return
    route = connection.get("route")
    names = sorted(set(_ending_late(getattr(route, "dependant", None))))
    if names:
        warnings.warn_explicit(
            "a transaction is still open as the response starts, and a dependency "
            f"({', '.join(names)}) ends after it: a commit that fails then cannot be answered. "
            'Give it `scope="function"`, or let `commit_on_exit=True` commit before the response',
            LateCommitWarning,
            filename=getattr(route, "path", "a route"),
            lineno=1,
        )


def _ending_late(dependant: Any) -> Iterator[str]:
    for dependency in getattr(dependant, "dependencies", ()):
        call = unwrap(dependency.call)
        generator = isgeneratorfunction(call) or isasyncgenfunction(call)
        if generator and getattr(dependency, "scope", None) != "function":
            yield getattr(call, "__qualname__", repr(call))
        yield from _ending_late(dependency)
