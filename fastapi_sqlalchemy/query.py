"""`Query[T]`: a model, criteria and an order, asked when a terminal is called.

The chain (`_chain`) says what to ask and sends nothing; the terminals ask it.  Each has an
awaitable twin with the prefix `a`, `await query` is the list, and `async for` iterates.

In the examples `with echo():` prints the statements as they are sent to SQLite; where values stand
in them is `?`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self, cast

from sqlalchemy import Select, exc, func, literal_column, orm, select, tuple_
from sqlalchemy import union as union_of
from sqlalchemy import union_all as union_all_of
from typing_extensions import override

from ._deletion import WITH_DELETED
from ._names import key_names, mapper_of
from ._operations import Read
from ._plans.asking import RECORDS, OfKey, Shape
from ._plans.found import Known
from ._reading import Found, Reading, needed
from ._types import AnySelect, Criterion, R, T
from .bulk import BulkWrites
from .exceptions import RecordNotFoundError, answered
from .loading import Loading
from .paging import Paging
from .rows import Columns

__all__ = ["Query", "get_by_plan", "get_needed_by_plan", "query_of"]


class Query(Loading[T], Paging[T], BulkWrites[T], Columns[T]):
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

    if TYPE_CHECKING:

        def __init__(self, model: type[T]) -> None: ...

    @property
    def statement(self) -> Select[T]:
        """The `Select` that `all()` runs."""
        return super().statement

    def union(self, *queries: Query[T]) -> Self:
        """The records of this query or of any of the others, each once.

        What follows (criteria, an order, a limit) is about all of them. An order of one part only
        decides what its own limit leaves.

        >>> ada, old = User.query.filter_by(name="Ada"), User.query.filter(User.age > 80)
        >>> print(ada.union(old).order_by(User.name))
        SELECT users.id, users.name, users.age
        FROM users
        WHERE users.id IN (SELECT users.id FROM users WHERE users.name = :name_1
            UNION SELECT users.id FROM users WHERE users.age > :age_1) ORDER BY users.name

        Raises:
            TypeError: A query is one of another model.
        """
        return self._union("union", union_of, queries)

    def union_all(self, *queries: Query[T]) -> Self:
        """The same by UNION ALL: quicker where no record is in two of them.

        >>> print(User.query.filter_by(id=1).union_all(User.query.filter_by(id=2)))
        SELECT users.id, users.name, users.age
        FROM users
        WHERE users.id IN (SELECT users.id FROM users WHERE users.id = :id_1
            UNION ALL SELECT users.id FROM users WHERE users.id = :id_2)

        Raises:
            TypeError: A query is one of another model.
        """
        return self._union("union_all", union_all_of, queries)

    def _union(self, verb: str, combine: Callable[..., Any], queries: tuple[Query[T], ...]) -> Self:
        for query in queries:
            if not issubclass(query._model, self._model):
                raise TypeError(
                    f"{verb}() expected queries of {self._model.__name__}, found {query!r}: "
                    "combine their statements, `sqlalchemy.union(query.statement, other.statement)`"
                )
        keys = [getattr(self._model, name) for name in key_names(mapper_of(self._model))]
        parts: list[Query[T]] = [self, *queries]
        hidden = any(part._finds_deleted() for part in parts)  # the parts decide, each for itself
        wanted = combine(*(part._keys(shown=hidden) for part in parts))
        key = keys[0] if len(keys) == 1 else tuple_(*keys)
        statement = self._around(select(self._model).where(key.in_(wanted)))
        if hidden:
            statement = statement.execution_options(**{WITH_DELETED: True})
        new = self._with(statement, latest=self._model)
        new._limit = new._offset = None
        new._joined = new._multiplied = new._sliced = new._distinct = False
        new._grouped = new._locked = False
        return new

    def _keys(self, *, shown: bool) -> AnySelect:
        """The primary keys of what matches, for a part of another statement.

        Args:
            shown: Whether that one shows deleted records.
        """
        if shown and not self._finds_deleted():
            return self._alive()._keys(shown=False)
        names = key_names(mapper_of(self._model))
        if self._sliced or self._distinct:  # which rows are there depends on all their columns
            part = orm.aliased(self._model, self._statement.subquery())
            return select(*(getattr(part, name) for name in names))
        rows = self._statement.order_by(None).correlate(None)
        keys = [getattr(self._model, name) for name in names]
        return rows.with_only_columns(*keys, maintain_column_froms=True)

    def _read(self, read: Callable[[Found[T]], R]) -> Read[R]:
        def plainly(session: orm.Session) -> R:
            return read(session.scalars(self.statement).unique())

        return Read(plainly, self._shape_of_all(), lambda found: read(Known(found)))

    @override
    def _first(self) -> Read[T | None]:
        if self._limit is not None:
            return super()._first()
        one = self._shape(RECORDS, "first", lambda: self.statement.limit(1))
        if one is None:
            return super()._first()

        def plainly(session: orm.Session) -> T | None:
            return Reading._first(self).plainly(session)

        return Read(plainly, one, _first_of)

    @override
    def _shape_of_all(self) -> Shape | None:
        return self._shape(RECORDS, "all", lambda: self.statement)

    def scalar(self) -> T | None:
        """The only record, or None: `one_or_none` by the name SQLAlchemy has for a value.

        >>> with echo():
        ...     User.query.filter_by(name="Ada").scalar()
        SELECT users.id, users.name, users.age FROM users WHERE users.name = ?
        <User id=1>

        Raises:
            MultipleRecordsFoundError: There are several.
        """
        return self.one_or_none()

    async def ascalar(self) -> T | None:
        """Awaitable twin of `scalar`."""
        return await self.aone_or_none()

    def get(self, ident: Any) -> T | None:
        """The record with this primary key, or None; sends nothing if the session has it already.

        Where the query has criteria, the record must fulfil them too, and the database is asked;
        so it is where the query has options, such as `eager()` and `for_schema()`.

        >>> with echo():
        ...     User.query.get(1)
        SELECT users.id, users.name, users.age FROM users WHERE users.id = ?
        <User id=1>

        Args:
            ident: The key; of several columns a tuple in their order, or a dict by name.

        Raises:
            InvalidRequestError: The key has too few or too many columns, or other names.
        """
        return self._runner.run(self._get(ident))

    async def aget(self, ident: Any) -> T | None:
        """Awaitable twin of `get`."""
        return await self._runner.arun(self._get(ident))

    def _get(self, ident: Any) -> Read[T | None]:
        if _is_null(ident):
            return Read(lambda _: None)
        if self._sliced:
            raise exc.InvalidRequestError(
                "get() expected a query without `limit()` and `offset()`, found one with them: "
                "they would say which record it is, and so does the key"
            )
        # what is to be loaded with it, a record that the session has may lack
        if not self._is_plain() or self._options:
            return self.filter(*_key_criteria(self._model, ident))._one_or_none()
        shape = OfKey.of(self._model, ident) if self._steps == () else None

        def plainly(session: orm.Session) -> T | None:
            options = self._statement.get_execution_options()
            return session.get(self._model, ident, options=self._options, execution_options=options)

        return Read(plainly, shape, _one_or_none)

    def _is_plain(self) -> bool:
        if self._steps == ():
            return True
        refined = self._joined or self._sliced or self._grouped or self._locked
        return not refined and self._statement.whereclause is None

    def get_one(self, ident: Any) -> T:
        """The same as `get`, where absence is an error.

        >>> with echo():
        ...     User.query.get_one(1)
        SELECT users.id, users.name, users.age FROM users WHERE users.id = ?
        <User id=1>

        Args:
            ident: The key; of several columns a tuple in their order, or a dict by name.

        Raises:
            RecordNotFoundError: There is none.
            InvalidRequestError: The key has too few or too many columns, or other names.
        """
        return self._runner.run(self._get_one(ident))

    async def aget_one(self, ident: Any) -> T:
        """Awaitable twin of `get_one`."""
        return await self._runner.arun(self._get_one(ident))

    def _get_one(self, ident: Any) -> Read[T]:
        return self._get_needed(ident, RecordNotFoundError)

    def get_or_404(self, ident: Any, description: str | None = None) -> T:
        """The same as `get`, where absence is an HTTP answer 404.

        >>> with echo():
        ...     User.query.get_or_404(1)
        SELECT users.id, users.name, users.age FROM users WHERE users.id = ?
        <User id=1>

        Args:
            ident: The key; of several columns a tuple in their order, or a dict by name.
            description: What to tell the client; by default "User not found".

        Raises:
            RecordNotFoundError: There is none. It is a Starlette `HTTPException` as well.
            InvalidRequestError: The key has too few or too many columns, or other names.
        """
        return self._runner.run(self._get_or_404(ident, description))

    async def aget_or_404(self, ident: Any, description: str | None = None) -> T:
        """Awaitable twin of `get_or_404`."""
        return await self._runner.arun(self._get_or_404(ident, description))

    def _get_or_404(self, ident: Any, description: str | None = None) -> Read[T]:
        return self._get_needed(ident, answered(RecordNotFoundError), description)

    def _get_needed(
        self, ident: Any, kind: type[RecordNotFoundError], description: str | None = None
    ) -> Read[T]:
        def shown() -> Query[T]:
            return self.filter(*_key_criteria(self._model, ident))

        return self._needed(
            self._get(ident), kind, instead="get", description=description, shown=shown
        )

    def _repeats(self) -> bool:
        return self._multiplied or self._has_several_froms()

    def _counted(self) -> Select[int]:
        rows = self._statement.order_by(None)
        keys = mapper_of(self._model).primary_key
        if self._sliced and self._repeats() and not (self._distinct or self._grouped):
            # the order decides whose rows the limit leaves
            part = self._statement.with_only_columns(*keys, maintain_column_froms=True)
            return self._count_of(select(part.subquery()).distinct())
        if self._sliced or self._distinct or self._grouped:
            return super()._counted()
        if self._repeats():
            rows = rows.with_only_columns(*keys, maintain_column_froms=True)
            # PostgreSQL locks what is selected, not what is made of it
            rows = select(rows.subquery()) if self._locked else rows
            return self._count_of(rows.distinct())
        if self._locked:
            return super()._counted()
        return rows.with_only_columns(func.count(), maintain_column_froms=True)

    def _has_several_froms(self) -> bool:
        """Whether criteria bring further tables into FROM: a join without the word."""
        if self._has_own_criteria():
            return False
        # a table may also be that of a subquery; to ask the statement is exact, and slow
        return len(self._statement.get_final_froms()) > 1

    @override
    def _present(self) -> AnySelect:
        if self._sliced and self._distinct:  # DISTINCT of a constant leaves one row
            return super()._present()
        rows = self._statement.order_by(None)
        return rows.with_only_columns(literal_column("1"), maintain_column_froms=True)


def query_of(model: type[T]) -> Query[T]:
    """A new query of a model, of its `query_class` where it has one.

    Raises:
        TypeError: `query_class` is no class of queries.
    """
    kind: Any = getattr(model, "query_class", Query)
    if kind is Query:
        return Query(model)
    if isinstance(kind, orm.QueryableAttribute):  # a column of that name
        kind = Query
    if not (isinstance(kind, type) and issubclass(kind, Query)):
        raise TypeError(
            f"{model.__name__}.query_class expected a class that derives from Query, found {kind!r}"
        )
    return cast("type[Query[T]]", kind)(model)


def get_by_plan(model: type[T], ident: Any) -> Read[T | None] | None:
    """What `query_of(model).get(ident)` asks, made without a query where there may be a plan."""
    shape = OfKey.of(model, ident)
    if shape is None or getattr(model, "query_class", Query) is not Query:
        return None

    def plainly(session: orm.Session) -> T | None:
        return query_of(model)._get(ident).plainly(session)

    return Read(plainly, shape, _one_or_none)


def get_needed_by_plan(
    model: type[T], ident: Any, kind: type[RecordNotFoundError]
) -> Read[T] | None:
    """The same of `get_one(ident)`, or another question where absence is an error."""
    if (asked := get_by_plan(model, ident)) is None:
        return None

    def shown() -> Query[T]:
        return query_of(model).filter(*_key_criteria(model, ident))

    return needed(asked, kind, model, instead="get", shown=shown)


def _first_of(found: list[T]) -> T | None:
    return found[0] if found else None


def _one_or_none(found: list[T]) -> T | None:
    return Known(found).one_or_none() if len(found) > 1 else found[0] if found else None


def _is_null(ident: Any) -> bool:
    parts = ident.values() if isinstance(ident, dict) else ident
    if not isinstance(ident, dict | tuple | list):
        return ident is None
    return bool(parts) and all(part is None for part in parts)


def _key_criteria(model: type[Any], ident: Any) -> list[Criterion]:
    names = key_names(mapper_of(model))
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
