"""Repositories and dependencies."""

from typing import Annotated, Generic, TypeVar, assert_type, cast

from fastapi import Depends, FastAPI
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from fastapi_sqlalchemy import CursorPage, Page, Query, Repository, SQLAlchemy
from fastapi_sqlalchemy.dependencies import (
    AsyncSessionDep,
    CursorParams,
    PageParams,
    SessionDep,
    repository,
)
from tests.blog import Post, User

M = TypeVar("M", bound=DeclarativeBase)
Extra = TypeVar("Extra")


class Plain(DeclarativeBase):
    pass


class Author(Plain):
    __tablename__ = "authors"

    id: Mapped[int] = mapped_column(primary_key=True)


class Users(Repository[User]):
    def adults(self) -> Query[User]:
        return self.query.filter(User.id > 17)


class Adults(Query[User]):
    def adults(self) -> "Adults":
        return self


class People(Repository[User]):
    @property
    def query(self) -> Adults:
        return cast(Adults, super().query)


class Audited(Repository[M]):
    pass


class Tagged(Audited[M], Generic[Extra, M]):
    pass


class Authors(Tagged[str, Author]):
    pass


def made(session: Session, asession: AsyncSession, db: SQLAlchemy) -> None:
    """`Repository(User)` is a `Repository[User]`; a session or a database of one's own"""
    assert_type(Repository(User), Repository[User])
    assert_type(Repository(Author, session=session), Repository[Author])
    assert_type(Repository(Author, session=asession), Repository[Author])
    assert_type(Repository(Author, db=db), Repository[Author])
    Users(session=db)  # type: ignore[arg-type]
    Users(Post)  # type: ignore[arg-type]


def verbs(users: Users, authors: Authors, user: User, author: Author) -> None:
    """verbs of `class Users(Repository[User])`, and of one below a generic class"""
    assert_type(users.get(1), User | None)
    assert_type(authors.get((1, 2)), Author | None)
    assert_type(users.get_one({"id": 1}), User)
    assert_type(users.get_by(name="Ada"), User | None)
    assert_type(users.find(User.id > 1, name="Ada"), list[User])
    assert_type(users.add(user), User)
    assert_type(users.add_all([user]), list[User])
    assert_type(users.create(name="Ada"), User)
    assert_type(users.update(user, name="Ada"), User)
    assert_type(users.update(1, name="Ada"), User)
    assert_type(users.count(User.id > 1), int)
    assert_type(users.exists(name="Ada"), bool)
    assert_type(users.get_or_create({"name": "Ada"}, id=1), tuple[User, bool])
    assert_type(users.update_or_create(id=1), tuple[User, bool])
    assert_type(users.insert_many([{"name": "Ada"}]), int)
    assert_type(users.insert_many([user], returning=True), list[User])
    assert_type(users.upsert([{"name": "Ada"}], on="email"), int)
    assert_type(users.upsert([{"name": "Ada"}], returning=True), list[User])
    assert_type(users.paginate(), Page[User])
    assert_type(users.cursor_paginate(), CursorPage[User])
    _ = assert_type(users.query, Query[User])
    assert_type(users.adults().first(), User | None)
    _ = assert_type(People().query.adults(), Adults)
    users.delete(user)
    users.delete(1)
    users.add(author)  # type: ignore[arg-type]
    users.update(name="Ada")  # type: ignore[call-arg]
    users.find("name")  # type: ignore[arg-type]
    users.list  # type: ignore[attr-defined] # noqa: B018


async def twins(users: Users) -> None:
    """the same, awaited"""
    assert_type(await users.aget(1), User | None)
    assert_type(await users.aget_one(1), User)
    assert_type(await users.aget_by(name="Ada"), User | None)
    assert_type(await users.afind(), list[User])
    assert_type(await users.acreate(name="Ada"), User)
    assert_type(await users.aupdate(1, name="Ada"), User)
    assert_type(await users.aget_or_create(id=1), tuple[User, bool])
    assert_type(await users.ainsert_many([], returning=True), list[User])
    assert_type(await users.apaginate(), Page[User])
    await users.adelete(1)


app = FastAPI()


async def injected(
    users: Annotated[Users, Depends()],
    posts: Annotated[Repository[Post], Depends(repository(Post))],
    pages: Annotated[PageParams, Depends()],
    cursors: Annotated[CursorParams, Depends()],
    session: SessionDep,
    asession: AsyncSessionDep,
) -> None:
    """what `Depends` hands a route: repositories, `PageParams`, `SessionDep`"""
    assert_type(session, Session)
    assert_type(asession, AsyncSession)
    assert_type(pages.paginate(users), Page[User])
    assert_type(await pages.apaginate(posts.query), Page[Post])
    assert_type(cursors.paginate(users.adults()), CursorPage[User])


app.get("/")(injected)


async def made_by_hand(db: SQLAlchemy) -> None:
    """`db.get_session` and `repository(Users)` by hand"""
    assert_type(await db.get_session(), Session)
    assert_type(await db.get_async_session(), AsyncSession)
    assert_type(await repository(Users)(), Users)
    assert_type(await repository(User)(), Repository[User])
