"""The verbs that take keywords, of models, of queries and of repositories."""

from __future__ import annotations

from collections.abc import Callable

from mypy.checker import TypeChecker
from mypy.maptype import map_instance_to_supertype
from mypy.nodes import ARG_STAR2, CallExpr, FuncDef, MemberExpr, SuperExpr, TypeInfo
from mypy.plugin import FunctionSigContext, MethodSigContext
from mypy.types import (
    FunctionLike,
    Instance,
    TypeVarType,
    get_proper_type,
)

from ._bases import is_declarative
from ._displays import WRITING, check_displays
from ._fullnames import ACTIVE_RECORD, QUERY
from ._joins import is_unjoined
from ._keywords import depend_on, with_keywords
from ._lookup import behind, class_of
from ._taken import CONSTRUCTOR, OF, Taken

__all__ = ["constructor", "subject", "verb"]


def verb(context: MethodSigContext) -> FunctionLike:
    """The signature of a verb, with the keywords of its model."""
    signature, call = context.default_signature, context.context
    assert isinstance(context.api, TypeChecker)
    if not isinstance(call, CallExpr) or not isinstance(call.callee, MemberExpr):
        return signature
    owner = behind(context.type)
    found = None if owner is None else subject(context.api, owner, call.callee)
    if owner is None or found is None:
        return signature
    name, (kind, model) = call.callee.name, found
    check_displays(context.api, call, name, kind, owner, model)
    if name in WRITING:
        return signature
    keywords = Taken(context.api, owner, model, kind).by(name)
    if keywords is None:
        return signature
    return with_keywords(
        signature,
        keywords,
        checker=context.api,
        call=call,
        verb=f"{name} of {owner.type.name}",
    )


def subject(
    checker: TypeChecker, owner: Instance, callee: MemberExpr | SuperExpr
) -> tuple[str, Instance] | None:
    """Which of our classes a called verb is of, and the model that its keywords are about."""
    kind = _kind(owner.type, callee.name)
    model = owner if kind in (None, ACTIVE_RECORD) else _argument(owner, kind)
    if kind is None or model is None:
        return None
    depend_on(checker, owner.type, model.type)
    if kind != QUERY or (isinstance(callee, MemberExpr) and is_unjoined(checker, callee.expr)):
        return kind, model
    return None


def _kind(info: TypeInfo, name: str) -> str | None:
    """Which of our classes has this verb, of those that a class derives from."""
    if name == CONSTRUCTOR:
        return ACTIVE_RECORD if is_declarative(info) else None
    kinds = (
        kind
        for kind, verbs in OF.items()
        if info.has_base(kind) and (name in verbs or (name in WRITING and kind != QUERY))
    )
    return next(kinds, None)


def _argument(owner: Instance, kind: str) -> Instance | None:
    """The model that a query or a repository is about."""
    base = next(each for each in owner.type.mro if each.fullname == kind)
    arguments = map_instance_to_supertype(owner, base).args
    model = get_proper_type(arguments[0]) if arguments else None
    if isinstance(model, TypeVarType):
        model = get_proper_type(model.upper_bound)
    return model if isinstance(model, Instance) else None


def constructor(info: TypeInfo) -> Callable[[FunctionSigContext], FunctionLike] | None:
    """The hook for `User(name="Ada")`, of a model whose constructor takes any keyword."""
    symbol = info.get(CONSTRUCTOR)
    method = None if symbol is None else symbol.node
    if not isinstance(method, FuncDef) or ARG_STAR2 not in method.arg_kinds:
        return None

    def construct(context: FunctionSigContext) -> FunctionLike:
        assert isinstance(context.api, TypeChecker)
        model = class_of(context.default_signature)
        if model is None:
            return context.default_signature
        depend_on(context.api, model.type)
        keywords = Taken(context.api, model, model, ACTIVE_RECORD).constructed()
        if keywords is None:
            return context.default_signature
        return with_keywords(
            context.default_signature,
            keywords,
            checker=context.api,
            call=context.context,
            verb=info.name,
        )

    return construct
