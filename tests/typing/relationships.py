"""Relationships."""
# mypy: disable-error-code="unused-awaitable"

from typing import assert_type

from sqlalchemy import ForeignKey
from sqlalchemy.orm import (
    InstrumentedAttribute,
    Mapped,
    WriteOnlyMapped,
    mapped_column,
    relationship,
    selectinload,
)
from sqlalchemy.orm.writeonly import WriteOnlyCollection

from fastapi_sqlalchemy import Query, Rows
from tests.blog import Base, Post, User


class Chapter(Base):
    __tablename__ = "chapters"

    id: Mapped[int] = mapped_column(primary_key=True)
    post_id: Mapped[int | None] = mapped_column(ForeignKey("posts.id"))
    post: Mapped[Post | None] = relationship()
    notes: WriteOnlyMapped["Chapter"] = relationship()


def attributes(user: User, post: Post, chapter: Chapter) -> None:
    """what a record is related to: one, none or one, many, too many to load"""
    assert_type(user.posts, list[Post])
    assert_type(user.posts[0].author, User)
    assert_type(post.author.name, str | None)
    assert_type(chapter.post, Post | None)
    assert_type(chapter.notes, WriteOnlyCollection[Chapter])
    assert_type(User.posts, InstrumentedAttribute[list[Post]])
    user.posts.append(post)
    user.posts.append(user)  # type: ignore[arg-type]
    post.author = post  # type: ignore[assignment]
    chapter.post.title  # type: ignore[union-attr] # noqa: B018


def queries() -> None:
    """relationships in `join`, `eager`, `options`, and rows across them"""
    assert_type(User.query.join(User.posts).filter(Post.title == "Notes"), Query[User])
    assert_type(User.query.options(selectinload(User.posts)), Query[User])
    assert_type(Post.query.eager(Post.author, User.posts), Query[Post])
    pairs = Post.query.join(Post.author).with_entities(Post.title, User.name)
    assert_type(pairs, Rows[str, str | None])
    Post.query.eager("author")  # type: ignore[arg-type]
    User.query.options("posts")  # type: ignore[arg-type]
