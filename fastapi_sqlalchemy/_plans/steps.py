"""What a chain says, kept step by step: enough to make its statement, or to find its plan.

Making a statement is a quarter of the work of a small query.  A step has what tells it from others
apart from its values, so that the plan of the whole chain is found without making it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from sqlalchemy import BindParameter, ColumnElement, orm
from sqlalchemy.sql.cache_key import CacheConst
from sqlalchemy.sql.visitors import anon_map

from fastapi_sqlalchemy._types import AnySelect

from .comparisons import comparison_of
from .plain import BOUND, PLAIN, compares_plainly

__all__ = [
    "Attributes",
    "Clauses",
    "Equal",
    "Limit",
    "Offset",
    "Step",
    "are_expressions",
]

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

    @property
    def constants(self) -> tuple[Any, ...]:
        """The same, where it stands in the SQL; anything for what does not."""
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

    __slots__ = ("_eq", "_model", "constants", "key", "values")

    def __init__(self, model: type[Any], eq: Mapping[str, Any], key: tuple[Any, ...]) -> None:
        self._model, self._eq, self.key = model, eq, key
        self.values = self.constants = (*eq.values(),)

    @classmethod
    def of(cls, model: Any, eq: Mapping[str, Any]) -> Equal | None:
        """The step, where it depends on the types of the values alone what it becomes."""
        columns = _columns_of(model)
        key: tuple[Any, ...] = ("=", model)
        for name, value in eq.items():
            kind = type(value)
            if name not in columns or kind not in PLAIN:
                return None
            # None and the truth values are no parameters: they stand in the SQL
            key += (name, kind if kind in BOUND else value)
        return cls(model, eq, key)

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
    if mapper is None or mapper.class_ is not model:  # an alias
        return frozenset()
    known: frozenset[str] | None = mapper.__dict__.get(_COLUMNS)
    if known is None:
        plain = orm.ColumnProperty.Comparator
        known = frozenset(
            each.key
            for each in mapper.column_attrs
            if each.comparator_factory is plain
            and each.strategy_key is not None
            and compares_plainly(each.columns[0])
        )
        mapper.__dict__[_COLUMNS] = known
    return known


_COLUMNS: Final = "_fastapi_sqlalchemy_columns"


class Clauses:
    """`filter(User.age > 17)` and `order_by(User.id.desc())`: SQLAlchemy tells what they share.

    Args:
        verb: The method of a statement that takes them.
        clauses: The expressions.
        before: The calls before this one: what they have in common with this one makes a
            difference, such as an alias that is the same, or a value that is given once.
    """

    __slots__ = ("_before", "_binds", "_clauses", "_key", "_looked", "verb")

    def __init__(
        self,
        verb: Callable[..., Any],
        clauses: tuple[Any, ...],
        before: tuple[Step, ...] = (),
    ) -> None:
        self.verb, self._clauses = verb, clauses
        self._before = [each for each in before if isinstance(each, Clauses)]
        self._looked = False
        self._key: Any = None
        self._binds: list[BindParameter[Any]] = []

    def _look(self) -> None:
        if self._looked or self._are_compared():
            return
        known = anon_map()
        for step in (*self._before, self):
            binds: list[BindParameter[Any]] = []
            keys = [each._gen_cache_key(known, binds) for each in step._clauses]
            if not step._looked:
                whole = CacheConst.NO_CACHE not in known and CacheConst.PARAMS not in known
                missing = any(bind.required for bind in binds)
                step._key = (step.verb, *keys) if whole and not missing else None
                step._binds, step._looked = binds, True

    def _are_compared(self) -> bool:
        """Whether all are comparisons that need no look, each with a value of its own."""
        binds: list[BindParameter[Any]] = []
        comparisons: list[Any] = [self.verb]
        for clause in self._clauses:
            if (made := comparison_of(clause)) is None:
                return False
            comparison, bind = made
            comparisons.append(comparison)
            binds.append(bind)
        given = {*binds}.union(*[step.binds for step in self._before])
        if len(given) < len(binds) + sum(len(step.binds) for step in self._before):
            return False
        self._key, self._binds, self._looked = (*comparisons,), binds, True
        return True

    @property
    def key(self) -> Any:
        self._look()
        return self._key

    @property
    def values(self) -> tuple[Any, ...]:
        self._look()
        return tuple([each.effective_value for each in self._binds])

    @property
    def constants(self) -> tuple[Any, ...]:
        self._look()
        return (None,) * len(self._binds)  # some are known only when the statement is sent

    def apply(self, statement: AnySelect) -> tuple[AnySelect, Binds]:
        return self.verb(statement, *self._clauses), list(self.binds)

    @property
    def binds(self) -> Sequence[BindParameter[Any]]:
        """Where the values are, in their order."""
        self._look()
        return self._binds


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
    constants: tuple[Any, ...] = ()

    def __init__(self, verb: Callable[..., AnySelect], attributes: tuple[Any, ...]) -> None:
        self._verb, self._attributes = verb, attributes
        self.key = (verb, *attributes)

    @staticmethod
    def takes(columns: tuple[Any, ...]) -> bool:
        """Whether these are attributes of models, for columns."""
        return bool(columns) and all(
            isinstance(each, orm.InstrumentedAttribute)
            and isinstance(each.property, orm.ColumnProperty)
            for each in columns
        )

    def apply(self, statement: AnySelect) -> tuple[AnySelect, Binds]:
        return self._verb(statement, *self._attributes), []


class Limit:
    """`limit(20)`."""

    __slots__ = ("constants", "values")

    key = ("limit",)

    def __init__(self, count: int) -> None:
        self.values = self.constants = (count,)

    def apply(self, statement: AnySelect) -> tuple[AnySelect, Binds]:
        statement = statement.limit(self.values[0])
        return statement, [statement._limit_clause]  # type: ignore[list-item]  # of a number


class Offset:
    """`offset(20)`."""

    __slots__ = ("constants", "values")

    key = ("offset",)

    def __init__(self, count: int) -> None:
        self.values = self.constants = (count,)

    def apply(self, statement: AnySelect) -> tuple[AnySelect, Binds]:
        statement = statement.offset(self.values[0])
        return statement, [statement._offset_clause]  # type: ignore[list-item]  # of a number
