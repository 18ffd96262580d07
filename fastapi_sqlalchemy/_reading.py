"""The terminals that a query of records and one of rows have in common.

What differs is how a result is read: records come each once, rows come as they are.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
from typing import Any, Protocol, Self, TypeVar, overload

from sqlalchemy import exc, orm, select

from ._explain import explained
from ._operations import Read
from ._planned import Planned
from ._plans.asking import Shape
from ._types import AnySelect, R, T
from .exceptions import InvalidSliceError, MultipleRecordsFoundError, RecordNotFoundError, answered

__all__ = ["Found", "Reading", "needed"]

T_co = TypeVar("T_co", covariant=True)


class Found(Protocol[T_co]):
    """A result of SQLAlchemy's, of records or of rows."""

    def all(self) -> Sequence[T_co]: ...
    def first(self) -> T_co | None: ...
    def one(self) -> T_co: ...
    def one_or_none(self) -> T_co | None: ...


def needed(
    asked: Read[T | None],
    kind: type[RecordNotFoundError],
    model: type[Any],
    *,
    instead: str,
    shown: Callable[[], object],
    description: str | None = None,
) -> Read[T]:
    """A question where absence is an error.

    Args:
        asked: The question.
        kind: Of the error.
        model: What is asked about.
        instead: The verb to use where absence is a normal outcome.
        shown: Makes the query that the error shows.
        description: What to tell a client.
    """

    def there(found: T | None) -> T:
        if found is None:
            raise kind(model.__name__, str(shown()), instead=instead, description=description)
        return found

    return asked.then(there)


