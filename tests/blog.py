"""The models of most tests: users who write posts.

The base is written out rather than `db.Base`, which lets every type checker follow.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import ForeignKey, String, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from fastapi_sqlalchemy import ModelBase, SQLAlchemy
from tests.databases import with_tables


class Base(ModelBase, DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class User(Base):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(100), unique=True)
    name: Mapped[str | None] = mapped_column(String(100))
    # Left to the database: deleting an author of posts is refused.
    posts: Mapped[list["Post"]] = relationship(
        back_populates="author", order_by="Post.id", passive_deletes="all"
    )


class Post(Base):
    __tablename__ = "posts"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(100))
    state: Mapped[str] = mapped_column(String(20), server_default="draft")
    edits: Mapped[int] = mapped_column(default=0, onupdate=text("edits + 1"))
    author_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    author: Mapped[User] = relationship(back_populates="posts")


@contextmanager
def created_at(database: SQLAlchemy, url: str, **options: Any) -> Iterator[SQLAlchemy]:
    """A database at `url`, with its tables, until the end of a test."""
    database.init(url, **options)
    try:
        database.create_all()
        yield database
    finally:
        database.init()


@contextmanager
def created(database: SQLAlchemy, url: str, **options: Any) -> Iterator[SQLAlchemy]:
    """The same, on a server in a database beside that one which keeps its tables."""
    kept = with_tables(url, database.metadata)
    if kept is None:
        with created_at(database, url, **options):
            yield database
        return
    database.init(kept, **options)
    try:
        yield database
    finally:
        database.init()
