"""`strict()`: what a query did not load is refused instead of being loaded one by one.

The query marks the records it loads by an option that SQLAlchemy hands on to every load that a
record causes by itself.  A session asks here before it sends such a load.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy.orm import RelationshipProperty, UserDefinedOption

from .exceptions import LazyLoadError

__all__ = ["LOADING", "STRICT", "refuse_lazy_load"]

LOADING: Final = "_sa_orm_load_options"
"""Execution option of the statements that SQLAlchemy sends to load what a record lacks."""


class _Strict(UserDefinedOption):
    __slots__ = ()
    propagate_to_loaders = True


STRICT: Final = _Strict()

_PART_OF_A_QUERY: Final = "sa_top_level_orm_context"
"""One that only the further statements of a query have: those of `immediateload()`."""


def refuse_lazy_load(statement: Any, options: Any) -> None:
    """Refuse a load that a record of a strict query caused by itself.

    Raises:
        LazyLoadError: It is one.
    """
    loading, compiling = options[LOADING], statement._compile_options
    owner = loading._lazy_loaded_from
    if owner is not None:
        if STRICT in statement._with_options and _PART_OF_A_QUERY not in options:
            raise _error(owner, compiling._current_path[-1].key)
    elif (owner := loading._refresh_state) is not None and STRICT in owner.load_options:
        # an expired attribute is no surprise: the session itself forgot it, at a commit
        deferred = set(compiling._only_load_props or ()) - owner.expired_attributes
        if deferred:
            raise _error(owner, min(deferred))


def _error(owner: Any, attribute: str) -> LazyLoadError:
    mapper = owner.mapper
    model = mapper.class_.__name__
    prop = mapper.get_property(attribute)
    if not isinstance(prop, RelationshipProperty):
        loader = "undefer"
    else:
        loader = "selectinload" if prop.uselist else "joinedload"
    return LazyLoadError(model, attribute, f"{loader}({model}.{attribute})")
