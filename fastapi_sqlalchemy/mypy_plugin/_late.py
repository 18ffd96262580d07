"""Calls that mypy asks no plugin about before it checks them.

It asks by the class that a method is called on, and a type variable (`Self`) is none, nor is what
`super()` gives; and of `cls(...)` it does not know yet what is called.  Of these it asks when the
call is checked, by the name that the signature has: `update of ActiveRecord`.  The keywords are
checked then, for themselves.
"""

from __future__ import annotations

from collections.abc import Sequence

from mypy.checker import TypeChecker
from mypy.nodes import (
    ARG_NAMED,
    ARG_STAR2,
    CallExpr,
    MemberExpr,
    RefExpr,
    SuperExpr,
    TypeAlias,
    TypeInfo,
)
from mypy.plugin import FunctionContext, MethodContext
from mypy.typeops import function_type
from mypy.types import CallableType, Instance, Type, TypeType, TypeVarType, get_proper_type
from mypy.typevars import fill_typevars

from ._displays import check_displays
from ._fullnames import ACTIVE_RECORD
from ._keywords import depend_on, with_keywords
from ._lookup import behind
from ._taken import CONSTRUCTOR, VERBS, Taken, method_of
from ._verbs import subject

__all__ = ["late_constructor", "late_super", "late_verb", "verb_in"]


def verb_in(name: str) -> str | None:
    """The verb that a signature of this name is of: `update` of `update of ActiveRecord`."""
    verb = name.partition(" of ")[0]
    return verb if verb in VERBS or verb == CONSTRUCTOR else None


def late_verb(context: MethodContext) -> Type:
    """The hook for `self.update(...)` and `cls.get(...)`, where these are of a type variable."""
    typ, call = context.type, context.context
    of = get_proper_type(typ.item) if isinstance(typ, TypeType) else typ
    owner = behind(typ)
    assert isinstance(context.api, TypeChecker)
    if not isinstance(of, TypeVarType) or owner is None or not isinstance(call, CallExpr):
        return context.default_return_type
    if isinstance(call.callee, MemberExpr):
        _check_verb(context.api, call, call.callee, owner, owner.type.mro)
    return context.default_return_type


def late_super(context: FunctionContext) -> Type:
    """The hook for `super().update(...)`."""
    call = context.context
    assert isinstance(context.api, TypeChecker)
    if isinstance(call, CallExpr) and isinstance(call.callee, SuperExpr) and call.callee.info:
        owner = fill_typevars(call.callee.info)
        if isinstance(owner, Instance) and not call.callee.call.args:
            _check_verb(context.api, call, call.callee, owner, owner.type.mro[1:])
    return context.default_return_type


def late_constructor(context: FunctionContext) -> Type:
    """The hook for `cls(...)`, and any other class in a variable."""
    call = context.context
    assert isinstance(context.api, TypeChecker)
    model = behind(get_proper_type(context.default_return_type))
    if model is None or not isinstance(call, CallExpr):
        return context.default_return_type
    is_known = isinstance(call.callee, RefExpr) and isinstance(
        call.callee.node, TypeInfo | TypeAlias
    )
    if not is_known:  # else it was checked before
        depend_on(context.api, model.type)
        taken = Taken(context.api, model, model, ACTIVE_RECORD)
        _check(context.api, call, taken, model.type.mro, CONSTRUCTOR, model.type.name)
    return context.default_return_type


def _check_verb(
    checker: TypeChecker,
    call: CallExpr,
    callee: MemberExpr | SuperExpr,
    owner: Instance,
    owners: Sequence[TypeInfo],
) -> None:
    found = subject(checker, owner, callee)
    if found is not None:
        kind, model = found
        taken = Taken(checker, owner, model, kind)
        of = f"of {owner.type.name}"
        _check(checker, call, taken, owners, callee.name, f"{callee.name} {of}")


def _check(
    checker: TypeChecker,
    call: CallExpr,
    taken: Taken,
    owners: Sequence[TypeInfo],
    name: str,
    verb: str,
) -> None:
    """Check the keywords of a call, as far as the function does not name them itself."""
    method = method_of(owners, name)
    if name != CONSTRUCTOR:
        check_displays(checker, call, name, taken.kind, taken.owner, taken.model)
    keywords = taken.by(name, owners)
    if method is None or keywords is None:
        return
    declared = function_type(method.function, checker.named_type("builtins.function"))
    if not isinstance(declared, CallableType) or ARG_STAR2 not in declared.arg_kinds:
        return
    signature = with_keywords(declared, keywords, checker=checker, call=call, verb=verb)
    if signature is declared or not isinstance(signature, CallableType):
        return
    given = {
        name: value
        for value, kind, name in zip(call.args, call.arg_kinds, call.arg_names, strict=True)
        if name is not None and kind == ARG_NAMED and name not in declared.arg_names
    }
    taking = dict(zip(signature.arg_names, signature.arg_types, strict=True))
    if given:
        checker.expr_checker.check_call(
            CallableType(
                [taking[name] for name in given],
                [ARG_NAMED] * len(given),
                list(given),
                declared.ret_type,
                declared.fallback,
                name=verb,
            ),
            list(given.values()),
            [ARG_NAMED] * len(given),
            call,
            list(given),
            callable_name=f"{__name__}.{name}",  # of which no plugin is asked
        )
