"""The verbs of a model and of its records."""

from typing import Any, assert_type

from sqlalchemy import func

from tests.blog import Post, User


def finding() -> None:
    """`get`, `get_one`, `get_or_404`, `get_all`, `count`, `exists`"""
    assert_type(User.get(1), User | None)
    assert_type(User.get(User.id > 1, name="Ada"), User | None)
    assert_type(User.get_one(1), User)
    assert_type(User.get_or_404(1), User)
    assert_type(User.get_all(User.id > 1, name="Ada"), list[User])
    assert_type(User.count(name="Ada"), int)
    assert_type(User.exists(User.id > 1), bool)
    User.get(1).name  # type: ignore[union-attr] # noqa: B018
    User.get_all().name  # type: ignore[attr-defined] # noqa: B018


async def awaited_finding() -> None:
    """the same, awaited"""
    assert_type(await User.aget(1), User | None)
    assert_type(await User.aget_one(1), User)
    assert_type(await User.aget_or_404(1), User)
    assert_type(await User.aget_all(name="Ada"), list[User])
    assert_type(await User.acount(), int)
    assert_type(await User.aexists(), bool)
    User.aget(1).name  # type: ignore[attr-defined] # noqa: B018


def writing(user: User) -> None:
    """`new`, `save`, `update`, `refresh`, `delete`, `get_or_create`, `update_or_create`"""
    assert_type(User.new(name="Ada"), User)
    assert_type(User(name=func.lower("ADA")).save(), User)
    assert_type(user.save(commit=False).update(name="Ada").refresh("name"), User)
    assert_type(User.get_or_create(email="ada@x"), tuple[User, bool])
    assert_type(User.update_or_create({"name": "Ada"}, email="ada@x"), tuple[User, bool])
    assert_type(user.to_dict(), dict[str, Any])
    user.delete()
    user.save(False)  # type: ignore[call-arg]
    user.save(commit="no")  # type: ignore[arg-type]
    user.refresh(1)  # type: ignore[arg-type]
    user.name = 1  # type: ignore[assignment]
    user.nmae  # type: ignore[attr-defined] # noqa: B018
    assert_type(User.get_or_create({"name": "Ada"})[0], Post)  # type: ignore[assert-type]


async def awaited_writing(user: User) -> None:
    """the same, awaited"""
    assert_type(await User.anew(name="Ada"), User)
    assert_type(await user.asave(), User)
    assert_type(await user.aupdate(name="Ada"), User)
    assert_type(await user.arefresh(), User)
    assert_type(await User.aget_or_create(email="ada@x"), tuple[User, bool])
    assert_type(await User.aupdate_or_create(email="ada@x"), tuple[User, bool])
    await user.adelete()
    await user.asave(False)  # type: ignore[call-arg]
