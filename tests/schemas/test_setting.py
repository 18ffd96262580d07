"""`new_from`, `update_from` and their like in a repository, and what `__guarded__` keeps out."""

from collections.abc import Set as AbstractSet
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel, ConfigDict, TypeAdapter
from pydantic.alias_generators import to_camel
from sqlalchemy import JSON, func
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column

from fastapi_sqlalchemy import ModelBase, Repository, SQLAlchemy, TimestampMixin
from fastapi_sqlalchemy.exceptions import GuardedNameError, UnknownNameError
from fastapi_sqlalchemy.testing import assert_queries
from tests.schemas.model import Base, Book, Rank, Reader
from tests.verbs import Verb

Create: Any = Reader.schema(body=True)
Change: Any = Reader.schema(partial=True)


class Hand(BaseModel):
    """As one writes it."""

    id: int = 9
    email: str = "by default"
    name: str | None = None
    is_admin: bool = True


def test_a_record_is_made_of_a_schema_and_saved(db: SQLAlchemy, verb: Verb) -> None:
    with verb.scope(db):
        made = verb(Reader, "new_from", Create(email="abc", rank="member"))
        assert (made.id, made.email, made.rank, made.name) == (1, "abc", Rank.MEMBER, None)
        assert made.is_admin is False
        assert made.joined is not None
        again = verb(Repository(Reader), "create_from", Create(email="def"))
        assert again.id == 2


def test_a_new_record_has_the_defaults_of_the_schema(db: SQLAlchemy, verb: Verb) -> None:
    with verb.scope(db):
        made = verb(Reader, "new_from", Hand())
        assert (made.id, made.email, made.is_admin) == (9, "by default", False)


def test_only_what_was_set_is_changed(db: SQLAlchemy, verb: Verb) -> None:
    with verb.scope(db):
        ada = verb(Reader, "new", email="abc", name="Ada")
        assert verb(ada, "update_from", Change(email="def")) is ada
        assert (ada.email, ada.name) == ("def", "Ada")
        verb(ada, "update_from", Change(name=None))
        assert verb(Reader, "count", name=None, email="def") == 1
        with assert_queries(0):
            verb(ada, "update_from", Change())


def test_without_exclude_unset_the_defaults_are_set_where_there_are_any(
    db: SQLAlchemy, verb: Verb
) -> None:
    with verb.scope(db):
        ada = verb(Reader, "new", email="abc", name="Ada", rank=Rank.MEMBER)
        verb(ada, "update_from", Create(email="def"), exclude_unset=False)
        assert (ada.email, ada.name, ada.rank) == ("def", None, Rank.GUEST)
        assert ada.joined is not None
        verb(ada, "update_from", Hand(), exclude_unset=False)
        assert (ada.id, ada.email, ada.is_admin) == (1, "by default", False)


def test_a_mapping_does_as_well(db: SQLAlchemy, verb: Verb) -> None:
    with verb.scope(db):
        ada = verb(Reader, "new_from", {"email": "abc", "is_admin": True})
        assert ada.is_admin is False
        verb(ada, "update_from", {"name": "Ada", "is_admin": True, "id": 8})
        assert (ada.id, ada.name, ada.is_admin) == (1, "Ada", False)


def test_a_repository_changes_a_record_or_the_one_of_a_key(db: SQLAlchemy, verb: Verb) -> None:
    readers = Repository(Reader)
    with verb.scope(db):
        ada = verb(readers, "create_from", {"email": "abc"})
        verb(readers, "update_from", ada, Change(name="Ada"))
        assert verb(readers, "update_from", 1, Change(email="def")) is ada
        assert (ada.name, ada.email) == ("Ada", "def")
        verb(readers, "update_from", 1, Create(email="ghi"), exclude_unset=False)
        assert ada.name is None


@pytest.mark.parametrize("act", ["new_from", "update_from"])
def test_an_unknown_name_is_refused_before_anything_is_set(
    db: SQLAlchemy, verb: Verb, act: str
) -> None:
    class Wrong(BaseModel):
        name: str = "x"
        emial: str = "y"

    with verb.scope(db):
        ada = verb(Reader, "new", email="abc")
        target = Reader if act == "new_from" else ada
        with assert_queries(0), pytest.raises(UnknownNameError) as caught:
            verb(target, act, Wrong(name="x", emial="y"))
        assert (caught.value.verb, caught.value.closest) == (act, "email")
        assert ada.name is None


@pytest.mark.parametrize("act", ["new_from", "update_from"])
def test_a_relationship_is_refused(db: SQLAlchemy, verb: Verb, act: str) -> None:
    with verb.scope(db):
        target = Reader if act == "new_from" else verb(Reader, "new", email="abc")
        with pytest.raises(TypeError, match="found the relationship `books`"):
            verb(target, act, {"email": "abc", "books": []})


@pytest.mark.parametrize("wrong", [None, "secret", 1, [("name", "secret")]])
def test_what_holds_no_values_is_refused_and_not_shown(
    db: SQLAlchemy, verb: Verb, wrong: Any
) -> None:
    with verb.scope(db):
        with pytest.raises(TypeError, match="expected an instance of a Pydantic model") as caught:
            verb(Reader, "new_from", wrong)
        assert "secret" not in str(caught.value)


