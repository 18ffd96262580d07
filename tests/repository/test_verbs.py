"""The verbs of a repository, over models that know nothing of this package."""

from typing import Any

import pytest
from sqlalchemy import exc

from fastapi_sqlalchemy import Query, Repository, SQLAlchemy
from fastapi_sqlalchemy.exceptions import (
    InvalidCursorError,
    InvalidPageError,
    MissingSessionError,
    RecordNotFoundError,
    UniqueViolation,
    UnknownNameError,
)
from tests.repository.plain import Author, Authors, Book, Books, Readers, Shelf, Shelves
from tests.statements import sent, verbs_of
from tests.verbs import Verb

authors, books, shelves, readers = Authors(), Books(), Shelves(), Readers()


def stored(db: SQLAlchemy) -> list[str]:
    """The names that are committed, as another scope sees them."""
    with db():
        return [author.name for author in authors.query.order_by(Author.id)]


@pytest.fixture
def filled(db: SQLAlchemy) -> SQLAlchemy:
    with db():
        authors.add_all([Author(name="Ada", age=36), Author(name="Grace", age=85)])
    return db


def test_a_record_is_found_by_its_key(verb: Verb, filled: SQLAlchemy) -> None:
    with verb.scope(filled):
        assert verb(authors, "get", 1).name == "Ada"
        assert verb(authors, "get", 7) is None
        assert verb(authors, "get", None) is None
        assert verb(authors, "get_one", 2).name == "Grace"
        ada = verb(authors, "get", 1)
        with sent() as statements:
            assert verb(authors, "get", 1) is ada
        assert statements == [], "the session has it"


def test_a_record_that_must_be_there_names_the_verb_for_the_other_case(
    verb: Verb, filled: SQLAlchemy
) -> None:
    with verb.scope(filled), pytest.raises(RecordNotFoundError, match="one Author, found none"):
        verb(authors, "get_one", 7)


@pytest.mark.parametrize("key", [("B", 2), {"number": 2, "room": "B"}], ids=str)
def test_a_key_of_two_columns_is_a_tuple_or_a_dict(verb: Verb, db: SQLAlchemy, key: Any) -> None:
    with verb.scope(db):
        verb(shelves, "create", room="B", number=2)
        verb(shelves, "create", room="B", number=3)
        assert verb(shelves, "get", key).number == 2
        assert verb(shelves, "update", key, label="Poems").label == "Poems"
        verb(shelves, "delete", key)
        assert [shelf.number for shelf in verb(shelves, "find")] == [3]
        with pytest.raises(RecordNotFoundError):
            verb(shelves, "delete", key)


def test_records_are_found_by_what_they_have(verb: Verb, filled: SQLAlchemy) -> None:
    with verb.scope(filled):
        assert verb(authors, "get_by", name="Ada").id == 1
        assert verb(authors, "get_by", name="Charles") is None
        assert [each.name for each in verb(authors, "find", Author.age > 40)] == ["Grace"]
        assert verb(authors, "find", Author.age > 40, name="Ada") == []
        assert len(verb(authors, "find")) == 2
        assert verb(authors, "count") == 2
        assert verb(authors, "count", Author.age > 40) == 1
        assert verb(authors, "exists", name="Ada") is True
        assert verb(authors, "exists", Author.age > 100) is False


def test_get_by_needs_something_to_go_by(verb: Verb, filled: SQLAlchemy) -> None:
    with verb.scope(filled), pytest.raises(TypeError, match=r"Author.get_by\(\) expected"):
        verb(authors, "get_by")


@pytest.mark.parametrize("name", ["get_by", "find", "count", "exists", "create"])
def test_a_misspelt_name_is_refused_with_the_right_one(
    verb: Verb, filled: SQLAlchemy, name: str
) -> None:
    with verb.scope(filled), sent() as statements:
        with pytest.raises(UnknownNameError, match="Did you mean `name`"):
            verb(authors, name, nmae="Ada")
        with pytest.raises(UnknownNameError, match="Did you mean `name`"):
            verb(authors, "update", 1, nmae="Ada")
    assert statements == []


def test_a_constructor_that_drops_what_it_does_not_know_is_not_asked(
    verb: Verb, db: SQLAlchemy
) -> None:
    with verb.scope(db):
        with pytest.raises(UnknownNameError, match="Did you mean `name`"):
            verb(readers, "create", nmae="Ada")
        assert verb(readers, "create", name="Ada").id == 1


