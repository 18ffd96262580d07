"""`Query[T]`: a model, criteria and an order, asked when a terminal is called.

The chain (`_chain`) says what to ask and sends nothing; the terminals here ask it.  Each has an
awaitable twin with the prefix `a`, `await query` is the list, and `async for` iterates.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any, cast

from sqlalchemy import Select, exc, literal_column, select
from sqlalchemy.engine import ScalarResult

from ._names import mapper_of
from ._operations import Read
from ._types import Criterion, T
from .exceptions import MultipleRecordsFoundError, RecordNotFoundError
from .paging import Paging
from .scope import scopes_of

__all__ = ["Query"]


class Query(Paging[T]):
    """What to ask about one model; nothing is sent before a terminal.

    `str(query)` is the SQL with placeholders, `query.statement` the `Select`, and SQLAlchemy's
    sessions take a query where they take a statement.

    >>> print(User.query.filter_by(name="Ada").order_by(User.id))
    SELECT users.id, users.name, users.age
    FROM users
    WHERE users.name = :name_1 ORDER BY users.id
    >>> User.query.filter_by(name="Ada").one()
    <User id=1>
    """

    __slots__ = ()

    def all(self) -> list[T]:
        """Every matching record, each once.

        >>> User.query.order_by(User.name).all()
        [<User id=1>, <User id=2>]
        """
        return scopes_of(self._model).run(self._all())

    async def aall(self) -> list[T]:
        """Awaitable twin of `all`."""
        return await scopes_of(self._model).arun(self._all())

    def __iter__(self) -> Iterator[T]:
        return iter(self.all())

    async def __aiter__(self) -> AsyncIterator[T]:
        for record in await self.aall():
            yield record

    def __await__(self) -> Generator[Any, Any, list[T]]:
        return self.aall().__await__()

    def _all(self) -> Read[list[T]]:
        return Read.of(self.statement, lambda found: list(found.unique()))

    def first(self) -> T | None:
        """The first record, or None. Sends LIMIT 1."""
        return scopes_of(self._model).run(self._first())

    async def afirst(self) -> T | None:
        """Awaitable twin of `first`."""
        return await scopes_of(self._model).arun(self._first())

    def _first(self) -> Read[T | None]:
        return Read.of(self.statement.limit(1), lambda found: found.unique().first())

    def one(self) -> T:
        """The only record.

        >>> User.query.filter_by(name="Ada").one().age
        36

        Raises:
            RecordNotFoundError: There is none.
            MultipleRecordsFoundError: There are several.
        """
        return scopes_of(self._model).run(self._one())

    async def aone(self) -> T:
        """Awaitable twin of `one`."""
        return await scopes_of(self._model).arun(self._one())

    def _one(self) -> Read[T]:
        def only(found: ScalarResult[T]) -> T:
            try:
                return found.unique().one()
            except exc.NoResultFound:
                raise RecordNotFoundError(self._model.__name__, str(self)) from None
            except exc.MultipleResultsFound:
                raise MultipleRecordsFoundError(self._model.__name__, str(self)) from None

        return Read.of(self.statement, only)

    def one_or_none(self) -> T | None:
        """The only record, or None.

        Raises:
            MultipleRecordsFoundError: There are several.
        """
        return scopes_of(self._model).run(self._one_or_none())

    async def aone_or_none(self) -> T | None:
        """Awaitable twin of `one_or_none`."""
        return await scopes_of(self._model).arun(self._one_or_none())

    def _one_or_none(self) -> Read[T | None]:
        def only(found: ScalarResult[T]) -> T | None:
            try:
                return found.unique().one_or_none()
            except exc.MultipleResultsFound:
                raise MultipleRecordsFoundError(self._model.__name__, str(self)) from None

        return Read.of(self.statement, only)

    def get(self, ident: Any) -> T | None:
        """The record with this primary key, or None; sends nothing if the session has it already.

        Where the query has criteria, the record must fulfil them too.

        >>> User.query.get(1)
        <User id=1>
        >>> User.query.filter(User.age > 40).get(1) is None
        True

        Args:
            ident: The key; of several columns a tuple in their order, or a dict by name.
        """
        return scopes_of(self._model).run(self._get(ident))

    async def aget(self, ident: Any) -> T | None:
        """Awaitable twin of `get`."""
        return await scopes_of(self._model).arun(self._get(ident))

    def _get(self, ident: Any) -> Read[T | None]:
        if _is_null(ident):
            return Read(lambda _: None)
        if self._is_plain():
            return Read(lambda session: session.get(self._model, ident, options=self._options))
        return self.filter(*_key_criteria(self._model, ident))._one_or_none()

    def _is_plain(self) -> bool:
        return not self._joined and not self._sliced and self._statement.whereclause is None

    def count(self) -> int:
        """How many records match, each counted once; a limit counts as in SQLAlchemy.

        >>> User.query.filter(User.age > 40).count()
        1
        """
        return scopes_of(self._model).run(self._count())

    async def acount(self) -> int:
        """Awaitable twin of `count`."""
        return await scopes_of(self._model).arun(self._count())

    def _count(self) -> Read[int]:
        statement = self._counted()
        return Read(lambda session: session.scalars(statement).one())

    def exists(self) -> bool:
        """Whether any record matches.

        >>> User.query.filter_by(name="Charles").exists()
        False
        """
        return scopes_of(self._model).run(self._exists())

    async def aexists(self) -> bool:
        """Awaitable twin of `exists`."""
        return await scopes_of(self._model).arun(self._exists())

    def _exists(self) -> Read[bool]:
        rows = self._statement.order_by(None)
        one: Select[Any] = rows.with_only_columns(literal_column("1"), maintain_column_froms=True)
        statement = select(one.exists())
        return Read(lambda session: bool(session.scalar(statement)))


def _is_null(ident: Any) -> bool:
    parts = ident.values() if isinstance(ident, dict) else ident
    if not isinstance(ident, dict | tuple | list):
        return ident is None
    return bool(parts) and all(part is None for part in parts)


def _key_criteria(model: type[Any], ident: Any) -> list[Criterion]:
    mapper = mapper_of(model)
    names = [mapper.get_property_by_column(column).key for column in mapper.primary_key]
    if not isinstance(ident, dict):
        parts = ident if isinstance(ident, tuple | list) else (ident,)
        if len(parts) != len(names):
            raise exc.InvalidRequestError(
                f"expected a primary key of {len(names)} columns ({', '.join(names)}) for "
                f"{model.__name__}, found {len(parts)}"
            )
        ident = dict(zip(names, parts, strict=True))
    elif ident.keys() != set(names):
        raise exc.InvalidRequestError(
            f"expected the primary key of {model.__name__} ({', '.join(names)}), "
            f"found {', '.join(sorted(map(str, ident)))}"
        )
    return [cast(Criterion, getattr(model, name) == ident[name]) for name in names]