class Address(BaseModel):
    street: str


class Own(ModelBase, DeclarativeBase):
    pass


class Guest(Own):
    __tablename__ = "guests"

    id: Mapped[int] = mapped_column(primary_key=True)
    address: Mapped[dict[str, Any]] = mapped_column(JSON)


def test_a_model_within_a_schema_is_json_for_a_column(verb: Verb) -> None:
    class Body(BaseModel):
        address: Address

    db = SQLAlchemy("sqlite://", model_class=Own)
    db.create_all()
    with verb.scope(db):
        guest = verb(Guest, "new_from", Body(address=Address(street="High")))
        assert verb(guest, "refresh").address == {"street": "High"}
    db.dispose()


class DataBase(ModelBase, MappedAsDataclass, DeclarativeBase):
    pass


class Pet(TimestampMixin, DataBase):
    __tablename__ = "pets"

    id: Mapped[int] = mapped_column(init=False, primary_key=True)
    name: Mapped[str]
    tag: Mapped[str] = mapped_column(server_default="none")
    legs: Mapped[int] = mapped_column(default=4)
    toys: Mapped[list[str]] = mapped_column(JSON, default_factory=lambda: ["ball"])
    colour: Mapped[str | None] = mapped_column(init=False)


def test_a_dataclass_is_made_whatever_its_constructor_takes(verb: Verb) -> None:
    db = SQLAlchemy("sqlite://", model_class=DataBase)
    db.create_all()
    made = TypeAdapter(Pet).validate_python({"name": "Rex", "colour": "red"})
    with verb.scope(db):
        pet = verb(made, "save")
        assert (pet.id, pet.tag, pet.legs, pet.colour) == (1, "none", 4, "red")
        assert pet.toys == ["ball"]
        assert verb(Pet, "new_from", Pet.schema(body=True)(name="Tom")).legs == 4
        with pytest.raises(UnknownNameError):
            verb(Pet, "new_from", {"nmae": "Tom"})
    db.dispose()


def test_fields_are_set_by_their_names_whatever_a_schema_writes(db: SQLAlchemy, verb: Verb) -> None:
    class Camel(BaseModel):
        model_config = ConfigDict(
            alias_generator=to_camel, populate_by_name=True, serialize_by_alias=True
        )
        email: str
        is_admin: bool = True

    with verb.scope(db):
        reader = verb(Reader, "new_from", Camel(email="abc"))
        assert verb(reader, "update_from", Camel(email="def")).email == "def"


def test_guarded_names_of_all_bases_are_guarded() -> None:
    class Common(ModelBase, DeclarativeBase):
        __guarded__: ClassVar[AbstractSet[str]] = {"owner"}

    class Mixed:
        __guarded__: ClassVar[AbstractSet[str]] = frozenset({"secret"})
        secret: Mapped[str | None]

    class Thing(Mixed, Common):
        __tablename__ = "things"
        __guarded__ = frozenset({"rank"})
        id: Mapped[int] = mapped_column(primary_key=True)
        owner: Mapped[str | None]
        rank: Mapped[int | None]
        name: Mapped[str | None]

    class Other(Common):
        __tablename__ = "others"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str | None]

    assert list(Thing.schema(body=True).model_fields) == ["name"]
    assert list(Thing.schema(partial=True).model_fields) == ["name"]
    assert "rank" in Thing.schema().model_fields
    assert list(Other.schema(body=True).model_fields) == ["name"]
    made = TypeAdapter(Thing).validate_python({"name": "x", "owner": "y", "rank": 1})
    assert (made.name, made.owner, made.rank) == ("x", None, None)


def test_a_misspelt_guarded_name_is_refused_where_the_model_is_defined() -> None:
    with pytest.raises(GuardedNameError, match="Did you mean `is_admin`") as caught:

        class Wrong(Base):
            __tablename__ = "wrong"
            __guarded__ = {"is_admn"}  # noqa: RUF012 - as one writes it
            id: Mapped[int] = mapped_column(primary_key=True)
            is_admin: Mapped[bool]

    assert (caught.value.model, caught.value.unknown, caught.value.closest) == (
        ("Wrong", "is_admn", "is_admin")
    )


def test_a_guard_that_is_one_string_is_refused() -> None:
    with pytest.raises(TypeError, match=r'`__guarded__ = \{"name"\}`'):

        class Bare(Base):
            __tablename__ = "bare"
            __guarded__ = "name"  # type: ignore[assignment]  # refused
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str]


def test_update_itself_sets_what_is_guarded(db: SQLAlchemy, verb: Verb) -> None:
    with verb.scope(db):
        ada = verb(Reader, "new", email="abc", is_admin=True)
        verb(ada, "update", is_admin=False)
        assert verb(Reader, "count", is_admin=True) == 0


def test_a_value_that_the_server_makes_stays_where_nothing_is_said(
    db: SQLAlchemy, verb: Verb
) -> None:
    schema: Any = Book.schema(body=True)
    with verb.scope(db):
        book = verb(Book, "new_from", schema(title="x"))
        assert book.pages == 1
        made = verb(Book, "new", **schema(title="y").model_dump())
        assert made.pages == 1
        assert verb(Book.query.with_entities(func.sum(Book.pages)), "scalar") == 2
