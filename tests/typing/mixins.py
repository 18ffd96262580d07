"""Mixins: `UUIDMixin`, `TimestampMixin`, `VersionedMixin`, `SoftDeleteMixin`."""

from datetime import datetime
from typing import assert_type
from uuid import UUID

from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute, Mapped, mapped_column

from fastapi_sqlalchemy import (
    ModelBase,
    Query,
    SoftDeleteMixin,
    TimestampMixin,
    UTCDateTime,
    UUIDMixin,
    VersionedMixin,
    utcnow,
    uuid7,
)


class Base(ModelBase, DeclarativeBase):
    pass


class Invoice(UUIDMixin, TimestampMixin, VersionedMixin, SoftDeleteMixin, Base):
    __tablename__ = "invoices"

    due: Mapped[datetime] = mapped_column(UTCDateTime, server_default=utcnow())

    def before_save(self) -> None:
        self.due = self.created_at


class Letter(Base, SoftDeleteMixin):
    """After the base, as before it."""

    __tablename__ = "letters"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)


def columns() -> None:
    """columns that mixins bring"""
    assert_type(Invoice.id, InstrumentedAttribute[UUID])
    assert_type(Invoice.created_at, InstrumentedAttribute[datetime])
    assert_type(Invoice.deleted_at, InstrumentedAttribute[datetime | None])


def attributes(invoice: Invoice) -> None:
    """attributes of a record"""
    assert_type(invoice.id, UUID)
    assert_type(invoice.created_at, datetime)
    assert_type(invoice.updated_at, datetime)
    assert_type(invoice.version_id, int)
    assert_type(invoice.deleted_at, datetime | None)
    invoice.deleted_at = None
    assert_type(uuid7(), UUID)


def verbs(invoice: Invoice, letter: Letter) -> None:
    """`delete(force=True)`, `restore`, `with_deleted`"""
    invoice.delete(force=True)
    letter.delete(force=True)
    invoice.delete(True)  # type: ignore[call-arg]
    assert_type(invoice.restore(), Invoice)
    assert_type(letter.restore(), Letter)
    _ = assert_type(Invoice.query.with_deleted(), Query[Invoice])
    assert_type(Invoice.query.only_deleted().first(), Invoice | None)
    assert_type(Invoice.new(due=utcnow()), Invoice)


async def twins(invoice: Invoice) -> None:
    """the same, awaited"""
    await invoice.adelete(force=True)
    assert_type(await invoice.arestore(), Invoice)
