"""`for_schema()`: the columns and relationships that a schema reads, and nothing else."""

from typing import Annotated, Any

import pytest
from pydantic import AliasChoices, AliasPath, BaseModel, ConfigDict, Field
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fastapi_sqlalchemy import ModelBase, Repository, SQLAlchemy, VersionedMixin
from fastapi_sqlalchemy.exceptions import LazyLoadError, UnknownNameError
from fastapi_sqlalchemy.testing import assert_queries
from tests.schemas.model import Book, Copy, Reader, Shelf
from tests.statements import sent
from tests.verbs import Verb


class Out(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class CopyOut(Out):
    shelf: str


class BookOut(Out):
    name: str = Field(validation_alias="title")
    copies: list[CopyOut]


class ReaderOut(Out):
    email: str
    books: list[BookOut] | None


@pytest.fixture
def filled(db: SQLAlchemy) -> SQLAlchemy:
    with db(commit_on_exit=True):
        for name in ("Ada", "Grace", "Mary"):
            reader = Reader(email=f"{name}@example.com", name=name)
            for title in ("first", "second"):
                reader.books.append(Book(title=title, copies={Copy(shelf="A")}))
            reader.save()
    return db


def columns(statement: str) -> list[str]:
    """What a SELECT asks for, without the tables."""
    selected = statement.partition(" FROM ")[0].removeprefix("SELECT ")
    return [each.partition(".")[2].partition(" ")[0] for each in selected.split(", ")]


def test_only_the_columns_of_the_schema_come(filled: SQLAlchemy, verb: Verb) -> None:
    schema = Reader.schema(include={"name"})
    with verb.scope(filled), sent() as statements:
        found = verb(Reader.query.for_schema(schema).order_by(Reader.name), "all")
        shown = [schema.model_validate(each).model_dump() for each in found]
    assert shown == [{"name": "Ada"}, {"name": "Grace"}, {"name": "Mary"}]
    assert [columns(each) for each in statements] == [["id", "name"]]


def test_each_relationship_is_one_statement_however_many_records_there_are(
    filled: SQLAlchemy, verb: Verb
) -> None:
    schema = Reader.schema(include={"name"}, with_=[Reader.books, Book.copies])
    with verb.scope(filled), assert_queries(3):
        found = verb(Reader.query.for_schema(schema), "all")
        shown = [schema.model_validate(each) for each in found]
    assert [len(book.copies) for each in shown for book in each.books] == [1] * 6  # type: ignore[attr-defined]


def test_a_schema_written_by_hand_is_read_by_names_and_aliases(
    filled: SQLAlchemy, verb: Verb
) -> None:
    with verb.scope(filled), sent() as statements:
        found = verb(Reader.query.for_schema(ReaderOut).order_by(Reader.id), "first")
        shown = ReaderOut.model_validate(found)
    assert shown.model_dump() == {
        "email": "Ada@example.com",
        "books": [{"name": name, "copies": [{"shelf": "A"}]} for name in ("first", "second")],
    }
    assert [sorted(set(columns(each))) for each in statements] == [
        ["email", "id"],
        ["id", "reader_id", "title"],
        ["book_id", "id", "shelf"],
    ]


def test_a_relationship_to_one_needs_no_column_beyond_its_key(
    filled: SQLAlchemy, verb: Verb
) -> None:
    class Holder(Out):
        name: str

    class Held(Out):
        reader: Annotated[Holder, Field(description="Who has it.")]

    with verb.scope(filled), sent() as statements:
        found = verb(Book.query.for_schema(Held), "all")
        assert {Held.model_validate(each).reader.name for each in found} == {"Ada", "Grace", "Mary"}
    assert [columns(each) for each in statements] == [["id", "reader_id"], ["id", "name"]]


@pytest.mark.parametrize(
    "alias",
    [AliasChoices("nick", "name"), AliasPath("name", 0), AliasChoices(AliasPath("name", 0))],
)
def test_every_form_of_alias_is_followed(filled: SQLAlchemy, verb: Verb, alias: Any) -> None:
    class Short(Out):
        called: str = Field(validation_alias=alias)

    with verb.scope(filled), sent() as statements:
        verb(Reader.query.for_schema(Short), "first")
    assert columns(statements[0]) == ["id", "name"]


def test_a_deferred_column_is_loaded_where_the_schema_has_it(
    filled: SQLAlchemy, verb: Verb
) -> None:
    schema = Reader.schema(include={"notes"})
    with verb.scope(filled), assert_queries(1):
        found = verb(Reader.query.for_schema(schema), "first")
        assert schema.model_validate(found).model_dump() == {"notes": None}


def test_a_property_or_a_hybrid_needs_every_column(filled: SQLAlchemy, verb: Verb) -> None:
    schema = Reader.schema(include={"title", "initial", "notes"})
    with verb.scope(filled), sent() as statements:
        found = verb(Reader.query.for_schema(schema).order_by(Reader.id), "first")
        assert schema.model_validate(found).model_dump() == {
            "title": "Reader Ada",
            "initial": "A",
            "notes": None,
        }
    assert len(statements) == 1
    assert {"email", "name", "notes"} <= set(columns(statements[0]))


def test_a_mapped_class_is_its_usual_columns(filled: SQLAlchemy, verb: Verb) -> None:
    class Titled(Out):
        model_config = ConfigDict(from_attributes=True, arbitrary_types_allowed=True)
        books: list[Book]

    with verb.scope(filled), sent() as statements:
        found = verb(Reader.query.for_schema(Reader), "first")
        assert found.name == "Ada"
        verb(Reader.query.for_schema(Titled), "all")
    assert "notes" not in columns(statements[0])
    assert {"title", "pages"} <= set(columns(statements[2]))


def test_what_the_schema_does_not_read_is_refused(filled: SQLAlchemy, verb: Verb) -> None:
    schema = Reader.schema(include={"name"}, with_=[Reader.books])
    with verb.scope(filled):
        found = verb(Reader.query.for_schema(schema), "first")
        with assert_queries(0):
            with pytest.raises(LazyLoadError, match=r"Reader\.email"):
                verb.inside(lambda: found.email)
            with pytest.raises(LazyLoadError, match=r"Book\.copies"):
                verb.inside(lambda: found.books[0].copies)


def test_a_tree_is_one_statement_a_level(db: SQLAlchemy, verb: Verb) -> None:
    class Branch(Out):
        name: str
        below: list["Branch"]

    with db(commit_on_exit=True):
        Shelf(name="a", below=[Shelf(name="b", below=[Shelf(name="c")]), Shelf(name="d")]).save()
    with verb.scope(db), sent() as statements:
        found = verb(Shelf.query.for_schema(Branch).filter_by(name="a"), "one")
        shown = Branch.model_validate(found)
    assert len(statements) == 4
    assert all("width" not in columns(each) for each in statements)
    assert shown.model_dump() == {
        "name": "a",
        "below": [
            {"name": "b", "below": [{"name": "c", "below": []}]},
            {"name": "d", "below": []},
        ],
    }


class Back(Out):
    readers: "Forth"


class Forth(Out):
    books: list["Round"]


class Round(Out):
    reader: Forth


def test_a_schema_that_comes_back_to_itself_by_others_is_refused() -> None:
    with pytest.raises(TypeError, match=r"expected schemas that end, found Forth .* Book\.reader"):
        _ = Reader.query.for_schema(Forth)


def test_a_required_field_that_is_no_attribute_is_refused_with_the_closest() -> None:
    class Wrong(Out):
        emial: str

    with pytest.raises(UnknownNameError) as caught:
        _ = Reader.query.for_schema(Wrong)
    assert (caught.value.verb, caught.value.unknown, caught.value.closest) == (
        ("for_schema", "emial", "email")
    )


def test_an_alias_takes_the_place_of_a_name_unless_the_schema_reads_both(
    filled: SQLAlchemy,
) -> None:
    class Aliased(Out):
        name: str = Field(validation_alias="called")

    class Both(Aliased):
        model_config = ConfigDict(populate_by_name=True)

    with pytest.raises(UnknownNameError, match="`called`"):
        _ = Reader.query.for_schema(Aliased)
    with filled():
        found = Reader.query.for_schema(Both).order_by(Reader.id).first()
        assert Both.model_validate(found).name == "Ada"


def test_a_field_with_a_default_may_be_none_of_the_attributes(filled: SQLAlchemy) -> None:
    class More(Out):
        name: str
        more: int = 1

    with filled():
        found = Reader.query.for_schema(More).order_by(Reader.id).first()
        assert More.model_validate(found).model_dump() == {"name": "Ada", "more": 1}


def test_a_schema_of_another_model_is_refused_though_all_of_it_may_be_left_out() -> None:
    with pytest.raises(UnknownNameError, match="expected attributes of Book, found `rank`"):
        _ = Book.query.for_schema(Reader.schema(include={"rank"}))


@pytest.mark.parametrize("wrong", [int, list[Reader], "Reader", Reader(email="a")])
def test_what_is_no_schema_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="expected a Pydantic model or a mapped class"):
        _ = Reader.query.for_schema(wrong)


