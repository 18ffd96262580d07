"""Which fields a schema has, what it is called, and what it makes of a record."""

import gc
import threading
import weakref
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, computed_field
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fastapi_sqlalchemy import Changes, ModelBase
from fastapi_sqlalchemy.exceptions import (
    NotARelationshipError,
    NotLoadedError,
    SchemaNameError,
    UnknownNameError,
)
from fastapi_sqlalchemy.testing import assert_queries
from tests.schemas.model import Base, Book, Copy, Rank, Reader, Shelf, db

USUAL = ["id", "email", "name", "rank", "is_admin", "joined"]


def fields(schema: type[BaseModel]) -> list[str]:
    return list(schema.model_fields)


def test_a_schema_has_the_columns_that_a_query_loads() -> None:
    assert fields(Reader.schema()) == USUAL
    assert Reader.schema().__name__ == "Reader"


def test_a_body_has_what_a_client_may_say_of_a_new_record() -> None:
    schema = Reader.schema(body=True)
    assert fields(schema) == ["email", "name", "rank", "notes", "joined"]
    assert schema.model_json_schema()["required"] == ["email"]
    assert schema.__name__ == "ReaderCreate"


def test_a_partial_schema_requires_nothing_and_shows_no_default() -> None:
    schema = Reader.schema(partial=True)
    assert fields(schema) == ["email", "name", "rank", "notes", "joined"]
    shown = schema.model_json_schema()
    assert "required" not in shown
    assert all("default" not in each for each in shown["properties"].values())
    assert schema().model_dump(exclude_unset=True) == {}
    assert schema(name=None).model_dump(exclude_unset=True) == {"name": None}
    with pytest.raises(ValidationError, match="email"):
        schema(email=None)
    assert schema.__name__ == "ReaderUpdate"
    assert Reader.schema(partial=True, body=True) is schema


def test_include_and_exclude_choose_and_name_the_fields() -> None:
    some = Reader.schema(include={"name", "id"})
    assert (fields(some), some.__name__) == (["id", "name"], "ReaderIdName")
    rest = Reader.schema(exclude={"is_admin", "rank"})
    assert (fields(rest), rest.__name__) == (
        ["id", "email", "name", "joined"],
        "ReaderWithoutIsAdminRank",
    )
    assert fields(Reader.schema(include=["id", "name"], exclude=["name"], name="Both")) == ["id"]


def test_a_deferred_column_a_hybrid_and_a_property_are_shown_where_included() -> None:
    schema = Reader.schema(include={"name", "notes", "title", "initial"})
    reader = Reader(name="Ada", notes="none")
    assert schema.model_validate(reader).model_dump() == {
        "name": "Ada",
        "notes": "none",
        "title": "Reader Ada",
        "initial": "A",
    }
    title = schema.model_json_schema()["properties"]["title"]
    assert title == {"type": "string", "title": "Title", "description": "How they are addressed."}


def test_a_deferred_column_that_is_not_loaded_is_an_error() -> None:
    schema = Reader.schema(include={"notes"})
    db.init("sqlite://")
    db.create_all()
    with db():
        Reader.new(email="abc", notes="long")
    with db(), assert_queries(1), pytest.raises(NotLoadedError, match=r"Reader\.notes"):
        schema.model_validate(Reader.query.one())
    db.init()


def test_a_hybrid_without_an_annotation_names_itself_and_the_way_out() -> None:
    with pytest.raises(TypeError, match=r"expected Reader\.untold to have a type"):
        Reader.schema(include={"untold"})


