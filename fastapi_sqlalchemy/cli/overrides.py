"""Where a verb of the application's own takes its keywords, read from its source.

A verb with `**kwargs` that does nothing with them but hand them on, to a query, a constructor, a
verb or `setattr()`, takes the names of the model.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Mapping
from typing import Any

from fastapi_sqlalchemy.query import Query

__all__ = ["EQUAL", "VALUES", "meaning"]

EQUAL = "equal"
"""They are compared."""

VALUES = "values"
"""They are set."""

_JOINING = {"join", "outerjoin", "select_from", "when", "with_entities"}


def meaning(function: Any, verbs: Mapping[str, str]) -> str | None:
    """What the keywords of a function are: `EQUAL` or `VALUES`; None where nothing tells it.

    Args:
        function: A method, as its class has it.
        verbs: What the keywords of other verbs are.
    """
    node = _source(function)
    if node is None or node.args.kwarg is None or not node.args.args:
        return None
    reader = _Reader(node.args.args[0].arg, node.args.kwarg.arg, verbs)
    for statement in node.body:
        reader.visit(statement)
    uses = sum(
        isinstance(each, ast.Name) and each.id == node.args.kwarg.arg for each in ast.walk(node)
    )
    return reader.found.pop() if uses == reader.uses and len(reader.found) == 1 else None


def _source(function: Any) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """A function as it is written, if it is what was written there."""
    try:
        [node] = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    except (OSError, SyntaxError, TypeError, ValueError):
        return None
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return None
    plain = {"classmethod", "override"}
    names = (
        each.attr if isinstance(each, ast.Attribute) else getattr(each, "id", "")
        for each in node.decorator_list
    )
    return node if plain.issuperset(names) else None


class _Reader(ast.NodeVisitor):
    """Counts the uses of keywords that it understands, and finds what they are used for."""

    def __init__(self, first: str, keywords: str, verbs: Mapping[str, str]) -> None:
        self._first, self._keywords, self._verbs = first, keywords, verbs
        self.uses = 0
        self.found: set[str] = set()

    def visit_Call(self, node: ast.Call) -> None:
        for each in node.keywords:
            if each.arg is None and self._is_keywords(each.value):
                self._takes(self._destination(node.func))
        self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        test = node.test.operand if isinstance(node.test, ast.UnaryOp) else node.test
        self.uses += self._is_keywords(test)
        self.generic_visit(node)

    def visit_For(self, node: ast.For) -> None:
        match node:
            case ast.For(
                target=ast.Tuple(elts=[ast.Name(id=name), ast.Name(id=value)]),
                iter=ast.Call(func=ast.Attribute(value=looped, attr="items"), args=[]),
                body=[ast.Expr(value=ast.Call(func=ast.Name(id="setattr"), args=arguments))],
            ) if self._is_keywords(looped) and [getattr(each, "id", "") for each in arguments] == [
                self._first,
                name,
                value,
            ]:
                self._takes(VALUES)
        self.generic_visit(node)

    def _takes(self, what: str | None) -> None:
        if what is not None:
            self.uses += 1
            self.found.add(what)

    def _is_keywords(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and node.id == self._keywords

    def _destination(self, callee: ast.expr) -> str | None:
        match callee:
            case ast.Name(id=name) if name == self._first:
                return VALUES
            case ast.Attribute(value=ast.Call(func=ast.Name(id="super"), args=[]), attr=verb):
                return VALUES if verb == "__init__" else self._verbs.get(verb)
            case ast.Attribute(value=ast.Name(id=name), attr=verb) if name == self._first:
                return self._verbs.get(verb)
            case ast.Attribute(value=chain, attr="filter_by") if self._is_chain(chain):
                return EQUAL
        return None

    def _is_chain(self, node: ast.expr) -> bool:
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr="query"):
                return name == self._first
            case ast.Call(func=ast.Attribute(value=chain, attr=method)):
                known = method not in _JOINING and hasattr(Query, method)
                return known and self._is_chain(chain)
        return False
