"""What stands in FastAPI's `Depends`: repositories, sessions, and the parameters of pages.

They hand out what `db.session` is.  Where the middleware has opened a scope for the request, they
use it; where there is none they open one, which commits (if it does that) and ends before the
response starts, and is rolled back by an exception.  This is the only module that needs FastAPI.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from inspect import Parameter, Signature, signature
from typing import TYPE_CHECKING, Annotated, Any, Final, Generic, TypeVar, overload

import fastapi
from fastapi import Depends
from fastapi.requests import HTTPConnection
from sqlalchemy.orm import Session

from ._types import T
from .block import Block
from .database import SQLAlchemy, db
from .exceptions import MissingModelError
from .middleware import SERVED
from .pagination import CursorPage, Page
from .query import Query
from .repository import Repository
from .scope import Scopes

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession
else:
    AsyncSession = Any  # FastAPI does not look at it, and to import it takes greenlet

__all__ = ["AsyncSessionDep", "CursorParams", "PageParams", "SessionDep", "opened", "repository"]

_OPENED: Final = "opened_by_fastapi_sqlalchemy"
"""Key of the ASGI scope, where those are that a dependency has opened; and name of a parameter."""

Repo = TypeVar("Repo", bound=Repository[Any])

SessionDep = Annotated[Session, Depends(db.get_session)]
"""The session of the global `db`: `def route(session: SessionDep)`."""

AsyncSessionDep = Annotated[AsyncSession, Depends(db.get_async_session)]
"""The same as SQLAlchemy's `AsyncSession`."""


@dataclass(frozen=True)
class _Opening:
    """The scope of a request, where there is no middleware.

    A generator that is `async def` enters and leaves in the task that runs the route; a `def` one
    would do so in contexts that nobody else sees.
    """

    scopes: Scopes

    async def __call__(self, connection: HTTPConnection) -> AsyncIterator[None]:
        # asked of the request: around it there may be a scope of the test that made it
        served: list[Scopes] = [database.scopes for database in connection.scope.get(SERVED, ())]
        opened: list[Scopes] = connection.scope.setdefault(_OPENED, [])
        if self.scopes in served or self.scopes in opened:
            yield
            return
        # a websocket is no transaction, as in the middleware
        commits = None if connection.scope["type"] == "http" else False

        opened.append(self.scopes)
        try:
            async with Block(None, self.scopes, self.scopes.new_scope, commits=commits):
                yield
        finally:
            opened.remove(self.scopes)


def opened(scopes: Scopes, name: str = "session") -> Parameter:
    """The parameter, always None, of a dependency that needs a scope."""
    # one of FastAPI's usual scope would end, and commit, when the response is out
    dependency = Depends(_Opening(scopes), scope="function")
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=Annotated[None, dependency])


@dataclass(frozen=True)
class _RepositoryOf(Generic[Repo]):
    """Makes a repository; of two that are equal FastAPI calls one, and overrides both."""

    kind: type[Repo]
    model: type[Any] | None
    database: SQLAlchemy | None

    # a coroutine function, so that FastAPI takes no thread for it
    async def __call__(self, **values: Any) -> Repo:
        values.pop(_OPENED, None)
        if self.model is not None:
            values["model"] = self.model
        if self.database is not None:
            values["db"] = self.database
        return self.kind(**values)

    @property
    def __signature__(self) -> Signature:
        own: list[Parameter] = []
        if self.kind.__init__ is not Repository.__init__:
            own = list(signature(self.kind, eval_str=True).parameters.values())
        model = self.model or self.kind.model
        scopes = self.kind._scopes_for(model) if self.database is None else self.database.scopes
        return Signature([*own, opened(scopes, _OPENED)])


@overload
def repository(  # pyright: ignore[reportOverlappingOverload] - a repository is no model
    kind: type[Repo], *, db: SQLAlchemy | None = None
) -> _RepositoryOf[Repo]: ...


@overload
def repository(kind: type[T], *, db: SQLAlchemy | None = None) -> _RepositoryOf[Repository[T]]: ...


