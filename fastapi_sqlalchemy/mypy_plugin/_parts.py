"""What a body of code is made of, as it is parsed.

mypy's own visitors are compiled, and no class of a plugin can derive from them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from mypy.nodes import (
    AssertStmt,
    AssignmentExpr,
    AssignmentStmt,
    AwaitExpr,
    Block,
    BreakStmt,
    BytesExpr,
    CallExpr,
    CastExpr,
    ComparisonExpr,
    ConditionalExpr,
    ContinueStmt,
    Decorator,
    DelStmt,
    DictExpr,
    DictionaryComprehension,
    EllipsisExpr,
    Expression,
    ExpressionStmt,
    FloatExpr,
    ForStmt,
    FuncDef,
    GeneratorExpr,
    IfStmt,
    Import,
    ImportAll,
    ImportFrom,
    IndexExpr,
    IntExpr,
    LambdaExpr,
    ListComprehension,
    ListExpr,
    MemberExpr,
    NameExpr,
    Node,
    OperatorAssignmentStmt,
    OpExpr,
    PassStmt,
    RaiseStmt,
    ReturnStmt,
    SetComprehension,
    SetExpr,
    SliceExpr,
    StarExpr,
    Statement,
    StrExpr,
    SuperExpr,
    TryStmt,
    TupleExpr,
    UnaryExpr,
    WhileStmt,
    WithStmt,
    YieldExpr,
    YieldFromExpr,
)

__all__ = ["expressions_of"]

_LOOPS: Final = ("indices", "sequences", "condlists")
_PARTS: Final[Mapping[type[Node], tuple[str, ...]]] = {
    AssertStmt: ("expr", "msg"),
    AssignmentExpr: ("target", "value"),
    AssignmentStmt: ("lvalues", "rvalue"),
    AwaitExpr: ("expr",),
    Block: (),
    BreakStmt: (),
    BytesExpr: (),
    CallExpr: ("callee", "args"),
    CastExpr: ("expr",),
    ComparisonExpr: ("operands",),
    ConditionalExpr: ("cond", "if_expr", "else_expr"),
    ContinueStmt: (),
    Decorator: ("decorators",),
    DelStmt: ("expr",),
    DictExpr: ("items",),
    DictionaryComprehension: ("key", "value", *_LOOPS),
    EllipsisExpr: (),
    ExpressionStmt: ("expr",),
    FloatExpr: (),
    ForStmt: ("expr", "index"),
    FuncDef: ("arguments",),
    GeneratorExpr: ("left_expr", *_LOOPS),
    IfStmt: ("expr",),
    Import: (),
    ImportAll: (),
    ImportFrom: (),
    IndexExpr: ("base", "index"),
    IntExpr: (),
    LambdaExpr: ("arguments", "body"),
    ListComprehension: ("generator",),
    ListExpr: ("items",),
    MemberExpr: ("expr",),
    NameExpr: (),
    OpExpr: ("left", "right"),
    OperatorAssignmentStmt: ("lvalue", "rvalue"),
    PassStmt: (),
    RaiseStmt: ("expr", "from_expr"),
    ReturnStmt: ("expr",),
    SetComprehension: ("generator",),
    SetExpr: ("items",),
    SliceExpr: ("begin_index", "end_index", "stride"),
    StarExpr: ("expr",),
    StrExpr: (),
    SuperExpr: ("call",),
    TryStmt: ("types", "vars"),
    TupleExpr: ("items",),
    UnaryExpr: ("expr",),
    WhileStmt: ("expr",),
    WithStmt: ("expr", "target"),
    YieldExpr: ("expr",),
    YieldFromExpr: ("expr",),
}
"""The attributes of a node that hold expressions; the blocks in statements are left out."""


def expressions_of(node: Statement | Expression) -> list[Expression] | None:
    """The expressions that a node is directly made of; None for a kind of node not known here."""
    names = _PARTS.get(type(node))
    if names is None:
        return None
    return [each for name in names for each in _flat(getattr(node, name))]


def _flat(value: object) -> Iterator[Expression]:
    """Expressions in lists and tuples, in a lambda's body and as defaults of arguments."""
    if isinstance(value, Expression):
        yield value
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _flat(each)
    elif isinstance(value, Block):
        yield from _flat([getattr(each, "expr", None) for each in value.body])
    elif (initializer := getattr(value, "initializer", None)) is not None:
        yield from _flat(initializer)
