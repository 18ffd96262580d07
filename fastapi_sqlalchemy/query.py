"""`Query[T]`: a model, criteria and an order, asked when a terminal is called.

Every chain method returns a new query and sends nothing, so a query can be kept, passed on and
refined.  Names that `sqlalchemy.orm.Query` has mean what they mean there; each terminal has an
awaitable twin with the prefix `a`, `await query` is the list, and `async for` iterates.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any, Generic, Self, cast

from sqlalchemy import Connection, Select, exc, func, literal_column, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.engine import ScalarResult
from sqlalchemy.orm.interfaces import ORMOption

from ._names import check_criteria, mapper_of
from ._operations import Read
from ._types import Criterion, T
from .exceptions import MultipleRecordsFoundError, RecordNotFoundError
from .scope import scopes_of

__all__ = ["Query"]


class Query(Generic[T]):
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

    __slots__ = (
        "_distinct",
        "_joined",
        "_latest",
        "_model",
        "_options",
        "_sliced",
        "_statement",
    )

    def __init__(self, model: type[T]) -> None:
        self._model = model
        self._statement: Select[T] = select(model)
        # apart, because a count wants the statement without its eager loads
        self._options: tuple[ORMOption, ...] = ()
        self._latest: Any = model
        self._joined = self._sliced = self._distinct = False

    def _with(self, statement: Select[T], **changes: Any) -> Self:
        new = self.__class__.__new__(self.__class__)
        new._model, new._statement = self._model, statement
        new._options = changes.get("options", self._options)
        new._latest = changes.get("latest", self._latest)
        new._joined = changes.get("joined", self._joined)
        new._sliced = changes.get("sliced", self._sliced)
        new._distinct = changes.get("distinct", self._distinct)
        return new

    @property
    def statement(self) -> Select[T]:
        """The `Select` that `all()` runs."""
        return self._statement.options(*self._options) if self._options else self._statement

    is_select = True

    def __clause_element__(self) -> Select[T]:
        return self.statement

    def _execute_on_connection(self, connection: Connection, *args: Any) -> Any:
        # SQLAlchemy looks for it on what it is to execute
        return self.statement._execute_on_connection(connection, *args)

    def __str__(self) -> str:
        return "\n".join(line.rstrip() for line in str(self.statement).splitlines())

    def __repr__(self) -> str:
        return f"<Query of {self._model.__name__}>"

    def filter_by(self, **eq: Any) -> Self:
        """Keep the records whose attributes equal these values; None means IS NULL.

        After `join()` the names are those of the joined model, as with SQLAlchemy's own query.

        >>> print(User.query.filter_by(name="Ada", age=None))
        SELECT users.id, users.name, users.age
        FROM users
        WHERE users.name = :name_1 AND users.age IS NULL

        Raises:
            UnknownNameError: A keyword is no attribute of the model.
        """
        check_criteria("filter_by", self._latest, eq)
        return self.filter(*(getattr(self._latest, name) == value for name, value in eq.items()))

    def filter(self, *criteria: Criterion) -> Self:
        """Keep the records that fulfil every criterion, such as `User.age > 17`.

        >>> print(User.query.filter(User.age > 17, User.name != "Ada"))
        SELECT users.id, users.name, users.age
        FROM users
        WHERE users.age > :age_1 AND users.name != :name_1
        """
        return self._with(self._statement.where(*criteria))

    def where(self, *criteria: Criterion) -> Self:
        """The same as `filter`."""
        return self.filter(*criteria)

    def order_by(self, *columns: Any) -> Self:
        """Sort by these columns, after those of an earlier call; `None` alone forgets them."""
        return self._with(self._statement.order_by(*columns))

    def limit(self, count: int | None) -> Self:
        """Return at most this many records."""
        return self._with(self._statement.limit(count), sliced=True)

    def offset(self, count: int | None) -> Self:
        """Skip this many records."""
        return self._with(self._statement.offset(count), sliced=True)

    def distinct(self, *columns: Any) -> Self:
        """Send DISTINCT, on PostgreSQL also DISTINCT ON these columns."""
        if columns:
            return self._with(self._statement.ext(distinct_on(*columns)), distinct=True)
        return self._with(self._statement.distinct(), distinct=True)

    def join(self, target: Any, onclause: Any = None, *, isouter: bool = False) -> Self:
        """Join a relationship (`User.posts`), a model or an alias; a record comes once.

        >>> query = User.query.join(User.posts).filter_by(title="Notes")
        >>> print(query)
        SELECT users.id, users.name, users.age
        FROM users JOIN posts ON users.id = posts.author_id
        WHERE posts.title = :title_1
        >>> query.all()
        [<User id=1>]

        Args:
            target: What to join.
            onclause: The condition, where `target` is not a relationship.
            isouter: Whether to keep records that have no match (LEFT OUTER JOIN).
        """
        statement = self._statement.join(target, onclause, isouter=isouter)
        return self._with(statement, joined=True, latest=_entity(target) or self._latest)

    def options(self, *options: ORMOption) -> Self:
        """Add loader options.

        >>> ada = User.query.options(selectinload(User.posts)).first()
        >>> [post.title for post in ada.posts]
        ['Notes', 'Engines']
        """
        return self._with(self._statement, options=self._options + options)

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
        rows = self._statement.order_by(None)
        if self._joined and not self._sliced:
            key = mapper_of(self._model).primary_key
            rows = rows.with_only_columns(*key, maintain_column_froms=True).distinct()
        elif not self._sliced and not self._distinct:
            statement = rows.with_only_columns(func.count(), maintain_column_froms=True)
            return Read(lambda session: session.scalars(statement).one())
        counted = select(func.count()).select_from(rows.subquery())
        return Read(lambda session: session.scalars(counted).one())

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


def _entity(target: Any) -> Any:
    """The model or alias behind what `join()` takes; None for a plain table."""
    comparator = getattr(target, "comparator", None)
    if comparator is not None and hasattr(comparator, "entity"):
        return comparator.entity.entity
    return target if hasattr(target, "__mapper__") or hasattr(target, "_aliased_insp") else None


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