class Reading(Planned[T]):
    """A chain that can be asked for what it describes."""

    __slots__ = ()

    def _read(self, read: Callable[[Found[T]], R]) -> Read[R]:
        """The statement of this chain, and how its result is read."""
        raise NotImplementedError

    def all(self) -> list[T]:
        """Everything that matches; of records each once.

        >>> with echo():
        ...     User.query.order_by(User.name).all()
        SELECT users.id, users.name, users.age FROM users ORDER BY users.name
        [<User id=1>, <User id=2>]
        """
        return self._runner.run(self._all())

    async def aall(self) -> list[T]:
        """Awaitable twin of `all`."""
        return await self._runner.arun(self._all())

    def __iter__(self) -> Iterator[T]:
        return iter(self.all())

    async def __aiter__(self) -> AsyncIterator[T]:
        for record in await self.aall():
            yield record

    def __await__(self) -> Generator[Any, Any, list[T]]:
        return self.aall().__await__()

    def _all(self) -> Read[list[T]]:
        return self._read(lambda found: list(found.all()))

    @overload
    def __getitem__(self, wanted: slice) -> Self: ...

    @overload
    def __getitem__(self, wanted: int) -> T: ...

    def __getitem__(self, wanted: slice | int) -> Self | T:
        """`query[2:5]` is a query of a part, of what the query has so far; nothing is sent.

        `query[2]` asks at once, and blocks as `first` does. It has no awaitable twin:
        `await query[2:].afirst()`.

        >>> print(User.query.order_by(User.id)[2:5])
        SELECT users.id, users.name, users.age
        FROM users ORDER BY users.id
         LIMIT :param_1 OFFSET :param_2
        >>> User.query.order_by(User.id)[1]
        <User id=2>

        Raises:
            InvalidSliceError: A number is negative, or a step was given. It is an `IndexError`.
            IndexError: There is nothing at the index.
        """
        if isinstance(wanted, slice):
            return self._slice(wanted)
        if wanted < 0:
            raise InvalidSliceError(str(wanted))
        found = self._slice(slice(wanted, wanted + 1)).first()
        if found is None:
            raise IndexError(f"expected a {self._model.__name__} at index {wanted}, found fewer")
        return found

    def first(self) -> T | None:
        """The first, or None.

        >>> with echo():
        ...     User.query.order_by(User.name).first()
        SELECT users.id, users.name, users.age FROM users ORDER BY users.name LIMIT ? OFFSET ?
        <User id=1>
        """
        return self._runner.run(self._first())

    async def afirst(self) -> T | None:
        """Awaitable twin of `first`."""
        return await self._runner.arun(self._first())

    def _first(self) -> Read[T | None]:
        one = 1 if self._limit is None else min(self._limit, 1)
        return self._limited(one)._read(lambda found: found.first())

    def first_or_404(self, description: str | None = None) -> T:
        """The first; where there is none, an HTTP answer 404.

        >>> with echo():
        ...     User.query.order_by(User.name).first_or_404()
        SELECT users.id, users.name, users.age FROM users ORDER BY users.name LIMIT ? OFFSET ?
        <User id=1>

        Args:
            description: What to tell the client; by default "User not found".

        Raises:
            RecordNotFoundError: There is none. It is a Starlette `HTTPException` as well.
        """
        return self._runner.run(self._first_or_404(description))

    async def afirst_or_404(self, description: str | None = None) -> T:
        """Awaitable twin of `first_or_404`."""
        return await self._runner.arun(self._first_or_404(description))

    def _first_or_404(self, description: str | None) -> Read[T]:
        kind = answered(RecordNotFoundError)
        return self._needed(self._first(), kind, instead="first", description=description)

    def _needed(
        self,
        asked: Read[T | None],
        kind: type[RecordNotFoundError],
        *,
        instead: str,
        description: str | None = None,
        shown: Callable[[], object] | None = None,
    ) -> Read[T]:
        """The same question, where absence is an error that shows this query, or another."""
        return needed(
            asked,
            kind,
            self._model,
            instead=instead,
            description=description,
            shown=shown or (lambda: self),
        )

    def one(self) -> T:
        """The only one.

        >>> with echo():
        ...     User.query.filter_by(name="Ada").one()
        SELECT users.id, users.name, users.age FROM users WHERE users.name = ?
        <User id=1>

        Raises:
            RecordNotFoundError: There is none.
            MultipleRecordsFoundError: There are several.
        """
        return self._runner.run(self._one())

    async def aone(self) -> T:
        """Awaitable twin of `one`."""
        return await self._runner.arun(self._one())

    def _one(self) -> Read[T]:
        def only(found: Found[T]) -> T:
            try:
                return found.one()
            except exc.NoResultFound:
                raise RecordNotFoundError(self._model.__name__, str(self)) from None
            except exc.MultipleResultsFound:
                raise MultipleRecordsFoundError(self._model.__name__, str(self)) from None

        return self._read(only)

    def one_or_none(self) -> T | None:
        """The only one, or None.

        >>> with echo():
        ...     print(User.query.filter_by(name="Charles").one_or_none())
        SELECT users.id, users.name, users.age FROM users WHERE users.name = ?
        None

        Raises:
            MultipleRecordsFoundError: There are several.
        """
        return self._runner.run(self._one_or_none())

    async def aone_or_none(self) -> T | None:
        """Awaitable twin of `one_or_none`."""
        return await self._runner.arun(self._one_or_none())

    def _one_or_none(self) -> Read[T | None]:
        def only(found: Found[T]) -> T | None:
            try:
                return found.one_or_none()
            except exc.MultipleResultsFound:
                raise MultipleRecordsFoundError(self._model.__name__, str(self)) from None

        return self._read(only)

    def one_or_404(self, description: str | None = None) -> T:
        """The only one; where there is none, an HTTP answer 404.

        Several are no absence but a mistake in the query or the data, and answer 500.

        >>> with echo():
        ...     User.query.filter_by(name="Ada").one_or_404()
        SELECT users.id, users.name, users.age FROM users WHERE users.name = ?
        <User id=1>

        Args:
            description: What to tell the client; by default "User not found".

        Raises:
            RecordNotFoundError: There is none. It is a Starlette `HTTPException` as well.
            MultipleRecordsFoundError: There are several.
        """
        return self._runner.run(self._one_or_404(description))

    async def aone_or_404(self, description: str | None = None) -> T:
        """Awaitable twin of `one_or_404`."""
        return await self._runner.arun(self._one_or_404(description))

    def _one_or_404(self, description: str | None) -> Read[T]:
        kind = answered(RecordNotFoundError)
        return self._needed(
            self._one_or_none(), kind, instead="one_or_none", description=description
        )

    def count(self) -> int:
        """How many match: records each once, rows as they are; a limit counts within it.

        >>> with echo():
        ...     User.query.filter(User.age > 40).count()
        SELECT count(*) AS count_1 FROM users WHERE users.age > ?
        1
        """
        return self._runner.run(self._count())

    async def acount(self) -> int:
        """Awaitable twin of `count`."""
        return await self._runner.arun(self._count())

    def exists(self) -> bool:
        """Whether anything matches.

        >>> with echo():
        ...     User.query.filter_by(name="Charles").exists()
        SELECT EXISTS (SELECT 1 FROM users WHERE users.name = ?) AS anon_1
        False
        """
        return self._runner.run(self._exists())

    async def aexists(self) -> bool:
        """Awaitable twin of `exists`."""
        return await self._runner.arun(self._exists())

    def _exists(self) -> Read[bool]:
        return self._value("exists", lambda: self._around(select(self._present().exists())), bool)

    def _present(self) -> AnySelect:
        """A statement that has a row where this one has."""
        return self._statement.order_by(None)

    def explain_plan(self) -> str:
        """Which way `all()` takes: by a plan, or that of SQLAlchemy and why. Nothing is sent.

        >>> User.query.filter_by(name="Ada").explain_plan()
        'a plan'
        >>> User.query.join(User.posts).explain_plan()
        "SQLAlchemy's own path: the query joins"
        """
        return self._runner.run(self._explain_plan())

    async def aexplain_plan(self) -> str:
        """Awaitable twin of `explain_plan`."""
        return await self._runner.arun(self._explain_plan())

    def _explain_plan(self) -> Read[str]:
        def ask(session: orm.Session) -> str:
            shape = self._shape_of_all()
            obstacle = self._unplanned() if shape is None else shape.obstacle(session)
            return "a plan" if obstacle is None else f"SQLAlchemy's own path: {obstacle}"

        return Read(ask)

    def _shape_of_all(self) -> Shape | None:
        """What tells the plan of `all()`, where there may be one."""
        return None

    def _unplanned(self) -> str:
        """What of the chain no plan is made for."""
        parts = {
            "the query joins": self._joined,
            "the query has loader options": self._options,
            "the query groups": self._grouped,
            "the query has a DISTINCT": self._distinct,
            "the query locks rows": self._locked,
            "the query has execution options": self._statement.get_execution_options(),
        }
        found = next((reason for reason, there in parts.items() if there), None)
        return found or "the query compares with a value, or has a part, that no plan is made for"

    def explain(self) -> str:
        """How the database would run the query, in its own words; nothing is run.

        The plan may show the values of the query's criteria.

        >>> with echo():
        ...     print(User.query.filter_by(id=1).explain())
        EXPLAIN QUERY PLAN SELECT users.id, users.name, users.age FROM users WHERE users.id = ?
        SEARCH users USING INTEGER PRIMARY KEY (rowid=?)
        """
        return self._runner.run(explained(self.statement))

    async def aexplain(self) -> str:
        """Awaitable twin of `explain`."""
        return await self._runner.arun(explained(self.statement))
