"""Relationships without an annotation: `posts = relationship("Post")`.

Whether one record or a list of them is related is decided by foreign keys, which are noted of each
class as it is analysed (`_tables`).
"""

from __future__ import annotations

from typing import Final

from mypy.nodes import (
    CallExpr,
    ClassDef,
    Expression,
    LambdaExpr,
    PlaceholderNode,
    ReturnStmt,
    StrExpr,
    SymbolNode,
    TypeInfo,
)
from mypy.semanal import SemanticAnalyzer
from mypy.types import Instance, NoneType, Type, UnionType

from ._fullnames import MAPPED
from ._lookup import Names, argument, positional, statements, truth
from ._sqltypes import unknown
from ._tables import keys_to

__all__ = ["relationship_type"]

_LOADED_BY_QUERY: Final = {
    "dynamic": "sqlalchemy.orm.base.DynamicMapped",
    "write_only": "sqlalchemy.orm.base.WriteOnlyMapped",
}
_COLLECTIONS: Final = ("builtins.list", "builtins.set")


def relationship_type(api: SemanticAnalyzer, info: TypeInfo, call: CallExpr) -> Instance | None:
    """The type that the annotation of a relationship would have."""
    target = _target(api, call)
    lazy = argument(call, "lazy")
    kind = _LOADED_BY_QUERY.get(lazy.value, MAPPED) if isinstance(lazy, StrExpr) else MAPPED
    related: Type = unknown()
    if target is not None:
        one = Instance(target, [])
        related = _collected(api, info, call, one) if kind == MAPPED else one
    return api.named_type_or_none(kind, [related])


def _target(api: SemanticAnalyzer, call: CallExpr) -> TypeInfo | None:
    """The related class, by itself, by name or from a lambda; None where it is not in sight."""
    given = argument(call, "argument")
    if given is None:
        given = next(iter(positional(call)), None)
    if isinstance(given, LambdaExpr):
        body = given.body.body[-1] if given.body.body else None
        given = body.expr if isinstance(body, ReturnStmt) else None
    if given is None:
        return None
    if isinstance(given, StrExpr):
        node = _named(api, given.value, given)
    else:
        node = Names(api).symbol_of(given)
    if isinstance(node, TypeInfo) and node.mro and not node.type_vars:
        return node
    if isinstance(node, PlaceholderNode | ClassDef) and not api.final_iteration:
        api.defer(call)
    return None


def _named(api: SemanticAnalyzer, name: str, context: Expression) -> SymbolNode | ClassDef | None:
    if not all(part.isidentifier() for part in name.split(".")):
        return None
    symbol = api.lookup_qualified(name, context, suppress_errors=True)
    if symbol is None and "." in name:
        symbol = api.lookup_fully_qualified_or_none(name)
    if symbol is not None and symbol.node is not None:
        api.record_imported_symbol(symbol)
        return symbol.node
    for body in (api.cur_mod_node.defs, *(func.body.body for func in api.function_stack)):
        for statement in statements(body):
            if isinstance(statement, ClassDef) and statement.name == name:
                return statement  # it comes later
    return None


def _collected(api: SemanticAnalyzer, info: TypeInfo, call: CallExpr, one: Instance) -> Type:
    """One record of a class, or the collection of them that the relationship makes."""
    collection = argument(call, "collection_class")
    if collection is not None:
        node = Names(api).symbol_of(collection)
        name = "" if node is None else node.fullname
        return api.named_type(name, [one]) if name in _COLLECTIONS else unknown()
    many = api.named_type("builtins.list", [one])
    uselist = argument(call, "uselist")
    asked = None if uselist is None else truth(uselist)
    if asked is not None:
        return many if asked else UnionType.make_union([one, NoneType()])
    if argument(call, "secondary") is not None or len(positional(call)) > 1:
        return many
    ours, theirs = keys_to(info, one.type), keys_to(one.type, info)
    if one.type in info.mro or info in one.type.mro:
        is_one = argument(call, "remote_side") is not None
    elif bool(ours) == bool(theirs):  # no key is known, or tables refer to each other
        return unknown()
    else:
        is_one = bool(ours)
    if not is_one:
        return many
    return one if ours and not any(ours) else UnionType.make_union([one, NoneType()])
