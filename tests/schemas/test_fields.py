"""What a column becomes in a schema: its type, its limits, its default, its description."""

import enum
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError
from sqlalchemy import (
    ARRAY,
    JSON,
    Column,
    Enum,
    Float,
    ForeignKey,
    Integer,
    Numeric,
    PickleType,
    String,
)
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    MappedAsDataclass,
    column_property,
    composite,
    declared_attr,
    mapped_column,
    relationship,
    synonym,
)
from sqlalchemy.types import TypeDecorator, UserDefinedType

from fastapi_sqlalchemy import (
    ModelBase,
    SoftDeleteMixin,
    SQLAlchemy,
    TimestampMixin,
    UUIDMixin,
    VersionedMixin,
)
from fastapi_sqlalchemy.exceptions import SchemaTypeError
from tests.schemas.model import Book, Everything, Reader


def properties(schema: type[BaseModel]) -> Any:
    return schema.model_json_schema()["properties"]


@pytest.fixture
def base() -> Any:
    """A declarative base for the models of one test."""

    class Base(ModelBase, DeclarativeBase):
        pass

    return Base


def test_every_usual_type_has_its_form_in_json() -> None:
    shown = properties(Everything.schema())
    told = {name: (each.get("type"), each.get("format")) for name, each in shown.items()}
    assert told == {
        "key": ("string", "uuid"),
        "price": (None, None),
        "born": ("string", "date"),
        "seen": ("string", "date-time"),
        "lasted": ("string", "duration"),
        "tags": ("array", None),
        "options": (None, None),
        "state": ("string", None),
        "cover": ("string", "base64url"),
        "ratio": ("number", None),
        "twice": ("integer", None),
        "sum": ("integer", None),
    }
    assert shown["tags"]["items"] == {"type": "string"}
    assert shown["state"]["enum"] == ["open", "shut"]
    assert shown["options"]["anyOf"][1] == {"type": "null"}


def test_the_length_of_a_string_is_its_limit() -> None:
    assert properties(Book.schema())["title"]["maxLength"] == 60
    Book.schema(body=True)(title="x" * 60)
    with pytest.raises(ValidationError, match="at most 60 characters"):
        Book.schema(body=True)(title="x" * 61)


def test_the_digits_of_a_number_are_its_limits() -> None:
    schema = Everything.schema(body=True, include={"price"})
    assert schema(price="123456.78").model_dump() == {"price": Decimal("123456.78")}
    for wrong in ("1234567.1", "1.234"):
        with pytest.raises(ValidationError):
            schema(price=wrong)


def test_what_the_database_computes_is_in_no_body() -> None:
    for schema in (Everything.schema(body=True), Everything.schema(partial=True)):
        assert not {"key", "twice", "sum"} & schema.model_fields.keys()


def test_a_float_has_no_digits_to_count(base: Any) -> None:
    class Ratio(base):  # type: ignore[misc]  # a value here
        __tablename__ = "ratios"
        id: Mapped[int] = mapped_column(primary_key=True)
        value: Mapped[Decimal] = mapped_column(Float(precision=3, asdecimal=True))

    assert Ratio.schema(body=True)(value="1.23456").model_dump() == {"value": Decimal("1.23456")}


def test_constraints_and_examples_of_an_annotation_are_kept() -> None:
    email = properties(Reader.schema())["email"]
    assert email == {
        "type": "string",
        "title": "Email",
        "minLength": 3,
        "maxLength": 100,
        "examples": ["ada@example.com"],
    }
    with pytest.raises(ValidationError, match="at least 3 characters"):
        Reader.schema(body=True)(email="x")


def test_the_doc_or_the_comment_of_a_column_describes_it() -> None:
    assert properties(Reader.schema())["name"]["description"] == "What to call them."
    assert properties(Book.schema())["title"]["description"] == "As on its cover."
    assert Reader.schema().model_json_schema()["description"] == "Who borrows."
    assert "description" not in Book.schema().model_json_schema()


