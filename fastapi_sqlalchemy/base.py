"""The declarative base of a database: its own registry, its own MetaData, and the verbs."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import MetaData, orm
from sqlalchemy.orm.decl_api import DCTransformDeclarative

from .model import ActiveRecord, ModelBase
from .query import Query
from .scope import Scopes, belong

__all__ = ["Base", "make_base"]

if TYPE_CHECKING:

    class Base(ActiveRecord, orm.DeclarativeBase):
        """What `db.Base` is to a type checker.

        At run time it derives from `ModelBase` too; here `class User(ModelBase, db.Base)` would
        have no order of its bases then.
        """


def make_base(
    scopes: Scopes,
    *,
    metadata: MetaData | None = None,
    model_class: type[Any] | None = None,
    query_class: type[Query[Any]] | None = None,
) -> type[Base]:
    """A declarative base whose models live in these scopes.

    Args:
        scopes: Those of the database.
        metadata: Where its tables are collected; a new one by default.
        model_class: A declarative base to use as it is, or a class without one to build on.
        query_class: The class of the queries of its models, where they have none of their own.

    Raises:
        TypeError: `model_class` is no class with the verbs, or has another metadata already.
    """
    kind: Any = ModelBase if model_class is None else model_class
    if not (isinstance(kind, type) and issubclass(kind, ActiveRecord)):
        raise TypeError(
            f"model_class expected a class that derives from ModelBase, found {model_class!r}"
        )
    if not hasattr(kind, "registry"):
        members = {"registry": orm.registry(metadata=metadata)}
        kind = _make("Base", (kind, orm.DeclarativeBase), members)
    base = cast("type[Base]", kind)
    if metadata is not None and base.metadata is not metadata:
        raise TypeError("model_class has a metadata already: give one or the other")
    if query_class is not None:
        cast("Any", base).query_class = query_class
    belong(base.registry, scopes)
    return base


# of SQLAlchemy's metaclasses the one for dataclasses, so that a model can be one
class _Declarative(DCTransformDeclarative):
    """Lets a class stand before one that derives from it: `class User(ModelBase, db.Base)`."""

    def mro(cls) -> list[type]:  # noqa: N805 - of a metaclass
        bases = cls.__bases__
        needed = tuple(
            base
            for base in bases
            if not any(other is not base and issubclass(other, base) for other in bases)
        )
        if needed == bases:
            return super().mro()
        # the order of the class without it, which has it all the same
        return [cls, *_make(cls.__name__, needed, {"__abstract__": True}).__mro__[1:]]


def _make(name: str, bases: tuple[type, ...], members: dict[str, Any]) -> type:
    return types.new_class(
        name, bases, {"metaclass": _Declarative}, lambda own: own.update(members)
    )