def repository(kind: type[Any], *, db: SQLAlchemy | None = None) -> _RepositoryOf[Any]:
    """A dependency that makes a repository.

    `Annotated[Repository[User], Depends(repository(User))]`.

    A class with a model of its own needs it only where it has an `__init__` of its own and no
    middleware opens the scope: `Annotated[Users, Depends()]` does otherwise. What that `__init__`
    takes is injected.

    Args:
        kind: A model, or a class of repositories.
        db: The database whose scope to use, where it is not the model's.

    Raises:
        MissingModelError: The class has no model.
    """
    if not issubclass(kind, Repository):
        return _RepositoryOf(Repository, kind, db)
    if kind._own_model() is None:
        raise MissingModelError(kind.__name__)
    return _RepositoryOf(kind, None, db)


@dataclass(frozen=True)
class PageParams:
    """The query parameters of a numbered page: `pages: Annotated[PageParams, Depends()]`.

    What they cannot be is answered by FastAPI with 422, and OpenAPI shows their limits. For others
    derive a dataclass and declare the field anew.

    >>> from fastapi_sqlalchemy.dependencies import PageParams
    >>> PageParams(page=2, per_page=1).paginate(User.query.order_by(User.name)).items
    [<User id=2>]
    """

    page: Annotated[int, fastapi.Query(ge=1, description="Which page, from 1.")] = 1
    per_page: Annotated[
        int, fastapi.Query(ge=1, le=100, description="How many items a page has at most.")
    ] = 20

    def paginate(self, query: Query[T] | Repository[T], *, count: bool = True) -> Page[T]:
        """The page of a query or a repository that was asked for.

        >>> from fastapi_sqlalchemy.dependencies import PageParams
        >>> with echo():
        ...     PageParams(page=2, per_page=1).paginate(Repository(User)).items
        SELECT users.id, users.name, users.age FROM users ORDER BY users.id LIMIT ? OFFSET
        ?
        SELECT count(*) AS count_1 FROM users
        [<User id=2>]

        Args:
            query: Of whose records.
            count: Whether to count them. Without, `total` and `pages` are None.

        Raises:
            InvalidPageError: There can be no such page.
            InvalidRequestError: The query has a limit or an offset of its own.
        """
        return query.paginate(self.page, self.per_page, max_per_page=None, count=count)

    async def apaginate(self, query: Query[T] | Repository[T], *, count: bool = True) -> Page[T]:
        """Awaitable twin of `paginate`."""
        return await query.apaginate(self.page, self.per_page, max_per_page=None, count=count)


@dataclass(frozen=True)
class CursorParams:
    """The query parameters of a cursor page: `cursors: Annotated[CursorParams, Depends()]`.

    >>> from fastapi_sqlalchemy.dependencies import CursorParams
    >>> page = CursorParams(limit=1).paginate(User.query.order_by(User.name))
    >>> CursorParams(limit=1, after=page.next).paginate(User.query.order_by(User.name)).items
    [<User id=2>]
    """

    limit: Annotated[
        int, fastapi.Query(ge=1, le=100, description="How many items a page has at most.")
    ] = 20
    after: Annotated[
        str | None, fastapi.Query(description="`next` of the page that this one follows.")
    ] = None
    before: Annotated[
        str | None, fastapi.Query(description="`previous` of the page that this one precedes.")
    ] = None

    def paginate(self, query: Query[T] | Repository[T]) -> CursorPage[T]:
        """The page of a query or a repository that was asked for.

        >>> from fastapi_sqlalchemy.dependencies import CursorParams
        >>> with echo():
        ...     CursorParams(limit=1).paginate(Repository(User)).items
        SELECT users.id, users.name, users.age, users.id AS sort_0 FROM users ORDER BY
        users.id LIMIT ? OFFSET ?
        [<User id=1>]

        Raises:
            InvalidCursorError: This query gave out no such cursor.
            InvalidRequestError: The query is sorted by text, or has a limit or offset of its own.
        """
        return query.cursor_paginate(
            self.limit, after=self.after, before=self.before, max_limit=None
        )

    async def apaginate(self, query: Query[T] | Repository[T]) -> CursorPage[T]:
        """Awaitable twin of `paginate`."""
        return await query.acursor_paginate(
            self.limit, after=self.after, before=self.before, max_limit=None
        )
