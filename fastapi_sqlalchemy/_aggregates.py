"""Sums and the like: one value over the rows of a query.

They are SQL's: of no rows each is None, and NULL is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar

from sqlalchemy import func, select
from sqlalchemy.types import TypeEngine

from ._names import check_columns
from ._operations import Read
from ._reading import Reading
from ._types import AnySelect, Column, T, V

__all__ = ["Aggregates"]

N = TypeVar("N", float, Decimal)


class Aggregates(Reading[T]):
    """One value over the rows that match; a limit or DISTINCT comes first."""

    __slots__ = ()

    def sum(self, column: Column[V]) -> V | None:
        """The sum of a column or an expression; None where no row has one.

        >>> with echo():
        ...     User.query.sum(User.age)
        SELECT sum(users.age) AS sum_1 FROM users
        121

        Raises:
            NotAColumnError: A string or a relationship was given.
        """
        return self._runner.run(self._sum(column))

    async def asum(self, column: Column[V]) -> V | None:
        """Awaitable twin of `sum`."""
        return await self._runner.arun(self._sum(column))

    def _sum(self, column: Column[V]) -> Read[V | None]:
        return self._aggregate("sum", column, _like)

    def min(self, column: Column[V]) -> V | None:
        """The least value of a column or an expression; None where no row has one.

        >>> with echo():
        ...     User.query.min(func.length(User.name))
        SELECT min(length(users.name)) AS min_1 FROM users
        3

        Raises:
            NotAColumnError: A string or a relationship was given.
        """
        return self._runner.run(self._min(column))

    async def amin(self, column: Column[V]) -> V | None:
        """Awaitable twin of `min`."""
        return await self._runner.arun(self._min(column))

    def _min(self, column: Column[V]) -> Read[V | None]:
        return self._aggregate("min", column, _like)

    def max(self, column: Column[V]) -> V | None:
        """The greatest value of a column or an expression; None where no row has one.

        >>> with echo():
        ...     User.query.order_by(User.age).limit(1).max(User.age)
        SELECT max(anon_1.value) AS max_1
        FROM (SELECT users.age AS value FROM users ORDER BY users.age LIMIT ? OFFSET ?) AS anon_1
        36

        Raises:
            NotAColumnError: A string or a relationship was given.
        """
        return self._runner.run(self._max(column))

    async def amax(self, column: Column[V]) -> V | None:
        """Awaitable twin of `max`."""
        return await self._runner.arun(self._max(column))

    def _max(self, column: Column[V]) -> Read[V | None]:
        return self._aggregate("max", column, _like)

    def avg(self, column: Column[N | None]) -> N | None:
        """The average of a column: a `Decimal` of decimals, else a `float`; None of no rows.

        >>> with echo():
        ...     User.query.avg(User.age)
        SELECT avg(users.age) AS avg_1 FROM users
        60.5

        Raises:
            NotAColumnError: A string or a relationship was given.
        """
        return self._runner.run(self._avg(column))

    async def aavg(self, column: Column[N | None]) -> N | None:
        """Awaitable twin of `avg`."""
        return await self._runner.arun(self._avg(column))

    def _avg(self, column: Column[N | None]) -> Read[N | None]:
        return self._aggregate("avg", column, _average)

    def _aggregate(
        self, name: str, column: Any, read: Callable[[Any, type | None], Any]
    ) -> Read[Any]:
        check_columns(name, self._model, (column,))
        function = getattr(func, name)
        statement: AnySelect
        if self._sliced or self._distinct or self._grouped or self._locked:
            value = column.label("value")
            if self._distinct:  # tells records apart by all their columns, and so needs them
                rows = self._statement.add_columns(value)
            else:
                rows = self._statement.with_only_columns(value, maintain_column_froms=True)
            statement = self._around(select(function(rows.subquery().c.value)))
        else:
            rows = self._statement.order_by(None)
            statement = rows.with_only_columns(function(column), maintain_column_froms=True)
        kind = _python_type(func.max(column).type)
        return Read(lambda session: read(session.scalars(statement).one(), kind))


def _python_type(kind: TypeEngine[Any]) -> type | None:
    try:
        return kind.python_type
    except NotImplementedError:
        return None


def _like(value: Any, kind: type | None) -> Any:
    """PostgreSQL and MariaDB sum whole numbers to a decimal, lest they overflow."""
    return int(value) if kind is int and isinstance(value, Decimal) else value


def _average(value: Any, kind: type | None) -> Any:
    if value is None:
        return None
    if kind is Decimal:
        return value if isinstance(value, Decimal) else Decimal(str(value))
    return float(value)
