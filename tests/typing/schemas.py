"""What schemas are to a type checker; never run."""

from typing import Annotated, Any, assert_type

from fastapi import Body, FastAPI
from pydantic import BaseModel

from fastapi_sqlalchemy import Changes, CursorPage, Page, Query, Repository
from tests.blog import Post, User

app = FastAPI()


class Renaming(BaseModel):
    name: str | None = None


@app.get("/users")
def pages() -> Page[User]:
    return User.query.paginate()


@app.get("/cursors")
async def cursors() -> CursorPage[User]:
    return await User.query.acursor_paginate()


@app.post("/users")
async def create(user: Annotated[User, Body()]) -> User:
    assert_type(user, User)
    return await user.asave()


@app.patch("/users")
def change(user: User, changes: Changes[User]) -> User:
    assert_type(changes, Changes[User])
    return assert_type(user.update_from(changes), User)


class Careful(Changes[User]):
    reason: str


def made() -> None:
    assert_type(User.schema(), type[BaseModel])
    assert_type(User.schema(include={"id"}, exclude=["name"], name="Ref"), type[BaseModel])
    assert_type(User.schema(with_=[User.posts, Post.author]), type[BaseModel])
    assert_type(User.schema(with_={User.posts: Renaming}), type[BaseModel])
    assert_type(User.schema(partial=True)(name="x"), BaseModel)
    User.schema({"id"})  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    User.schema(partial="yes")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


def loaded() -> None:
    _ = assert_type(User.query.for_schema(Renaming), Query[User])
    _ = assert_type(User.query.for_schema(User.schema()), Query[User])
    assert_type(User.query.for_schema(User).first(), User | None)
    _ = User.query.for_schema("User")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


def set_from(user: User, users: Repository[User], values: dict[str, Any]) -> None:
    assert_type(User.new_from(Renaming(name="x")), User)
    assert_type(User.new_from(values), User)
    assert_type(user.update_from(Renaming(), exclude_unset=False), User)
    assert_type(users.create_from(values), User)
    assert_type(users.update_from(1, Renaming()), User)
    assert_type(users.update_from(user, values, exclude_unset=False), User)
    user.update_from(name="x")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    user.update_from(1)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


async def twins(user: User, users: Repository[User]) -> None:
    assert_type(await User.anew_from({"name": "x"}), User)
    assert_type(await user.aupdate_from(Renaming()), User)
    assert_type(await users.acreate_from(Renaming()), User)
    assert_type(await users.aupdate_from(1, {}), User)
