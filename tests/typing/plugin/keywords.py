"""Keywords, checked without stubs."""
# mypy: disable-error-code="unused-awaitable"

from typing import Any, Self, assert_type

from sqlalchemy import Column, Integer, String, func

from fastapi_sqlalchemy import ModelBase, Query, Repository, SQLAlchemy
from tests.blog import Post, User

db = SQLAlchemy("sqlite://")


class Legacy(db.Base):
    __tablename__ = "legacy"

    id = Column(Integer, primary_key=True)
    name = Column(String)


class Users(Repository[User]):
    pass


class BaseModel(ModelBase):
    @classmethod
    def new(cls, *, quiet: bool = False, **kwargs: Any) -> Self:
        return cls(**kwargs).save()

    @classmethod
    def get(cls, **kwargs: Any) -> Self | None:
        return cls.query.filter_by(**kwargs).first()

    def update(self, **kwargs: Any) -> Self:
        for name, value in kwargs.items():
            setattr(self, name, value)
        return self.save()


class Notes(Query["Note"]):
    def signed(self) -> Self:
        return self.filter(Note.author != "")


class Note(BaseModel, db.Base):
    __tablename__ = "notes"
    query_class = Notes

    id = Column(Integer, primary_key=True)
    author = Column(String)

    def sign(self, author: str) -> Self:
        self.update(athor=author)  # type: ignore[call-arg]
        return self.update(author=author)

    @classmethod
    def by(cls, author: str) -> Self | None:
        cls(athor=author)  # type: ignore[call-arg]
        return cls.get(athor=author)  # type: ignore[call-arg]


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


def overrides(note: Note) -> None:
    """verbs of one's own that hand `**kwargs` on, and `self.update`, `cls.get` in methods"""
    assert_type(Note.new(quiet=True, author="Ada").sign("Ada"), Note)
    assert_type(Note.get(author="Ada"), Note | None)
    Note.new(quite=True)  # type: ignore[call-arg]
    Note.get(athor="Ada")  # type: ignore[call-arg]
    note.update(athor="Ada")  # type: ignore[call-arg]
    note.update(author=1)  # type: ignore[arg-type]


def chains() -> None:
    """`filter_by` after a method of one's own query class that joins nothing"""
    assert_type(Note.query.signed().filter_by(author="Ada"), Notes)
    Note.query.signed().filter_by(athor="Ada")  # type: ignore[call-arg]


def displays(users: Users) -> None:
    """names written as text: keys of `defaults`, of rows of `insert_many` and `upsert`"""
    assert_type(User.insert_many([{"name": "Ada"}]), int)
    User.get_or_create(id=1, defaults={"nmae": "Ada"})  # type: ignore[call-arg]
    User.insert_many([{"nmae": "Ada"}])  # type: ignore[call-arg]
    User.upsert([{"name": "Ada"}], on="nmae")  # type: ignore[call-arg]
    users.insert_many({"nmae": name} for name in "ab")  # type: ignore[call-arg]
