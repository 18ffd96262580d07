"""The models of these tests: each mixin alone, and together as they are used."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from fastapi_sqlalchemy import (
    ModelBase,
    SoftDeleteMixin,
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


class Paper(TimestampMixin, Base):
    """With its moments in the first of two tables, and no version beside them."""

    __tablename__ = "papers"
    __mapper_args__ = {  # noqa: RUF012 - see Account
        "polymorphic_on": "kind",
        "polymorphic_identity": "paper",
    }

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    title: Mapped[str | None] = mapped_column(String(50))


class Report(Paper):
    __tablename__ = "reports"
    __mapper_args__ = {"polymorphic_identity": "report"}  # noqa: RUF012 - see Account

    id: Mapped[int] = mapped_column(ForeignKey("papers.id"), primary_key=True)
    pages: Mapped[int | None] = mapped_column(unique=True)


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


class Author(Base):
    """Whose articles are soft-deleted, and who is not."""

    __tablename__ = "authors"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))
    articles: Mapped[list["Article"]] = relationship(
        back_populates="author", order_by="Article.id", cascade="all"
    )


class Article(SoftDeleteMixin, VersionedMixin, Base):
    __tablename__ = "articles"
    # MariaDB knows no partial index: there a deleted title stays taken
    __table_args__ = (
        Index(
            "articles_title",
            "title",
            unique=True,
            postgresql_where=text("deleted_at IS NULL"),
            sqlite_where=text("deleted_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(50))
    author_id: Mapped[int | None] = mapped_column(ForeignKey("authors.id"))
    author: Mapped[Author | None] = relationship(back_populates="articles")
    comments: Mapped[list["Comment"]] = relationship(
        back_populates="article",
        order_by="Comment.id",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )


class Comment(Base, SoftDeleteMixin):
    """After the base; goes with its article."""

    __tablename__ = "comments"

    id: Mapped[int] = mapped_column(primary_key=True)
    body: Mapped[str] = mapped_column(String(50))
    article_id: Mapped[int] = mapped_column(ForeignKey("articles.id", ondelete="CASCADE"))
    article: Mapped[Article] = relationship(back_populates="comments")


class Medium(SoftDeleteMixin, Base):
    """A hierarchy of two tables, and a model in the table of its parent."""

    __tablename__ = "media"
    __mapper_args__ = {  # noqa: RUF012 - SQLAlchemy declares it
        "polymorphic_on": "kind",
        "polymorphic_identity": "medium",
    }

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))


class Video(Medium):
    __tablename__ = "videos"
    __mapper_args__ = {"polymorphic_identity": "video"}  # noqa: RUF012 - see Medium

    id: Mapped[int] = mapped_column(ForeignKey("media.id"), primary_key=True)
    seconds: Mapped[int]


class Photo(Medium):
    __mapper_args__ = {"polymorphic_identity": "photo"}  # noqa: RUF012 - see Medium

    camera: Mapped[str | None] = mapped_column(String(20))
