"""The models of these tests: each mixin alone, and together as they are used."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from fastapi_sqlalchemy import (
    ModelBase,
    SQLAlchemy,
    TimestampMixin,
    UTCDateTime,
    UUIDMixin,
    VersionedMixin,
)


class Base(ModelBase, DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class Visit(Base):
    __tablename__ = "visits"

    id: Mapped[int] = mapped_column(primary_key=True)
    began: Mapped[datetime] = mapped_column(UTCDateTime)
    ended: Mapped[datetime | None] = mapped_column(UTCDateTime)


class Note(TimestampMixin, Base):
    __tablename__ = "notes"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(String(50))


class Event(UUIDMixin, Base):
    __tablename__ = "events"

    name: Mapped[str] = mapped_column(String(50))


class Page(VersionedMixin, Base):
    __tablename__ = "pages"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(String(50))
    book_id: Mapped[int | None] = mapped_column(ForeignKey("books.id"))
    book: Mapped["Book | None"] = relationship(back_populates="pages")


class Book(VersionedMixin, Base):
    """Versioned itself, with versioned pages that go with it."""

    __tablename__ = "books"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(50))
    pages: Mapped[list[Page]] = relationship(
        back_populates="book", order_by=Page.id, cascade="all, delete-orphan"
    )


class Account(Base, TimestampMixin, VersionedMixin, UUIDMixin):
    """All of them, after the base, with a hierarchy of two tables."""

    __tablename__ = "accounts"
    __mapper_args__ = {  # noqa: RUF012 - SQLAlchemy declares it
        "polymorphic_on": "kind",
        "polymorphic_identity": "account",
    }

    kind: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(50))


class Company(Account):
    __tablename__ = "companies"
    __mapper_args__ = {"polymorphic_identity": "company"}  # noqa: RUF012 - see Account

    id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    number: Mapped[int]


class Person(Account):
    """In the table of the accounts."""

    __mapper_args__ = {"polymorphic_identity": "person"}  # noqa: RUF012 - see Account

    nick: Mapped[str | None] = mapped_column(String(50))
