"""Variables that hold a database: their type, and the base and query class they were given.

mypy infers `db = SQLAlchemy(...)` when it checks the program, which is after `class User(db.Base)`
was analysed.  What `model_class=` and `query_class=` say is in no type: it is kept in a symbol
beside the variable, and so in mypy's cache too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mypy.nodes import GDEF, LDEF, MDEF, CallExpr, SymbolTableNode, TypeInfo, Var
from mypy.plugin import DynamicClassDefContext
from mypy.semanal import SemanticAnalyzer
from mypy.types import Instance, get_proper_type

from ._lookup import Names, argument, class_of, instance_of

__all__ = ["MODEL_CLASS", "QUERY_CLASS", "note_database", "option_of"]

MODEL_CLASS: Final = "model_class"
QUERY_CLASS: Final = "query_class"


def note_database(info: TypeInfo) -> Callable[[DynamicClassDefContext], None]:
    """The hook for `db = SQLAlchemy(...)`, of that class or a subclass."""

    def note(context: DynamicClassDefContext) -> None:
        api = context.api
        assert isinstance(api, SemanticAnalyzer)
        # of a chain of calls mypy shows the first one, whose value the variable does not have
        if getattr(api.statement, "rvalue", None) is not context.call:
            return
        symbol = api.lookup_qualified(context.name, context.call, suppress_errors=True)
        if symbol is None or not isinstance(var := symbol.node, Var):
            return
        if var.type is None:
            var.type = instance_of(info)
        for option in (MODEL_CLASS, QUERY_CLASS):
            _note_option(api, symbol, context.call, option)

    return note


def _note_option(
    api: SemanticAnalyzer, symbol: SymbolTableNode, call: CallExpr, option: str
) -> None:
    value = argument(call, option)
    if value is None:
        return
    names = Names(api)
    node = names.symbol_of(value)
    given = instance_of(node) if isinstance(node, TypeInfo) else class_of(names.type_of(value))
    if given is None:
        return
    assert isinstance(symbol.node, Var)
    beside = Var(_beside(symbol.node, option), given)
    beside.info = symbol.node.info
    beside._fullname = api.qualified_name(beside.name)
    kind = {GDEF: GDEF, MDEF: MDEF}.get(symbol.kind, LDEF)
    api.current_symbol_table()[beside.name] = SymbolTableNode(
        kind, beside, module_public=False, plugin_generated=True
    )


def _beside(var: Var, option: str) -> str:
    return f"{var.name}@{option}"  # no name that a program can have


def option_of(api: SemanticAnalyzer, var: Var, option: str) -> Instance | None:
    """The class that the database in a variable was given."""
    name = _beside(var, option)
    if var.info:
        symbol = var.info.names.get(name)
    elif var.fullname == var.name:
        symbol = next((t[name] for t in reversed(api.locals) if t and name in t), None)
    else:
        module = api.modules.get(var.fullname.rpartition(".")[0])
        symbol = None if module is None else module.names.get(name)
    if symbol is None or not isinstance(symbol.node, Var):
        return None
    typ = get_proper_type(symbol.node.type)
    return typ if isinstance(typ, Instance) else None