def test_a_default_that_is_a_value_is_shown_and_others_may_be_left_out() -> None:
    schema = Reader.schema().model_json_schema()
    assert schema["properties"]["rank"]["default"] == "guest"
    assert schema["required"] == ["email"]
    for name in ("id", "joined"):
        assert "default" not in schema["properties"][name]


def test_what_a_response_has_is_required_in_its_schema() -> None:
    shown = Reader.schema().model_json_schema(mode="serialization")
    assert shown["required"] == ["id", "email", "name", "rank", "is_admin", "joined"]


def test_a_field_that_may_be_left_out_may_not_be_null() -> None:
    schema = Book.schema(body=True)
    assert schema(title="x").model_dump() == {"title": "x", "pages": None, "reader_id": None}
    assert properties(schema)["pages"] == {"title": "Pages", "type": "integer"}
    with pytest.raises(ValidationError, match="should not be null; it may be left out"):
        schema(title="x", pages=None)


def test_a_moment_in_utc_needs_a_zone() -> None:
    schema = Reader.schema()
    with pytest.raises(ValidationError, match="timezone"):
        schema(email="abc", joined="2025-01-01T00:00:00")
    schema(email="abc", joined="2025-01-01T00:00:00Z")


@pytest.mark.parametrize("written", ["-_8=", "-_8", "+/8="])
def test_bytes_are_base64_in_json(written: str) -> None:
    schema = Everything.schema(body=True, include={"cover"})
    made = schema(cover=written)
    assert made.model_dump() == {"cover": b"\xfb\xff"}
    assert made.model_dump_json() == '{"cover":"-_8="}'
    assert schema(cover=b"raw").model_dump() == {"cover": b"raw"}
    with pytest.raises(ValidationError, match="cover"):
        schema(cover="?")


def test_a_legacy_model_has_its_columns(base: Any) -> None:
    class Old(base):  # type: ignore[misc]  # a value here
        __tablename__ = "old"
        id = Column(Integer, primary_key=True)
        name = Column(String(20), nullable=False, default="x")
        rank = Column(Enum("a", "b"))
        data = Column(JSON)
        price = mapped_column(Numeric(4, 1))

    shown = properties(Old.schema())
    assert shown["name"] == {"type": "string", "maxLength": 20, "title": "Name", "default": "x"}
    assert shown["rank"]["anyOf"] == [{"enum": ["a", "b"], "type": "string"}, {"type": "null"}]
    assert "type" not in shown["data"]
    assert Old.schema(body=True)(price="1.5").price == Decimal("1.5")
    with pytest.raises(ValidationError):
        Old.schema(body=True)(price="1.55")


def test_an_enum_is_shown_by_its_values_whatever_the_annotation_is(base: Any) -> None:
    class Colour(enum.Enum):
        RED = "red"

    class Paint(base):  # type: ignore[misc]  # a value here
        __tablename__ = "paints"
        id: Mapped[int] = mapped_column(primary_key=True)
        plain = mapped_column(Enum(Colour), nullable=False)
        text: Mapped[str] = mapped_column(Enum("a", "b"))
        literal: Mapped[Literal["c", "d"]]

    paint = Paint.schema()(id=1, plain="red", text="a", literal="c")
    assert paint.plain is Colour.RED
    for wrong in ({"text": "c"}, {"literal": "a"}, {"plain": "blue"}):
        with pytest.raises(ValidationError):
            Paint.schema()(**{"plain": "red", "text": "a", "literal": "c", **wrong})


class Lower(TypeDecorator[str]):
    impl = String
    cache_ok = True


class Money(TypeDecorator):  # type: ignore[type-arg]  # as untyped code writes it
    impl = Numeric
    cache_ok = True


def test_a_type_of_the_users_own_is_known_by_its_argument_or_by_what_it_stores(base: Any) -> None:
    class Coin(base):  # type: ignore[misc]  # a value here
        __tablename__ = "coins"
        id: Mapped[int] = mapped_column(primary_key=True)
        name = mapped_column(Lower(5), nullable=False)
        worth = mapped_column(Money, nullable=False)
        parts = mapped_column(ARRAY(Integer), nullable=False)
        other = mapped_column(PickleType, nullable=False)

    shown = properties(Coin.schema())
    assert shown["name"]["type"] == "string"
    assert {"type": "number"} in shown["worth"]["anyOf"]
    assert shown["parts"] == {"type": "array", "items": {"type": "integer"}, "title": "Parts"}
    assert shown["other"] == {"title": "Other"}


