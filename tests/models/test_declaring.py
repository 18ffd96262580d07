"""Every way to declare a model: each is a model of its database, with the verbs.

A declaration is a function, so that each test has classes, a registry and a database of its own.
"""
# ruff: noqa: RUF012 - `__mapper_args__` is SQLAlchemy's, which declares it

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Column, ForeignKey, Integer, String, Table, func, inspect, text
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    MappedAsDataclass,
    declared_attr,
    mapped_as_dataclass,
    mapped_column,
    relationship,
)

from fastapi_sqlalchemy import ModelBase, SQLAlchemy
from fastapi_sqlalchemy import db as global_db
from tests.verbs import Verb

Model = type[Any]
DECLARATIONS: list[Callable[[], tuple[SQLAlchemy, Model]]] = []


def declaration(
    declare: Callable[[], tuple[SQLAlchemy, Model]],
) -> Callable[[], tuple[SQLAlchemy, Model]]:
    DECLARATIONS.append(declare)
    return declare


@declaration
def from_the_base_of_the_database() -> tuple[SQLAlchemy, Model]:
    db = SQLAlchemy("sqlite://")

    class User(db.Base):
        __tablename__ = "users"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]

    return db, User


@declaration
def with_columns() -> tuple[SQLAlchemy, Model]:
    db = SQLAlchemy("sqlite://")

    class User(db.Base):
        __tablename__ = "users"

        id = Column(Integer, primary_key=True)
        name = Column(String)

    return db, User


@declaration
def with_mapped_columns_that_are_not_annotated() -> tuple[SQLAlchemy, Model]:
    db = SQLAlchemy("sqlite://")

    class User(db.Base):
        __tablename__ = "users"

        id = mapped_column(Integer, primary_key=True)
        name = mapped_column(String)

    return db, User


@declaration
def with_the_model_base_beside() -> tuple[SQLAlchemy, Model]:
    db = SQLAlchemy("sqlite://")

    class User(ModelBase, db.Base):
        __tablename__ = "users"

        id = Column(Integer, primary_key=True)
        name = Column(String)

    return db, User


class BaseModel(ModelBase):
    """As the README of the released package extends it."""

    @classmethod
    def new(cls, **kwargs: Any) -> Any:
        obj = cls(**kwargs)
        obj.save()
        return obj

    @classmethod
    def get(cls, **kwargs: Any) -> Any:
        return cls.query.filter_by(**kwargs).first()

    @classmethod
    def get_all(cls, **kwargs: Any) -> Any:
        return cls.query.filter_by(**kwargs).all()

    def update(self, **kwargs: Any) -> Any:
        for column, value in kwargs.items():
            setattr(self, column, value)

        self.save()
        return self


@declaration
def with_a_model_base_of_the_users() -> tuple[SQLAlchemy, Model]:
    db = SQLAlchemy("sqlite://")

    class User(BaseModel, db.Base):
        __tablename__ = "users"

        id = Column(Integer, primary_key=True)
        name = Column(String)

    return db, User


@declaration
def with_a_written_out_base() -> tuple[SQLAlchemy, Model]:
    class Base(ModelBase, DeclarativeBase):
        pass

    class User(Base):
        __tablename__ = "users"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]

    return SQLAlchemy("sqlite://", model_class=Base), User


@declaration
def with_a_written_out_base_and_models_made_later() -> tuple[SQLAlchemy, Model]:
    class Base(ModelBase, DeclarativeBase):
        pass

    db = SQLAlchemy("sqlite://", model_class=Base)

    class User(Base):
        __tablename__ = "users"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]

    return db, User


@declaration
def with_a_written_out_base_of_a_model_base_of_the_users() -> tuple[SQLAlchemy, Model]:
    class Base(BaseModel, DeclarativeBase):
        pass

    db = SQLAlchemy("sqlite://", model_class=Base)

    class User(db.Base):
        __tablename__ = "users"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]

    return db, User


@declaration
def with_a_model_class_that_has_no_registry() -> tuple[SQLAlchemy, Model]:
    db = SQLAlchemy("sqlite://", model_class=BaseModel)

    class User(db.Base):
        __tablename__ = "users"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]

    return db, User


@declaration
def with_the_model_class_beside() -> tuple[SQLAlchemy, Model]:
    db = SQLAlchemy("sqlite://", model_class=BaseModel)

    class User(BaseModel, db.Base):
        __tablename__ = "users"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]

    return db, User


class Named:
    name: Mapped[str] = mapped_column(String(100))


class Keyed:
    @declared_attr
    def id(self) -> Mapped[int]:
        return mapped_column(primary_key=True)


