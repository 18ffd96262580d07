"""The Python type of a column from its SQL type: `String(50)` is `str`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from mypy.maptype import map_instance_to_supertype
from mypy.nodes import CallExpr, Expression, IntExpr, StrExpr, TypeInfo
from mypy.semanal import SemanticAnalyzer
from mypy.types import AnyType, Instance, Type, TypeOfAny, get_proper_type

from ._fullnames import TYPE_ENGINE
from ._lookup import Names, argument, class_of, instance_of, truth

__all__ = ["python_type", "unknown"]


def unknown() -> AnyType:
    """What nothing can be said of."""
    return AnyType(TypeOfAny.special_form)


def python_type(api: SemanticAnalyzer, arguments: Iterable[Expression]) -> Type:
    """The Python type of the first of some arguments that is an SQL type."""
    for value in arguments:
        typ = _python_type(api, value)
        if typ is not None:
            return typ
    return unknown()


def _python_type(api: SemanticAnalyzer, value: Expression) -> Type | None:
    """None for what is no SQL type."""
    names = Names(api)
    call = value if isinstance(value, CallExpr) else None
    node = names.symbol_of(value if call is None else call.callee)
    if isinstance(node, TypeInfo):
        instance: Instance | None = instance_of(node)
    else:
        typ = names.type_of(value)
        instance = typ if isinstance(typ, Instance) else class_of(typ)
    if instance is None or not instance.type.has_base(TYPE_ENGINE):
        return None
    for base in instance.type.mro:
        if (special := _SPECIAL.get(base.fullname)) is not None:
            return special(api, call)
    for base in instance.type.mro:
        if base.fullname == TYPE_ENGINE:
            return get_proper_type(map_instance_to_supertype(instance, base).args[0])
    return None


def _numeric(api: SemanticAnalyzer, call: CallExpr | None) -> Type:
    return _number(api, call, decimal=True)


def _float(api: SemanticAnalyzer, call: CallExpr | None) -> Type:
    return _number(api, call, decimal=False)


def _number(api: SemanticAnalyzer, call: CallExpr | None, *, decimal: bool) -> Type:
    given = None if call is None else argument(call, "asdecimal")
    asked = decimal if given is None else truth(given)
    if asked is None:
        return unknown()
    return _named(api, "decimal.Decimal" if asked else "builtins.float")


def _uuid(api: SemanticAnalyzer, call: CallExpr | None) -> Type:
    given = None if call is None else argument(call, "as_uuid")
    if given is None and call is not None and call.args and call.arg_names[0] is None:
        given = call.args[0]
    asked = True if given is None else truth(given)
    if asked is None:
        return unknown()
    return _named(api, "uuid.UUID" if asked else "builtins.str")


def _enum(api: SemanticAnalyzer, call: CallExpr | None) -> Type:
    if call is None or not call.args:
        return unknown()
    if isinstance(call.args[0], StrExpr):
        return _named(api, "builtins.str")
    node = Names(api).symbol_of(call.args[0])
    return Instance(node, []) if isinstance(node, TypeInfo) and node.is_enum else unknown()


def _array(api: SemanticAnalyzer, call: CallExpr | None) -> Type:
    item = unknown() if call is None else python_type(api, call.args[:1])
    given = None if call is None else argument(call, "dimensions")
    for _ in range(given.value if isinstance(given, IntExpr) else 1):
        item = _named(api, "builtins.list", item)
    return item


def _json(api: SemanticAnalyzer, call: CallExpr | None) -> Type:
    return unknown()


def _named(api: SemanticAnalyzer, fullname: str, *arguments: Type) -> Type:
    return api.named_type_or_none(fullname, list(arguments)) or unknown()


_SPECIAL: Final[dict[str, Callable[[SemanticAnalyzer, CallExpr | None], Type]]] = {
    "sqlalchemy.sql.sqltypes.Numeric": _numeric,
    "sqlalchemy.sql.sqltypes.Float": _float,
    "sqlalchemy.sql.sqltypes.Uuid": _uuid,
    "sqlalchemy.sql.sqltypes.Enum": _enum,
    "sqlalchemy.sql.sqltypes.ARRAY": _array,
    "sqlalchemy.sql.sqltypes.JSON": _json,
}
"""Types whose Python type depends on what they are called with."""
