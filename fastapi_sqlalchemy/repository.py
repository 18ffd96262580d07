"""`Repository[T]`: typed, collection-like access to one model, for code written in services.

Its verbs are those of a model (`model.py`), as operations of `_records` and terminals of `Query`;
they act in the same scope by the same commit policy.  The model can be any mapped class.
"""

from __future__ import annotations

from inspect import Signature
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from sqlalchemy import inspect, orm

from . import _injection, _records
from ._arguments import is_open, model_of
from ._given import Given
from ._operations import Runner
from ._types import Criterion, T
from .exceptions import MissingModelError
from .pagination import CursorPage, Page
from .query import Query, query_of
from .scope import Scopes, scopes_of
from .storing import StoringVerbs
from .storing_rows import RowVerbs

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

__all__ = ["Repository"]


class HasScopes(Protocol):
    """A database object."""

    @property
    def scopes(self) -> Scopes:
        """Which scope the running code stands in."""
        ...


class _InjectedSignature:
    """What FastAPI is to read on a repository in `Depends()`: a scope, and nothing of a request."""

    def __get__(self, instance: object, owner: type[Repository[Any]]) -> Signature | None:
        if owner.__init__ is not Repository.__init__ or (model := owner._own_model()) is None:
            return None
        return _injection.signature(owner._scopes_for(model))