class Plural:
    @declared_attr.directive
    def __tablename__(self) -> str:
        return f"{self.__name__.lower()}s"  # type: ignore[attr-defined]  # self is the class


@declaration
def with_mixins_before_the_base() -> tuple[SQLAlchemy, Model]:
    db = SQLAlchemy("sqlite://")

    class User(Plural, Keyed, Named, db.Base):
        pass

    return db, User


@declaration
def with_mixins_after_the_base() -> tuple[SQLAlchemy, Model]:
    db = SQLAlchemy("sqlite://")

    class User(db.Base, Plural, Keyed, Named):
        pass

    return db, User


@declaration
def with_the_model_base_and_mixins_around() -> tuple[SQLAlchemy, Model]:
    db = SQLAlchemy("sqlite://")

    class User(Plural, ModelBase, Keyed, db.Base, Named):
        pass

    return db, User


@declaration
def with_a_mixin_that_is_a_model_base() -> tuple[SQLAlchemy, Model]:
    db = SQLAlchemy("sqlite://")

    class Mixin(Keyed, ModelBase):
        name: Mapped[str]

    class User(Mixin, db.Base):
        __tablename__ = "users"

    return db, User


@declaration
def with_an_abstract_base() -> tuple[SQLAlchemy, Model]:
    db = SQLAlchemy("sqlite://")

    class Above(db.Base):
        __abstract__ = True

        id: Mapped[int] = mapped_column(primary_key=True)

    class User(Above):
        __tablename__ = "users"

        name: Mapped[str]

    return db, User


@declaration
def with_an_abstract_base_and_the_model_base_beside() -> tuple[SQLAlchemy, Model]:
    db = SQLAlchemy("sqlite://")

    class Above(ModelBase, db.Base):
        __abstract__ = True

        id = Column(Integer, primary_key=True)

    class User(BaseModel, Above):
        __tablename__ = "users"

        name = Column(String)

    return db, User


@declaration
def as_a_dataclass_by_a_mixin() -> tuple[SQLAlchemy, Model]:
    db = SQLAlchemy("sqlite://")

    class User(MappedAsDataclass, db.Base):
        __tablename__ = "users"

        id: Mapped[int] = mapped_column(primary_key=True, init=False)
        name: Mapped[str]

    return db, User


@declaration
def as_a_dataclass_by_a_mixin_with_the_model_base_beside() -> tuple[SQLAlchemy, Model]:
    db = SQLAlchemy("sqlite://")

    class User(MappedAsDataclass, ModelBase, db.Base, kw_only=True):
        __tablename__ = "users"

        id: Mapped[int] = mapped_column(primary_key=True, init=False)
        name: Mapped[str]

    return db, User


@declaration
def as_a_dataclass_by_the_written_out_base() -> tuple[SQLAlchemy, Model]:
    class Base(MappedAsDataclass, ModelBase, DeclarativeBase):
        pass

    db = SQLAlchemy("sqlite://", model_class=Base)

    class User(db.Base):
        __tablename__ = "users"

        id: Mapped[int] = mapped_column(primary_key=True, init=False)
        name: Mapped[str]

    return db, User


@declaration
def as_a_dataclass_by_a_decorator() -> tuple[SQLAlchemy, Model]:
    db = SQLAlchemy("sqlite://")

    @mapped_as_dataclass(db.Base.registry)
    class User(ModelBase):
        __tablename__ = "users"

        id: Mapped[int] = mapped_column(primary_key=True, init=False)
        name: Mapped[str]

    return db, User


@declaration
def by_the_decorator_of_the_registry() -> tuple[SQLAlchemy, Model]:
    db = SQLAlchemy("sqlite://")

    @db.Base.registry.mapped
    class User(ModelBase):
        __tablename__ = "users"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]

    return db, User


def table(db: SQLAlchemy) -> Table:
    key = Column("id", Integer, primary_key=True)
    return Table("users", db.metadata, key, Column("name", String))


@declaration
def over_a_table() -> tuple[SQLAlchemy, Model]:
    db = SQLAlchemy("sqlite://")

    class User(db.Base):
        __table__ = table(db)

    return db, User


@declaration
def over_a_table_with_the_model_base_beside() -> tuple[SQLAlchemy, Model]:
    db = SQLAlchemy("sqlite://")

    class User(ModelBase, db.Base):
        __table__ = table(db)

    return db, User


@declaration
def imperatively() -> tuple[SQLAlchemy, Model]:
    db = SQLAlchemy("sqlite://")

    class User(ModelBase):
        pass

    db.Base.registry.map_imperatively(User, table(db))
    return db, User


