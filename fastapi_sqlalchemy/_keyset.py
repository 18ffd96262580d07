"""An order as a list of terms: how to sort by it, and what comes after a place in it.

A page that begins where another ended is asked for by values, `WHERE (name, id) > (:name, :id)`,
so that its cost does not grow with its number, and rows that come or go before it do not shift it.
Databases differ in where NULL stands and in what equals what they sent; both are settled here.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Dialect,
    ScalarSelect,
    Select,
    SelectBase,
    and_,
    false,
    literal,
    or_,
    true,
)
from sqlalchemy.engine.default import StrCompileDialect
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import Mapper
from sqlalchemy.sql import operators, visitors

from ._comparing import MYSQL, comparable, fits
from ._cursors import fingerprint
from ._names import key_names, mapper_of

__all__ = ["Keyset", "key_of", "whole_order"]

_NULLS_LARGEST: Final = ("postgresql", "oracle")
_MODIFIERS: Final = (
    operators.asc_op,
    operators.desc_op,
    operators.nulls_first_op,
    operators.nulls_last_op,
)
_WRAPPERS: Final = ("label", "label_reference", "grouping")


@dataclass(frozen=True, slots=True)
class Term:
    """One expression of an order.

    Args:
        expression: What to sort by.
        descending: Whether large values come first.
        nulls_first: Whether NULL does; None leaves it to the database.
        nullable: Whether it can be NULL.
    """

    expression: ColumnElement[Any]
    descending: bool = False
    nulls_first: bool | None = None
    nullable: bool = True

    def backwards(self) -> Term:
        """The term of the opposite order."""
        nulls_first = None if self.nulls_first is None else not self.nulls_first
        return replace(self, descending=not self.descending, nulls_first=nulls_first)

    def has_nulls_first(self, dialect: Dialect) -> bool:
        """Whether NULL comes first on this database."""
        if self.nulls_first is not None:
            return self.nulls_first
        return self._by_default(dialect)

    def _by_default(self, dialect: Dialect) -> bool:
        return self.descending is (dialect.name in _NULLS_LARGEST)

    def order(self, dialect: Dialect, column: ColumnElement[Any]) -> Iterator[ColumnElement[Any]]:
        """The ORDER BY of this term, by its expression or a column that stands for it."""
        ordered = column.desc() if self.descending else column
        if self.nulls_first in (None, self._by_default(dialect)) or not self.nullable:
            yield ordered
        elif dialect.name in MYSQL:  # knows no NULLS FIRST
            nulls = column.is_(None)
            yield nulls.desc() if self.nulls_first else nulls
            yield ordered
        else:
            yield ordered.nulls_first() if self.nulls_first else ordered.nulls_last()

    def beyond(
        self, dialect: Dialect, column: ColumnElement[Any], value: Any
    ) -> ColumnElement[bool] | None:
        """What comes after a value; None where nothing does."""
        nulls_first = self.has_nulls_first(dialect)
        if value is None:
            return column.is_not(None) if nulls_first else None
        bound = literal(value, column.type)
        past = column < bound if self.descending else column > bound
        return or_(past, column.is_(None)) if self.nullable and not nulls_first else past

    def from_on(
        self, dialect: Dialect, column: ColumnElement[Any], value: Any
    ) -> ColumnElement[bool] | None:
        """A bound that an index can use: this value and what comes after; None where none can."""
        if value is None or (self.nullable and not self.has_nulls_first(dialect)):
            return None
        bound = literal(value, column.type)
        return column <= bound if self.descending else column >= bound


@dataclass(frozen=True, slots=True)
class Keyset:
    """An order in which every record has a place of its own.

    Args:
        model: What is sorted.
        terms: By what, the primary key at last.
    """

    model: type[Any]
    terms: tuple[Term, ...]

    @classmethod
    def of(cls, verb: str, model: type[Any], statement: Select[Any]) -> Keyset:
        """The order of a statement, with the primary key to tell equals apart.

        Raises:
            InvalidRequestError: It is by text, which cannot be compared.
        """
        mapper = mapper_of(model)
        terms = []
        for term in _terms(statement):
            column = term.expression
            if not isinstance(column, ColumnElement):
                raise InvalidRequestError(
                    f"{verb}() expected an order by columns or expressions, found text: `{column}`"
                    "\n\nSay it with columns: `order_by(User.name.desc())`."
                )
            # the column of an outer join is NULL where nothing matched
            own = isinstance(column, Column) and column.table in mapper.tables
            nullable = column.nullable if own else True
            terms.append(replace(term, expression=_selectable(column, mapper), nullable=nullable))
        terms += [Term(key, nullable=False) for key in _tie_break(model, statement)]
        return cls(model, tuple(terms))

    @property
    def fingerprint(self) -> str:
        """A text that another model or another order does not have."""
        facts = [f"{_sql(t.expression)} {t.descending} {t.nulls_first}" for t in self.terms]
        return fingerprint([self.model.__qualname__, *facts])

    @property
    def enumerations(self) -> list[type[enum.Enum] | None]:
        """The Python enumeration of each term that is sorted by one."""
        return [getattr(term.expression.type, "enum_class", None) for term in self.terms]

    def backwards(self) -> Keyset:
        """The opposite order."""
        return replace(self, terms=tuple(term.backwards() for term in self.terms))

    def columns(self, dialect: Dialect) -> list[ColumnElement[Any]]:
        """What to select of a record so as to find its place again."""
        return [comparable(term.expression, dialect) for term in self.terms]

    def order(
        self, dialect: Dialect, columns: Sequence[ColumnElement[Any]] | None = None
    ) -> list[ColumnElement[Any]]:
        """The ORDER BY, by the expressions themselves or by columns that stand for them."""
        columns = columns or [term.expression for term in self.terms]
        pairs = zip(self.terms, columns, strict=True)
        return [part for term, column in pairs for part in term.order(dialect, column)]

    def after(
        self,
        dialect: Dialect,
        columns: Sequence[ColumnElement[Any]],
        values: Sequence[Any],
        *,
        inclusive: bool,
    ) -> ColumnElement[bool]:
        """The criterion that keeps what comes after a place.

        Args:
            dialect: The database.
            columns: Those of `columns()`, or columns that stand for them.
            values: What they were at that place.
            inclusive: Whether to keep what is at that place too.
        """
        criterion: ColumnElement[bool] | None = true() if inclusive else None
        steps = list(zip(self.terms, columns, values, strict=True))
        for term, column, value in reversed(steps):
            past = term.beyond(dialect, column, value)
            if criterion is not None:
                criterion = and_(_equal(column, value), criterion)
                past = criterion if past is None else or_(past, criterion)
            criterion = past
        if criterion is None:
            return false()
        first = steps[0][0].from_on(dialect, *steps[0][1:]) if len(steps) > 1 else None
        return criterion if first is None else and_(first, criterion)

    def accepts(self, dialect: Dialect, values: Sequence[Any]) -> bool:
        """Whether the values are of the kinds that the database would have sent."""
        columns = self.columns(dialect)
        pairs = zip(columns, values, strict=True)
        return all(value is None or fits(c.type, value, dialect) for c, value in pairs)


def key_of(model: type[Any]) -> list[ColumnElement[Any]]:
    """The primary key of a model."""
    return [getattr(model, name).expression for name in key_names(mapper_of(model))]


def whole_order(model: type[Any], statement: Select[Any], dialect: Dialect) -> list[Any]:
    """The ORDER BY of a statement, text too, and the primary key to tell equals apart."""
    order: list[Any] = []
    for clause in statement._order_by_clauses:
        term = _term(statement, clause)
        column = term.expression
        says_nulls = term.nulls_first is not None and isinstance(column, ColumnElement)
        order += term.order(dialect, column) if says_nulls else [clause]
    return order + _tie_break(model, statement)


def _tie_break(model: type[Any], statement: Select[Any]) -> list[ColumnElement[Any]]:
    """What is left of the primary key to sort by, so that the order of equals is known."""
    terms = _terms(statement)
    return [key for key in key_of(model) if not any(key.compare(t.expression) for t in terms)]


def _terms(statement: Select[Any]) -> list[Term]:
    # SQLAlchemy has no public way to ask a statement for its order
    return [_term(statement, clause) for clause in statement._order_by_clauses]


def _term(statement: Select[Any], clause: Any) -> Term:
    descending, nulls_first = False, None
    while True:
        kind, modifier = clause.__visit_name__, getattr(clause, "modifier", None)
        if kind == "unary" and modifier in _MODIFIERS:
            descending = descending or modifier is operators.desc_op
            if modifier in (operators.nulls_first_op, operators.nulls_last_op):
                nulls_first = modifier is operators.nulls_first_op
        elif kind == "textual_label_reference":  # `order_by("name")`
            named = statement.selected_columns.get(clause.element)
            if named is not None:
                return Term(named, descending, nulls_first)
        elif kind not in _WRAPPERS or isinstance(clause, ScalarSelect):
            break
        if not hasattr(clause, "element") or isinstance(clause.element, str):
            break
        clause = clause.element
    return Term(clause, descending, nulls_first)


def _selectable(expression: ColumnElement[Any], mapper: Mapper[Any]) -> ColumnElement[Any]:
    """The expression without the subclasses of the model whose columns are in it.

    To select a column of a subclass is to ask for records of that class: SQLAlchemy would join its
    table once more, or leave out the records of other classes.
    """
    tables = {table for each in mapper.self_and_descendants for table in each.tables}

    def plain(element: Any, **_: Any) -> Any:
        if isinstance(element, SelectBase):
            return element  # its entities stay, and the criteria that come with them
        foreign = isinstance(element, Column) and not mapper.columns.contains_column(element)
        return element.table.c[element.key] if foreign and element.table in tables else None

    found: ColumnElement[Any] = visitors.replacement_traverse(expression, {}, plain)
    return found


def _sql(expression: ColumnElement[Any]) -> str:
    if isinstance(expression, Column):
        return f"{expression.table}.{expression.name}"
    compiled = expression.compile(dialect=StrCompileDialect())
    return f"{compiled} {sorted(compiled.params.items())}"


def _equal(column: ColumnElement[Any], value: Any) -> ColumnElement[bool]:
    return column.is_(None) if value is None else column == literal(value, column.type)
