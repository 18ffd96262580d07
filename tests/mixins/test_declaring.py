"""The mixins stand beside every kind of base, in any order, and in every kind of model."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Column, ForeignKey, Integer, String, inspect
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column

from fastapi_sqlalchemy import (
    ModelBase,
    SoftDeleteMixin,
    SQLAlchemy,
    TimestampMixin,
    UUIDMixin,
    VersionedMixin,
)
from fastapi_sqlalchemy.exceptions import StaleRecordError
from tests.statements import sent
from tests.verbs import Verb

Model = type[Any]
Declare = Callable[[], tuple[SQLAlchemy, Model]]
DECLARATIONS: list[Declare] = []


def declaration(declare: Declare) -> Declare:
    DECLARATIONS.append(declare)
    return declare


@declaration
def before_the_base_of_the_database() -> tuple[SQLAlchemy, Model]:
    db = SQLAlchemy("sqlite://")

    class Item(SoftDeleteMixin, TimestampMixin, VersionedMixin, UUIDMixin, db.Base):
        __tablename__ = "items"
        name: Mapped[str]

    return db, Item


@declaration
def after_the_base_of_the_database() -> tuple[SQLAlchemy, Model]:
    db = SQLAlchemy("sqlite://")

    class Item(db.Base, UUIDMixin, VersionedMixin, TimestampMixin, SoftDeleteMixin):
        __tablename__ = "items"
        name: Mapped[str]

    return db, Item


@declaration
def beside_the_model_base() -> tuple[SQLAlchemy, Model]:
    db = SQLAlchemy("sqlite://")

    class Item(ModelBase, SoftDeleteMixin, TimestampMixin, VersionedMixin, UUIDMixin, db.Base):
        __tablename__ = "items"
        name = Column(String)

    return db, Item


@declaration
def on_a_base_of_the_users() -> tuple[SQLAlchemy, Model]:
    class Base(
        SoftDeleteMixin, TimestampMixin, VersionedMixin, UUIDMixin, ModelBase, DeclarativeBase
    ):
        pass

    class Item(Base):
        __tablename__ = "items"
        name: Mapped[str]

    return SQLAlchemy("sqlite://", model_class=Base), Item


@declaration
def on_an_abstract_model() -> tuple[SQLAlchemy, Model]:
    db = SQLAlchemy("sqlite://")

    class Record(SoftDeleteMixin, TimestampMixin, VersionedMixin, UUIDMixin, db.Base):
        __abstract__ = True

    class Item(Record):
        __tablename__ = "items"
        name: Mapped[str]

    return db, Item


@declaration
def on_a_mixin_of_the_users() -> tuple[SQLAlchemy, Model]:
    db = SQLAlchemy("sqlite://")

    class Tracked(TimestampMixin, VersionedMixin, SoftDeleteMixin):
        pass

    class Item(Tracked, UUIDMixin, db.Base):
        __tablename__ = "items"
        name: Mapped[str]

    return db, Item


@declaration
def in_a_dataclass() -> tuple[SQLAlchemy, Model]:
    class Base(ModelBase, MappedAsDataclass, DeclarativeBase):
        pass

    db = SQLAlchemy("sqlite://", model_class=Base)

    class Item(SoftDeleteMixin, TimestampMixin, VersionedMixin, UUIDMixin, Base):
        __tablename__ = "items"
        name: Mapped[str]

    return db, Item


@declaration
def with_mapper_arguments_of_its_own() -> tuple[SQLAlchemy, Model]:
    db = SQLAlchemy("sqlite://")

    class Item(SoftDeleteMixin, TimestampMixin, VersionedMixin, UUIDMixin, db.Base):
        __tablename__ = "items"
        __mapper_args__ = {"confirm_deleted_rows": True}  # noqa: RUF012 - SQLAlchemy declares it
        name: Mapped[str]

    return db, Item


@declaration
def below_a_model_in_another_table() -> tuple[SQLAlchemy, Model]:
    db = SQLAlchemy("sqlite://")

    class Thing(SoftDeleteMixin, TimestampMixin, VersionedMixin, UUIDMixin, db.Base):
        __tablename__ = "things"
        name: Mapped[str]

    class Item(Thing):
        __tablename__ = "items"
        id: Mapped[UUID] = mapped_column(ForeignKey("things.id"), primary_key=True)
        price = mapped_column(Integer)

    return db, Item


@declaration
def below_a_model_in_its_table() -> tuple[SQLAlchemy, Model]:
    db = SQLAlchemy("sqlite://")

    class Thing(SoftDeleteMixin, TimestampMixin, VersionedMixin, UUIDMixin, db.Base):
        __tablename__ = "things"
        name: Mapped[str]

    class Item(Thing):
        price = mapped_column(Integer, nullable=True)

    return db, Item


@pytest.fixture(params=[pytest.param(d, id=d.__name__) for d in DECLARATIONS])
def declared(request: pytest.FixtureRequest) -> Iterator[tuple[SQLAlchemy, Model]]:
    db, model = request.param()
    db.create_all()
    yield db, model
    db.dispose()


def test_a_record_has_what_the_mixins_give(verb: Verb, declared: tuple[SQLAlchemy, Model]) -> None:
    db, model = declared
    with verb.scope(db):
        item = verb(model, "new", name="pen")
        with sent() as statements:
            assert item.id.version == 7
            assert item.version_id == 1
            assert item.created_at == item.updated_at
        assert statements == []
        verb(item, "update", name="ink")
        with sent() as statements:
            assert item.version_id == 2
            assert item.updated_at >= item.created_at
        assert statements == []


def test_a_record_is_locked_by_its_version(verb: Verb, declared: tuple[SQLAlchemy, Model]) -> None:
    db, model = declared
    with verb.scope(db):
        mine = verb(model, "new", name="pen")
        with db():
            model.get(mine.id).update(name="theirs")
        with pytest.raises(StaleRecordError):
            verb(mine, "update", name="mine")
        assert verb(verb(mine, "refresh"), "update", name="mine").version_id == 3


def test_a_record_is_deleted_softly(verb: Verb, declared: tuple[SQLAlchemy, Model]) -> None:
    db, model = declared
    with verb.scope(db):
        item = verb(model, "new", name="pen")
        verb(item, "delete")
        assert verb(model.query, "count") == 0
        assert verb(model, "get", item.id) is None
        verb(item, "restore")
        assert verb(model.query, "all") == [item]
        verb(item, "delete", force=True)
        assert verb(model.query.with_deleted(), "count") == 0


def test_the_columns_of_the_mixins_frame_those_of_the_model() -> None:
    model = before_the_base_of_the_database()[1]
    names = [column.name for column in model.__table__.columns]
    assert names == ["id", "name", "deleted_at", "created_at", "updated_at", "version_id"]


def test_only_the_moment_of_deletion_may_be_missing() -> None:
    model = before_the_base_of_the_database()[1]
    missing = [column.name for column in model.__table__.columns if column.nullable]
    assert missing == ["deleted_at"]


def test_the_constructor_of_a_dataclass_takes_none_of_their_columns() -> None:
    model = in_a_dataclass()[1]
    assert list(inspect(model).attrs.keys()).count("id") == 1
    with pytest.raises(TypeError):
        model("pen", id=None)


def test_a_version_column_of_the_models_own_stays() -> None:
    db = SQLAlchemy("sqlite://")

    class Item(VersionedMixin, db.Base):
        __tablename__ = "items"
        id: Mapped[int] = mapped_column(primary_key=True)
        revision: Mapped[int] = mapped_column()
        __mapper_args__ = {"version_id_col": revision}  # noqa: RUF012 - SQLAlchemy declares it

    assert inspect(Item).version_id_col is Item.__table__.c.revision
