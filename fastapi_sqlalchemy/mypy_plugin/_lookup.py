"""What an expression stands for while mypy still analyses names, before it infers types.

Of most variables no type is known then.  A call of a class says enough (`db = SQLAlchemy(...)`),
and so does another name (`Base = db.Base`).
"""

from __future__ import annotations

from collections.abc import Iterator

from mypy.nodes import (
    AssignmentStmt,
    Block,
    CallExpr,
    ClassDef,
    Decorator,
    Expression,
    ForStmt,
    FuncDef,
    IfStmt,
    MatchStmt,
    MemberExpr,
    MypyFile,
    NameExpr,
    Statement,
    SymbolNode,
    SymbolTableNode,
    TryStmt,
    TypeAlias,
    TypeInfo,
    Var,
    WhileStmt,
    WithStmt,
)
from mypy.semanal import SemanticAnalyzer
from mypy.types import (
    CallableType,
    FunctionLike,
    Instance,
    ProperType,
    TypeType,
    TypeVarType,
    UnboundType,
    get_proper_type,
)
from mypy.typevars import fill_typevars_with_any

__all__ = [
    "Names",
    "argument",
    "behind",
    "class_of",
    "dotted",
    "instance_of",
    "methods",
    "positional",
    "statements",
    "truth",
]


class Names:
    """Looks names up where the semantic analyzer stands."""

    def __init__(self, api: SemanticAnalyzer) -> None:
        self._api = api
        self._asked: list[Var] = []

    def symbol_of(self, expr: Expression) -> SymbolNode | None:
        """What a name, or an attribute of one, is defined as."""
        parts = dotted(expr)
        if parts is None:
            return None
        symbol = self._api.lookup_qualified(parts[0], expr, suppress_errors=True)
        for part in parts[1:]:
            symbol = symbol and self._member(symbol, part)
        if symbol is None or symbol.node is None:
            return None
        self._api.record_imported_symbol(symbol)
        return symbol.node

    def type_of(self, expr: Expression) -> ProperType | None:
        """The type of an expression; None where it is not known yet."""
        if not isinstance(expr, CallExpr):
            return self._type_of_symbol(self.symbol_of(expr))
        called = self.symbol_of(expr.callee)
        return instance_of(called) if isinstance(called, TypeInfo) else self._returned(called)

    def _member(self, symbol: SymbolTableNode, name: str) -> SymbolTableNode | None:
        node = symbol.node
        if isinstance(node, MypyFile):
            found = self._api.get_module_symbol(node, name)
            return None if found is None or found.module_hidden else found
        if not isinstance(node, TypeInfo):
            typ = self._type_of_symbol(node)
            if not isinstance(typ, Instance):
                return None
            node = typ.type
        return node.get(name) if node.mro else None

    def _type_of_symbol(self, node: SymbolNode | None) -> ProperType | None:
        if isinstance(node, Decorator) and node.func.is_property:
            return self._returned(node.func)
        if isinstance(node, TypeAlias):
            return get_proper_type(node.target)
        if not isinstance(node, Var):
            return None
        typ = get_proper_type(node.type)
        if isinstance(typ, TypeVarType):
            return get_proper_type(typ.upper_bound)
        if typ is not None or node in self._asked:
            return typ
        self._asked.append(node)
        value = self.value_of(node)
        typ = None if value is None else self.type_of(value)
        self._asked.remove(node)
        return typ

    def _returned(self, function: SymbolNode | None) -> ProperType | None:
        """What a function is declared to return."""
        if isinstance(function, Decorator):
            function = function.func
        declared = get_proper_type(function.type) if isinstance(function, FuncDef) else None
        if not isinstance(declared, CallableType):
            return None
        returned = get_proper_type(declared.ret_type)
        if not isinstance(returned, UnboundType):
            return returned
        # of a function of this module mypy has only read what it returns
        assert isinstance(function, FuncDef)
        if not self._api.is_defined_in_current_module(function.fullname):
            return None
        symbol = self._api.lookup_qualified(returned.name, returned, suppress_errors=True)
        node = None if symbol is None else symbol.node
        return instance_of(node) if isinstance(node, TypeInfo) else None

    def value_of(self, var: Var) -> Expression | None:
        """What a variable without a type is set to, where that has a name or is a call."""
        bodies = [function.body.body for function in reversed(self._api.function_stack)]
        if var.fullname != var.name:  # it is no variable of a function
            module = self._api.modules.get(var.fullname.rpartition(".")[0])
            bodies = [] if module is None else [module.defs]
        for body in bodies:
            for statement in statements(body):
                if (
                    isinstance(statement, AssignmentStmt)
                    and isinstance(target := statement.lvalues[0], NameExpr)
                    and target.node is var
                    and isinstance(statement.rvalue, NameExpr | MemberExpr | CallExpr)
                ):
                    return statement.rvalue
        return None