class Odd:
    pass


class OddType(UserDefinedType[Odd]):
    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "odd"


def test_a_type_that_nothing_tells_names_the_attribute_and_the_way_out(base: Any) -> None:
    class Thing(base):  # type: ignore[misc]  # a value here
        __tablename__ = "things"
        id: Mapped[int] = mapped_column(primary_key=True)
        odd = mapped_column(OddType)

    with pytest.raises(SchemaTypeError) as caught:
        Thing.schema()
    assert str(caught.value).startswith("expected Thing.odd to have a type that Pydantic knows")
    assert 'Thing.schema(exclude={"odd"})' in str(caught.value)
    assert list(Thing.schema(exclude={"odd"}).model_fields) == ["id"]


def test_a_type_that_pydantic_does_not_know_is_named(base: Any) -> None:
    class Thing(base):  # type: ignore[misc]  # a value here
        __tablename__ = "things"
        id: Mapped[int] = mapped_column(primary_key=True)
        odd: Mapped[Odd] = mapped_column(OddType)

    with pytest.raises(SchemaTypeError, match=r"Thing\.odd .* found `Odd`") as caught:
        TypeAdapter(Thing)
    assert (caught.value.model, caught.value.attribute, caught.value.found) == (
        ("Thing", "odd", "Odd")
    )


def test_the_columns_of_mixins_are_shown_and_set_by_nobody_outside(base: Any) -> None:
    class Note(UUIDMixin, TimestampMixin, VersionedMixin, SoftDeleteMixin, base):  # type: ignore[misc]
        __tablename__ = "notes"
        text: Mapped[str]

    shown = properties(Note.schema())
    assert list(shown) == ["id", "text", "created_at", "updated_at", "version_id", "deleted_at"]
    assert (shown["id"]["format"], shown["created_at"]["format"]) == ("uuid", "date-time")
    assert list(Note.schema(body=True).model_fields) == ["text"]
    assert list(Note.schema(partial=True).model_fields) == ["text"]


def test_a_mixin_of_the_users_own_tells_the_type_of_a_declared_attribute(base: Any) -> None:
    class Rated:
        @declared_attr
        def rating(cls) -> Mapped[float | None]:  # noqa: N805 - of the model
            return mapped_column(Numeric)

    class Film(Rated, base):  # type: ignore[misc]  # a value here
        __tablename__ = "films"
        id: Mapped[int] = mapped_column(primary_key=True)

    assert properties(Film.schema())["rating"]["anyOf"] == [{"type": "number"}, {"type": "null"}]


def test_a_dataclass_has_its_columns_and_no_docstring_of_its_machinery() -> None:
    class Base(ModelBase, MappedAsDataclass, DeclarativeBase):
        pass

    class Pet(Base):
        __tablename__ = "pets"
        id: Mapped[int] = mapped_column(init=False, primary_key=True)
        name: Mapped[str]
        legs: Mapped[int] = mapped_column(default=4)

    schema = Pet.schema(body=True).model_json_schema()
    assert schema["properties"]["legs"]["default"] == 4
    assert schema["required"] == ["name"]
    assert "description" not in schema


def test_a_schema_of_a_subclass_has_the_columns_of_both_tables(base: Any) -> None:
    class Person(base):  # type: ignore[misc]  # a value here
        __tablename__ = "people"
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str]
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "person"}  # noqa: RUF012

    class Pilot(Person):
        __tablename__ = "pilots"
        id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True)
        hours: Mapped[int]
        __mapper_args__ = {"polymorphic_identity": "pilot"}  # noqa: RUF012

    assert sorted(Pilot.schema().model_fields) == ["hours", "id", "kind"]
    assert list(Pilot.schema(body=True).model_fields) == ["hours"]
    assert list(Person.schema(body=True).model_fields) == []
    pilot = Pilot(id=1, kind="pilot", hours=3)
    assert Person.schema().model_validate(pilot).model_dump() == {"id": 1, "kind": "pilot"}


