"""Asking for columns instead of records, and the query that answers with rows.

SQLAlchemy types a row by what its columns hold, up to ten of them by overloads; so does this, and
the overloads are most of the file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast, overload

from sqlalchemy import Row, Select, orm
from sqlalchemy.engine import Result
from typing_extensions import override

from ._aggregates import Aggregates
from ._names import check_columns, mapper_of
from ._operations import Read
from ._plans.asking import DICTS, ROWS, VALUE, Shape
from ._plans.found import Known
from ._plans.steps import Attributes
from ._reading import Found
from ._types import AnySelect, Column, R, T, Ts, V

__all__ = ["Columns", "Rows"]

T0 = TypeVar("T0")
T1 = TypeVar("T1")
T2 = TypeVar("T2")
T3 = TypeVar("T3")
T4 = TypeVar("T4")
T5 = TypeVar("T5")
T6 = TypeVar("T6")
T7 = TypeVar("T7")
T8 = TypeVar("T8")
T9 = TypeVar("T9")


class Columns(Aggregates[T]):
    """A query whose rows can be asked for other columns."""

    __slots__ = ()

    @overload
    def with_entities(self, c0: Column[T0], /) -> Rows[T0]: ...

    @overload
    def with_entities(self, c0: Column[T0], c1: Column[T1], /) -> Rows[T0, T1]: ...

    @overload
    def with_entities(
        self, c0: Column[T0], c1: Column[T1], c2: Column[T2], /
    ) -> Rows[T0, T1, T2]: ...

    @overload
    def with_entities(
        self, c0: Column[T0], c1: Column[T1], c2: Column[T2], c3: Column[T3], /
    ) -> Rows[T0, T1, T2, T3]: ...

    @overload
    def with_entities(
        self, c0: Column[T0], c1: Column[T1], c2: Column[T2], c3: Column[T3], c4: Column[T4], /
    ) -> Rows[T0, T1, T2, T3, T4]: ...

    @overload
    def with_entities(
        self,
        c0: Column[T0],
        c1: Column[T1],
        c2: Column[T2],
        c3: Column[T3],
        c4: Column[T4],
        c5: Column[T5],
        /,
    ) -> Rows[T0, T1, T2, T3, T4, T5]: ...

    @overload
    def with_entities(
        self,
        c0: Column[T0],
        c1: Column[T1],
        c2: Column[T2],
        c3: Column[T3],
        c4: Column[T4],
        c5: Column[T5],
        c6: Column[T6],
        /,
    ) -> Rows[T0, T1, T2, T3, T4, T5, T6]: ...

    @overload
    def with_entities(
        self,
        c0: Column[T0],
        c1: Column[T1],
        c2: Column[T2],
        c3: Column[T3],
        c4: Column[T4],
        c5: Column[T5],
        c6: Column[T6],
        c7: Column[T7],
        /,
    ) -> Rows[T0, T1, T2, T3, T4, T5, T6, T7]: ...

    @overload
    def with_entities(
        self,
        c0: Column[T0],
        c1: Column[T1],
        c2: Column[T2],
        c3: Column[T3],
        c4: Column[T4],
        c5: Column[T5],
        c6: Column[T6],
        c7: Column[T7],
        c8: Column[T8],
        /,
    ) -> Rows[T0, T1, T2, T3, T4, T5, T6, T7, T8]: ...

    @overload
    def with_entities(
        self,
        c0: Column[T0],
        c1: Column[T1],
        c2: Column[T2],
        c3: Column[T3],
        c4: Column[T4],
        c5: Column[T5],
        c6: Column[T6],
        c7: Column[T7],
        c8: Column[T8],
        c9: Column[T9],
        /,
    ) -> Rows[T0, T1, T2, T3, T4, T5, T6, T7, T8, T9]: ...

    @overload
    def with_entities(self, *columns: Column[Any]) -> Rows[*tuple[Any, ...]]: ...

    def with_entities(self, *columns: Any) -> Rows[*tuple[Any, ...]]:
        """Ask for these columns, expressions or models of the same rows; or for all columns.

        The model's own table stays in FROM, so that `with_entities(func.count())` counts it, and
        columns of another model want a `join()` to it.

        >>> print(User.query.join(User.posts).with_entities(User.name, Post.title))
        SELECT users.name, posts.title
        FROM users JOIN posts ON users.id = posts.author_id

        Raises:
            NotAColumnError: A string or a relationship was given.
        """
        return self._entities("with_entities", columns)

    def _entities(self, verb: str, columns: tuple[Any, ...]) -> Rows[*tuple[Any, ...]]:
        columns = columns or tuple(
            getattr(self._model, each.key) for each in mapper_of(self._model).column_attrs
        )
        check_columns(verb, self._model, columns)
        if self._steps is not None and Attributes.takes(columns):
            new: Rows[*tuple[Any, ...]] = self._stepped(Rows, Attributes(_only, columns))
            new._options = ()
            return new
        statement = self._statement.with_only_columns(*columns, maintain_column_froms=True)
        # loader options are about models: SQLAlchemy refuses them where there is none
        options = self._options if _has_records(statement) else ()
        rows: Rows[*tuple[Any, ...]] = self._become(Rows, statement, options=options)
        return rows

    @overload
    def rows(self, c0: Column[T0], /) -> list[Row[T0]]: ...

    @overload
    def rows(self, c0: Column[T0], c1: Column[T1], /) -> list[Row[T0, T1]]: ...

    @overload
    def rows(self, c0: Column[T0], c1: Column[T1], c2: Column[T2], /) -> list[Row[T0, T1, T2]]: ...

    @overload
    def rows(
        self, c0: Column[T0], c1: Column[T1], c2: Column[T2], c3: Column[T3], /
    ) -> list[Row[T0, T1, T2, T3]]: ...

    @overload
    def rows(
        self, c0: Column[T0], c1: Column[T1], c2: Column[T2], c3: Column[T3], c4: Column[T4], /
    ) -> list[Row[T0, T1, T2, T3, T4]]: ...

    @overload
    def rows(
        self,
        c0: Column[T0],
        c1: Column[T1],
        c2: Column[T2],
        c3: Column[T3],
        c4: Column[T4],
        c5: Column[T5],
        /,
    ) -> list[Row[T0, T1, T2, T3, T4, T5]]: ...

    @overload
    def rows(
        self,
        c0: Column[T0],
        c1: Column[T1],
        c2: Column[T2],
        c3: Column[T3],
        c4: Column[T4],
        c5: Column[T5],
        c6: Column[T6],
        /,
    ) -> list[Row[T0, T1, T2, T3, T4, T5, T6]]: ...

    @overload
    def rows(
        self,
        c0: Column[T0],
        c1: Column[T1],
        c2: Column[T2],
        c3: Column[T3],
        c4: Column[T4],
        c5: Column[T5],
        c6: Column[T6],
        c7: Column[T7],
        /,
    ) -> list[Row[T0, T1, T2, T3, T4, T5, T6, T7]]: ...

    @overload
    def rows(
        self,
        c0: Column[T0],
        c1: Column[T1],
        c2: Column[T2],
        c3: Column[T3],
        c4: Column[T4],
        c5: Column[T5],
        c6: Column[T6],
        c7: Column[T7],
        c8: Column[T8],
        /,
    ) -> list[Row[T0, T1, T2, T3, T4, T5, T6, T7, T8]]: ...

    @overload
    def rows(
        self,
        c0: Column[T0],
        c1: Column[T1],
        c2: Column[T2],
        c3: Column[T3],
        c4: Column[T4],
        c5: Column[T5],
        c6: Column[T6],
        c7: Column[T7],
        c8: Column[T8],
        c9: Column[T9],
        /,
    ) -> list[Row[T0, T1, T2, T3, T4, T5, T6, T7, T8, T9]]: ...

    @overload
    def rows(self, *columns: Column[Any]) -> list[Row[*tuple[Any, ...]]]: ...

    def rows(self, *columns: Any) -> list[Any]:
        """The rows of these columns: `with_entities(...).all()`; without any, all the model's.

        >>> with echo():
        ...     User.query.order_by(User.id).rows(User.name, User.age)
        SELECT users.name, users.age FROM users ORDER BY users.id
        [('Ada', 36), ('Grace', 85)]

        Raises:
            NotAColumnError: A string or a relationship was given.
        """
        return self._entities("rows", columns).all()

    @overload
    async def arows(self, c0: Column[T0], /) -> list[Row[T0]]: ...

    @overload
    async def arows(self, c0: Column[T0], c1: Column[T1], /) -> list[Row[T0, T1]]: ...

    @overload
    async def arows(
        self, c0: Column[T0], c1: Column[T1], c2: Column[T2], /
    ) -> list[Row[T0, T1, T2]]: ...

    @overload
    async def arows(
        self, c0: Column[T0], c1: Column[T1], c2: Column[T2], c3: Column[T3], /
    ) -> list[Row[T0, T1, T2, T3]]: ...

    @overload
    async def arows(
        self, c0: Column[T0], c1: Column[T1], c2: Column[T2], c3: Column[T3], c4: Column[T4], /
    ) -> list[Row[T0, T1, T2, T3, T4]]: ...

    @overload
    async def arows(
        self,
        c0: Column[T0],
        c1: Column[T1],
        c2: Column[T2],
        c3: Column[T3],
        c4: Column[T4],
        c5: Column[T5],
        /,
    ) -> list[Row[T0, T1, T2, T3, T4, T5]]: ...

    @overload
    async def arows(
        self,
        c0: Column[T0],
        c1: Column[T1],
        c2: Column[T2],
        c3: Column[T3],
        c4: Column[T4],
        c5: Column[T5],
        c6: Column[T6],
        /,
    ) -> list[Row[T0, T1, T2, T3, T4, T5, T6]]: ...

    @overload
    async def arows(
        self,
        c0: Column[T0],
        c1: Column[T1],
        c2: Column[T2],
        c3: Column[T3],
        c4: Column[T4],
        c5: Column[T5],
        c6: Column[T6],
        c7: Column[T7],
        /,
    ) -> list[Row[T0, T1, T2, T3, T4, T5, T6, T7]]: ...

    @overload
    async def arows(
        self,
        c0: Column[T0],
        c1: Column[T1],
        c2: Column[T2],
        c3: Column[T3],
        c4: Column[T4],
        c5: Column[T5],
        c6: Column[T6],
        c7: Column[T7],
        c8: Column[T8],
        /,
    ) -> list[Row[T0, T1, T2, T3, T4, T5, T6, T7, T8]]: ...

    @overload
    async def arows(
        self,
        c0: Column[T0],
        c1: Column[T1],
        c2: Column[T2],
        c3: Column[T3],
        c4: Column[T4],
        c5: Column[T5],
        c6: Column[T6],
        c7: Column[T7],
        c8: Column[T8],
        c9: Column[T9],
        /,
    ) -> list[Row[T0, T1, T2, T3, T4, T5, T6, T7, T8, T9]]: ...

    @overload
    async def arows(self, *columns: Column[Any]) -> list[Row[*tuple[Any, ...]]]: ...

    async def arows(self, *columns: Any) -> list[Any]:
        """Awaitable twin of `rows`."""
        return await self._entities("rows", columns).aall()

    def dicts(self, *columns: Column[Any]) -> list[dict[str, Any]]:
        """The same rows as dicts by the names of the columns: what becomes JSON as it is.

        >>> with echo():
        ...     User.query.order_by(User.id).dicts(User.name, User.age)
        SELECT users.name, users.age FROM users ORDER BY users.id
        [{'name': 'Ada', 'age': 36}, {'name': 'Grace', 'age': 85}]

        Raises:
            NotAColumnError: A string or a relationship was given.
        """
        return self._runner.run(self._dicts(columns))

    async def adicts(self, *columns: Column[Any]) -> list[dict[str, Any]]:
        """Awaitable twin of `dicts`."""
        return await self._runner.arun(self._dicts(columns))

    def _dicts(self, columns: tuple[Any, ...]) -> Read[list[dict[str, Any]]]:
        rows = self._entities("dicts", columns)
        shape = rows._shape(DICTS, "dicts", lambda: rows.statement)
        plain = rows._read(lambda found: [dict(row._mapping) for row in found.all()])
        return plain if shape is None else Read(plain.ask, shape, list)

    def pluck(self, column: Column[V]) -> list[V]:
        """The values of one column, as a list.

        >>> with echo():
        ...     User.query.order_by(User.age.desc()).pluck(User.name)
        SELECT users.name FROM users ORDER BY users.age DESC
        ['Grace', 'Ada']

        Raises:
            NotAColumnError: A string or a relationship was given.
        """
        return self._runner.run(self._pluck(column))

    async def apluck(self, column: Column[V]) -> list[V]:
        """Awaitable twin of `pluck`."""
        return await self._runner.arun(self._pluck(column))

    def _pluck(self, column: Column[V]) -> Read[list[V]]:
        rows = self._entities("pluck", (column,))
        shape = rows._shape(VALUE, "pluck", lambda: rows.statement)
        plain = rows._read(lambda found: [row[0] for row in found.all()])
        return plain if shape is None else Read(plain.ask, shape, list)


class Rows(Columns[Row[*Ts]], Generic[*Ts]):
    """What to ask about columns; like a query of records, but of rows.

    >>> User.query.with_entities(User.id, User.name).filter_by(name="Ada").one()
    (1, 'Ada')
    """

    __slots__ = ()

    @property
    def statement(self) -> Select[*Ts]:
        """The `Select` that `all()` runs."""
        return cast("Select[*Ts]", super().statement)

    def _entities(self, verb: str, columns: tuple[Any, ...]) -> Rows[*tuple[Any, ...]]:
        if not columns:
            return cast("Rows[*tuple[Any, ...]]", self)
        return super()._entities(verb, columns)

    def _read(self, read: Callable[[Found[Row[*Ts]]], R]) -> Read[R]:
        shape = self._shape_of_all()

        def plainly(session: orm.Session) -> R:
            found = cast("Result[*Ts]", session.execute(self.statement))
            if shape is not None:
                shape.learn(session, cast("Result[Any]", found))
            # as SQLAlchemy's own query does: rows with a record in them come each once
            return read(found.unique() if _has_records(self.statement) else found)

        return Read(plainly, shape, lambda found: read(Known(found)))

    @override
    def _shape_of_all(self) -> Shape | None:
        return self._shape(ROWS, "rows", lambda: self.statement)

    def scalar(self: Rows[V, *tuple[Any, ...]]) -> V | None:
        """The first column of the only row, or None where there is no row.

        >>> with echo():
        ...     User.query.with_entities(func.count()).scalar()
        SELECT count(*) AS count_1 FROM users
        2

        Raises:
            MultipleRecordsFoundError: There are several rows.
        """
        return self._runner.run(self._scalar())

    async def ascalar(self: Rows[V, *tuple[Any, ...]]) -> V | None:
        """Awaitable twin of `scalar`."""
        return await self._runner.arun(self._scalar())

    def _scalar(self: Rows[V, *tuple[Any, ...]]) -> Read[V | None]:
        def first(session: orm.Session) -> V | None:
            row = self._one_or_none().ask(session)
            return None if row is None else row[0]

        return Read(first)


def _only(statement: AnySelect, *columns: Any) -> AnySelect:
    return statement.with_only_columns(*columns, maintain_column_froms=True)


def _has_records(statement: AnySelect) -> bool:
    columns = statement.column_descriptions
    return any(each["expr"] is each.get("entity") for each in columns)