@declaration
def as_a_child_in_the_same_table() -> tuple[SQLAlchemy, Model]:
    db = SQLAlchemy("sqlite://")

    class Person(db.Base):
        __tablename__ = "people"
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "person"}

        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str]
        name: Mapped[str]

    class User(Person):
        __mapper_args__ = {"polymorphic_identity": "user"}

    return db, User


@declaration
def as_a_child_in_a_table_of_its_own() -> tuple[SQLAlchemy, Model]:
    db = SQLAlchemy("sqlite://")

    class Person(ModelBase, db.Base):
        __tablename__ = "people"
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "person"}

        id = Column(Integer, primary_key=True)
        kind = Column(String)
        name = Column(String)

    class User(BaseModel, Person):
        __tablename__ = "users"
        __mapper_args__ = {"polymorphic_identity": "user"}

        id = Column(ForeignKey("people.id"), primary_key=True)

    return db, User


@declaration
def with_a_constructor_of_its_own() -> tuple[SQLAlchemy, Model]:
    db = SQLAlchemy("sqlite://")

    class User(db.Base):
        __tablename__ = "users"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]

        def __init__(self, *, name: str) -> None:
            super().__init__(name=name)
            self.greeting = f"Hello, {name}"

    return db, User


@declaration
def with_a_subclass_of_the_database_class() -> tuple[SQLAlchemy, Model]:
    class Database(SQLAlchemy):
        pass

    db = Database("sqlite://")

    class User(db.Base):
        __tablename__ = "users"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]

    return db, User


@pytest.fixture(params=DECLARATIONS, ids=lambda declare: declare.__name__)
def declared(request: pytest.FixtureRequest) -> Iterator[tuple[SQLAlchemy, Model]]:
    db, model = request.param()
    db.create_all()
    yield db, model
    db.init()


def test_new_saves_a_record(verb: Verb, declared: tuple[SQLAlchemy, Model]) -> None:
    db, user = declared
    with verb.scope(db):
        record = verb(user, "new", name="Ada")
        assert inspect(record).persistent


def test_a_saved_record_is_found_again(verb: Verb, declared: tuple[SQLAlchemy, Model]) -> None:
    db, user = declared
    with verb.scope(db):
        record = verb(user(name="Ada"), "save")
        assert verb(user.query.filter_by(name="Ada"), "one") is record


def test_get_all_has_every_record(verb: Verb, declared: tuple[SQLAlchemy, Model]) -> None:
    db, user = declared
    with verb.scope(db):
        for name in ("Ada", "Bob"):
            verb(user, "new", name=name)
        assert sorted(record.name for record in verb(user, "get_all")) == ["Ada", "Bob"]


def test_update_changes_the_row(verb: Verb, declared: tuple[SQLAlchemy, Model]) -> None:
    db, user = declared
    with verb.scope(db):
        verb(verb(user, "new", name="Ada"), "update", name="Augusta")
    with verb.scope(db):
        assert verb(user, "get", name="Augusta").name == "Augusta"


def test_delete_removes_the_row(verb: Verb, declared: tuple[SQLAlchemy, Model]) -> None:
    db, user = declared
    with verb.scope(db):
        verb(verb(user, "new", name="Ada"), "delete")
        assert verb(user.query, "count") == 0


def test_a_model_is_a_subclass_of_the_model_base(declared: tuple[SQLAlchemy, Model]) -> None:
    assert issubclass(declared[1], ModelBase)


def test_a_record_is_an_instance_of_the_model_base(declared: tuple[SQLAlchemy, Model]) -> None:
    assert isinstance(declared[1](name="Ada"), ModelBase)


def test_the_table_is_one_of_the_database(declared: tuple[SQLAlchemy, Model]) -> None:
    db, user = declared
    assert inspect(user).local_table in db.metadata.tables.values()


def test_to_dict_has_the_columns(verb: Verb, declared: tuple[SQLAlchemy, Model]) -> None:
    db, user = declared
    with verb.scope(db):
        shown = verb.inside(verb(user, "new", name="Ada").to_dict)
    assert {"id": 1, "name": "Ada"}.items() <= shown.items()


def test_methods_of_the_users_base_win_over_the_verbs() -> None:
    _, user = with_a_model_base_of_the_users()
    assert user.new.__func__ is BaseModel.__dict__["new"].__func__
    assert user.update is BaseModel.update


def test_a_model_base_beside_the_base_does_not_hide_what_the_base_overrides() -> None:
    class Shouting(ModelBase):
        def __repr__(self) -> str:
            return "USER"

    db = SQLAlchemy(model_class=Shouting)

    class User(ModelBase, db.Base):
        __tablename__ = "users"

        id: Mapped[int] = mapped_column(primary_key=True)

    assert repr(User()) == "USER"


