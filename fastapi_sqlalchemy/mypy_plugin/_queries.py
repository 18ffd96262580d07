"""The query class of a model: `Article.query` is the `query_class` of the model or its database.

One about any model is about this one then: of `class Recent(Query[T])` it is `Recent[Article]`.
"""

from __future__ import annotations

from mypy.checker import TypeChecker
from mypy.lookup import lookup_fully_qualified
from mypy.maptype import map_instance_to_supertype
from mypy.nodes import TypeInfo
from mypy.plugin import AttributeContext
from mypy.types import AnyType, Instance, Type, get_proper_type

from ._databases import QUERY_CLASS
from ._fullnames import ACTIVE_RECORD, METADATA, QUERY
from ._lookup import behind

__all__ = ["query_attribute"]


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
    given = _of_database(context.api, model.type) if query.type is base else None
    return query if given is None else _about(given, about)


def _about(kind: TypeInfo, model: Type) -> Instance:
    return Instance(kind, [model] if len(kind.type_vars) == 1 else [])


def _of_database(checker: TypeChecker, model: TypeInfo) -> TypeInfo | None:
    """The query class that the database of a model was given."""
    for owner in model.mro:
        name = owner.metadata.get(METADATA, {}).get(QUERY_CLASS)
        if name is not None:
            symbol = lookup_fully_qualified(name, checker.modules)
            node = None if symbol is None else symbol.node
            return node if isinstance(node, TypeInfo) and len(node.type_vars) < 2 else None
    return None
