"""`TimestampMixin`: the server says when a row was made and last changed."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select, update

from fastapi_sqlalchemy import SQLAlchemy
from fastapi_sqlalchemy.exceptions import UniqueViolation
from tests.mixins.documents import Account, Company, Note, Person, Report
from tests.statements import sent, verbs_of
from tests.verbs import Verb

TICK = timedelta(milliseconds=1)


def spend_a_millisecond() -> None:
    """SQLite counts no finer."""
    started = datetime.now(UTC)
    while datetime.now(UTC) - started < 2 * TICK:
        pass


def test_a_new_record_has_both_moments_without_another_load(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        before = datetime.now(UTC)
        note = verb(Note, "new", text="first")
        after = datetime.now(UTC)
        with sent() as statements:
            created, updated = note.created_at, note.updated_at
        assert statements == []
    assert before - TICK <= created <= after + TICK
    assert created == updated
    assert created.tzinfo is UTC


def test_a_change_moves_the_second_moment_only(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        note = verb(Note, "new", text="first")
        created = note.created_at
        verb.inside(spend_a_millisecond)
        verb(note, "update", text="second")
        with sent() as statements:
            assert note.created_at == created
            assert note.updated_at > created
        assert statements == []
        updated = note.updated_at
    with verb.scope(db):
        again = verb(Note, "get", note.id)
        assert (again.created_at, again.updated_at) == (created, updated)


def test_a_save_of_nothing_moves_no_moment(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        note = verb(Note, "new", text="first")
        updated = note.updated_at
        verb.inside(spend_a_millisecond)
        verb(note, "save")
        assert verb(note, "refresh").updated_at == updated


def test_a_record_saved_by_the_session_can_be_read_without_a_load(
    verb: Verb, db: SQLAlchemy
) -> None:
    """Not even a blocking attribute of a record whose session awaits (SQLAlchemy#12125)."""
    with verb.scope(db):
        notes = [Note(text="first"), Note(text="second")]
        session = db.session if verb.blocking else verb.inside(lambda: db.async_session)
        verb.inside(session.add_all, notes)
        verb.inside(session.commit)
        with sent() as statements:
            assert all(note.created_at == note.updated_at for note in notes)
        verb.inside(spend_a_millisecond)
        for note in notes:
            note.text = "third"
        verb.inside(session.commit)
        with sent() as statements:
            assert all(note.created_at < note.updated_at for note in notes)
        assert statements == []


def test_an_update_statement_moves_the_second_moment(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        note = verb(Note, "new", text="first")
        created = note.created_at
    spend_a_millisecond()
    with db():
        db.session.execute(update(Note).values(text="second"))
        db.session.commit()
    with verb.scope(db):
        again = verb(Note, "get", note.id)
        assert again.created_at == created
        assert again.updated_at > created


def test_an_insert_statement_sets_both_moments(db: SQLAlchemy) -> None:
    with db():
        db.session.execute(insert(Note), [{"text": "first"}, {"text": "second"}])
        db.session.execute(insert(Note.__table__), [{"text": "third"}])  # type: ignore[arg-type] # a FromClause to SQLAlchemy
        moments = db.session.execute(select(Note.created_at, Note.updated_at)).all()
        assert len(moments) == 3
        assert all(created == updated for created, updated in moments)


def test_moments_can_be_compared_and_sorted_by(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        first = verb(Note, "new", text="first")
        verb.inside(spend_a_millisecond)
        second = verb(Note, "new", text="second")
        newest = Note.query.order_by(Note.created_at.desc())
        assert verb(newest, "all") == [second, first]
        since = Note.query.filter(Note.created_at > first.created_at)
        assert verb(since, "all") == [second]


@pytest.mark.parametrize("kind", [Company, Person])
def test_the_moments_of_a_model_below_are_those_of_its_row(
    verb: Verb, db: SQLAlchemy, kind: type[Account]
) -> None:
    values = {"number": 1} if kind is Company else {"nick": "Al"}
    changed = {"number": 2} if kind is Company else {"nick": "Bert"}
    with verb.scope(db):
        record = verb(kind, "new", name="A", **values)
        created = record.created_at
        verb.inside(spend_a_millisecond)
        verb(record, "update", name="B", **changed)
        with sent() as statements:
            assert record.updated_at > created
        assert statements == []


def test_a_change_is_one_round_trip_where_the_server_can_answer_it(postgres_url: str) -> None:
    from tests.blog import created
    from tests.mixins.documents import db

    with created(db, postgres_url), db():
        note = Note.new(text="first")
        with sent() as statements:
            note.update(text="second")
        assert verbs_of(statements) == ["UPDATE"]


def test_a_change_in_the_second_table_moves_the_moment_in_the_first(
    verb: Verb, db: SQLAlchemy
) -> None:
    with verb.scope(db):
        report = verb(Report, "new", title="A", pages=1)
        made = report.updated_at
        past = datetime(2001, 1, 1, tzinfo=UTC)
        verb(report, "update", updated_at=past, pages=2)
        assert report.updated_at == past
        verb(report, "save")
        assert report.updated_at == past
        with sent() as statements:
            verb(report, "update", pages=3)
        assert "UPDATE papers" in "".join(statements)
        with sent() as statements:
            assert report.updated_at >= made
        assert statements == []
        verb(report, "update", updated_at=past)
        assert verb(Report.query.filter_by(pages=3), "update", pages=4) == 1
        assert (report.updated_at >= made, report.pages) == (True, 4)


def test_a_refused_change_in_the_second_table_leaves_the_moment(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        report, other = (verb(Report, "new", pages=pages) for pages in (1, 2))
        made = report.updated_at
        with pytest.raises(UniqueViolation):
            verb(report, "update", pages=other.pages)
        with sent() as statements:
            assert (report.updated_at, report.pages) == (made, 1)
        assert statements == []