@dataclass
class Point:
    x: int
    y: int


def test_a_composite_and_a_synonym_are_shown_where_they_are_asked_for(base: Any) -> None:
    class Place(base):  # type: ignore[misc]  # a value here
        __tablename__ = "places"
        id: Mapped[int] = mapped_column(primary_key=True)
        at: Mapped[Point] = composite(mapped_column("x"), mapped_column("y"))
        spot: Mapped[Point] = synonym("at")
        number: Mapped[int] = synonym("id")

    assert list(Place.schema().model_fields) == ["id", "x", "y"]
    asked = Place.schema(include={"at", "number"})
    shown = asked.model_validate(Place(id=1, at=Point(2, 3)))
    assert shown.model_dump() == {"at": {"x": 2, "y": 3}, "number": 1}


def test_an_expression_may_be_null_unless_its_annotation_says_otherwise(base: Any) -> None:
    class Sum(base):  # type: ignore[misc]  # a value here
        __tablename__ = "sums"
        id: Mapped[int] = mapped_column(primary_key=True)
        told: Mapped[int] = column_property(id + 1)
        untold = column_property(id + 2)

    shown = properties(Sum.schema())
    assert shown["told"]["type"] == "integer"
    assert {"type": "null"} in shown["untold"]["anyOf"]
    assert list(Sum.schema(body=True).model_fields) == []


def test_a_key_that_nothing_generates_is_said_by_the_client_once(base: Any) -> None:
    class Country(base):  # type: ignore[misc]  # a value here
        __tablename__ = "countries"
        code: Mapped[str] = mapped_column(String(2), primary_key=True)
        name: Mapped[str]

    assert list(Country.schema(body=True).model_fields) == ["code", "name"]
    assert list(Country.schema(partial=True).model_fields) == ["name"]


def test_private_attributes_are_not_shown(base: Any) -> None:
    class User(base):  # type: ignore[misc]  # a value here
        __tablename__ = "users"
        id: Mapped[int] = mapped_column(primary_key=True)
        _password: Mapped[str] = mapped_column("password")

    assert list(User.schema().model_fields) == ["id"]


def test_a_column_may_be_called_like_a_method_of_pydantic(base: Any) -> None:
    class File(base):  # type: ignore[misc]  # a value here
        __tablename__ = "files"
        id: Mapped[int] = mapped_column(primary_key=True)
        json: Mapped[str]
        model_name: Mapped[str]

    shown = File.schema().model_validate(File(id=1, json="{}", model_name="x"))
    assert shown.model_dump() == {"id": 1, "json": "{}", "model_name": "x"}


def test_annotations_that_are_strings_or_for_type_checkers_alone_do(base: Any) -> None:
    class Late(base):  # type: ignore[misc]  # a value here
        __tablename__ = "lates"
        id: "Mapped[int]" = mapped_column(primary_key=True)
        key: "Mapped[UUID | None]"

    Late.__annotations__["id"] = "Mapped[Elsewhere]"
    shown = properties(Late.schema())
    assert shown["id"]["type"] == "integer"
    assert shown["key"]["anyOf"][0]["format"] == "uuid"


def test_a_schema_waits_for_no_other_model(base: Any) -> None:
    class Early(base):  # type: ignore[misc]  # a value here
        __tablename__ = "earlies"
        id: Mapped[int] = mapped_column(primary_key=True)
        later_id: Mapped[int] = mapped_column(ForeignKey("laters.id"))
        later: Mapped["Later"] = relationship("Later")  # type: ignore[name-defined]  # noqa: F821

    assert list(Early.schema().model_fields) == ["id", "later_id"]
    assert TypeAdapter(Early).json_schema()["title"] == "EarlyCreate"


def test_models_of_db_base_have_schemas() -> None:
    db = SQLAlchemy("sqlite://")

    class User(db.Base):
        __tablename__ = "users"
        id: Mapped[int] = mapped_column(primary_key=True)
        at: Mapped[datetime]

    assert properties(User.schema())["at"]["format"] == "date-time"
