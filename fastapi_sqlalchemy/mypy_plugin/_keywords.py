"""Keywords of verbs and constructors: `**eq: Any` becomes the names that a model has.

mypy's own messages follow: for a name that there is not, with the one that was meant, and for a
value of another type.  Every name may be left out, for a database has defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

from mypy.checker import TypeChecker
from mypy.lookup import lookup_fully_qualified
from mypy.nodes import (
    ARG_NAMED_OPT,
    ARG_STAR2,
    CallExpr,
    Context,
    FuncDef,
    TypeInfo,
)
from mypy.server.trigger import make_wildcard_trigger
from mypy.types import (
    AnyType,
    CallableType,
    FunctionLike,
    Instance,
    Type,
    TypedDictType,
    TypeOfAny,
    UnionType,
    get_proper_type,
)

from ._attributes import attributes_of
from ._fullnames import EXPRESSION, LIBRARIES
from ._tables import backrefs_of

__all__ = ["Keywords", "compared", "constructed", "set_values", "with_keywords"]

Keywords = Mapping[str, Type]
"""The keywords that are taken, with the types of their values."""


def compared(model: Instance) -> Keywords | None:
    """What a query compares by keyword; None where not all of it is known."""
    attributes = attributes_of(model)
    if attributes is None:
        return None
    return {name: a.compared for name, a in attributes.items() if a.compared is not None}


def set_values(model: Instance) -> Keywords | None:
    """What a record is given by keyword; None where not all of it is known."""
    attributes = attributes_of(model)
    return None if attributes is None else {name: a.value for name, a in attributes.items()}


def constructed(model: Instance) -> Keywords | None:
    """What the constructor of a model takes by keyword; None where not all of it is known."""
    symbol = model.type.get("__init__")
    method = None if symbol is None else symbol.node
    if not isinstance(method, FuncDef):
        return None
    if method.info.fullname.startswith(LIBRARIES):
        return set_values(model)
    signature = get_proper_type(method.type)
    if not isinstance(signature, CallableType) or signature.is_kw_arg:
        return None
    named = zip(signature.arg_names[1:], signature.arg_types[1:], strict=True)
    return {name: typ for name, typ in named if name is not None}


def with_keywords(
    signature: FunctionLike,
    keywords: Keywords,
    *,
    checker: TypeChecker,
    call: Context,
    model: Instance,
    verb: str,
) -> FunctionLike:
    """A signature that takes, of these keywords, those of a call instead of any."""
    if not isinstance(signature, CallableType) or ARG_STAR2 not in signature.arg_kinds:
        return signature
    _depend(checker, model.type)
    given = _given(checker, call)
    if given is None:
        return signature
    last = signature.arg_kinds.index(ARG_STAR2)
    named = [name for name in given if name not in signature.arg_names[:last]]
    if unknown := [name for name in named if name not in keywords]:
        _refuse(checker, call, verb, unknown, keywords)
    # an unknown name has been told of, in better words than mypy's
    types = [keywords.get(name, AnyType(TypeOfAny.special_form)) for name in named]
    expression = _expression(checker)
    return signature.copy_modified(
        arg_types=signature.arg_types[:last] + [_or(typ, expression) for typ in types],
        arg_kinds=signature.arg_kinds[:last] + [ARG_NAMED_OPT] * len(named),
        arg_names=[*signature.arg_names[:last], *named],
        name=verb,
        definition=None,  # else a note would say where `**eq` is
    )


def _refuse(
    checker: TypeChecker, call: Context, verb: str, unknown: list[str], keywords: Keywords
) -> None:
    """Say that names are unknown, except those that another model gives to this one."""
    method, _, owner = verb.partition(" of ")
    function = f' for "{method}" of "{owner}"' if owner else f' for "{method}"'
    backrefs = _backrefs(checker)
    for name in unknown:
        if name not in backrefs:
            checker.msg.unexpected_keyword_argument_for_function(
                function, name, call, matches=get_close_matches(name, keywords)
            )


def _given(checker: TypeChecker, call: Context) -> list[str] | None:
    """The keywords of a call; None where it has some that are not known, `**values`."""
    given: list[str] = []
    if not isinstance(call, CallExpr):
        return given
    for value, kind, name in zip(call.args, call.arg_kinds, call.arg_names, strict=True):
        if kind == ARG_STAR2:
            typ = get_proper_type(checker.get_expression_type(value))
            if not isinstance(typ, TypedDictType):
                return None
            given += typ.items
        elif name is not None:
            given.append(name)
    return given


def _or(typ: Type, expression: Type) -> Type:
    proper = get_proper_type(typ)
    if isinstance(proper, AnyType):
        return typ
    items = proper.items if isinstance(proper, UnionType) else [typ]
    return UnionType([*items, expression])


def _expression(checker: TypeChecker) -> Type:
    """SQL, which may stand wherever a value may."""
    symbol = lookup_fully_qualified(EXPRESSION, checker.modules)
    anything = AnyType(TypeOfAny.special_form)
    if symbol is None or not isinstance(symbol.node, TypeInfo):
        return anything
    return Instance(symbol.node, [anything])


def _backrefs(checker: TypeChecker) -> set[str]:
    """The names that relationships of any class give to others; only asked before an error."""
    return {
        name
        for module in checker.modules.values()
        if not module.fullname.startswith(LIBRARIES)
        for symbol in module.names.values()
        if isinstance(symbol.node, TypeInfo)
        for name in backrefs_of(symbol.node)
    }


def _depend(checker: TypeChecker, model: TypeInfo) -> None:
    """Have the daemon check a call again when an attribute of the model changes."""
    if not checker.options.fine_grained_incremental and not checker.options.cache_fine_grained:
        return
    target = checker.tscope.current_target()
    for owner in model.mro:
        if not owner.fullname.startswith(LIBRARIES):
            trigger = make_wildcard_trigger(owner.fullname)
            checker.tree.plugin_deps.setdefault(trigger, set()).add(target)
