"""What a method of a query leaves its keywords about: the same model, unless it joins another.

Of the library's own methods it is known; of one that a program adds, its body says it: what it
returns is its query, after such methods only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from mypy.nodes import (
    AssignmentExpr,
    AssignmentStmt,
    CallExpr,
    ClassDef,
    ComparisonExpr,
    ConditionalExpr,
    Expression,
    ForStmt,
    FuncDef,
    IfStmt,
    IndexExpr,
    ListExpr,
    MatchStmt,
    MemberExpr,
    NameExpr,
    OperatorAssignmentStmt,
    OpExpr,
    ReturnStmt,
    SliceExpr,
    StarExpr,
    Statement,
    SuperExpr,
    TupleExpr,
    TypeInfo,
    UnaryExpr,
    WhileStmt,
    WithStmt,
)
from mypy.semanal import SemanticAnalyzer

from ._fullnames import LIBRARIES, QUERY
from ._lookup import methods, statements
from ._notes import forget, note, noted

__all__ = ["KEEPING", "assigned", "keeps", "note_chains"]

_SUBJECT: Final = "chain"

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


def note_chains(cls: ClassDef, api: SemanticAnalyzer) -> None:
    """Note of the methods of a query class what they do to the query that they return."""
    forget(cls, _SUBJECT)
    if not cls.info.has_base(QUERY):
        return
    found: dict[str, set[str] | None] = {}
    for name, function, decorators in methods(cls):
        is_plain = name not in found and decorators <= {"override"}
        found[name] = _Chain(function).called() if is_plain else None
    for name, called in found.items():
        if called is not None:
            note(api, cls, name, _SUBJECT, " ".join(sorted(called)))


def keeps(owners: Sequence[TypeInfo], method: str) -> bool:
    """Whether a method, as the first of these classes has it, is known to join nothing."""
    return _keeps(owners, method, set())


def _keeps(owners: Sequence[TypeInfo], method: str, asked: set[tuple[str, str]]) -> bool:
    index = next((i for i, owner in enumerate(owners) if method in owner.names), None)
    if index is None:
        return False
    owner = owners[index]
    if owner.fullname.startswith(LIBRARIES):
        return method in KEEPING
    place = (owner.fullname, method)
    if place in asked:  # it calls itself
        return True
    text = noted(owner, method, _SUBJECT)
    return text is not None and all(
        _keeps(owners[index + 1 :], name, asked | {place})
        if kind
        else _keeps(owners, name, asked | {place})
        for name, kind, _ in (each.partition("^") for each in text.split())
    )


class _Chain:
    """What a method of a query returns."""

    def __init__(self, function: FuncDef) -> None:
        self._function = function
        self._first = next(iter(function.arg_names), None)
        self._called: set[str] = set()
        self._assumed: list[str] = []

    def called(self) -> set[str] | None:
        """The methods that it calls for what it returns, `^` behind those of its ancestors.

        None where it may return anything else than its own query.
        """
        body = self._function.body.body
        returned = [each.expr for each in statements(body) if isinstance(each, ReturnStmt)]
        if not returned or self._function.is_coroutine or self._function.is_generator:
            return None
        if not all(each is not None and self._is_chain(each) for each in returned):
            return None
        return self._called

    def _is_chain(self, expr: Expression) -> bool:
        match expr:
            case NameExpr(name=name):
                return self._is_of_chains(name)
            case IndexExpr(base=base, index=SliceExpr()):
                return self._is_chain(base)
            case ConditionalExpr(if_expr=first, else_expr=second):
                return self._is_chain(first) and self._is_chain(second)
            case CallExpr(callee=MemberExpr(name=name, expr=base)):
                self._called.add(name)
                return self._is_chain(base)
            case CallExpr(callee=SuperExpr(name=name, call=CallExpr(args=[]))):
                self._called.add(f"{name}^")
                return True
        return False

    def _is_of_chains(self, name: str) -> bool:
        """Whether all that is assigned to a variable is such a chain."""
        if name in self._assumed:
            return True
        if name in self._function.arg_names[1:]:
            return False
        self._assumed.append(name)
        body = self._function.body.body
        values = list(assigned(body, lambda e: isinstance(e, NameExpr) and e.name == name))
        known = bool(values) or name == self._first
        return known and all(each is not None and self._is_chain(each) for each in values)


def assigned(
    body: list[Statement], is_variable: Callable[[Expression], bool]
) -> Iterator[Expression | None]:
    """All that is assigned to a variable; None for a part of a value, as a loop takes it."""
    for statement in statements(body, scopes=True):
        targets: list[Expression] = []
        if isinstance(statement, AssignmentStmt):
            for target in statement.lvalues:
                if is_variable(target):
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
        if any(is_variable(part) for target in targets for part in _parts(target)):
            yield None


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
