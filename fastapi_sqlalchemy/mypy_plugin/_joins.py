"""Whether a query is known to have no join, after which keywords are about another model.

The type of a query does not say.  It is read from the program: a chain that begins at
`User.query`, or a variable that such chains alone are assigned to.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mypy.checker import TypeChecker
from mypy.nodes import (
    AssignmentExpr,
    AssignmentStmt,
    CallExpr,
    ComparisonExpr,
    Expression,
    ForStmt,
    FuncItem,
    IfStmt,
    IndexExpr,
    ListExpr,
    MatchStmt,
    MemberExpr,
    NameExpr,
    OperatorAssignmentStmt,
    OpExpr,
    StarExpr,
    Statement,
    TupleExpr,
    TypeInfo,
    UnaryExpr,
    Var,
    WhileStmt,
    WithStmt,
)
from mypy.types import get_proper_type

from ._fullnames import LIBRARIES, QUERY
from ._lookup import behind, statements

__all__ = ["KEEPING", "is_unjoined"]

KEEPING: Final = frozenset(
    {
        "distinct",
        "eager",
        "execution_options",
        "filter",
        "filter_by",
        "for_schema",
        "group_by",
        "having",
        "limit",
        "offset",
        "only_deleted",
        "options",
        "order_by",
        "reset_order",
        "strict",
        "union",
        "union_all",
        "where",
        "with_deleted",
        "with_for_update",
    }
)
"""Methods of a query that leave its keywords about the same model."""


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
        if isinstance(expr.callee, MemberExpr) and expr.callee.name in KEEPING:
            return self._is_ours(expr.callee) and self.is_unjoined(expr.callee.expr)
        return (
            isinstance(expr.callee, NameExpr | MemberExpr)
            and isinstance(expr.callee.node, TypeInfo)
            and expr.callee.node.fullname == QUERY
        )

    def _is_ours(self, member: MemberExpr) -> bool:
        """Whether an attribute is defined by the library, and not by the program."""
        if not self._checker.has_type(member.expr):
            return False
        typ = behind(get_proper_type(self._checker.lookup_type(member.expr)))
        if typ is None:
            return False
        owner = next((each for each in typ.type.mro if member.name in each.names), None)
        return owner is not None and owner.fullname.startswith(LIBRARIES)

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
        return all(value is not None and self.is_unjoined(value) for value in _assigned(var, body))


def _assigned(var: Var, body: list[Statement]) -> Iterator[Expression | None]:
    """All that is assigned to a variable; None for a part of a value, as a loop takes it."""
    for statement in statements(body, scopes=True):
        targets: list[Expression] = []
        if isinstance(statement, AssignmentStmt):
            for target in statement.lvalues:
                if _is(target, var):
                    yield statement.rvalue
                else:
                    targets.append(target)
        elif isinstance(statement, ForStmt):
            targets = [statement.index]
        elif isinstance(statement, WithStmt):
            targets = [target for target in statement.target if target is not None]
        elif isinstance(statement, OperatorAssignmentStmt):
            targets = [statement.lvalue]
        elif isinstance(statement, MatchStmt):
            yield None  # a pattern may take it
        elif isinstance(statement, IfStmt):
            targets = [named for expr in statement.expr for named in _walruses(expr)]
        elif isinstance(statement, WhileStmt):
            targets = list(_walruses(statement.expr))
        if any(_is(part, var) for target in targets for part in _parts(target)):
            yield None


def _is(expr: Expression, var: Var) -> bool:
    return isinstance(expr, NameExpr) and expr.node is var


def _parts(target: Expression) -> Iterator[Expression]:
    if isinstance(target, TupleExpr | ListExpr):
        for item in target.items:
            yield from _parts(item)
    elif isinstance(target, StarExpr):
        yield from _parts(target.expr)
    else:
        yield target


def _walruses(expr: Expression) -> Iterator[Expression]:
    """What a condition assigns to."""
    if isinstance(expr, AssignmentExpr):
        yield expr.target
        yield from _walruses(expr.value)
    elif isinstance(expr, OpExpr):
        yield from _walruses(expr.left)
        yield from _walruses(expr.right)
    elif isinstance(expr, UnaryExpr):
        yield from _walruses(expr.expr)
    elif isinstance(expr, ComparisonExpr):
        for operand in expr.operands:
            yield from _walruses(operand)
    elif isinstance(expr, CallExpr):
        for part in (expr.callee, *expr.args):
            yield from _walruses(part)
    elif isinstance(expr, MemberExpr):
        yield from _walruses(expr.expr)
