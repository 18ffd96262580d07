"""What many models have: the moments they were made and changed, a key, a version.

Each mixin stands beside the base of a model, in any order, and is inherited by the models below
it.  Its columns are no fields of a dataclass: a constructor never takes them.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any, ClassVar, Self
from uuid import UUID

from sqlalchemy import Connection, Integer, Uuid, event, inspect, orm, text
from sqlalchemy.orm import Mapped, mapped_column

from . import _records
from ._deletion import SoftDeletable, hide_deleted, note_mapper
from ._names import refuse_hidden_verbs
from .columns import UTCDateTime, declared_column, utcnow
from .keys import uuid7
from .model import ActiveRecord
from .scope import scopes_of
from .session import Session

__all__ = ["SoftDeleteMixin", "TimestampMixin", "UUIDMixin", "VersionedMixin"]


class TimestampMixin:
    """When the row was made and last changed, by the server's clock: `created_at`, `updated_at`.

    Both are there after `save()`. `updated_at` moves with every UPDATE that SQLAlchemy sends, a
    `Query.update()` included.

    >>> from fastapi_sqlalchemy import TimestampMixin
    >>> class Note(TimestampMixin, db.Base):
    ...     __tablename__ = "notes"
    ...     id: Mapped[int] = mapped_column(primary_key=True)
    ...     text: Mapped[str]
    >>> db.create_all()
    >>> note = Note.new(text="first")
    >>> note.created_at == note.updated_at
    True
    >>> note.created_at.tzinfo
    datetime.timezone.utc
    """

    __guarded__: ClassVar[AbstractSet[str]] = {"created_at", "updated_at"}

    @declared_column
    def created_at(cls) -> Mapped[datetime]:  # noqa: N805 - of the model
        """When the row was inserted."""
        return mapped_column(UTCDateTime, nullable=False, server_default=utcnow(), sort_order=1)

    @declared_column
    def updated_at(cls) -> Mapped[datetime]:  # noqa: N805
        """When the row was inserted or last updated."""
        return mapped_column(
            UTCDateTime,
            nullable=False,
            server_default=utcnow(),
            onupdate=utcnow(),
            sort_order=1,
        )


class UUIDMixin:
    """A primary key `id` that needs no database and sorts by time: a UUID of version 7.

    It is made when the record is saved. New rows come last in the index, as with a serial number,
    and not all over it, as with random keys.

    >>> from fastapi_sqlalchemy import UUIDMixin
    >>> class Event(UUIDMixin, db.Base):
    ...     __tablename__ = "events"
    ...     name: Mapped[str]
    >>> db.create_all()
    >>> first, second = Event.new(name="first"), Event.new(name="second")
    >>> first.id < second.id, first.id.version
    (True, 7)
    """

    @declared_column
    def id(cls) -> Mapped[UUID]:  # noqa: N805
        """The key."""
        return mapped_column(Uuid, primary_key=True, insert_default=uuid7, sort_order=-1)


class VersionedMixin:
    """Optimistic locking: who saves what somebody else has changed meanwhile is refused.

    Every UPDATE and DELETE of a record asks for the version that was read and counts it up, by
    SQLAlchemy's `version_id_col`; a `Query.update()` counts too.

    >>> from fastapi_sqlalchemy import VersionedMixin
    >>> from fastapi_sqlalchemy.exceptions import StaleRecordError
    >>> class Page(VersionedMixin, db.Base):
    ...     __tablename__ = "pages"
    ...     id: Mapped[int] = mapped_column(primary_key=True)
    ...     text: Mapped[str]
    >>> db.create_all()
    >>> mine = Page.new(text="first")
    >>> with db():
    ...     Page.get(mine.id).update(text="theirs").version_id
    2
    >>> try:
    ...     mine.update(text="mine")
    ... except StaleRecordError:
    ...     mine.refresh().text
    'theirs'

    Raises:
        StaleRecordError: When a record is saved or deleted that is not as it was read.
    """

    __guarded__: ClassVar[AbstractSet[str]] = {"version_id"}

    @declared_column
    def version_id(cls) -> Mapped[int]:  # noqa: N805
        """Counts the changes of the row, from 1."""
        return mapped_column(
            Integer,
            nullable=False,
            # for rows and changes that SQLAlchemy's unit of work does not see
            server_default=text("1"),
            onupdate=text("version_id + 1"),
            sort_order=1,
        )


class SoftDeleteMixin(SoftDeletable, ActiveRecord):
    """Records that are deleted but stay: `delete()` sets `deleted_at`, and nobody finds them.

    Deleted records are left out of queries, counts, `get()`, relationships and every `select()` of
    a session. `Model.query.with_deleted()` and `.only_deleted()` find them, and so does
    `execution_options(with_deleted=True)` on a statement.

    >>> from fastapi_sqlalchemy import SoftDeleteMixin
    >>> class Draft(SoftDeleteMixin, db.Base):
    ...     __tablename__ = "drafts"
    ...     id: Mapped[int] = mapped_column(primary_key=True)
    ...     text: Mapped[str]
    >>> db.create_all()
    >>> draft = Draft.new(text="Dear")
    >>> draft.delete()
    >>> Draft.query.count(), Draft.get(1), Draft.query.only_deleted().all()
    (0, None, [<Draft id=1>])
    >>> draft.restore()
    <Draft id=1>
    >>> Draft.query.count()
    1
    """

    __guarded__: ClassVar[AbstractSet[str]] = {"deleted_at"}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        refuse_hidden_verbs(cls, SoftDeleteMixin)
        super().__init_subclass__(**kwargs)

    def delete(self, *, force: bool = False) -> None:
        """Mark the record as deleted, and those that its relationships delete with it.

        A relationship with the cascade "delete" marks its records in the same moment, if they have
        this mixin too; others stay, like the row that they belong to.

        >>> letter = Letter.get(1)
        >>> with echo():
        ...     letter.delete()
        UPDATE letters SET deleted_at=? WHERE letters.id = ?

        Args:
            force: Delete the row.

        Raises:
            IntegrityError: Other rows need this one, which is to go (`sqlalchemy.exc`).
            StaleRecordError: The row is gone, or was changed by somebody else (`VersionedMixin`).
            InvalidRequestError: The record has no row, or belongs to another session.
        """
        scopes_of(type(self)).run(_records.delete(self, force=force))

    async def adelete(self, *, force: bool = False) -> None:
        """Awaitable twin of `delete`."""
        await scopes_of(type(self)).arun(_records.delete(self, force=force))

    def restore(self) -> Self:
        """Take the deletion of this record back; those deleted with it stay deleted.

        >>> letter = Letter.query.only_deleted().one()
        >>> with echo():
        ...     letter.restore()
        UPDATE letters SET deleted_at=? WHERE letters.id = ?
        <Letter id=2>

        Returns:
            The record itself.

        Raises:
            IntegrityError: Another record has taken a value that must be unique.
            StaleRecordError: The row is gone, or was changed by somebody else (`VersionedMixin`).
            InvalidRequestError: The record belongs to another session, or was deleted by force.
        """
        return scopes_of(type(self)).run(_records.restore(self))

    async def arestore(self) -> Self:
        """Awaitable twin of `restore`."""
        return await scopes_of(type(self)).arun(_records.restore(self))


@event.listens_for(SoftDeletable, "after_mapper_constructed", propagate=True)
def _hide_deleted(mapper: orm.Mapper[Any], model: type[SoftDeletable]) -> None:
    note_mapper(mapper)
    # not before there is such a model: others have nothing to pay for it
    if not event.contains(Session, "do_orm_execute", hide_deleted):
        event.listen(Session, "do_orm_execute", hide_deleted)


# Not by `__mapper_args__`: a model that has its own would lose the mixin's without a word.
@event.listens_for(VersionedMixin, "instrument_class", propagate=True)
def _lock_by_version(mapper: orm.Mapper[Any], model: type[VersionedMixin]) -> None:
    if mapper.version_id_col is None and mapper.local_table is not None:
        mapper.version_id_col = mapper.local_table.c.version_id


@event.listens_for(TimestampMixin, "instrument_class", propagate=True)
def _load_moments(mapper: orm.Mapper[Any], model: type[TimestampMixin]) -> None:
    # with the UPDATE: read later, they would be a lazy load, which nobody can await
    mapper.eager_defaults = True


@event.listens_for(TimestampMixin, "before_update", propagate=True)
def _move_moment(mapper: orm.Mapper[Any], _: Connection, record: TimestampMixin) -> None:
    # columns of a second table are an UPDATE of that one alone, but for a version in the first
    if len(mapper.tables) == 1 or mapper.version_id_col is not None:
        return
    session = orm.object_session(record)
    changed = session is not None and session.is_modified(record, include_collections=False)
    if changed and not inspect(record, raiseerr=True).attrs.updated_at.history.has_changes():
        record.updated_at = utcnow()
