"""Whether a query is known to have no join, after which keywords are about another model.

The type of a query does not say.  It is read from the program: a chain that begins at
`User.query`, or a variable that such chains alone are assigned to.
"""

from __future__ import annotations

from mypy.checker import TypeChecker
from mypy.nodes import (
    CallExpr,
    Expression,
    FuncItem,
    IndexExpr,
    MemberExpr,
    NameExpr,
    TypeInfo,
    Var,
)
from mypy.types import get_proper_type

from ._chains import assigned, keeps
from ._fullnames import LIBRARIES, QUERY
from ._lookup import behind

__all__ = ["is_unjoined"]


def is_unjoined(checker: TypeChecker, expr: Expression) -> bool:
    """Whether keywords of a query are known to be about its own model."""
    return _Provenance(checker).is_unjoined(expr)


class _Provenance:
    """Where the queries of one expression come from."""

    def __init__(self, checker: TypeChecker) -> None:
        self._checker = checker
        self._assumed: list[Var] = []

    def is_unjoined(self, expr: Expression) -> bool:
        if isinstance(expr, IndexExpr):
            return self.is_unjoined(expr.base)
        if isinstance(expr, MemberExpr):
            return expr.name == "query" and self._is_ours(expr)
        if isinstance(expr, NameExpr):
            return isinstance(expr.node, Var) and self._is_of_chains(expr.node)
        if not isinstance(expr, CallExpr):
            return False
        if isinstance(expr.callee, MemberExpr) and self._keeps(expr.callee):
            return self.is_unjoined(expr.callee.expr)
        return (
            isinstance(expr.callee, NameExpr | MemberExpr)
            and isinstance(expr.callee.node, TypeInfo)
            and expr.callee.node.fullname == QUERY
        )

    def _is_ours(self, member: MemberExpr) -> bool:
        """Whether an attribute is defined by the library, and not by the program."""
        owner = next((each for each in self._owners(member) if member.name in each.names), None)
        return owner is not None and owner.fullname.startswith(LIBRARIES)

    def _keeps(self, member: MemberExpr) -> bool:
        """Whether a method of a query leaves its keywords about the same model."""
        return keeps(self._owners(member), member.name)

    def _owners(self, member: MemberExpr) -> list[TypeInfo]:
        """The classes that an attribute is looked up in."""
        if not self._checker.has_type(member.expr):
            return []
        typ = behind(get_proper_type(self._checker.lookup_type(member.expr)))
        return [] if typ is None else typ.type.mro

    def _is_of_chains(self, var: Var) -> bool:
        """Whether all that is assigned to a variable is known to have no join."""
        if var in self._assumed:
            return True
        if not var.is_inferred or var.info:
            return False
        self._assumed.append(var)
        outermost = next((f for f in self._checker.scope.stack if isinstance(f, FuncItem)), None)
        is_local = outermost is not None and var.fullname == var.name
        body = outermost.body.body if is_local and outermost else self._checker.tree.defs
        values = assigned(body, lambda expr: isinstance(expr, NameExpr) and expr.node is var)
        return all(value is not None and self.is_unjoined(value) for value in values)
