"""`SoftDeleteMixin`: what deleting, restoring and really deleting a record does to its row."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from inspect import iscoroutinefunction, signature
from typing import Any

import pytest
from sqlalchemy import delete, event, func, inspect, select, update
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import Session

from fastapi_sqlalchemy import ModelBase, SoftDeleteMixin, SQLAlchemy
from fastapi_sqlalchemy._deletion import deletion_of
from fastapi_sqlalchemy.exceptions import (
    ForeignKeyViolation,
    ReservedNameError,
    StaleRecordError,
    UniqueViolation,
)
from tests.mixins.documents import Article, Author, Comment, Page, Video
from tests.statements import sent, verbs_of
from tests.transactions.tools import Spoilt, spoilt
from tests.verbs import Verb


def rows(db: SQLAlchemy, model: type[Any]) -> int:
    """How many rows there are, hidden ones included."""
    with db():
        return db.session.scalar(select(func.count()).select_from(model.__table__)) or 0


@pytest.fixture
def article(verb: Verb, db: SQLAlchemy) -> Article:
    with verb.scope(db):
        ada = verb(Author, "new", name="Ada")
        comments = [Comment(body="one"), Comment(body="two")]
        found = verb(Article, "new", title="first", author=ada, comments=comments)
    assert isinstance(found, Article)
    return found


@contextmanager
def found(verb: Verb, db: SQLAlchemy, article: Article) -> Iterator[Article]:
    """The article in a scope that knew nothing of it."""
    with verb.scope(db):
        yield verb(Article, "get", article.id)


def test_a_deleted_record_keeps_its_row(verb: Verb, db: SQLAlchemy, article: Article) -> None:
    with found(verb, db, article) as mine:
        before = datetime.now(UTC)
        assert verb(mine, "delete") is None
        assert mine.deleted_at is not None
        assert before <= mine.deleted_at <= datetime.now(UTC)
        assert verb(Article, "get", article.id) is None
    assert rows(db, Article) == 1


def test_a_deletion_looks_for_what_goes_with_the_record_and_updates(
    verb: Verb, db: SQLAlchemy, article: Article
) -> None:
    with found(verb, db, article) as mine, sent() as statements:
        verb(mine, "delete")
    assert verbs_of(statements) == ["SELECT", "UPDATE", "UPDATE"]


def test_a_deleted_record_is_read_without_a_load(
    verb: Verb, db: SQLAlchemy, article: Article
) -> None:
    with found(verb, db, article) as mine:
        verb(mine, "delete")
        with sent() as statements:
            assert (mine.title, mine.version_id) == ("first", 2)
            assert mine.deleted_at is not None
        assert statements == []


def test_to_delete_twice_keeps_the_first_moment(
    verb: Verb, db: SQLAlchemy, article: Article
) -> None:
    with found(verb, db, article) as mine:
        verb(mine, "delete")
        first = mine.deleted_at
        with sent() as statements:
            verb(mine, "delete")
        assert statements == []
        assert mine.deleted_at == first


def test_a_deleted_record_can_be_refreshed_and_saved(
    verb: Verb, db: SQLAlchemy, article: Article
) -> None:
    with found(verb, db, article) as mine:
        verb(mine, "delete")
        assert verb(mine, "refresh").deleted_at is not None
        verb(mine, "update", title="renamed")
        assert verb(mine, "refresh", "title").title == "renamed"


def test_a_deleted_record_can_be_restored(verb: Verb, db: SQLAlchemy, article: Article) -> None:
    with found(verb, db, article) as mine:
        verb(mine, "delete")
        assert verb(mine, "restore") is mine
        assert mine.deleted_at is None
        assert verb(Article, "get", article.id) is mine
    with found(verb, db, article) as mine:
        assert mine.title == "first"


def test_one_that_was_found_among_the_deleted_can_be_restored(
    verb: Verb, db: SQLAlchemy, article: Article
) -> None:
    with found(verb, db, article) as mine:
        verb(mine, "delete")
    with verb.scope(db):
        again = verb(Article.query.only_deleted(), "one")
        verb(again, "restore")
        assert verb(Article.query, "all") == [again]


def test_to_restore_what_is_there_changes_nothing(
    verb: Verb, db: SQLAlchemy, article: Article
) -> None:
    with found(verb, db, article) as mine, sent() as statements:
        assert verb(mine, "restore").version_id == 1
    assert statements == []


def test_force_deletes_the_row(verb: Verb, db: SQLAlchemy, article: Article) -> None:
    with found(verb, db, article) as mine:
        verb(mine, "delete", force=True)
        assert inspect(mine).detached or inspect(mine).deleted
    assert rows(db, Article) == 0
    assert rows(db, Comment) == 0


def test_force_deletes_what_was_deleted_before(
    verb: Verb, db: SQLAlchemy, article: Article
) -> None:
    with found(verb, db, article) as mine:
        verb(mine, "delete")
        verb(mine, "delete", force=True)
    assert rows(db, Article) == 0


def test_a_record_without_a_row_is_not_deleted(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        new = Article(title="new")
        for options in ({}, {"force": True}):
            with pytest.raises(InvalidRequestError):
                verb(new, "delete", **options)
        assert new.deleted_at is None
        assert verb(new, "save").id == 1


def test_what_goes_with_a_record_is_deleted_in_the_same_moment(
    verb: Verb, db: SQLAlchemy, article: Article
) -> None:
    with found(verb, db, article) as mine:
        verb(mine, "delete")
        assert verb(Comment.query, "count") == 0
        comments = verb(Comment.query.only_deleted(), "all")
        assert [comment.deleted_at for comment in comments] == [mine.deleted_at] * 2
    assert rows(db, Comment) == 2


def test_what_was_deleted_before_keeps_its_moment(
    verb: Verb, db: SQLAlchemy, article: Article
) -> None:
    with found(verb, db, article) as mine:
        first = verb(Comment.query.filter_by(body="one"), "one")
        verb(first, "delete")
        moment = first.deleted_at
        verb(mine, "delete")
        assert first.deleted_at == moment != mine.deleted_at


def test_a_restored_record_leaves_what_went_with_it_deleted(
    verb: Verb, db: SQLAlchemy, article: Article
) -> None:
    with found(verb, db, article) as mine:
        verb(mine, "delete")
        moment = mine.deleted_at
        verb(mine, "restore")
        assert verb(Comment.query, "count") == 0
        for comment in verb(Comment.query.only_deleted().filter_by(deleted_at=moment), "all"):
            verb(comment, "restore")
        assert verb(Comment.query, "count") == 2


def test_a_parent_that_really_goes_takes_deleted_records_with_it(
    verb: Verb, db: SQLAlchemy, article: Article
) -> None:
    with found(verb, db, article) as mine:
        verb(mine, "delete")
    with verb.scope(db):
        verb(verb(Author, "get", 1), "delete")
    assert rows(db, Author) == rows(db, Article) == 0


def test_a_parent_whose_collection_was_loaded_takes_them_too(
    verb: Verb, db: SQLAlchemy, article: Article
) -> None:
    with found(verb, db, article) as mine:
        verb(mine, "delete")
    with verb.scope(db):
        ada = verb(Author, "get", 1)
        session = db.session if verb.blocking else verb.inside(lambda: db.async_session)
        verb.inside(session.refresh, ada, ["articles"])
        assert ada.articles == []
        verb(ada, "delete")
    assert rows(db, Author) == rows(db, Article) == 0


def test_a_stale_deletion_is_refused_and_the_record_is_not_deleted(
    verb: Verb, db: SQLAlchemy, article: Article
) -> None:
    with found(verb, db, article) as mine:
        with db():
            Article.query.one().update(title="theirs")
        with pytest.raises(StaleRecordError):
            verb(mine, "delete")
        assert mine.deleted_at is None
        assert verb(Article, "get", article.id) is mine
        verb(verb(mine, "refresh"), "delete")
        assert verb(Article.query, "count") == 0


def test_a_deletion_that_is_rolled_back_leaves_the_record(
    verb: Verb, db: SQLAlchemy, article: Article
) -> None:
    with found(verb, db, article) as mine:
        with spoilt(), verb.within(lambda: db.transaction()):
            verb(mine, "delete")
            raise Spoilt
        assert verb(Article, "get", article.id) is mine
        assert mine.deleted_at is None


def test_a_title_of_a_deleted_record_can_be_taken_by_a_partial_index(
    verb: Verb, db: SQLAlchemy, article: Article
) -> None:
    if db.url is not None and db.url.get_backend_name() == "mysql":
        pytest.skip("MariaDB has no partial index")
    with found(verb, db, article) as mine:
        verb(mine, "delete")
        verb(Article, "new", title="first")
        with pytest.raises(UniqueViolation):
            verb(mine, "restore")
        assert mine.deleted_at is not None
        assert verb(Article.query, "count") == 1


def test_a_delete_statement_of_the_users_deletes_rows(
    verb: Verb, db: SQLAlchemy, article: Article
) -> None:
    with found(verb, db, article) as mine:
        verb(mine, "delete")
    with db():
        long_ago = datetime.now(UTC) + timedelta(hours=1)
        db.session.execute(delete(Article).where(Article.deleted_at < long_ago))
        db.session.commit()
    assert rows(db, Article) == 0


def test_what_a_deletion_of_many_rows_would_send_is_known(
    verb: Verb, db: SQLAlchemy, article: Article
) -> None:
    values = deletion_of(Article)
    assert values is not None
    assert deletion_of(Author) is None
    with found(verb, db, article) as mine:
        with db():
            db.session.execute(update(Article).values(values))
            db.session.commit()
        assert verb(mine, "refresh").deleted_at is not None
        assert verb(Article.query, "count") == 0


def test_a_merged_record_that_is_deleted_is_not_inserted_again(
    verb: Verb, db: SQLAlchemy, article: Article
) -> None:
    with found(verb, db, article) as mine:
        verb(mine, "delete")
    copy = Article(id=mine.id, title="merged")
    with db():
        merged = db.session.merge(copy)
        db.session.commit()
        assert merged.title == "merged"
    assert rows(db, Article) == 1


def test_a_foreign_key_to_a_deleted_record_holds(
    verb: Verb, db: SQLAlchemy, article: Article
) -> None:
    with found(verb, db, article) as mine:
        verb(mine, "delete")
        verb(Comment, "new", body="late", article_id=mine.id)
        with pytest.raises(ForeignKeyViolation):
            verb(Comment, "new", body="lost", article_id=99)


@pytest.mark.parametrize("name", ["delete", "restore"])
def test_a_verb_of_the_mixin_has_its_twin(name: str) -> None:
    twin, original = getattr(SoftDeleteMixin, f"a{name}"), getattr(SoftDeleteMixin, name)
    assert signature(twin).parameters == signature(original).parameters
    assert iscoroutinefunction(twin)
    assert twin.__doc__ == f"Awaitable twin of `{name}`."


def test_a_column_may_not_hide_the_verbs_of_the_mixin() -> None:
    with pytest.raises(ReservedNameError, match="restore"):
        type("Item", (SoftDeleteMixin, ModelBase), {"__annotations__": {"restore": "Mapped[str]"}})


def test_a_session_without_such_models_is_not_listened_to(python: Any) -> None:
    code = """
