"""What a chain says, kept step by step: enough to make its statement, or to find its plan.

Making a statement is a quarter of the work of a small query.  A step has what tells it from others
apart from its values, so that the plan of the whole chain is found without making it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, Protocol
from uuid import UUID

from sqlalchemy import BindParameter, ColumnElement, inspect, orm

from fastapi_sqlalchemy._types import AnySelect

__all__ = [
    "PLAIN",
    "Attributes",
    "Clauses",
    "Equal",
    "Key",
    "Limit",
    "Offset",
    "Step",
    "are_expressions",
]

PLAIN: Final = frozenset(
    {int, str, float, bytes, datetime, date, time, timedelta, Decimal, UUID, bool, type(None)}
)
"""Types of which alone it depends what a comparison with a value becomes."""

Binds = list["BindParameter[Any] | None"]
"""Where the values of a step are, in their order; None is a value that stands in the SQL."""


class Step(Protocol):
    """One call of a method of a chain."""

    @property
    def key(self) -> Any:
        """What such steps have in common, whatever their values; None where that is not known."""

    @property
    def values(self) -> tuple[Any, ...]:
        """What is bound."""
        ...

    def apply(self, statement: AnySelect) -> tuple[AnySelect, Binds]:
        """The statement after this call, and where its values are."""
        ...


class Equal:
    """`filter_by(name="Ada")`, of columns and plain values.

    Args:
        model: Whose attributes they are.
        eq: The values by name.
    """

    __slots__ = ("_eq", "_model", "key", "values")

    def __init__(self, model: type[Any], eq: Mapping[str, Any]) -> None:
        self._model, self._eq = model, eq
        self.values = tuple(eq.values())
        # None and the truth values are no parameters: they stand in the SQL
        kinds = [v if v is None or v is True or v is False else type(v) for v in self.values]
        self.key = ("=", model, *eq, *kinds)

    @classmethod
    def of(cls, model: Any, eq: Mapping[str, Any]) -> Equal | None:
        """The step, where it depends on the types of the values alone what it becomes."""
        columns = _columns_of(model)
        for name, value in eq.items():
            if name not in columns or type(value) not in PLAIN:
                return None
        return cls(model, eq)

    def apply(self, statement: AnySelect) -> tuple[AnySelect, Binds]:
        criteria = [getattr(self._model, name) == value for name, value in self._eq.items()]
        return statement.where(*criteria), [_bound(each) for each in criteria]


def _bound(criterion: Any) -> BindParameter[Any] | None:
    right = getattr(criterion, "right", None)
    # with another type it may depend on the value which one
    own = isinstance(right, BindParameter) and right.type is criterion.left.type
    return right if own else None


def _columns_of(model: Any) -> frozenset[str]:
    """The attributes that SQLAlchemy compares as the columns they are."""
    mapper: Any = getattr(model, "__mapper__", None)
    if mapper is None or inspect(model) is not mapper:  # an alias
        return frozenset()
    known: frozenset[str] | None = mapper.__dict__.get(_COLUMNS)
    if known is None:
        plain = orm.ColumnProperty.Comparator
        known = frozenset(
            each.key
            for each in mapper.column_attrs
            if each.comparator_factory is plain and each.strategy_key is not None
        )
        mapper.__dict__[_COLUMNS] = known
    return known


_COLUMNS: Final = "_fastapi_sqlalchemy_columns"


class Key:
    """`get(1)`, by the primary key.

    Args:
        mapper: The model's.
        values: Those of the key.
    """

    __slots__ = ("_mapper", "identity", "key", "values")

    identity: tuple[type[Any], tuple[Any, ...], None]
    key: tuple[Any, ...]
    values: tuple[Any, ...]

    def __init__(self, mapper: orm.Mapper[Any], values: tuple[Any, ...]) -> None:
        self._mapper, self.values = mapper, values
        self.key = ("key", *map(type, values))
        self.identity = (mapper._identity_class, values, None)
        """What the identity map knows the record by."""

    @classmethod
    def of(cls, model: Any, ident: Any) -> Key | None:
        """The step, where it is known what SQLAlchemy makes of such a key."""
        mapper: orm.Mapper[Any] = model.__mapper__
        values = ident if type(ident) is tuple else (ident,)
        if len(values) != len(mapper.primary_key):
            return None
        for value in values:
            if value is None or type(value) not in PLAIN:
                return None
        return cls(mapper, values)

    def apply(self, statement: AnySelect) -> tuple[AnySelect, Binds]:
        # the criterion of `session.get()`
        criterion, parameters = self._mapper._get_clause
        binds = [parameters[column] for column in self._mapper.primary_key]
        return statement.where(criterion), [*binds]


class Clauses:
    """`filter(User.age > 17)` and `order_by(User.id.desc())`: SQLAlchemy tells what they share.

    Args:
        verb: The method of a `Select` that takes them.
        clauses: The expressions.
    """

    __slots__ = ("_clauses", "_looked", "_verb")

    def __init__(self, verb: Callable[..., AnySelect], clauses: tuple[Any, ...]) -> None:
        self._verb, self._clauses = verb, clauses
        self._looked: tuple[Any, list[BindParameter[Any]]] | None = None

    def _look(self) -> tuple[Any, list[BindParameter[Any]]]:
        if self._looked is None:
            keys = [each._generate_cache_key() for each in self._clauses]
            known = [key for key in keys if key is not None]
            binds = [bind for key in known for bind in key.bindparams]
            whole = len(known) == len(keys)
            key = (self._verb, *(key.key for key in known)) if whole else None
            self._looked = key, binds
        return self._looked

    @property
    def key(self) -> Any:
        return self._look()[0]

    @property
    def values(self) -> tuple[Any, ...]:
        return tuple([each.effective_value for each in self._look()[1]])

    def apply(self, statement: AnySelect) -> tuple[AnySelect, Binds]:
        return self._verb(statement, *self._clauses), list(self._look()[1])


def are_expressions(clauses: tuple[Any, ...]) -> bool:
    """Whether these are SQL and nothing that has yet to become SQL."""
    return bool(clauses) and all(isinstance(each, ColumnElement) for each in clauses)


class Attributes:
    """`order_by(User.name)` and `with_entities(User.id, User.name)`.

    Args:
        verb: What makes the statement with them.
        attributes: Attributes of models.
    """

    __slots__ = ("_attributes", "_verb", "key")

    values: tuple[Any, ...] = ()

    def __init__(self, verb: Callable[..., AnySelect], attributes: tuple[Any, ...]) -> None:
        self._verb, self._attributes = verb, attributes
        self.key = (verb, *attributes)

    @staticmethod
    def takes(columns: tuple[Any, ...]) -> bool:
        """Whether these are attributes of models, for columns."""
        return bool(columns) and all(
            type(each) is orm.InstrumentedAttribute
            and isinstance(each.property, orm.ColumnProperty)
            for each in columns
        )

    def apply(self, statement: AnySelect) -> tuple[AnySelect, Binds]:
        return self._verb(statement, *self._attributes), []


class Limit:
    """`limit(20)`."""

    __slots__ = ("values",)

    key = ("limit",)

    def __init__(self, count: int) -> None:
        self.values: tuple[Any, ...] = (count,)

    def apply(self, statement: AnySelect) -> tuple[AnySelect, Binds]:
        statement = statement.limit(self.values[0])
        return statement, [statement._limit_clause]  # type: ignore[list-item]  # of a number


class Offset:
    """`offset(20)`."""

    __slots__ = ("values",)

    key = ("offset",)

    def __init__(self, count: int) -> None:
        self.values: tuple[Any, ...] = (count,)

    def apply(self, statement: AnySelect) -> tuple[AnySelect, Binds]:
        statement = statement.offset(self.values[0])
        return statement, [statement._offset_clause]  # type: ignore[list-item]  # of a number