def test_the_model_class_is_the_base() -> None:
    class Base(ModelBase, DeclarativeBase):
        pass

    db = SQLAlchemy(model_class=Base)
    assert id(db.Base) == id(Base)


def test_the_base_derives_from_a_model_class_without_a_registry() -> None:
    base = SQLAlchemy(model_class=BaseModel).Base
    assert issubclass(base, BaseModel)
    assert issubclass(base, DeclarativeBase)


def test_two_databases_may_build_on_the_same_model_class() -> None:
    one, other = SQLAlchemy(model_class=BaseModel), SQLAlchemy(model_class=BaseModel)
    assert one.metadata is not other.metadata


class Plain:
    pass


class Foreign(DeclarativeBase):
    pass


@pytest.mark.parametrize("wrong", [Plain, Foreign, "Base", 1, object])
def test_a_model_class_without_the_verbs_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="model_class expected a class that derives from ModelBase"):
        SQLAlchemy(model_class=wrong)


def test_a_metadata_beside_a_base_that_has_one_is_refused() -> None:
    class Base(ModelBase, DeclarativeBase):
        pass

    with pytest.raises(TypeError, match="model_class has a metadata already"):
        SQLAlchemy(model_class=Base, metadata=SQLAlchemy().metadata)


def two_databases() -> list[tuple[SQLAlchemy, Model, Model]]:
    """Each with an `Author` and a `Book` of its own, which refer to each other by name."""
    made = []
    for _ in range(2):
        db = SQLAlchemy("sqlite://")

        class Author(db.Base):
            __tablename__ = "authors"

            id: Mapped[int] = mapped_column(primary_key=True)
            books = relationship("Book", back_populates="author")

        class Book(db.Base):
            __tablename__ = "books"

            id: Mapped[int] = mapped_column(primary_key=True)
            author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))
            author = relationship("Author", back_populates="books")

        db.create_all()
        made.append((db, Author, Book))
    return made


def test_names_of_relationships_resolve_in_each_database(verb: Verb) -> None:
    for db, author, book in two_databases():
        with verb.scope(db):
            record = verb(author, "new", books=[book()])
            assert [type(child) for child in record.books] == [book]
        db.init()


def test_models_of_two_databases_keep_their_rows_apart(verb: Verb) -> None:
    (one, author, _), (other, namesake, _) = two_databases()
    with verb.scope(one), verb.scope(other):
        verb(author, "new")
        assert verb(author.query, "count") == 1
        assert verb(namesake.query, "count") == 0
    one.init()
    other.init()


def test_a_model_of_no_database_lives_in_the_global_one(
    verb: Verb,
) -> None:
    class Base(ModelBase, DeclarativeBase):
        pass

    class User(Base):
        __tablename__ = "users"

        id: Mapped[int] = mapped_column(primary_key=True)

    global_db.init("sqlite://")
    try:
        Base.metadata.create_all(global_db.engine)
        with verb.scope(global_db):
            user = verb(User, "new")
            assert verb(User, "get", user.id) is user
    finally:
        global_db.init()


def test_a_model_may_be_declared_before_the_database_has_a_url(verb: Verb) -> None:
    db = SQLAlchemy()

    class User(db.Base):
        __tablename__ = "users"

        id: Mapped[int] = mapped_column(primary_key=True)

    db.init("sqlite://")
    db.create_all()
    with verb.scope(db):
        assert verb(User, "new").id == 1
    db.init()


def test_a_model_base_alone_is_no_model() -> None:
    assert not hasattr(BaseModel, "__mapper__")
    assert not hasattr(BaseModel, "metadata")


def test_what_is_no_model_is_no_subclass_of_the_model_base() -> None:
    assert not issubclass(Foreign, ModelBase)
    assert not issubclass(Plain, ModelBase)


def test_an_event_column_of_a_mixin_serves_two_models(verb: Verb) -> None:
    db = SQLAlchemy("sqlite://")

    class Dated:
        made: Mapped[str] = mapped_column(server_default=func.current_date())
        priority: Mapped[int] = mapped_column(server_default=text("3"))

    class Letter(Dated, db.Base):
        __tablename__ = "letters"

        id: Mapped[int] = mapped_column(primary_key=True)

    class Parcel(Dated, db.Base):
        __tablename__ = "parcels"

        id: Mapped[int] = mapped_column(primary_key=True)

    db.create_all()
    with verb.scope(db):
        assert [verb(model, "new").priority for model in (Letter, Parcel)] == [3, 3]
    db.init()
