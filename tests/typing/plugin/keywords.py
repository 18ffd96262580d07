"""Keywords, checked without stubs."""
# mypy: disable-error-code="unused-awaitable"

from typing import assert_type

from sqlalchemy import Column, Integer, String, func

from fastapi_sqlalchemy import Query, Repository, SQLAlchemy
from tests.blog import Post, User

db = SQLAlchemy("sqlite://")


class Legacy(db.Base):
    __tablename__ = "legacy"

    id = Column(Integer, primary_key=True)
    name = Column(String)


class Users(Repository[User]):
    pass


def queries() -> None:
    """`filter_by` and `update` of a query; after a `join` any"""
    assert_type(User.query.filter_by(name="Ada", id=1), Query[User])
    assert_type(User.query.filter_by(name=func.lower("ADA")).update(name=None), int)
    assert_type(User.query.join(User.posts).filter_by(title="Notes"), Query[User])
    User.query.filter_by(nmae="Ada")  # type: ignore[call-arg]
    User.query.order_by(User.id).filter_by(nmae="Ada")  # type: ignore[call-arg]
    User.query.filter_by(id="1")  # type: ignore[arg-type]
    User.query.update(nmae="Ada")  # type: ignore[call-arg]


def models(user: User) -> None:
    """constructors, `get`, `get_all`, `new`, `update`, `get_or_create`, ..."""
    assert_type(User(name="Ada", posts=[Post(title="Notes")]), User)
    assert_type(User.get(name="Ada"), User | None)
    assert_type(Legacy(name="Ada"), Legacy)
    User(nmae="Ada")  # type: ignore[call-arg]
    User(name=1)  # type: ignore[arg-type]
    Legacy(nmae="Ada")  # type: ignore[call-arg]
    User.get(nmae="Ada")  # type: ignore[call-arg]
    User.get_all(User.id > 1, nmae="Ada")  # type: ignore[call-arg]
    User.new(nmae="Ada")  # type: ignore[call-arg]
    user.update(nmae="Ada")  # type: ignore[call-arg]
    User.get_or_create(nmae="Ada")  # type: ignore[call-arg]
    User.update_or_create({"name": "Ada"}, nmae="Ada")  # type: ignore[call-arg]


async def twins(user: User) -> None:
    """the same, awaited"""
    assert_type(await User.aget(name="Ada"), User | None)
    await User.aget(nmae="Ada")  # type: ignore[call-arg]
    await User.anew(nmae="Ada")  # type: ignore[call-arg]
    await user.aupdate(name=1)  # type: ignore[arg-type]
    await User.aget_or_create(nmae="Ada")  # type: ignore[call-arg]


def repositories(users: Users) -> None:
    """verbs of repositories"""
    assert_type(users.create(name="Ada"), User)
    users.get_by(nmae="Ada")  # type: ignore[call-arg]
    users.find(User.id > 1, nmae="Ada")  # type: ignore[call-arg]
    users.create(name=1)  # type: ignore[arg-type]
    users.update(1, nmae="Ada")  # type: ignore[call-arg]
    Repository(User).get_or_create(nmae="Ada")  # type: ignore[call-arg]
