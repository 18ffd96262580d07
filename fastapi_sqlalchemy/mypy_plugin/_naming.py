"""Tables that are named by their class: `return cls.__name__.lower()` in a `declared_attr`.

What names them is written once, in a mixin or a base.  It is noted there as a tree of lists, which
mypy's cache can hold, and worked out for each class that has it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from mypy.nodes import (
    CallExpr,
    Expression,
    FuncDef,
    ListExpr,
    MemberExpr,
    NameExpr,
    OpExpr,
    ReturnStmt,
    StrExpr,
)

from ._lookup import statements

__all__ = ["Naming", "may_be_of", "name_of", "naming_by", "naming_of"]

Naming = list[Any]
"""A text, the name of the class, or a function with what it is given; empty where not known."""

_CLASS: Final = ["class"]
_METHODS: Final[dict[str, Callable[..., str]]] = {
    "lower": str.lower,
    "upper": str.upper,
    "replace": str.replace,
    "removeprefix": str.removeprefix,
    "removesuffix": str.removesuffix,
}
_FUNCTIONS: Final[dict[str, Callable[..., str]]] = {
    **_METHODS,
    "add": lambda *parts: "".join(parts),
    "sub": re.sub,
}


def naming_by(function: FuncDef) -> Naming:
    """How a method names a table, by what it returns."""
    body = statements(function.body.body)
    returned = [each.expr for each in body if isinstance(each, ReturnStmt) and each.expr]
    # None is for a class that has the table of its parent
    names = [each for each in returned if not isinstance(each, NameExpr) or each.name != "None"]
    first = next(iter(function.arg_names), None)
    return naming_of(names[0], first) if len(names) == 1 and first is not None else []


def naming_of(expr: Expression, cls: str = "") -> Naming:
    """How an expression names a table; `cls` is what stands for the class in it."""
    match expr:
        case StrExpr(value=text):
            return ["text", text]
        case MemberExpr(name="__name__", expr=NameExpr(name=name)) if name == cls:
            return _CLASS
        case OpExpr(op="+", left=left, right=right):
            return _call("add", [left, right], cls)
        case CallExpr(callee=MemberExpr(name="sub", expr=NameExpr(name="re")), args=args):
            return _call("sub", args, cls)
        # as mypy reads f"{cls.__name__}s"
        case CallExpr(
            callee=MemberExpr(name="join", expr=StrExpr(value="")), args=[ListExpr(items=items)]
        ):
            return _call("add", items, cls)
        case CallExpr(
            callee=MemberExpr(name="format", expr=StrExpr(value="{:{}}")),
            args=[value, StrExpr(value="")],
        ):
            return naming_of(value, cls)
        case CallExpr(callee=MemberExpr(name=name, expr=of), args=args) if name in _METHODS:
            return _call(name, [of, *args], cls)
    return []


def _call(function: str, arguments: list[Expression], cls: str) -> Naming:
    given = [naming_of(each, cls) for each in arguments]
    return [function, *given] if all(given) else []


def name_of(naming: Naming, cls: str) -> str | None:
    """The table of the class of this name; None where it cannot be worked out."""
    match naming:
        case ["text", str() as text]:
            return text
        case ["class"]:
            return cls
        case [str() as function, *arguments] if function in _FUNCTIONS:
            given = [name_of(each, cls) for each in arguments]
            try:
                return None if None in given else _FUNCTIONS[function](*given)
            except (TypeError, re.error):
                return None
    return None


def may_be_of(table: str, cls: str) -> bool:
    """Whether a table is named like a class: `user_accounts` like `UserAccount`."""
    table, cls = table.replace("_", "").lower(), cls.replace("_", "").lower()
    plurals = {cls, f"{cls}s", f"{cls}es", f"{cls.removesuffix('y')}ies"}
    return table in plurals
