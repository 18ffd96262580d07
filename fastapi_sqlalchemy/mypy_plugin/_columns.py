"""Attributes of a model without an annotation: `name = Column(String)`.

They are declared to mypy as if `Mapped[str | None]` stood beside the name: to a class it is a
column expression then and to a record its value, and every part of mypy follows.  The call itself
stays, to be checked as it was.
"""

from __future__ import annotations

from typing import Final

from mypy.nodes import (
    AssignmentStmt,
    CallExpr,
    CastExpr,
    ClassDef,
    NameExpr,
    StrExpr,
    TypeInfo,
)
from mypy.semanal import SemanticAnalyzer
from mypy.types import AnyType, Instance, NoneType, Type, UnionType, get_proper_type

from ._fullnames import MAPPED
from ._lookup import Names, argument, positional, statements
from ._relationships import relationship_type
from ._sqltypes import python_type, unknown
from ._tables import declares_nullable

__all__ = ["declare_columns"]

_CONSTRUCTORS: Final = "sqlalchemy.orm._orm_constructors"
_COLUMNS: Final = ("sqlalchemy.sql.schema.Column", f"{_CONSTRUCTORS}.mapped_column")
_WRAPPERS: Final = (f"{_CONSTRUCTORS}.deferred", f"{_CONSTRUCTORS}.column_property")
_RELATIONSHIP: Final = f"{_CONSTRUCTORS}.relationship"
_SYNONYM: Final = f"{_CONSTRUCTORS}.synonym"


def declare_columns(cls: ClassDef, api: SemanticAnalyzer) -> None:
    """Annotate what a class body assigns without an annotation."""
    if "sqlalchemy" not in api.modules:
        return
    declared: dict[str, Type] = {}
    for statement in statements(cls.defs.body):
        if not isinstance(statement, AssignmentStmt):
            continue
        target, call = statement.lvalues[0], _call(statement)
        if call is None or not isinstance(target, NameExpr):
            continue
        typ = _mapped(api, cls.info, call, declared)
        if typ is None:
            continue
        declared[target.name] = typ
        typ.set_line(statement)
        statement.type = statement.unanalyzed_type = typ
        if not isinstance(statement.rvalue, CastExpr):
            # what is assigned has a type of its own, which is none of `Mapped`
            cast = CastExpr(call, unknown())
            cast.set_line(call)
            statement.rvalue = cast


def _call(statement: AssignmentStmt) -> CallExpr | None:
    """The call that one name is set to, also where an earlier pass has been here."""
    value = statement.rvalue
    seen = isinstance(value, CastExpr)
    if isinstance(value, CastExpr):
        value = value.expr
    if len(statement.lvalues) != 1 or not isinstance(value, CallExpr):
        return None
    return value if seen or statement.unanalyzed_type is None else None


def _mapped(
    api: SemanticAnalyzer, info: TypeInfo, call: CallExpr, declared: dict[str, Type]
) -> Instance | None:
    """The type that the annotation would have."""
    callee = Names(api).symbol_of(call.callee)
    fullname = "" if callee is None else callee.fullname
    if fullname == _RELATIONSHIP:
        return relationship_type(api, info, call)
    if fullname == _SYNONYM:
        return _synonym(call, declared)
    if fullname in _WRAPPERS and call.args and isinstance(call.args[0], CallExpr):
        callee = Names(api).symbol_of(call.args[0].callee)
        if callee is None or callee.fullname not in _COLUMNS:
            return None
        call = call.args[0]
    elif fullname not in _COLUMNS:
        return None
    return api.named_type_or_none(MAPPED, [_column_type(api, call)])


def _column_type(api: SemanticAnalyzer, call: CallExpr) -> Type:
    by_name = argument(call, "type_")
    typ = get_proper_type(python_type(api, positional(call) if by_name is None else [by_name]))
    if isinstance(typ, AnyType) or not declares_nullable(call):
        return typ
    return UnionType.make_union([typ, NoneType()])


def _synonym(call: CallExpr, declared: dict[str, Type]) -> Instance | None:
    name = call.args[0] if call.args else argument(call, "name")
    if not isinstance(name, StrExpr):
        return None
    typ = get_proper_type(declared.get(name.value))
    return typ.copy_modified() if isinstance(typ, Instance) else None
