"""Comparisons of columns with plain values: made by SQLAlchemy once, and after its pattern then.

`User.age > 17` asks the types of both sides what to become, which takes most of the time of a small
query, and the answer depends on the attribute, the operator and the type of the value alone.  Each
comparison has an expression and a parameter of its own, such as SQLAlchemy would make them.
"""

from __future__ import annotations

from operator import eq, ge, gt, le, lt, ne
from typing import Any, Final

from sqlalchemy import BindParameter, Column, orm
from sqlalchemy.orm import instrumentation
from sqlalchemy.sql import elements

from .plain import BOUND, compares_plainly
from .private import is_tested

__all__ = ["Comparison", "compare_faster", "comparison_of"]

_OPERATORS: Final = frozenset({eq, ne, lt, le, gt, ge})

_MADE: Final = "_fastapi_sqlalchemy_made"
"""Where an expression has its pattern, and the parameter that it was made with."""


class Comparing(orm.ColumnProperty.Comparator[Any]):
    """An attribute's comparator, which keeps the patterns of its comparisons."""

    __slots__ = ("_known",)

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._known: dict[tuple[Any, type[Any]], Comparison | None] = {}

    def operate(self, op: Any, *other: Any, **kwargs: Any) -> Any:
        if op not in _OPERATORS or kwargs or self._adapt_to_entity is not None:
            return super().operate(op, *other, **kwargs)
        (value,) = other
        key = op, type(value)
        known = self._known.get(key, self)
        if known is not self:
            return super().operate(op, value) if known is None else known.make(value)
        made = super().operate(op, value)
        if key[1] in BOUND:
            self._known[key] = Comparison.of(made)
        return made


def compare_faster(model: type[Any], _: str, attribute: Any) -> None:
    """Where an attribute of a model is set up: have it compare so, if it is an ordinary one."""
    comparator: Any = attribute.comparator
    if (
        is_tested()
        and type(instrumentation.manager_of_class(model)) is instrumentation.ClassManager
        and type(comparator) is orm.ColumnProperty.Comparator
    ):
        attribute.comparator = Comparing(comparator.prop, comparator._parententity)


def comparison_of(clause: Any) -> tuple[Comparison, BindParameter[Any]] | None:
    """The pattern that a comparison was made after and its parameter, where it still is so."""
    made: Any = vars(clause).get(_MADE) if type(clause) is elements.BinaryExpression else None
    if made is None:
        return None
    comparison, right = made
    if comparison is None or clause.right is not right or not comparison.fits(clause):
        return None
    return comparison, right


class Comparison:
    """What the comparisons of an attribute by one operator with values of one type share.

    Args:
        first: The one that SQLAlchemy made.
    """

    __slots__ = ("_expression", "_left", "_name", "_parameter")

    def __init__(self, first: elements.BinaryExpression[bool]) -> None:
        right: Any = first.right
        self._expression = {**vars(first)}
        self._parameter = {**vars(right), "value": None}  # its own is not kept
        self._left, _ = first._orig
        self._name = right._anon_map_key.removeprefix(f"{id(right)}")

    @classmethod
    def of(cls, first: Any) -> Comparison | None:
        """The pattern of a comparison; None where it may depend on more than it shows."""
        if type(first) is not elements.BinaryExpression or type(first.right) is not BindParameter:
            return None
        left, right = first.left, first.right
        plain = (
            isinstance(left, Column)
            and right.type is left.type
            and not left.type._isnull
            and not first.modifiers
            and vars(first).keys() == _OF_EXPRESSIONS
            and vars(right).keys() == _OF_PARAMETERS
            and right.key == right._identifying_key == f"%({right._anon_map_key})s"
            and compares_plainly(left)
        )
        return cls(first) if plain else None

    def make(self, value: Any) -> elements.BinaryExpression[bool]:
        """The comparison with a value."""
        right = _new(BindParameter)
        key = f"{id(right)}{self._name}"
        label = elements._anonymous_label(f"%({key})s")
        right.__dict__ = {
            **self._parameter,
            "value": value,
            "key": label,
            "_anon_map_key": key,
            "_identifying_key": label,
        }
        made: elements.BinaryExpression[bool] = _new(elements.BinaryExpression)
        made.__dict__ = {
            **self._expression,
            "right": right,
            "_orig": (self._left, hash(right)),
            "modifiers": {},
            _MADE: (self, right),
        }
        return made

    def fits(self, made: elements.BinaryExpression[bool]) -> bool:
        """Whether all but the parameter is as it was made."""
        pattern = self._expression
        return (
            made.left is pattern["left"]
            and made.operator is pattern["operator"]
            and not made.modifiers
        )

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        return type(None), ()  # an expression that is pickled or copied keeps its own


_new: Final[Any] = object.__new__

_OF_EXPRESSIONS: Final = {
    *("_is_implicitly_boolean", "_orig", "_propagate_attrs", "left", "modifiers", "negate"),
    *("operator", "right", "type"),
}
_OF_PARAMETERS: Final = {
    *("_anon_map_key", "_identifying_key", "_orig_key", "callable", "expand_op", "expanding"),
    *("isoutparam", "key", "literal_execute", "required", "type", "unique", "value"),
}