from sqlalchemy.orm import Mapped, mapped_column
from fastapi_sqlalchemy import SQLAlchemy, SoftDeleteMixin

db = SQLAlchemy("sqlite://")
class User(db.Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
db.create_all()
with db():
    print(bool(db.session.dispatch.do_orm_execute))
class Item(SoftDeleteMixin, db.Base):
    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True)
with db():
    print(bool(db.session.dispatch.do_orm_execute))
"""
    assert python(code).stdout.split() == ["False", "True"]


def test_a_model_without_the_mixin_has_a_delete_without_options(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        page = verb(Page, "new", text="first")
        with pytest.raises(TypeError):
            verb(page, "delete", force=True)


def test_a_failing_commit_leaves_the_record_undeleted(
    verb: Verb, db: SQLAlchemy, article: Article
) -> None:
    def fail(session: Session) -> None:
        raise LookupError

    with found(verb, db, article) as mine:
        session = (
            db.session if verb.blocking else verb.inside(lambda: db.async_session).sync_session
        )
        event.listen(session, "before_commit", fail)
        with pytest.raises(LookupError):
            verb(mine, "delete")
        event.remove(session, "before_commit", fail)
        assert mine.deleted_at is None
        assert verb(Article, "get", article.id) is mine


def test_all_that_a_query_finds_is_marked_by_one_update(
    verb: Verb, db: SQLAlchemy, article: Article
) -> None:
    with verb.scope(db):
        with sent() as statements:
            assert verb(Article.query.filter_by(id=article.id), "delete") == 1
        assert verbs_of(statements)[0] == "UPDATE"
        assert verb(Article.query, "count") == 0
        assert verb(Article.query.with_deleted(), "count") == 1
    assert rows(db, Article) == 1


def test_all_that_a_query_finds_is_really_deleted_by_force(
    verb: Verb, db: SQLAlchemy, article: Article
) -> None:
    with verb.scope(db):
        comments = Comment.query.filter_by(article_id=article.id)
        assert verb(comments, "delete", force=True) == 2
    assert rows(db, Comment) == 0


def test_force_deletes_only_what_the_query_finds(
    verb: Verb, db: SQLAlchemy, article: Article
) -> None:
    with verb.scope(db):
        verb(Comment.query.filter_by(body="one"), "delete")
        every = Comment.query.filter(Comment.body.in_(["one", "two"]))
        assert verb(every.order_by(Comment.id).limit(1), "delete", force=True) == 1
        assert rows(db, Comment) == 1
        assert verb(every, "delete", force=True) == 0
        assert verb(every.only_deleted(), "delete", force=True) == 1
    assert rows(db, Comment) == 0


def test_deleted_records_are_updated_where_the_query_finds_them(
    verb: Verb, db: SQLAlchemy, article: Article
) -> None:
    with verb.scope(db):
        gone = verb(Comment.query.filter_by(body="one"), "one")
        verb(gone, "delete")
        assert verb(Comment.query, "update", body="seen", all_rows=True) == 1
        assert verb(Comment.query.only_deleted(), "update", body="hidden") == 1
        assert (gone.body, gone.deleted_at is not None) == ("hidden", True)
        assert verb(Comment.query.with_deleted(), "update", body="every", all_rows=True) == 2
        limited = Comment.query.execution_options(with_deleted=True).order_by(Comment.id).limit(1)
        assert verb(limited, "update", body="first") == 1
        assert gone.body == "first"
        assert verb(Comment.query.only_deleted(), "update", deleted_at=None) == 1
        assert verb(Comment.query, "count") == 2


def test_loaded_records_know_that_a_query_deleted_them(
    verb: Verb, db: SQLAlchemy, article: Article
) -> None:
    with verb.scope(db):
        comments = verb(Comment.query, "all")
        assert verb(Comment.query.filter_by(article_id=article.id), "delete") == 2
        with sent() as statements:
            assert all(each.deleted_at is not None and each.body for each in comments)
        assert statements == []


def test_the_second_table_of_a_model_is_updated_by_itself(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        kept, gone = (verb(Video, "new", seconds=1) for _ in range(2))
        verb(gone, "delete")
        assert verb(Video.query.filter_by(seconds=1), "update", seconds=2) == 1
        assert kept.seconds == 2
        assert verb(verb(gone, "refresh"), "restore").seconds == 1
        verb(gone, "delete")
        with sent() as statements:
            assert verb(Video.query.only_deleted(), "update", seconds=3) == 1
        updates = [each for each in statements if each.startswith("UPDATE")]
        assert len(updates) == 1
        assert "media" not in updates[0]
        assert gone.seconds == 3
