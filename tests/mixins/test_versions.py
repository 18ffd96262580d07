"""`VersionedMixin`: what somebody else has changed meanwhile is neither saved over nor deleted."""

import pytest
from sqlalchemy import event, insert, select, update
from sqlalchemy.orm.exc import StaleDataError

from fastapi_sqlalchemy import SQLAlchemy
from fastapi_sqlalchemy.exceptions import StaleRecordError
from tests.mixins.documents import Account, Book, Company, Page, Person
from tests.statements import sent, verbs_of
from tests.verbs import Verb


def change(db: SQLAlchemy, page: Page, text: str) -> None:
    """What somebody else does, in a session of their own."""
    with db():
        found = Page.get(page.id)
        assert found is not None
        found.update(text=text)


def drop(db: SQLAlchemy, page: Page) -> None:
    with db():
        found = Page.get(page.id)
        assert found is not None
        found.delete()


def texts(db: SQLAlchemy) -> list[str]:
    with db():
        return [page.text for page in Page.query.order_by(Page.id)]


def test_the_version_counts_changes_from_one(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        page = verb(Page, "new", text="first")
        assert page.version_id == 1
        assert verb(page, "update", text="second").version_id == 2
        assert verb(page, "save").version_id == 2


def test_a_stale_save_is_refused(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        mine = verb(Page, "new", text="first")
        change(db, mine, "theirs")
        with pytest.raises(StaleRecordError):
            verb(mine, "update", text="mine")
    assert texts(db) == ["theirs"]


def test_a_save_of_what_was_deleted_is_refused(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        mine = verb(Page, "new", text="first")
        drop(db, mine)
        with pytest.raises(StaleRecordError):
            verb(mine, "update", text="mine")
    assert texts(db) == []


def test_a_stale_delete_is_refused(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        mine = verb(Page, "new", text="first")
        change(db, mine, "theirs")
        with pytest.raises(StaleRecordError):
            verb(mine, "delete")
        verb(verb(mine, "refresh"), "delete")
    assert texts(db) == []


def test_a_delete_of_what_was_deleted_is_refused(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        mine = verb(Page, "new", text="first")
        drop(db, mine)
        with pytest.raises(StaleRecordError):
            verb(mine, "delete")


def test_the_error_names_the_model_and_its_key_but_no_value(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        mine = verb(Page, "new", text="secret")
        change(db, mine, "secret too")
        with pytest.raises(StaleRecordError) as caught:
            verb(mine, "update", text="secret three")
    error = caught.value
    assert (error.model, error.keys, error.expected, error.matched) == ("Page", ("id",), 1, 0)
    assert isinstance(error, StaleDataError)
    assert str(error) == (
        "expected the row of Page (id) as it was read, found it changed or deleted by somebody "
        "else (1 expected, 0 matched)\n\n"
        "Nothing was written. `refresh()` the record, apply the change again and save, or tell "
        "the user: 409 Conflict."
    )


def test_a_stale_record_keeps_what_was_set(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        mine = verb(Page, "new", text="first")
        change(db, mine, "theirs")
        mine.text = "mine"
        with pytest.raises(StaleRecordError):
            verb(mine, "save")
        with sent() as statements:
            assert (mine.text, mine.version_id) == ("mine", 1)
        assert statements == []


def test_a_stale_record_can_be_refreshed_and_saved(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        mine = verb(Page, "new", text="first")
        change(db, mine, "theirs")
        with pytest.raises(StaleRecordError):
            verb(mine, "update", text="mine")
        assert verb(mine, "refresh").text == "theirs"
        assert verb(mine, "update", text="mine").version_id == 3
    assert texts(db) == ["mine"]


def test_a_stale_record_that_was_refreshed_has_nothing_left_to_save(
    verb: Verb, db: SQLAlchemy
) -> None:
    with verb.scope(db):
        mine = verb(Page, "new", text="first")
        change(db, mine, "theirs")
        mine.text = "mine"
        with pytest.raises(StaleRecordError):
            verb(mine, "save")
        verb(mine, "refresh")
        with sent() as statements:
            assert verb(mine, "save").version_id == 2
        assert statements == []


def test_a_stale_save_that_is_repeated_is_refused_again(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        mine = verb(Page, "new", text="first")
        change(db, mine, "theirs")
        for _ in range(2):
            with pytest.raises(StaleRecordError):
                verb(mine, "update", text="mine")
    assert texts(db) == ["theirs"]


def test_the_session_works_after_a_stale_save(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        mine = verb(Page, "new", text="first")
        other = verb(Page, "new", text="other")
        change(db, mine, "theirs")
        with pytest.raises(StaleRecordError):
            verb(mine, "update", text="mine")
        verb(other, "update", text="another")
        assert verb(Page.query, "count") == 2
    assert texts(db) == ["theirs", "another"]


def test_a_stale_save_within_a_block_takes_nothing_else_with_it(
    verb: Verb, server_url: str
) -> None:
    from tests.blog import created
    from tests.mixins.documents import db

    with created(db, server_url), verb.scope(db):
        mine = verb(Page, "new", text="first")
        change(db, mine, "theirs")
        with verb.within(lambda: db.transaction()):
            verb(Page, "new", text="other")
            with pytest.raises(StaleRecordError):
                verb(mine, "update", text="mine")
        assert texts(db) == ["theirs", "other"]


def test_a_stale_commit_of_the_session_is_refused(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        mine = verb(Page, "new", text="first")
        change(db, mine, "theirs")
        session = db.session if verb.blocking else verb.inside(lambda: db.async_session)
        mine.text = "mine"
        with pytest.raises(StaleRecordError):
            verb.inside(session.commit)
        verb.inside(session.rollback)
        assert verb(mine, "refresh").text == "theirs"


def test_of_several_records_the_model_is_named(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        book = verb(Book, "new", title="B", pages=[Page(text="first"), Page(text="second")])
        change(db, book.pages[1], "theirs")
        book.title = "C"
        book.pages[0].text = book.pages[1].text = "mine"
        with pytest.raises(StaleRecordError) as caught:
            verb(book, "save")
        assert caught.value.model == "Page"
        assert verb(verb(book, "refresh"), "update", title="D").version_id == 2


def test_pages_that_go_with_their_book_are_checked(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        book = verb(Book, "new", title="B", pages=[Page(text="first"), Page(text="second")])
        change(db, book.pages[0], "theirs")
        with pytest.raises(StaleRecordError):
            verb(book, "delete")
    assert texts(db) == ["theirs", "second"]


@pytest.mark.parametrize("kind", [Company, Person])
def test_a_model_below_is_locked_too_although_its_base_has_mapper_arguments(
    verb: Verb, db: SQLAlchemy, kind: type[Account]
) -> None:
    values = {"number": 1} if kind is Company else {}
    with verb.scope(db):
        mine = verb(kind, "new", name="A", **values)
        with db():
            found = Account.get(mine.id)
            assert found is not None
            found.update(name="B")
        with pytest.raises(StaleRecordError) as caught:
            verb(mine, "update", name="C")
        assert caught.value.model == kind.__name__


def test_a_change_of_the_second_table_alone_is_checked(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        mine = verb(Company, "new", name="A", number=1)
        with db():
            found = Company.get(mine.id)
            assert found is not None
            found.update(number=2)
        with pytest.raises(StaleRecordError):
            verb(mine, "update", number=3)


def test_an_update_statement_counts_too(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        mine = verb(Page, "new", text="first")
        with db():
            db.session.execute(update(Page).values(text="theirs"))
            db.session.commit()
        with pytest.raises(StaleRecordError):
            verb(mine, "update", text="mine")
        assert verb(mine, "refresh").version_id == 2


def test_rows_of_an_insert_statement_have_a_version(db: SQLAlchemy) -> None:
    with db():
        db.session.execute(insert(Page), [{"text": "first"}, {"text": "second"}])
        db.session.execute(insert(Page.__table__), [{"text": "third"}])  # type: ignore[arg-type] # a FromClause to SQLAlchemy
        db.session.commit()
        assert db.session.scalars(select(Page.version_id)).all() == [1, 1, 1]


def test_the_row_is_checked_by_the_statement_itself(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        page = verb(Page, "new", text="first")
        with sent() as statements:
            verb(page, "update", text="second")
            verb(page, "delete")
    assert verbs_of(statements) == ["UPDATE", "DELETE"]
    assert all("pages.version_id =" in statement for statement in statements)


def test_a_stale_row_of_a_model_without_version_is_named_too(verb: Verb, db: SQLAlchemy) -> None:
    from tests.mixins.documents import Visit
    from tests.mixins.test_moments import NOON

    with verb.scope(db):
        visit = verb(Visit, "new", began=NOON)
        with db():
            found = Visit.get(visit.id)
            assert found is not None
            found.delete()
        with pytest.raises(StaleRecordError) as caught:
            verb(visit, "update", ended=NOON)
        assert caught.value.model == "Visit"


def test_what_else_is_stale_stays_sqlalchemys_error(db: SQLAlchemy) -> None:
    def fail(*_: object) -> None:
        raise StaleDataError("something else")

    with db():
        event.listen(db.session, "before_flush", fail)
        with pytest.raises(StaleDataError, match="something else") as caught:
            Page.new(text="first")
        assert not isinstance(caught.value, StaleRecordError)


def test_an_upsert_counts_the_version(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        page = verb(Page, "new", text="first")
        rows = [{"id": page.id, "text": "second"}, {"id": page.id + 1, "text": "new"}]
        found = verb(Page, "upsert", rows, returning=True)
        assert [(each.text, each.version_id) for each in found] == [("second", 2), ("new", 1)]
        assert verb(page, "update", text="third").version_id == 3


def test_who_updates_by_a_statement_does_not_save_over_others_unseen(
    verb: Verb, db: SQLAlchemy
) -> None:
    with verb.scope(db):
        mine = verb(Page, "new", text="first")
        change(db, mine, "theirs")
        assert verb(Page.query.filter_by(id=mine.id), "update", book_id=None) == 1
        with sent() as statements:
            assert (mine.text, mine.version_id) == ("theirs", 3)
        assert statements == []
        assert verb(mine, "update", text=f"{mine.text} and mine").version_id == 4
    assert texts(db) == ["theirs and mine"]


def test_a_statement_that_finds_nothing_leaves_the_old_version(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        mine = verb(Page, "new", text="first")
        change(db, mine, "theirs")
        assert verb(Page.query.filter_by(text="first"), "update", text="second") == 0
        assert (mine.text, mine.version_id) == ("first", 1)
        with pytest.raises(StaleRecordError):
            verb(mine, "update", text="mine")
    assert texts(db) == ["theirs"]


def test_a_statement_about_the_second_table_counts_in_the_first(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        mine = verb(Company, "new", name="A", number=1)
        other = verb(Company, "new", name="B", number=2)
        before = mine.updated_at
        with db():
            assert Company.query.filter_by(number=1).update(number=5) == 1
        with pytest.raises(StaleRecordError):
            verb(mine, "update", number=9)
        assert verb(mine, "refresh").updated_at > before
        assert (mine.number, mine.version_id, verb(other, "refresh").version_id) == (5, 2, 1)


def test_a_statement_about_the_second_table_may_ask_for_what_it_changes(
    verb: Verb, db: SQLAlchemy
) -> None:
    with verb.scope(db):
        mine = verb(Company, "new", name="A", number=1)
        claim = Company.query.filter_by(number=1, version_id=1)
        with sent() as statements:
            assert verb(claim, "update", number=Company.number + 1) == 1
        assert [each for each in verbs_of(statements) if each == "UPDATE"] == ["UPDATE", "UPDATE"]
        assert (mine.number, mine.version_id) == (2, 2)
        assert verb(claim, "update", number=9) == 0
        assert verb(Company.query.order_by("number").limit(1), "update", number=3) == 1
        assert verb(mine, "update", number=4).version_id == 4


def test_a_statement_about_the_first_table_is_one_update(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        verb(Company, "new", name="A", number=1)
    with verb.scope(db), sent() as statements:
        assert verb(Company.query.filter_by(number=1), "update", name="B") == 1
    assert verbs_of(statements) == ["UPDATE"]
