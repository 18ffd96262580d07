"""Variables that hold a database: their type, and the base and query class they were given.

mypy infers `db = SQLAlchemy(...)` when it checks the program, which is after `class User(db.Base)`
was analysed.  What `model_class=` and `query_class=` say is in no type: it is kept in a symbol
beside the variable, and so in mypy's cache too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from mypy.checker import TypeChecker
from mypy.nodes import (
    GDEF,
    LDEF,
    MDEF,
    CallExpr,
    MemberExpr,
    MypyFile,
    RefExpr,
    SymbolTable,
    SymbolTableNode,
    TypeInfo,
    Var,
)
from mypy.plugin import AttributeContext, DynamicClassDefContext
from mypy.semanal import SemanticAnalyzer
from mypy.types import Instance, Type, TypeType, get_proper_type

from ._lookup import Names, argument, class_of, instance_of

__all__ = ["MODEL_CLASS", "QUERY_CLASS", "given_base", "names_of", "note_database", "option_of"]

MODEL_CLASS: Final = "model_class"
QUERY_CLASS: Final = "query_class"

Scopes = Sequence[SymbolTable | None]


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


def names_of(var: Var) -> list[str]:
    """The full names of a variable and of the symbols beside it."""
    options = (MODEL_CLASS, QUERY_CLASS)
    return [var.fullname, *(f"{var.fullname}@{option}" for option in options)]


def _beside(var: Var, option: str) -> str:
    return f"{var.name}@{option}"  # no name that a program can have


def option_of(
    modules: Mapping[str, MypyFile], var: Var, option: str, scopes: Scopes = ()
) -> Instance | None:
    """The class that the database in a variable was given.

    Args:
        modules: What mypy knows.
        var: The variable.
        option: The option of the database.
        scopes: The names of the functions around.
    """
    name = _beside(var, option)
    tables = list(scopes)
    if var.info:
        tables = [var.info.names]
    elif var.fullname != var.name:
        module = modules.get(var.fullname.rpartition(".")[0])
        tables = [] if module is None else [module.names]
    for table in reversed(tables):
        if table is not None and name in table and isinstance(node := table[name].node, Var):
            typ = get_proper_type(node.type)
            return typ if isinstance(typ, Instance) else None
    return None


def given_base(context: AttributeContext) -> Type:
    """The hook for `db.Base` as a value: the model class that the database was given."""
    member = context.context
    assert isinstance(context.api, TypeChecker)
    if isinstance(member, MemberExpr) and isinstance(member.expr, RefExpr):
        var = member.expr.node
        if isinstance(var, Var):
            given = option_of(context.api.modules, var, MODEL_CLASS)
            if given is not None:
                return TypeType(given)
    return context.default_attr_type