def test_a_record_that_the_session_has_is_completed(filled: SQLAlchemy, verb: Verb) -> None:
    first, second = Reader.schema(include={"name"}), Reader.schema(with_=[Reader.books])
    with verb.scope(filled):
        found = verb(Reader.query.for_schema(first).filter_by(name="Ada"), "one")
        assert verb(Reader.query.for_schema(second).filter_by(name="Ada"), "one") is found
        with assert_queries(0):
            assert len(second.model_validate(found).books) == 2  # type: ignore[attr-defined]


@pytest.mark.parametrize("get", ["get", "get_one", "get_or_404"])
def test_a_record_that_the_session_has_is_completed_by_its_key_too(
    filled: SQLAlchemy, verb: Verb, get: str
) -> None:
    schema = Reader.schema(with_=[Reader.books])
    with verb.scope(filled):
        found = verb(Reader, "get", 1)
        assert verb(Reader.query.for_schema(schema), get, 1) is found
        with assert_queries(0):
            assert len(schema.model_validate(found).books) == 2  # type: ignore[attr-defined]


def test_a_partly_loaded_record_can_be_changed_and_saved(filled: SQLAlchemy, verb: Verb) -> None:
    with verb.scope(filled):
        found = verb(Reader.query.for_schema(Reader.schema(include={"name"})), "first")
        verb(found, "update", name="Lovelace")
        assert verb(Reader, "count", name="Lovelace") == 1


def test_a_version_is_loaded_whatever_the_schema_reads(verb: Verb) -> None:
    class Own(ModelBase, DeclarativeBase):
        pass

    class Page(VersionedMixin, Own):
        __tablename__ = "pages"
        id: Mapped[int] = mapped_column(primary_key=True)
        text: Mapped[str]

    db = SQLAlchemy("sqlite://", model_class=Own)
    db.create_all()
    with verb.scope(db):
        verb(Page, "new", text="first")
    with verb.scope(db):
        page = verb(Page.query.for_schema(Page.schema(include={"text"})), "one")
        assert verb(page, "update", text="second").version_id == 2
    db.dispose()


def test_pages_and_repositories_load_for_a_schema_too(filled: SQLAlchemy, verb: Verb) -> None:
    schema = Reader.schema(with_=[Reader.books])
    with verb.scope(filled), assert_queries(3):
        query = Repository(Reader).query.for_schema(schema)
        page = verb(query.order_by(Reader.id), "paginate", per_page=2)
        assert [len(schema.model_validate(each).books) for each in page] == [2, 2]  # type: ignore[attr-defined]
