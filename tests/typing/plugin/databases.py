"""Models on the base of a database: `class User(db.Base)`.

Of mypy only the plugin knows a base class that is an attribute of a variable.
Also seen by: pyright, ty, pyrefly.
"""
# mypy: disable-error-code="unused-awaitable"

from typing import Self, assert_type

from sqlalchemy import ForeignKey
from sqlalchemy.orm import InstrumentedAttribute, Mapped, mapped_column, relationship

from fastapi_sqlalchemy import ModelBase, Query, SQLAlchemy
from fastapi_sqlalchemy import db as legacy_db
from tests.typing import scopes


class Database(SQLAlchemy):
    """A subclass of one's own."""


db = SQLAlchemy("sqlite://")
own_db = Database("sqlite://")


class BaseModel(ModelBase):
    @classmethod
    def latest(cls) -> Self | None:
        return cls.query.order_by("id").first()


class User(db.Base):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    posts: Mapped[list["Post"]] = relationship(back_populates="author")


class Post(ModelBase, db.Base):
    __tablename__ = "posts"

    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    author: Mapped[User] = relationship(back_populates="posts")


class Letter(BaseModel, db.Base):
    __tablename__ = "letters"

    id: Mapped[int] = mapped_column(primary_key=True)


class Owned(own_db.Base):
    __tablename__ = "owned"

    id: Mapped[int] = mapped_column(primary_key=True)


class Imported(legacy_db.Base):
    __tablename__ = "imported"

    id: Mapped[int] = mapped_column(primary_key=True)


class OfModule(scopes.db.Base):
    __tablename__ = "of_module"

    id: Mapped[int] = mapped_column(primary_key=True)


def base() -> None:
    """`class User(db.Base)`"""
    assert_type(User.query, Query[User])
    assert_type(User.id, InstrumentedAttribute[int])
    assert_type(User.get(1), User | None)
    assert_type(User.new().posts, list[Post])
    User.query.nothing()  # type: ignore[attr-defined]
    User().id = "1"  # type: ignore[assignment]


def model_base() -> None:
    """`class Post(ModelBase, db.Base)`"""
    assert_type(Post.query.first(), Post | None)
    assert_type(Post.query.one().author, User)
    assert_type(Post.get_or_create(id=1), tuple[Post, bool])
    Post().save(True)  # type: ignore[call-arg]


def base_model() -> None:
    """`class Letter(BaseModel, db.Base)`, with `class BaseModel(ModelBase)`"""
    assert_type(Letter.latest(), Letter | None)
    assert_type(Letter.query.all(), list[Letter])
    Letter.latest(1)  # type: ignore[call-arg]


def other_databases() -> None:
    """the database imported, of a module, of a subclass of `SQLAlchemy`"""
    assert_type(Owned.query, Query[Owned])
    assert_type(Imported.query, Query[Imported])
    assert_type(OfModule.query.one().id, int)


def parameter(given: SQLAlchemy) -> None:
    """the database as a parameter of a function"""

    class Local(given.Base):
        __tablename__ = "local"

        id: Mapped[int] = mapped_column(primary_key=True)

    assert_type(Local.query, Query[Local])
    assert_type(Local.get_one(1).id, int)
