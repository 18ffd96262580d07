"""A part of the records of a query, each record once, read from a place in its order.

A join with a collection has a row for every child, so that a LIMIT would cut through a record:
there the part is cut from the first rows of the records, and the rows of those are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic

from sqlalchemy import ColumnElement, Dialect, Label, Row, Select, func, orm

from ._chain import Chain
from ._cursors import Cursor
from ._keyset import Keyset, key_of
from ._types import T

__all__ = ["Slice"]


@dataclass(frozen=True, slots=True)
class Slice(Generic[T]):
    """A part of a query.

    Args:
        chain: The query.
        keyset: Its order.
        limit: How many records at most.
        offset: How many to skip.
        place: Where it begins, or ends; None where the order does.
        backwards: Whether it ends at that place.
    """

    chain: Chain[T]
    keyset: Keyset
    limit: int
    offset: int = 0
    place: Cursor | None = None
    backwards: bool = False

    def read(self, session: orm.Session) -> list[Row[Any]]:
        """The records, each as a row with what the order sorts it by."""
        dialect = session.get_bind(self.chain._model).dialect
        statement = self._from_first_rows(dialect) if self.apart else self._from_rows(dialect)
        # by identity: a record need not be hashable
        rows = list(session.execute(statement).unique(lambda row: id(row[0])))
        if self.backwards and not self.apart:
            rows.reverse()
        return rows

    def following(self, values: Sequence[Any]) -> Slice[T]:
        """The part after the record that is sorted by these values."""
        return replace(self, place=Cursor("", tuple(values)), offset=0)

    @property
    def apart(self) -> bool:
        """Whether the rows of the query are not its records."""
        return self.chain._distinct or self.chain._grouped or self.chain._repeats()

    @property
    def _direction(self) -> Keyset:
        return self.keyset.backwards() if self.backwards else self.keyset

    def _from_rows(self, dialect: Dialect) -> Select[Any]:
        columns = self.keyset.columns(dialect)
        statement = self.chain.statement.order_by(None).add_columns(*_labelled("sort", columns))
        return self._cut(statement, dialect, columns, self._direction.order(dialect))

    def _from_first_rows(self, dialect: Dialect) -> Select[Any]:
        key = key_of(self.chain._model)
        sorts = _labelled("sort", self.keyset.columns(dialect))
        order = self.keyset.order(dialect)
        nth = func.row_number().over(partition_by=key, order_by=order).label("nth")
        found = (
            self.chain._statement.with_only_columns(
                *_labelled("key", key), *sorts, nth, maintain_column_froms=True
            )
            .order_by(None)
            .order_by(*(order if self.chain._distinct else ()))  # DISTINCT ON keeps the first
        )
        # what is locked are the rows that are read; there is no public way to take it back
        found._for_update_arg = None
        rows = found.subquery()
        places = [rows.c[sort.name] for sort in sorts]
        keys = [rows.c[f"key_{number}"] for number in range(len(key))]
        first = rows.select().with_only_columns(*keys).where(rows.c.nth == 1)
        cut = self._cut(first, dialect, places, self._direction.order(dialect, places))
        # PostgreSQL would lock the rows of a subquery in FROM too, and refuses numbered ones
        part = cut.cte("part") if self.chain._locked else cut.subquery()
        same = (column == part.c[f"key_{number}"] for number, column in enumerate(key))
        statement = self.chain.statement.order_by(None).add_columns(*sorts).where(*same)
        return statement.order_by(*order)

    def _cut(
        self, statement: Select[Any], dialect: Dialect, columns: Sequence[Any], order: Sequence[Any]
    ) -> Select[Any]:
        if (place := self.place) is not None:
            statement = statement.where(
                self._direction.after(dialect, columns, place.values, inclusive=place.inclusive)
            )
        statement = statement.order_by(*order).limit(self.limit)
        return statement.offset(self.offset) if self.offset else statement


def _labelled(name: str, columns: Sequence[ColumnElement[Any]]) -> list[Label[Any]]:
    # without a label SQLAlchemy does not find the column of a cast in the row
    return [column.label(f"{name}_{number}") for number, column in enumerate(columns)]
