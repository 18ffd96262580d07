"""The attributes of a model: what a query may compare, and what a record may be given.

Where not all of them are in sight (a reflected table, an abstract base, a base of type Any) none
are told, and no keyword is checked.
"""

from __future__ import annotations

from typing import Final, NamedTuple, cast

from mypy.expandtype import expand_type_by_instance
from mypy.maptype import map_instance_to_supertype
from mypy.nodes import (
    Decorator,
    FuncDef,
    OverloadedFuncDef,
    SymbolNode,
    TypeInfo,
    Var,
)
from mypy.types import (
    AnyType,
    CallableType,
    FunctionLike,
    Instance,
    ProperType,
    Type,
    UnionType,
    get_proper_type,
)

from ._fullnames import DECLARATIVE, MAPPED
from ._sqltypes import unknown
from ._tables import is_abstract

__all__ = ["Attribute", "attributes_of"]

_ANNOTATION: Final = "sqlalchemy.orm.base._MappedAnnotationBase"
_UNMAPPED: Final = "sqlalchemy.orm.base.Unmapped"
_DECLARED: Final = "sqlalchemy.orm.base._MappedAttribute"
_COLUMN: Final = "sqlalchemy.sql.schema.Column"
_HYBRID: Final = "sqlalchemy.ext.hybrid.hybrid_property"
_NUMBER: Final = "decimal.Decimal"

_REFLECTED: Final = "sqlalchemy.ext.declarative.extensions.DeferredReflection"
_NOT_OF_MODELS: Final = (
    "builtins.",
    "sqlalchemy.",
    "typing.",
    *(f"fastapi_sqlalchemy.{module}." for module in ("base", "creating", "model", "writing")),
)
_NO_VALUES: Final = ("metadata", "query_class", "registry", "type_annotation_map")


class Attribute(NamedTuple):
    """An attribute, as a keyword names it.

    Args:
        compared: The type of what it is compared with; None where no query can.
        value: The type of what it is set to.
    """

    compared: Type | None
    value: Type


def attributes_of(model: Instance) -> dict[str, Attribute] | None:
    """Those of a model by name; None where not all of them are known."""
    if not _is_model(model.type):
        return None
    found: dict[str, Attribute] = {}
    for owner in reversed(model.type.mro):
        if owner.fullname.startswith(_NOT_OF_MODELS):
            continue
        if "__table__" in owner.names:  # what it has stands elsewhere
            return None
        for name, symbol in owner.names.items():
            if symbol.node is None or name.startswith("__") or "@" in name:
                continue
            attribute = _attribute(symbol.node, owner, model)
            if attribute is None or (attribute.compared is None and name in _NO_VALUES):
                found.pop(name, None)
            else:
                found[name] = attribute
    return found


def _is_model(info: TypeInfo) -> bool:
    """Whether it has a table, and all that is mapped is written in it and its ancestors."""
    if info.fallback_to_any or info.has_base(_REFLECTED) or is_abstract(info):
        return False
    if not any(info.has_base(name) for name in DECLARATIVE):
        return False
    return any(
        "__tablename__" in owner.names or "__table__" in owner.names
        for owner in info.mro
        if not owner.fullname.startswith(_NOT_OF_MODELS)
    )


def _attribute(node: SymbolNode, owner: TypeInfo, model: Instance) -> Attribute | None:
    anything = Attribute(unknown(), unknown())
    if isinstance(node, Decorator):
        node = node.func if node.func.is_property else node.var
    if isinstance(node, OverloadedFuncDef) and not node.items and not node.is_property:
        return anything  # defined again by what it was before, as by `@name.setter` of a hybrid
    if isinstance(node, FuncDef | OverloadedFuncDef):
        return Attribute(None, unknown()) if node.is_property else None
    if not isinstance(node, Var):
        return None
    typ = get_proper_type(node.type)
    if typ is None or isinstance(typ, AnyType):  # not inferred yet
        return anything
    if isinstance(typ, FunctionLike):
        return None
    if owner.type_vars:
        inherited = map_instance_to_supertype(model, owner)
        typ = get_proper_type(expand_type_by_instance(typ, inherited))
    if not isinstance(typ, Instance):
        return _plain(node, model, typ)
    if typ.type.has_base(_UNMAPPED):
        return None
    if typ.type.has_base(MAPPED) or typ.type.has_base(_COLUMN):
        held = _held(typ, MAPPED if typ.type.has_base(MAPPED) else _COLUMN)
        return Attribute(_compared(held), held)
    if typ.type.has_base(_DECLARED):
        held = _held(typ, _DECLARED)
        return Attribute(_compared(held), held)
    if typ.type.has_base(_HYBRID):  # whose setter may take something else
        return Attribute(_compared(_held(typ, _HYBRID)), unknown())
    if typ.type.has_base(_ANNOTATION) or typ.type.get("__get__") is not None:
        return anything
    return _plain(node, model, typ)


def _plain(node: Var, model: Instance, typ: ProperType) -> Attribute | None:
    """An attribute that is not mapped, unless the model maps those too."""
    if any("__allow_unmapped__" in owner.names for owner in model.type.mro):
        return Attribute(typ, typ)
    return Attribute(None, typ) if node.has_explicit_value else None


def _held(typ: Instance, base: str) -> ProperType:
    owner = next(each for each in typ.type.mro if each.fullname == base)
    return get_proper_type(map_instance_to_supertype(typ, owner).args[0])


def _compared(held: ProperType) -> ProperType:
    """What a value is compared with: a whole number too where it is a decimal one."""
    items = held.items if isinstance(held, UnionType) else [held]
    for item in items:
        number = get_proper_type(item)
        if isinstance(number, Instance) and number.type.fullname == _NUMBER:
            whole = get_proper_type(cast("FuncDef", number.type["__int__"].node).type)
            assert isinstance(whole, CallableType)
            return get_proper_type(UnionType.make_union([*items, whole.ret_type]))
    return held
