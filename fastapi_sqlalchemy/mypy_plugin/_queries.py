"""The query class of a model: `Article.query` is the `query_class` of the model or its database.

One about any model is about this one then: of `class Recent(Query[T])` it is `Recent[Article]`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mypy.checker import TypeChecker
from mypy.lookup import lookup_fully_qualified
from mypy.maptype import map_instance_to_supertype
from mypy.nodes import SymbolNode, TypeAlias, TypeInfo, Var
from mypy.plugin import AttributeContext
from mypy.types import AnyType, Instance, Type, get_proper_type

from ._databases import QUERY_CLASS
from ._fullnames import ACTIVE_RECORD, LIBRARIES, METADATA, QUERY
from ._lookup import behind, class_of

__all__ = ["is_asked_by_ours", "query_attribute"]


def query_attribute(context: AttributeContext) -> Type:
    """The hook for `User.query`."""
    assert isinstance(context.api, TypeChecker)
    model = behind(context.type)
    query = get_proper_type(context.default_attr_type)
    if model is None or not isinstance(query, Instance) or not model.type.has_base(ACTIVE_RECORD):
        return query
    if not query.type.has_base(QUERY):
        return query
    base = next(each for each in query.type.mro if each.fullname == QUERY)
    about = get_proper_type(map_instance_to_supertype(query, base).args[0])
    if isinstance(about, AnyType):  # a class of the model's own, about any
        return _about(query.type, model)
    if query.type is not base:
        return query
    # what mypy makes of a `query_class` depends on what is expected; and a database's it never sees
    given = next(_given(context.api, model.type.mro), None)
    known = given is not None and given.has_base(QUERY) and len(given.type_vars) < 2
    return _about(given, about) if given is not None and known else query


def _about(kind: TypeInfo, model: Type) -> Instance:
    return Instance(kind, [model] if len(kind.type_vars) == 1 else [])


def _given(checker: TypeChecker, owners: Iterable[TypeInfo]) -> Iterator[TypeInfo | None]:
    """The query classes that models and their databases were given; None for one not known."""
    for owner in owners:
        name = owner.metadata.get(METADATA, {}).get(QUERY_CLASS)
        symbol = owner.names.get(QUERY_CLASS)
        if symbol is None and name is not None:
            symbol = lookup_fully_qualified(name, checker.modules)
        elif symbol is None:
            continue
        yield None if symbol is None else _class_of(symbol.node)


def is_asked_by_ours(checker: TypeChecker, owners: Iterable[TypeInfo], method: str) -> bool:
    """Whether a method of `query` is known to be the library's, for a class of these ancestors."""
    owners = list(owners)
    queried = next((owner for owner in owners if "query" in owner.names), None)
    if queried is None or not queried.fullname.startswith(LIBRARIES):
        return False
    for kind in _given(checker, owners):
        definer = None if kind is None else kind.get_containing_type_info(method)
        return definer is not None and definer.fullname.startswith(LIBRARIES)
    return True


def _class_of(node: SymbolNode | None) -> TypeInfo | None:
    """The class that a name stands for."""
    if isinstance(node, TypeInfo):
        return node
    if isinstance(node, TypeAlias):
        target = get_proper_type(node.target)
        return target.type if isinstance(target, Instance) else None
    kind = class_of(get_proper_type(node.type)) if isinstance(node, Var) else None
    return None if kind is None else kind.type
