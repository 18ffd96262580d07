"""The verbs that take keywords, of models, of queries and of repositories."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mypy.checker import TypeChecker
from mypy.maptype import map_instance_to_supertype
from mypy.nodes import CallExpr, Decorator, FuncDef, MemberExpr, TypeInfo
from mypy.plugin import FunctionSigContext, MethodSigContext
from mypy.types import (
    FunctionLike,
    Instance,
    TypeVarType,
    get_proper_type,
)

from ._fullnames import ACTIVE_RECORD, LIBRARIES, QUERY, REPOSITORY
from ._joins import is_unjoined
from ._keywords import Keywords, compared, constructed, set_values, with_keywords
from ._lookup import behind, class_of

__all__ = ["KINDS", "OF", "VERBS", "constructor", "verb"]

KeywordsOf = Callable[[Instance], Keywords | None]


def _twins(verbs: dict[str, KeywordsOf]) -> dict[str, KeywordsOf]:
    return verbs | {f"a{name}": keywords for name, keywords in verbs.items()}


_OF_MODELS: Final = _twins(
    {
        "get": compared,
        "get_all": compared,
        "get_one": compared,
        "get_or_404": compared,
        "count": compared,
        "exists": compared,
        "get_or_create": compared,
        "update_or_create": compared,
        "new": constructed,
        "update": set_values,
    }
)
_OF_QUERIES: Final = _twins({"update": compared}) | {"filter_by": compared}
_OF_REPOSITORIES: Final = _twins(
    {
        "get_by": compared,
        "find": compared,
        "count": compared,
        "exists": compared,
        "get_or_create": compared,
        "update_or_create": compared,
        "create": constructed,
        "update": set_values,
    }
)
OF: Final = {ACTIVE_RECORD: _OF_MODELS, QUERY: _OF_QUERIES, REPOSITORY: _OF_REPOSITORIES}
"""The verbs with keywords, by the class that has them."""

KINDS: Final = tuple(OF)
"""The classes that have verbs with keywords."""

VERBS: Final = frozenset(name for verbs in OF.values() for name in verbs)
"""The names that a verb with keywords can have."""


def verb(context: MethodSigContext) -> FunctionLike:
    """The signature of a verb, with the keywords of its model."""
    signature, call = context.default_signature, context.context
    assert isinstance(context.api, TypeChecker)
    if not isinstance(call, CallExpr) or not isinstance(call.callee, MemberExpr):
        return signature
    name = call.callee.name
    owner = behind(context.type)
    if owner is None or _is_overridden(owner.type, name):
        return signature
    for kind, verbs in OF.items():
        if name in verbs and owner.type.has_base(kind):
            break
    else:
        return signature
    model = owner if kind == ACTIVE_RECORD else _argument(owner, kind)
    if model is None:
        return signature
    if kind == QUERY and not is_unjoined(context.api, call.callee.expr):
        return signature
    keywords = verbs[name](model)
    if keywords is None:
        return signature
    return with_keywords(
        signature,
        keywords,
        checker=context.api,
        call=call,
        model=model,
        verb=f"{name} of {owner.type.name}",
    )


def _is_overridden(info: TypeInfo, name: str) -> bool:
    """Whether a verb is the user's own, whose keywords are what that makes of them."""
    symbol = info.get(name)
    node = None if symbol is None else symbol.node
    if isinstance(node, Decorator):
        node = node.func
    return not isinstance(node, FuncDef) or not node.info.fullname.startswith(LIBRARIES)


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
    symbol = info.get("__init__")
    method = None if symbol is None else symbol.node
    if not isinstance(method, FuncDef) or not method.info.fullname.startswith(LIBRARIES):
        return None

    def construct(context: FunctionSigContext) -> FunctionLike:
        assert isinstance(context.api, TypeChecker)
        model = class_of(context.default_signature)
        keywords = None if model is None else set_values(model)
        if model is None or keywords is None:
            return context.default_signature
        return with_keywords(
            context.default_signature,
            keywords,
            checker=context.api,
            call=context.context,
            model=model,
            verb=info.name,
        )

    return construct