def dotted(expr: Expression) -> list[str] | None:
    """The parts of `models.db.Base`; None for anything but names and their attributes."""
    parts: list[str] = []
    while isinstance(expr, MemberExpr):
        parts.append(expr.name)
        expr = expr.expr
    if not isinstance(expr, NameExpr):
        return None
    return [expr.name, *reversed(parts)]


def statements(body: list[Statement], *, scopes: bool = False) -> Iterator[Statement]:
    """Those of a body and of the blocks within, and of the `scopes` within where these count."""
    for statement in body:
        yield statement
        for block in _blocks(statement, scopes=scopes):
            yield from statements(block.body, scopes=scopes)


def _blocks(statement: Statement, *, scopes: bool) -> list[Block]:
    blocks: list[Block | None] = []
    if isinstance(statement, IfStmt | MatchStmt):
        blocks = [*(statement.body if isinstance(statement, IfStmt) else statement.bodies)]
        blocks.append(statement.else_body if isinstance(statement, IfStmt) else None)
    elif isinstance(statement, TryStmt):
        blocks = [statement.body, *statement.handlers]
        blocks += [statement.else_body, statement.finally_body]
    elif isinstance(statement, ForStmt | WhileStmt):
        blocks = [statement.body, statement.else_body]
    elif isinstance(statement, WithStmt | Block):
        blocks = [statement.body if isinstance(statement, WithStmt) else statement]
    elif scopes and isinstance(statement, FuncDef | Decorator):
        function = statement.func if isinstance(statement, Decorator) else statement
        blocks = [function.body]
    elif scopes and isinstance(statement, ClassDef):
        blocks = [statement.defs]
    return [block for block in blocks if block is not None]


def methods(cls: ClassDef) -> Iterator[tuple[str, FuncDef, set[str]]]:
    """The functions of a class body, and the names of their decorators."""
    for statement in statements(cls.defs.body):
        if isinstance(statement, FuncDef):
            yield statement.name, statement, set()
        elif isinstance(statement, Decorator):
            # without an argument, which would make of it a call
            names = {
                each.name if isinstance(each, NameExpr | MemberExpr) else ""
                for each in statement.original_decorators
            }
            yield statement.func.name, statement.func, names


def argument(call: CallExpr, name: str) -> Expression | None:
    """The keyword argument of a call that has this name."""
    for given, value in zip(call.arg_names, call.args, strict=True):
        if given == name:
            return value
    return None


def truth(expr: Expression) -> bool | None:
    """What `True` and `False` say, also before mypy has looked their names up."""
    name = expr.name if isinstance(expr, NameExpr) else ""
    return {"True": True, "False": False}.get(name)


def positional(call: CallExpr) -> list[Expression]:
    """The arguments of a call that have no name."""
    return [value for value, name in zip(call.args, call.arg_names, strict=True) if name is None]


def instance_of(info: TypeInfo) -> Instance:
    """An instance of a class, of unknown type arguments."""
    typ = fill_typevars_with_any(info)
    return typ if isinstance(typ, Instance) else typ.partial_fallback


def class_of(typ: ProperType | None) -> Instance | None:
    """The instances of a class whose type is `type[X]`."""
    if isinstance(typ, CallableType) and typ.is_type_obj():
        typ = get_proper_type(typ.ret_type)
        return typ if isinstance(typ, Instance) else None
    item = get_proper_type(typ.item) if isinstance(typ, TypeType) else None
    if isinstance(item, TypeVarType):
        item = get_proper_type(item.upper_bound)
    return item if isinstance(item, Instance) else None


def behind(typ: ProperType) -> Instance | None:
    """An object, or for a class the objects of it."""
    if isinstance(typ, TypeVarType):
        typ = get_proper_type(typ.upper_bound)
    if isinstance(typ, TypeType | FunctionLike):
        return class_of(typ)
    return typ if isinstance(typ, Instance) else None
