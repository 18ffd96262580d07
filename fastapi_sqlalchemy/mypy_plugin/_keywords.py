"""Keywords of verbs and constructors: `**eq: Any` becomes the names that a model has.

mypy's own messages follow: for a name that there is not, with the one that was meant, and for a
value of another type.  Every name may be left out, for a database has defaults.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from mypy.checker import TypeChecker
from mypy.errorcodes import CALL_ARG
from mypy.lookup import lookup_fully_qualified
from mypy.messages import pretty_seq
from mypy.nodes import (
    ARG_NAMED_OPT,
    ARG_STAR2,
    CallExpr,
    Context,
    TypeInfo,
    Var,
)
from mypy.server.trigger import make_wildcard_trigger
from mypy.types import (
    AnyType,
    CallableType,
    FunctionLike,
    Instance,
    ParamSpecType,
    ProperType,
    Type,
    TypedDictType,
    TypeOfAny,
    UnionType,
    get_proper_type,
)

from ._attributes import attributes_of
from ._fullnames import EXPRESSION, LIBRARIES
from ._tables import backrefs_of

__all__ = ["Keywords", "assigned", "compared", "depend_on", "refuse", "set_values", "with_keywords"]

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


def assigned(model: Instance) -> Keywords | None:
    """What `setattr()` sets on a record; None where not all of it is known."""
    mapped = set_values(model)
    if mapped is None:
        return None
    names = dict(mapped)
    for owner in model.type.mro:
        if "__setattr__" in owner.names and owner.fullname != "builtins.object":
            return None
        for name, symbol in owner.names.items():
            if isinstance(symbol.node, Var):
                names.setdefault(name, AnyType(TypeOfAny.special_form))
    return names


def with_keywords(
    signature: FunctionLike, keywords: Keywords, *, checker: TypeChecker, call: Context, verb: str
) -> FunctionLike:
    """A signature that takes, of these keywords, those of a call instead of any."""
    if not isinstance(signature, CallableType) or ARG_STAR2 not in signature.arg_kinds:
        return signature
    last = signature.arg_kinds.index(ARG_STAR2)
    declared = get_proper_type(signature.arg_types[last])
    given = _given(checker, call)
    if given is None or signature.unpack_kwargs or isinstance(declared, ParamSpecType):
        return signature
    named = [name for name in given if name not in signature.arg_names[:last]]
    known = dict.fromkeys([*keywords, *(name for name in signature.arg_names[:last] if name)])
    for name in named:
        if name not in keywords:
            message = f'Unexpected keyword argument "{name}" for {_quoted(verb)}'
            refuse(checker, message, name, call, known)
    types: list[Type] = [declared] * len(named)
    if isinstance(declared, AnyType) or _is_object(declared):
        # an unknown name has been told of, in better words than mypy's
        found = (keywords.get(name, AnyType(TypeOfAny.special_form)) for name in named)
        types = [_or(typ, _expression(checker)) for typ in found]
    return signature.copy_modified(
        arg_types=signature.arg_types[:last] + types,
        arg_kinds=signature.arg_kinds[:last] + [ARG_NAMED_OPT] * len(named),
        arg_names=[*signature.arg_names[:last], *named],
        name=verb,
        definition=None,  # else a note would say where `**eq` is
    )


def _quoted(verb: str) -> str:
    """`"get" of "User"`."""
    return " of ".join(f'"{part}"' for part in verb.split(" of "))


def _is_object(typ: ProperType) -> bool:
    return isinstance(typ, Instance) and typ.type.fullname == "builtins.object"


def refuse(
    checker: TypeChecker, message: str, name: str, place: Context, known: Iterable[str]
) -> None:
    """Say that a name is unknown and which was meant, unless another model gives it to this one."""
    if name in _backrefs(checker):
        return
    matches = get_close_matches(name, known)
    meant = f"; did you mean {pretty_seq(matches, 'or')}?" if matches else ""
    checker.msg.fail(message + meant, place, code=CALL_ARG)


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


def depend_on(checker: TypeChecker, *infos: TypeInfo) -> None:
    """Have the daemon check a call again when an attribute of one of these classes changes."""
    if not checker.options.fine_grained_incremental and not checker.options.cache_fine_grained:
        return
    target = checker.tscope.current_target()
    for owner in {owner for info in infos for owner in info.mro}:
        if not owner.fullname.startswith(LIBRARIES):
            trigger = make_wildcard_trigger(owner.fullname)
            checker.tree.plugin_deps.setdefault(trigger, set()).add(target)
