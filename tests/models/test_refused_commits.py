"""A save that COMMIT refuses: the statement was accepted, the transaction was not.

PostgreSQL and SQLite check a deferred constraint only then.
"""

from collections.abc import Iterator

import pytest
from sqlalchemy import ForeignKey, String, inspect
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fastapi_sqlalchemy import ModelBase, SQLAlchemy
from fastapi_sqlalchemy.exceptions import ForeignKeyViolation
from tests import blog
from tests.statements import sent
from tests.verbs import Verb


class Base(ModelBase, DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class Folder(Base):
    __tablename__ = "folders"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    parent_id: Mapped[int | None] = mapped_column(
        ForeignKey("folders.id", deferrable=True, initially="DEFERRED")
    )


@pytest.fixture(autouse=True, params=["sqlite_file_url", "postgres_url"])
def folders(request: pytest.FixtureRequest) -> Iterator[None]:
    with blog.created(db, request.getfixturevalue(request.param)):
        yield


def test_the_session_stays_usable(verb: Verb) -> None:
    with verb.scope(db):
        with pytest.raises(IntegrityError):
            verb(Folder, "new", name="lost", parent_id=7)
        verb(Folder, "new", name="root")
        assert [folder.name for folder in verb(Folder.query, "all")] == ["root"]


def test_a_new_record_keeps_its_values_and_gets_no_key(verb: Verb) -> None:
    with verb.scope(db):
        folder = Folder(name="lost", parent_id=7)
        with pytest.raises(IntegrityError):
            verb(folder, "save")
        assert inspect(folder).transient
        assert verb.inside(folder.to_dict) == {"id": None, "name": "lost", "parent_id": 7}


def test_a_new_record_can_be_corrected_and_saved(verb: Verb) -> None:
    with verb.scope(db):
        folder = Folder(name="lost", parent_id=7)
        with pytest.raises(IntegrityError):
            verb(folder, "save")
        verb(folder, "update", parent_id=None)
        assert verb(Folder.query, "one") is folder


def refused_changes(verb: Verb, folder: Folder, *, name: str) -> None:
    folder.name, folder.parent_id = name, 7
    with pytest.raises(IntegrityError):
        verb(folder, "save")


def test_a_record_keeps_what_was_set_before_the_save(verb: Verb) -> None:
    with verb.scope(db):
        folder = verb(Folder, "new", name="root")
        refused_changes(verb, folder, name="lost")
        with sent() as statements:
            assert verb.inside(lambda: (folder.name, folder.parent_id)) == ("lost", 7)
    assert statements == []


def test_changes_can_be_corrected_and_saved_together(verb: Verb) -> None:
    with verb.scope(db):
        folder = verb(Folder, "new", name="root")
        refused_changes(verb, folder, name="found")
        verb(folder, "update", parent_id=folder.id)
    with verb.scope(db):
        found = verb(Folder.query, "one")
        assert (found.name, found.parent_id) == ("found", found.id)


def test_a_record_is_as_before_an_update(verb: Verb) -> None:
    with verb.scope(db):
        folder = verb(Folder, "new", name="root")
        with pytest.raises(IntegrityError):
            verb(folder, "update", name="lost", parent_id=7)
        with sent() as statements:
            assert verb.inside(lambda: (folder.name, folder.parent_id)) == ("root", None)
    assert statements == []


def test_a_record_whose_delete_was_refused_can_be_updated(verb: Verb) -> None:
    with verb.scope(db):
        root = verb(Folder, "new", name="root")
        verb(Folder, "new", name="leaf", parent_id=root.id)
        with pytest.raises(IntegrityError):
            verb(root, "delete")
        verb(root, "update", name="trunk")
    with verb.scope(db):
        names = [folder.name for folder in verb(Folder.query.order_by(Folder.id), "all")]
    assert names == ["trunk", "leaf"]


def test_the_end_of_the_scope_raises_what_its_commit_refused(verb: Verb) -> None:
    with pytest.raises(IntegrityError), verb.scope(db, commit_on_exit=True):
        verb(Folder, "new", name="lost", parent_id=7)
    with verb.scope(db):
        assert verb(Folder.query, "count") == 0


def test_what_commit_refused_is_told_by_kind(verb: Verb) -> None:
    with verb.scope(db), pytest.raises(ForeignKeyViolation):
        verb(Folder, "new", name="lost", parent_id=7)


def test_what_commit_refused_has_no_statement_to_tell(verb: Verb) -> None:
    with verb.scope(db), pytest.raises(IntegrityError) as caught:
        verb(Folder, "new", name="lost", parent_id=7)
    assert "None" not in str(caught.value)
