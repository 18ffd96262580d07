"""`db()`: a scope of its own around a piece of code."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Token
from functools import wraps
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar, cast

from ._caller import held_for_others
from ._cleanup import never_hiding
from ._types import Options, P, R
from .scope import Place, Scope, Scopes, leave

__all__ = ["Block"]

D = TypeVar("D")
"""The database object, which a block yields."""


class MakeScope(Protocol):
    """Makes the scope of a block, told whether the end of the block can be awaited."""

    def __call__(
        self, *, commit_on_exit: bool | None, session_args: Options | None, awaited: bool
    ) -> Scope: ...


class Block(Generic[D]):
    """`with db():`, `async with db():`, and a decorator of functions of both kinds.

    Args:
        database: What `with db() as database` yields.
        scopes: Those of the database.
        make_scope: Makes the scope.
        commits: Whether its end commits; None is the database's own setting.
        session_args: Keyword arguments of `sqlalchemy.orm.Session`, over those of the database.
        join: Use the surrounding scope where there is one.
    """

    __slots__ = (
        *("_around", "_commits", "_database", "_join", "_make_scope", "_scope", "_scopes"),
        *("_session_args", "_token"),
    )

    def __init__(
        self,
        database: D,
        scopes: Scopes,
        make_scope: MakeScope,
        *,
        commits: bool | None = None,
        session_args: Options | None = None,
        join: bool = False,
    ) -> None:
        self._database, self._scopes, self._make_scope = database, scopes, make_scope
        self._commits, self._session_args, self._join = commits, session_args, join
        self._scope: Scope | None = None
        self._around: Place | None = None
        self._token: Token[Place] | None = None

    def _again(self) -> Self:
        return self.__class__(
            self._database,
            self._scopes,
            self._make_scope,
            commits=self._commits,
            session_args=self._session_args,
            join=self._join,
        )

    def _enter(self, *, awaited: bool) -> D:
        if self._token is not None:
            raise RuntimeError("this block is entered already: call `db()` again for another one")
        self._around = self._scopes.surrounding()
        if self._around is None or not self._join:
            self._scope = self._make_scope(
                commit_on_exit=self._commits, session_args=self._session_args, awaited=awaited
            )
            self._token = self._scopes.enter(self._scope)
        return self._database

    def _leave(self) -> None:
        if self._around is not None and self._around.within is self._scope:
            self._around.within = None
        token, self._token, self._scope = self._token, None, None
        if token is not None:
            leave(token)

    def __enter__(self) -> D:
        database = self._enter(awaited=False)
        if self._around is not None and self._scope is not None and held_for_others():
            self._around.within = self._scope
        return database

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if (scope := self._scope) is None:
            return
        if error is None and scope.is_idle():
            self._leave()
            scope.close()
            return
        try:
            if error is None:
                scope.finish(commit=True)
        except BaseException as failure:
            error = failure
            raise
        finally:
            self._leave()
            with never_hiding(error):
                scope.close()

    async def __aenter__(self) -> D:
        return self._enter(awaited=True)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if (scope := self._scope) is None:
            return
        if error is None and scope.is_idle():
            self._leave()
            scope.close()
            return
        try:
            if error is None:
                await scope.afinish(commit=True)
        except BaseException as failure:
            error = failure
            raise
        finally:
            self._leave()
            with never_hiding(error):
                await scope.aclose()

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Give every call of a function a scope of its own.

        Raises:
            TypeError: It is a generator function, which could end in another context.
        """
        if isgeneratorfunction(function) or isasyncgenfunction(function):
            raise TypeError(
                f"db() expected a function or a coroutine function to decorate, found the "
                f"generator function {function.__qualname__}: open `with db():` in its body"
            )
        if iscoroutinefunction(function):

            @wraps(function)
            async def coroutine(*args: P.args, **kwargs: P.kwargs) -> Any:
                async with self._again():
                    return await function(*args, **kwargs)

            return cast("Callable[P, R]", coroutine)

        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            with self._again():
                return function(*args, **kwargs)

        return call
