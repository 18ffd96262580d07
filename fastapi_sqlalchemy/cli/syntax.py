"""Statements of a module, as a stub has them: what they set, and functions without their code."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator

__all__ = ["PLAIN", "exported", "returns_chain", "set_by", "sets_plain_values", "without_code"]

PLAIN = (bool, bytes, float, int, str)
"""The types of values that are written as they are."""


def sets_plain_values(node: ast.Assign) -> bool:
    """Whether each name is set to a number or a text that is written there."""
    several = isinstance(node.value, ast.Tuple) and isinstance(node.targets[0], ast.Tuple)
    values = node.value.elts if several and isinstance(node.value, ast.Tuple) else [node.value]
    bare = [each.operand if isinstance(each, ast.UnaryOp) else each for each in values]
    return all(isinstance(each, ast.Constant) and type(each.value) in PLAIN for each in bare)


def exported(node: ast.Import | ast.ImportFrom) -> ast.stmt:
    """An import whose names others may import too: of a stub that takes `as`."""
    for each in node.names:
        if each.asname is None and each.name.isidentifier():
            each.asname = each.name
    return node


def set_by(node: ast.stmt) -> Iterator[str]:
    """The names that a statement sets, with those in its blocks."""
    for each in _own_code([node]):
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
            yield each.id


def without_code(node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.stmt:
    """A function as it is declared; a generator of asyncio without its `async`."""
    own = list(_own_code(node.body))
    returns = any(isinstance(each, ast.Return | ast.Yield | ast.YieldFrom) for each in own)
    if node.returns is None and not returns and node.name != "__init_subclass__":
        node.returns = ast.Constant(None)
    node.body = [ast.Expr(ast.Constant(...))]
    if isinstance(node, ast.AsyncFunctionDef) and any(isinstance(each, ast.Yield) for each in own):
        # without its `yield` it would be a coroutine that returns an iterator
        return ast.FunctionDef(**vars(node))
    return node


def _own_code(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """What a function is made of, but not the functions and classes within it."""
    for node in nodes:
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            yield from _own_code(ast.iter_child_nodes(node))


def returns_chain(node: ast.FunctionDef, is_chain_method: Callable[[str], bool]) -> bool:
    """Whether all that an un-annotated method returns is a chain of such methods on itself."""
    returned = [each.value for each in _own_code(node.body) if isinstance(each, ast.Return)]
    if node.returns or node.decorator_list or not returned or not node.args.args:
        return False

    def is_chain(value: ast.expr | None) -> bool:
        match value:
            case ast.Call(func=ast.Attribute(value=of, attr=method)):
                return is_chain_method(method) and is_chain(of)
            case ast.Name(id=name):
                return name == node.args.args[0].arg
        return False

    return all(map(is_chain, returned))