@pytest.mark.parametrize("argument", ["include", "exclude"])
def test_a_misspelt_name_is_refused_with_the_closest(argument: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        Reader.schema(**{argument: {"emial"}})  # type: ignore[arg-type]  # of either
    assert (caught.value.model, caught.value.unknown, caught.value.closest) == (
        ("Reader", "emial", "email")
    )


def test_a_relationship_is_none_of_the_names() -> None:
    with pytest.raises(UnknownNameError, match="`books`"):
        Reader.schema(include={"books"})


@pytest.mark.parametrize("argument", ["include", "exclude"])
def test_a_string_is_no_set_of_names(argument: str) -> None:
    with pytest.raises(TypeError, match="expected a set of names, found a string"):
        Reader.schema(**{argument: "email"})  # type: ignore[arg-type]  # of either


@pytest.mark.parametrize("name", ["is_admin", "id", "title"])
def test_a_body_is_not_given_what_a_client_may_not_say(name: str) -> None:
    with pytest.raises(UnknownNameError, match="attributes that a request may set of Reader"):
        Reader.schema(body=True, include={"email", name})


def test_what_a_body_has_not_anyway_may_be_excluded() -> None:
    assert fields(Reader.schema(body=True, exclude={"id", "is_admin"}, name="In")) == (
        fields(Reader.schema(body=True))
    )


def test_the_same_arguments_give_the_same_class() -> None:
    assert Reader.schema() is Reader.schema()
    assert Reader.schema(include=["id", "name"]) is Reader.schema(include={"name", "id"})
    assert Reader.schema(with_=[Reader.books]) is Reader.schema(with_=(Reader.books,))
    assert Reader.schema() is not Reader.schema(partial=True)


def test_threads_that_ask_at_once_get_one_class() -> None:
    class Own(Base):
        __tablename__ = "own"
        id: Mapped[int] = mapped_column(primary_key=True)

    start, made = threading.Barrier(8), []

    def ask() -> None:
        start.wait()
        made.append(Own.schema(name="Asked"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8
    assert len(set(made)) == 1


def test_two_schemas_of_one_name_are_refused() -> None:
    first = Reader.schema(include={"id"}, name="ReaderRef")
    assert Reader.schema(include={"id"}, name="ReaderRef") is first
    with pytest.raises(SchemaNameError, match="found `ReaderRef`, which is taken") as caught:
        Reader.schema(include={"id", "name"}, name="ReaderRef")
    assert (caught.value.model, caught.value.name) == ("Reader", "ReaderRef")
    with pytest.raises(SchemaNameError):
        Book.schema(name="ReaderRef")


def test_a_model_and_its_schemas_are_forgotten_together() -> None:
    class Own(ModelBase, DeclarativeBase):
        pass

    class Gone(Own):
        __tablename__ = "gone"
        id: Mapped[int] = mapped_column(primary_key=True)

    Gone.schema()
    model, schema = weakref.ref(Gone), weakref.ref(Gone.schema())
    del Gone, Own
    gc.collect()
    gc.collect()  # a schema is part of a circle of its own
    assert model() is None
    assert schema() is None


def test_relationships_are_shown_where_they_are_asked_for() -> None:
    assert "books" not in fields(Reader.schema())
    schema = Reader.schema(with_=[Reader.books, Book.copies])
    assert schema.__name__ == "ReaderWithBooksWithCopies"
    reader = Reader(id=1, email="abc", books=[Book(id=2, title="x", pages=3, copies={copy()})])
    shown = schema.model_construct(books=[]).model_fields_set
    assert shown == {"books"}
    books = schema.model_json_schema()["properties"]["books"]
    assert books == {"type": "array", "items": {"$ref": "#/$defs/BookWithCopies"}, "title": "Books"}
    assert Reader.schema(include={"email"}, with_=[Reader.books, Book.copies]).model_validate(
        reader
    ).model_dump() == {
        "email": "abc",
        "books": [
            {
                "id": 2,
                "title": "x",
                "pages": 3,
                "reader_id": None,
                "copies": [{"id": 4, "shelf": "A", "book_id": 2}],
            }
        ],
    }


def copy() -> Copy:
    return Copy(id=4, shelf="A", book_id=2)


def test_a_relationship_to_one_is_null_where_its_row_may_say_so() -> None:
    book = Book.schema(with_=[Book.reader]).model_json_schema()["properties"]["reader"]
    assert book["anyOf"] == [{"$ref": "#/$defs/Reader"}, {"type": "null"}]
    copied = Copy.schema(with_=[Copy.book]).model_json_schema()["properties"]["book"]
    assert copied == {"$ref": "#/$defs/Book"}


def test_relationships_that_lead_back_end_where_the_list_does() -> None:
    schema = Reader.schema(with_=[Reader.books, Book.reader], include={"name"})
    reader = Reader(id=1, email="abc", name="Ada", rank=Rank.GUEST, is_admin=False)
    reader.books = [Book(id=2, title="x", pages=1)]
    circle = schema.model_json_schema()["$defs"]["BookWithReader"]["properties"]["reader"]
    assert circle["anyOf"][0] == {"$ref": "#/$defs/Reader"}
    tree = Shelf.schema(include={"name"}, with_=[Shelf.below])
    assert tree.model_validate(
        Shelf(name="a", below=[Shelf(id=1, name="b", width=1)])
    ).model_dump() == {
        "name": "a",
        "below": [{"id": 1, "name": "b", "width": 1, "above_id": None}],
    }


class Title(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    title: str


def test_a_relationship_may_have_a_schema_of_its_own() -> None:
    schema = Reader.schema(include={"name"}, with_={Reader.books: Title})
    assert schema.__name__ == "ReaderNameWithBooksTitle"
    reader = Reader(name="Ada", books=[Book(title="x")])
    assert schema.model_validate(reader).model_dump() == {"name": "Ada", "books": [{"title": "x"}]}


@pytest.mark.parametrize("wrong", [Reader.name, "books", Book.copies])
def test_what_is_no_relationship_of_the_model_is_refused(wrong: Any) -> None:
    with pytest.raises(NotARelationshipError, match=r"schema\(\) expected relationships of Reader"):
        Reader.schema(with_=[wrong])


def test_a_body_has_no_relationships() -> None:
    with pytest.raises(TypeError, match="expected no `with_` for a request body"):
        Reader.schema(body=True, with_=[Reader.books])


def test_a_record_is_shown_as_it_is_and_other_values_are_judged() -> None:
    schema: Any = Book.schema(include={"title"})
    assert schema.model_validate(Book(title="x" * 99)).title == "x" * 99
    with pytest.raises(ValidationError):
        schema.model_validate({"title": "x" * 99})


def test_any_object_with_the_attributes_does_where_a_record_does() -> None:
    class Row:
        title = "x"

    assert Book.schema(include={"title"}).model_validate(Row()).model_dump() == {"title": "x"}


def test_a_record_that_lacks_a_value_says_which() -> None:
    with pytest.raises(ValidationError, match="id\n"):
        Book.schema().model_validate(Book(title="x", pages=1))


def test_a_class_that_derives_from_a_schema_has_fields_of_its_own() -> None:
    class Shown(Reader.schema(include={"name"})):  # type: ignore[misc]  # a value here
        title: str
        books: list[Title]

        @computed_field  # type: ignore[prop-decorator]  # mypy knows none above a property
        @property
        def count(self) -> int:
            return len(self.books)

    reader = Reader(name="Ada", books=[Book(title="x")])
    assert Shown.model_validate(reader).model_dump() == {
        "name": "Ada",
        "title": "Reader Ada",
        "books": [{"title": "x"}],
        "count": 1,
    }


def test_a_model_validates_to_a_new_record_and_a_record_to_itself() -> None:
    adapter = TypeAdapter(Reader)
    made: Any = adapter.validate_json('{"email": "abc", "is_admin": true, "id": 7}')
    assert type(made) is Reader
    wanted: Any = ("abc", None, None)
    assert (made.email, made.id, made.is_admin) == wanted
    assert adapter.validate_python(made) is made


def test_a_class_without_a_table_says_so() -> None:
    with pytest.raises(TypeError, match="expected a mapped class, found Base, which has no table"):
        TypeAdapter(Base)


def test_changes_of_a_model_are_its_partial_schema() -> None:
    assert Changes[Reader] is Reader.schema(partial=True)


def test_changes_can_be_derived_from() -> None:
    class Careful(Changes[Reader]):
        reason: str

    assert Careful(reason="typo").model_dump(exclude_unset=True) == {"reason": "typo"}


@pytest.mark.parametrize("wrong", [int, "Reader", 1])
def test_changes_of_no_model_are_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="expected a model, found"):
        _ = Changes[wrong]