def test_a_record_is_made_and_committed(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        ada = verb(authors, "create", name="Ada")
        assert ada.id == 1
        assert stored(db) == ["Ada"]
        assert verb(authors, "add", Author(name="Grace")).id == 2
        assert stored(db) == ["Ada", "Grace"]
        ada.name = "Lovelace"
        verb(authors, "add", ada)
        assert stored(db) == ["Lovelace", "Grace"]


def test_records_are_added_all_or_none(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        first, second = Author(name="Ada"), Author(name="Grace")
        assert verb(authors, "add_all", iter([first, second])) == [first, second]
        assert (first.id, second.id) == (1, 2)
        with pytest.raises(UniqueViolation):
            verb(authors, "add_all", [Author(name="Mary"), Author(name="Ada")])
        assert verb(authors, "add_all", []) == []
        assert verb(authors, "count") == 2
    assert stored(db) == ["Ada", "Grace"]


def test_a_record_is_updated_by_itself_or_by_its_key(verb: Verb, filled: SQLAlchemy) -> None:
    with verb.scope(filled):
        ada = verb(authors, "get", 1)
        assert verb(authors, "update", ada, name="Lovelace") is ada
        assert verb(authors, "update", 2, age=86).age == 86
        assert stored(filled) == ["Lovelace", "Grace"]
        with pytest.raises(RecordNotFoundError):
            verb(authors, "update", 7, age=1)


def test_an_update_by_key_of_a_record_that_is_there_sends_no_select(
    verb: Verb, filled: SQLAlchemy
) -> None:
    with verb.scope(filled):
        ada = verb(authors, "get", 1)
        with sent() as statements:
            assert verb(authors, "update", 1, age=37) is ada
    assert verbs_of(statements) == ["UPDATE"]


def test_a_refused_update_leaves_the_record_as_it_was(verb: Verb, filled: SQLAlchemy) -> None:
    with verb.scope(filled):
        with pytest.raises(UniqueViolation):
            verb(authors, "update", 1, name="Grace")
        assert verb(authors, "get", 1).name == "Ada"


def test_a_record_is_deleted_by_itself_or_by_its_key(verb: Verb, filled: SQLAlchemy) -> None:
    with verb.scope(filled):
        verb(authors, "delete", verb(authors, "get", 1))
        assert stored(filled) == ["Grace"]
        verb(authors, "delete", 2)
        assert stored(filled) == []
        with pytest.raises(RecordNotFoundError):
            verb(authors, "delete", 2)


@pytest.mark.parametrize("name", ["add", "add_all", "update", "delete"])
def test_a_record_of_another_model_is_refused(verb: Verb, filled: SQLAlchemy, name: str) -> None:
    book = Book(title="Notes")
    with verb.scope(filled), pytest.raises(TypeError, match="expected a record of Author, found"):
        verb(authors, name, [book] if name == "add_all" else book)


def test_a_record_may_be_there_already(verb: Verb, filled: SQLAlchemy) -> None:
    with verb.scope(filled):
        charles, created = verb(authors, "get_or_create", name="Charles", defaults={"age": 44})
        assert (charles.age, created) == (44, True)
        assert verb(authors, "get_or_create", name="Charles", defaults={"age": 1}) == (
            charles,
            False,
        )
        assert verb(authors, "update_or_create", name="Charles", defaults={"age": 45})[1] is False
        assert charles.age == 45
    assert stored(filled) == ["Ada", "Grace", "Charles"]


def test_many_rows_are_written(verb: Verb, filled: SQLAlchemy) -> None:
    rows: list[dict[str, Any]] = [{"name": "Charles"}, {"name": "Mary", "age": 47}]
    with verb.scope(filled):
        assert verb(authors, "insert_many", rows) == 2
        (anne,) = verb(authors, "insert_many", [{"name": "Anne"}], returning=True)
        assert isinstance(anne, Author)
        ada = verb(authors, "get", 1)
        assert verb(authors, "upsert", [{"id": 1, "name": "Lovelace"}]) == 1
        assert ada.name == "Lovelace"
        (grace,) = verb(
            authors, "upsert", [{"name": "Grace", "age": 86}], on="name", returning=True
        )
        assert (grace.id, grace.age) == (2, 86)
    assert stored(filled) == ["Lovelace", "Grace", "Charles", "Mary", "Anne"]


def test_pages_are_those_of_the_query(verb: Verb, filled: SQLAlchemy) -> None:
    with verb.scope(filled):
        page = verb(authors, "paginate", page=2, per_page=1)
        assert ([author.name for author in page], page.total) == (["Grace"], 2)
        assert verb(authors, "paginate", count=False).total is None
        first = verb(authors, "cursor_paginate", limit=1)
        second = verb(authors, "cursor_paginate", 1, after=first.next)
        assert [author.name for author in second] == ["Grace"]
        assert verb(authors, "cursor_paginate", 1, before=second.previous).items == first.items
        with pytest.raises(InvalidPageError):
            verb(authors, "paginate", page=0)
        with pytest.raises(InvalidPageError):
            verb(authors, "paginate", per_page=101)
        with pytest.raises(InvalidCursorError):
            verb(authors, "cursor_paginate", after="forged")


def test_a_reference_that_would_lead_nowhere_is_refused(verb: Verb, filled: SQLAlchemy) -> None:
    with verb.scope(filled):
        verb(books, "create", title="Notes", author_id=1)
        with pytest.raises(exc.IntegrityError):
            verb(authors, "delete", 1)
        assert verb(authors, "count") == 2


def test_a_transaction_around_the_verbs_commits_them(verb: Verb, filled: SQLAlchemy) -> None:
    with verb.scope(filled), verb.within(filled.transaction):
        verb(authors, "create", name="Charles")
        verb(authors, "update", 1, name="Lovelace")
        verb(authors, "delete", 2)
    assert stored(filled) == ["Lovelace", "Charles"]


def test_what_a_scope_commits_late_is_rolled_back_by_an_exception(
    verb: Verb, filled: SQLAlchemy
) -> None:
    def fail() -> None:
        raise LookupError

    with pytest.raises(LookupError), verb.scope(filled, commit_on_exit=True):  # noqa: PT012
        verb(authors, "create", name="Charles")
        verb(authors, "update", 1, name="Lovelace")
        fail()
    assert stored(filled) == ["Ada", "Grace"]


def test_a_repository_needs_a_session(filled: SQLAlchemy) -> None:
    with pytest.raises(MissingSessionError):
        authors.get(1)


def test_a_class_of_its_own_shares_what_is_asked(verb: Verb, filled: SQLAlchemy) -> None:
    class Old(Repository[Author]):
        db = filled

        def old(self) -> Query[Author]:
            return self.query.filter(Author.age > 40)

    with verb.scope(filled):
        assert [author.name for author in verb(Old().old(), "all")] == ["Grace"]
        assert verb(Old().old(), "count") == 1


def test_shelves_have_no_key_of_their_own(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        made = verb(shelves, "add", Shelf(room="A", number=1))
        assert verb(shelves, "get", ("A", 1)) is made
