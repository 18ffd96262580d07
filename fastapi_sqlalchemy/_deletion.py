"""What deletion means for a model: its row goes, or it stays and is hidden.

A model whose rows stay is a `SoftDeletable`.  Its deleted records are left out of what a session
loads, by a criterion that SQLAlchemy adds wherever a statement touches such a model; applications
without one never run any of this.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import exc, inspect, orm, select
from sqlalchemy.orm import Mapped, ORMExecuteState, mapped_column, with_loader_criteria, with_parent
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.sql.base import ExecutableOption

from .columns import UTCDateTime, declared_column, utcnow

__all__ = [
    "WITH_DELETED",
    "SoftDeletable",
    "deletion_of",
    "expire_partial",
    "hide_deleted",
    "hiding",
    "is_deleted",
    "mark_deleted",
    "require_soft",
    "reset",
]

WITH_DELETED: Final = "with_deleted"
"""The execution option of a statement that is to see deleted records."""


class SoftDeletable:
    """A model whose records are deleted by setting `deleted_at`."""

    @declared_column
    def deleted_at(cls) -> Mapped[datetime | None]:  # noqa: N805 - of the model
        """When the record was deleted; None while it is there."""
        return mapped_column(UTCDateTime, nullable=True, sort_order=1)


_visible: Final = with_loader_criteria(
    SoftDeletable, lambda model: model.deleted_at.is_(None), include_aliases=True
)

_HIDING: Final = (_visible,)

_HIDES: Final = "_fastapi_sqlalchemy_hiding"
"""An attribute of the registries whose models hide records."""


def note_mapper(mapper: orm.Mapper[Any]) -> None:
    """From now on what its registry's models load is looked at."""
    setattr(mapper.registry, _HIDES, _HIDING)


def hiding(mapper: orm.Mapper[Any]) -> tuple[ExecutableOption, ...]:
    """The options that are added to each statement about a model, unless it asks for deleted ones.

    Models beside one whose records are hidden have them too: they may lead to it.
    """
    options: tuple[ExecutableOption, ...] = getattr(mapper.registry, _HIDES, ())
    return options


def hide_deleted(state: ORMExecuteState) -> None:
    """Before a session runs a statement: leave deleted records out."""
    if not (state.is_select or state.is_update) or not state.is_orm_statement:
        return
    mapper = state.bind_mapper
    if mapper is not None and not hiding(mapper):
        return
    if state.is_executemany:
        return
    session: Any = state.session
    statement: Any = state.statement
    hidden = _visible in statement._with_options  # handed on by the query that loaded a parent
    if session.sees_deleted or (session.follows_deleted and state.is_relationship_load):
        if hidden:
            state.statement = statement = statement.options()  # a copy
            statement._with_options = tuple(o for o in statement._with_options if o is not _visible)
    elif not hidden and not state.execution_options.get(WITH_DELETED):
        state.statement = statement.options(_visible)


def expire_partial(session: orm.Session, record: object) -> None:
    """Before a row goes: have those collections loaded again that may lack deleted records."""
    state: orm.InstanceState[Any] | None = inspect(record, raiseerr=False)
    if state is None or not state.persistent:
        return
    partial = [
        relation.key
        for relation in state.mapper.relationships
        if issubclass(relation.mapper.class_, SoftDeletable)
        and relation.uselist
        and relation.key in state.dict
        and not state.attrs[relation.key].history.has_changes()
    ]
    if partial:
        session.expire(record, partial)


def is_deleted(record: object) -> bool:
    """Whether a record that a session holds is deleted and hidden, as far as it is loaded."""
    return isinstance(record, SoftDeletable) and vars(record).get("deleted_at") is not None


def deletion_of(model: type) -> dict[str, Any] | None:
    """The values of the UPDATE that deletes rows of a model; None where a DELETE does."""
    return {"deleted_at": utcnow()} if issubclass(model, SoftDeletable) else None


def require_soft(verb: str, model: type) -> None:
    """Refuse what only such a model can answer.

    Raises:
        TypeError: The model has no `SoftDeleteMixin`.
    """
    if not issubclass(model, SoftDeletable):
        raise TypeError(
            f"{verb}() expected a model with SoftDeleteMixin, found {model.__name__}, whose "
            "deleted rows are gone"
        )


def mark_deleted(session: orm.Session, record: SoftDeletable) -> list[SoftDeletable]:
    """Set the moment of deletion, one for a record and for what its relationships delete with it.

    Returns:
        The records that were not deleted before.

    Raises:
        InvalidRequestError: The record has no row.
    """
    if not inspect(record, raiseerr=True).has_identity:
        raise exc.InvalidRequestError(
            f"expected a saved {type(record).__name__} to delete, found one without a row"
        )
    if record not in session:
        session.add(record)
    now = datetime.now(UTC)
    with session.no_autoflush:
        marked = list(_with_dependents(session, record, set()))
        for each in marked:
            each.deleted_at = now
    return marked


def _with_dependents(
    session: orm.Session, record: SoftDeletable, seen: set[int]
) -> Iterator[SoftDeletable]:
    if id(record) in seen or record.deleted_at is not None:
        return
    seen.add(id(record))
    yield record
    for relation in orm.object_mapper(record).relationships:
        if relation.cascade.delete and issubclass(relation.mapper.class_, SoftDeletable):
            # asked, not read: the relationship may be one that refuses to load, or is written only
            children = select(relation.mapper).where(with_parent(record, relation.class_attribute))
            for child in session.scalars(children).unique():
                yield from _with_dependents(session, child, seen)


def reset(marked: Iterable[SoftDeletable]) -> None:
    """After a deletion that failed: the records that it marked are not deleted."""
    for record in marked:
        set_committed_value(record, "deleted_at", None)