class Repository(StoringVerbs[T], RowVerbs[T]):
    """Access to the records of one model.

    >>> users = Repository(User)
    >>> users.get(1)
    <User id=1>
    >>> users.create(name="Charles", age=44)
    <User id=3>

    A class of its own reads the model from its type argument and is the place for what is asked
    of that model in more than one place:

    >>> class Users(Repository[User]):
    ...     def adults(self) -> Query[User]:
    ...         return self.query.filter(User.age > 17).order_by(User.name)
    >>> Users().adults().all()
    [<User id=1>, <User id=3>, <User id=2>]

    Args:
        model: Any mapped class; left out where the class says it.
        session: A session to use instead of that of the scope: SQLAlchemy's `Session` for blocking
            verbs, its `AsyncSession` for awaited ones. Who gives it commits it.
        db: The database whose scope to use, where it is not the model's.

    Raises:
        MissingModelError: Neither the class nor `model` says which model it is about.
        TypeError: `model` is no mapped class, or both `session` and `db` were given.
    """

    model: type[T]
    """The model; a subclass may set it, where the type argument does not say it."""

    db: ClassVar[HasScopes | None] = None
    """The database, for a subclass about a model that belongs to none: else the global `db`."""

    __signature__: ClassVar[_InjectedSignature] = _InjectedSignature()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if is_open(cls):
            return
        model = model_of(cls, Repository)
        if model is None:
            raise MissingModelError(cls.__name__)
        cls.model = model

    def __init__(
        self,
        model: type[T] | None = None,
        *,
        session: orm.Session | AsyncSession | None = None,
        db: HasScopes | None = None,
    ) -> None:
        model = model if model is not None else self._own_model()
        if model is None:
            raise MissingModelError(type(self).__name__)
        if inspect(model, raiseerr=False) is None:
            raise TypeError(
                f"{type(self).__name__} expected a mapped class, found {model!r}: a model derives "
                "from `db.Base` or from a declarative base"
            )
        if session is not None and db is not None:
            raise TypeError("expected one of `session` and `db`, found both")
        self.model = model
        scopes = self._scopes_for(model) if db is None else db.scopes
        self._runner: Runner = scopes
        if session is not None:
            self._runner = Given(session, scopes.cursor_secret)

    @classmethod
    def _own_model(cls) -> type[Any] | None:
        model: type[Any] | None = getattr(cls, "model", None)
        return model if model is not None else model_of(cls, Repository)

    @classmethod
    def _scopes_for(cls, model: type[Any]) -> Scopes:
        return scopes_of(model) if cls.db is None else cls.db.scopes

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.model.__name__}>"

    @property
    def query(self) -> Query[T]:
        """A new query of the model, of its `query_class` where it has one.

        >>> Repository(User).query.filter(User.age > 40).count()
        1
        """
        return query_of(self.model)._run_by(self._runner)

    def get(self, ident: Any) -> T | None:
        """The record with this primary key, or None; sends nothing if the session has it already.

        >>> with echo():
        ...     Repository(User).get(1)
        SELECT users.id, users.name, users.age FROM users WHERE users.id = ?
        <User id=1>

        Args:
            ident: The key; of several columns a tuple in their order, or a dict by name.
        """
        return self.query.get(ident)

    async def aget(self, ident: Any) -> T | None:
        """Awaitable twin of `get`."""
        return await self.query.aget(ident)

    def get_one(self, ident: Any) -> T:
        """The record with this primary key.

        >>> with echo():
        ...     Repository(User).get_one({"id": 2})
        SELECT users.id, users.name, users.age FROM users WHERE users.id = ?
        <User id=2>

        Args:
            ident: The key; of several columns a tuple in their order, or a dict by name.

        Raises:
            RecordNotFoundError: There is none. `register_exception_handlers` answers it with 404.
        """
        return self.query.get_one(ident)

    async def aget_one(self, ident: Any) -> T:
        """Awaitable twin of `get_one`."""
        return await self.query.aget_one(ident)

    def get_by(self, **eq: Any) -> T | None:
        """The first record whose attributes equal these values, or None.

        >>> with echo():
        ...     Repository(User).get_by(name="Ada")
        SELECT users.id, users.name, users.age FROM users WHERE users.name = ? LIMIT ?
        OFFSET ?
        <User id=1>

        Raises:
            TypeError: Nothing was asked for.
            UnknownNameError: A keyword is no attribute of the model.
        """
        return self._runner.run(_records.find(self.model, (), eq, verb="get_by"))

    async def aget_by(self, **eq: Any) -> T | None:
        """Awaitable twin of `get_by`."""
        return await self._runner.arun(_records.find(self.model, (), eq, verb="get_by"))

    def find(self, *criteria: Criterion, **eq: Any) -> list[T]:
        """Every record that fulfils every criterion; without one, every record.

        >>> with echo():
        ...     Repository(User).find(User.age > 17, name="Grace")
        SELECT users.id, users.name, users.age FROM users WHERE users.age > ? AND
        users.name = ?
        [<User id=2>]

        Raises:
            UnknownNameError: A keyword is no attribute of the model.
        """
        return self._matching(criteria, eq).all()

    async def afind(self, *criteria: Criterion, **eq: Any) -> list[T]:
        """Awaitable twin of `find`."""
        return await self._matching(criteria, eq).aall()

    def count(self, *criteria: Criterion, **eq: Any) -> int:
        """How many records fulfil every criterion; without one, how many there are.

        >>> with echo():
        ...     Repository(User).count(User.age > 40)
        SELECT count(*) AS count_1 FROM users WHERE users.age > ?
        1

        Raises:
            UnknownNameError: A keyword is no attribute of the model.
        """
        return self._matching(criteria, eq).count()

    async def acount(self, *criteria: Criterion, **eq: Any) -> int:
        """Awaitable twin of `count`."""
        return await self._matching(criteria, eq).acount()

    def exists(self, *criteria: Criterion, **eq: Any) -> bool:
        """Whether any record fulfils every criterion; without one, whether there is any.

        >>> with echo():
        ...     Repository(User).exists(name="Charles")
        SELECT EXISTS (SELECT 1 FROM users WHERE users.name = ?) AS anon_1
        False

        Raises:
            UnknownNameError: A keyword is no attribute of the model.
        """
        return self._matching(criteria, eq).exists()

    async def aexists(self, *criteria: Criterion, **eq: Any) -> bool:
        """Awaitable twin of `exists`."""
        return await self._matching(criteria, eq).aexists()

    def _matching(self, criteria: tuple[Criterion, ...], eq: dict[str, Any]) -> Query[T]:
        return self.query.filter(*criteria).filter_by(**eq)

    def paginate(
        self,
        page: int = 1,
        per_page: int = 20,
        *,
        max_per_page: int | None = 100,
        count: bool = True,
    ) -> Page[T]:
        """A numbered page of all records; of some of them, `query.filter(...).paginate()`.

        >>> with echo():
        ...     Repository(User).paginate(per_page=1).pages
        SELECT users.id, users.name, users.age FROM users ORDER BY users.id LIMIT ? OFFSET
        ?
        SELECT count(*) AS count_1 FROM users
        2

        Args:
            page: Its number, from 1.
            per_page: How many records it has at most.
            max_per_page: How many it may have at most; None for any number.
            count: Whether to count the records. Without, `total` and `pages` are None.

        Raises:
            InvalidPageError: There can be no such page. Over HTTP it is an answer of 422.
        """
        return self.query.paginate(page, per_page, max_per_page=max_per_page, count=count)

    async def apaginate(
        self,
        page: int = 1,
        per_page: int = 20,
        *,
        max_per_page: int | None = 100,
        count: bool = True,
    ) -> Page[T]:
        """Awaitable twin of `paginate`."""
        return await self.query.apaginate(page, per_page, max_per_page=max_per_page, count=count)

    def cursor_paginate(
        self,
        limit: int = 20,
        *,
        after: str | None = None,
        before: str | None = None,
        max_limit: int | None = 100,
    ) -> CursorPage[T]:
        """A page of all records by primary key that begins where another one ended.

        >>> with echo():
        ...     Repository(User).cursor_paginate(limit=1).items
        SELECT users.id, users.name, users.age, users.id AS sort_0 FROM users ORDER BY
        users.id LIMIT ? OFFSET ?
        [<User id=1>]

        Args:
            limit: How many records it has at most.
            after: `next` of the page before it.
            before: `previous` of the page after it.
            max_limit: How many it may have at most; None for any number.

        Raises:
            InvalidCursorError: This query gave out no such cursor. Over HTTP an answer of 422.
            InvalidPageError: There can be no such page. Over HTTP an answer of 422.
        """
        return self.query.cursor_paginate(limit, after=after, before=before, max_limit=max_limit)

    async def acursor_paginate(
        self,
        limit: int = 20,
        *,
        after: str | None = None,
        before: str | None = None,
        max_limit: int | None = 100,
    ) -> CursorPage[T]:
        """Awaitable twin of `cursor_paginate`."""
        return await self.query.acursor_paginate(
            limit, after=after, before=before, max_limit=max_limit
        )
