"""Records that are soft-deleted are found by nobody who does not ask for them."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import exists, func, select, union_all, update
from sqlalchemy.orm import aliased, contains_eager, joinedload, selectinload, subqueryload

from fastapi_sqlalchemy import SQLAlchemy
from fastapi_sqlalchemy.exceptions import RecordNotFoundError
from tests.mixins.documents import Article, Author, Comment, Medium, Page, Photo, Video
from tests.statements import sent
from tests.verbs import Verb

LOADERS: list[Callable[..., Any]] = [selectinload, joinedload, subqueryload]


@pytest.fixture(autouse=True)
def records(verb: Verb, db: SQLAlchemy) -> None:
    """Ada wrote "here" and "gone"; "here" has a comment that is there and one that is gone."""
    with db():
        ada = Author.new(name="Ada")
        here = Article.new(title="here", author=ada)
        gone = Article.new(title="gone", author=ada)
        Comment.new(body="there", article=here)
        Comment.new(body="lost", article=here).delete()
        gone.delete()


def titles(articles: list[Article]) -> list[str]:
    return sorted(article.title for article in articles)


def test_terminals_find_no_deleted_record(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        query = Article.query
        assert titles(verb(query, "all")) == ["here"]
        assert verb(query, "count") == 1
        assert verb(query.limit(10), "count") == 1
        assert verb(query.distinct(), "count") == 1
        assert verb(query.join(Article.author), "count") == 1
        assert verb(query, "one").title == "here"
        assert verb(query.order_by(Article.id.desc()), "first").title == "here"
        assert verb(query.filter_by(title="gone"), "one_or_none") is None
        assert verb(query.filter_by(title="gone"), "exists") is False
        with pytest.raises(RecordNotFoundError):
            verb(query.filter_by(title="gone"), "one")


def test_class_verbs_find_no_deleted_record(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        assert verb(Article, "get", 2) is None
        assert verb(Article, "get", title="gone") is None
        assert titles(verb(Article, "get_all")) == ["here"]


def test_with_deleted_finds_all(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        query = Article.query.with_deleted()
        assert titles(verb(query, "all")) == ["gone", "here"]
        assert verb(query, "count") == 2
        assert verb(query.limit(10), "count") == 2
        assert verb(query.distinct(), "count") == 2
        assert verb(query.join(Article.author), "count") == 2
        assert verb(query.filter_by(title="gone"), "exists") is True
        assert verb(query, "get", 2).title == "gone"
        assert verb(query.filter_by(title="gone"), "get", 2).title == "gone"


def test_only_deleted_finds_the_others(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        query = Article.query.only_deleted()
        assert titles(verb(query, "all")) == ["gone"]
        assert verb(query, "count") == 1
        assert verb(query, "exists") is True
        assert verb(query, "get", 1) is None
        assert verb(query, "get", 2).title == "gone"


def test_a_query_is_not_changed_by_what_is_made_of_it(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        query = Article.query
        everything = query.with_deleted()
        assert verb(query, "count") == 1
        assert verb(everything, "count") == 2


def test_the_same_query_with_and_without_is_never_mixed_up_by_a_cache(
    verb: Verb, db: SQLAlchemy
) -> None:
    with verb.scope(db):
        query = Article.query.filter(Article.title != "x")
        for _ in range(3):
            assert verb(query, "count") == 1
            assert verb(query.with_deleted(), "count") == 2
            assert verb(query.only_deleted(), "count") == 1
            assert len(verb(query, "all")) == 1
            assert len(verb(query.with_deleted(), "all")) == 2


def test_only_deleted_needs_the_mixin() -> None:
    with pytest.raises(TypeError) as caught:
        _ = Page.query.only_deleted()
    assert str(caught.value) == (
        "only_deleted() expected a model with SoftDeleteMixin, found Page, whose deleted rows are "
        "gone"
    )


def test_a_record_that_the_session_holds_is_not_got_once_it_is_deleted(
    verb: Verb, db: SQLAlchemy
) -> None:
    with verb.scope(db):
        mine = verb(Article, "get", 1)
        assert verb(Article, "get", 1) is mine
        verb(mine, "delete")
        assert verb(Article, "get", 1) is None
        assert verb(Article.query, "get", 1) is None
        assert verb(Article.query.with_deleted(), "get", 1) is mine


def test_a_session_gets_no_deleted_record(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        session = db.session if verb.blocking else verb.inside(lambda: db.async_session)
        assert verb.inside(session.get, Article, 2) is None
        gone = verb(Article.query.only_deleted(), "one")
        assert verb.inside(session.get, Article, 2) is None
        options = {"with_deleted": True}
        get = session.get
        assert verb.inside(lambda: get(Article, 2, execution_options=options)) is gone


def rows(verb: Verb, db: SQLAlchemy, statement: Any) -> list[Any]:
    def execute() -> Any:
        return db.session.execute(statement).scalars().all()

    found: list[Any] = execute() if verb.blocking else verb.inside(db.run, execute)
    return sorted(found)


def test_a_select_through_the_session_finds_no_deleted_record(verb: Verb, db: SQLAlchemy) -> None:
    other = aliased(Article)
    one = select(Article).where(Article.title != "x").subquery()
    with verb.scope(db):
        assert rows(verb, db, select(Article.title)) == ["here"]
        assert rows(verb, db, select(other.title)) == ["here"]
        assert rows(verb, db, select(one.c.title)) == ["here"]
        assert rows(verb, db, select(aliased(Article, one).title)) == ["here"]
        assert rows(verb, db, select(func.count(Article.id))) == [1]
        assert rows(verb, db, select(func.count()).select_from(Article)) == [1]
        assert rows(verb, db, select(func.count()).select_from(one)) == [1]
        assert rows(verb, db, select(func.max(Article.id))) == [1]
        joined = select(Author.name).join(Author.articles)
        assert rows(verb, db, joined) == ["Ada"]
        related = exists().where(Article.author_id == Author.id, Article.title == "gone")
        assert rows(verb, db, select(Author.name).where(related)) == []
        within = select(Article.author_id).where(Article.title == "gone")
        assert rows(verb, db, select(Author.name).where(Author.id.in_(within))) == []
        any_of = Author.articles.any(Article.title == "gone")
        assert rows(verb, db, select(Author.name).where(any_of)) == []
        has = Comment.article.has(Article.title == "here")
        assert rows(verb, db, select(Comment.body).where(has)) == ["there"]


def test_a_union_finds_no_deleted_record(verb: Verb, db: SQLAlchemy) -> None:
    both = union_all(select(Article.title), select(Comment.body))
    with verb.scope(db):
        assert rows(verb, db, both) == ["here", "there"]
        assert rows(verb, db, both.execution_options(with_deleted=True)) == [
            "gone",
            "here",
            "lost",
            "there",
        ]
        named = both.subquery()
        assert rows(verb, db, select(named.c.title)) == ["here", "there"]


def test_a_select_with_the_option_finds_all(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        statement = select(Article.title).execution_options(with_deleted=True)
        assert rows(verb, db, statement) == ["gone", "here"]


@pytest.mark.parametrize("load", LOADERS)
def test_eager_loads_leave_deleted_records_out(
    verb: Verb, db: SQLAlchemy, load: Callable[..., Any]
) -> None:
    with verb.scope(db):
        query = Author.query.options(load(Author.articles).options(load(Article.comments)))
        ada = verb(query, "one")
        assert titles(ada.articles) == ["here"]
        assert [comment.body for comment in ada.articles[0].comments] == ["there"]


@pytest.mark.parametrize("load", LOADERS)
def test_eager_loads_of_a_query_with_deleted_find_all(
    verb: Verb, db: SQLAlchemy, load: Callable[..., Any]
) -> None:
    with verb.scope(db):
        query = Author.query.with_deleted().options(
            load(Author.articles).options(load(Article.comments))
        )
        ada = verb(query, "one")
        assert titles(ada.articles) == ["gone", "here"]
        assert len(ada.articles[0].comments) == 2


def test_a_lazy_load_leaves_deleted_records_out(verb: Verb, db: SQLAlchemy) -> None:
    with db():
        ada = Author.query.one()
        assert titles(ada.articles) == ["here"]
        again = Author.query.with_deleted().one()
        assert again is ada
    with db():
        ada = Author.query.with_deleted().one()
        assert titles(ada.articles) == ["here"]


def test_a_lazy_load_of_a_record_that_was_just_saved_leaves_them_out(db: SQLAlchemy) -> None:
    """It has no options of a query to go by."""
    with db():
        grace = Author.new(name="Grace")
        Article.new(title="other", author_id=grace.id).delete()
        Article.new(title="kept", author_id=grace.id)
        db.session.expire(grace, ["articles"])
        assert titles(grace.articles) == ["kept"]


@pytest.mark.parametrize("held", [False, True])
def test_a_reference_to_a_deleted_record_is_none(db: SQLAlchemy, *, held: bool) -> None:
    """Also where the session holds that record already, so that no SQL would be sent."""
    with db():
        comment = Comment.query.one()
        Article.query.with_deleted().filter_by(id=comment.article_id).one().delete()
    with db():
        kept = Article.query.with_deleted().all() if held else []
        late = Comment.query.with_deleted().filter_by(body="there").one()
        assert late.article is None
        assert len(kept) == (2 if held else 0)


@pytest.mark.parametrize("load", LOADERS)
def test_an_eager_load_of_a_reference_to_a_deleted_record_is_none(
    verb: Verb, db: SQLAlchemy, load: Callable[..., Any]
) -> None:
    with db():
        Article.query.one().delete()
    with verb.scope(db):
        options = load(Comment.article)
        bare = Comment.query.with_deleted().options(options)
        assert {c.article.title for c in verb(bare, "all")} == {"here"}
    with verb.scope(db):
        verb(verb(Comment.query.only_deleted().filter_by(body="there"), "one"), "restore")
    with verb.scope(db):
        assert verb(Comment.query.options(options), "one").article is None


def test_what_is_joined_is_left_out(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        query = Author.query.join(Author.articles).filter_by(title="gone")
        assert verb(query, "all") == []
        assert len(verb(query.with_deleted(), "all")) == 1
        eager = Author.query.join(Author.articles).options(contains_eager(Author.articles))
        assert titles(verb(eager, "one").articles) == ["here"]


def test_an_outer_join_keeps_who_has_nothing_left(verb: Verb, db: SQLAlchemy) -> None:
    with db():
        Article.query.one().delete()
    with verb.scope(db):
        query = Author.query.join(Author.articles, isouter=True)
        assert verb(query, "count") == 1


def test_a_model_below_hides_its_deleted_records(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        kept = [verb(Video, "new", seconds=1), verb(Photo, "new"), verb(Medium, "new")]
        for gone in (verb(Video, "new", seconds=2), verb(Photo, "new"), verb(Medium, "new")):
            verb(gone, "delete")
        assert verb(Medium.query.order_by(Medium.id), "all") == kept
        assert verb(Video.query, "all") == kept[:1]
        assert verb(Photo.query, "all") == kept[1:2]
        assert verb(Video.query.with_deleted(), "count") == 2
        assert verb(Photo.query.only_deleted(), "count") == 1
        assert verb(Medium, "get", 4) is None
        assert verb(Video, "get", 4) is None


def test_a_refresh_joins_no_deleted_record(db: SQLAlchemy) -> None:
    with db():
        ada = Author.query.options(joinedload(Author.articles)).one()
        db.session.refresh(ada)
        assert titles(ada.articles) == ["here"]


def test_an_update_statement_leaves_deleted_records_alone(db: SQLAlchemy) -> None:
    with db():
        for session_knows in ("evaluate", "fetch"):
            statement = update(Comment).values(body=session_knows)
            options = {"synchronize_session": session_knows}
            Comment.query.with_deleted().all()
            db.session.execute(statement, execution_options=options)
            db.session.commit()
            bodies = [comment.body for comment in Comment.query.with_deleted().order_by("id")]
            assert bodies == [session_knows, "lost"]
        db.session.execute(update(Comment), [{"id": 2, "body": "by key"}])
        db.session.commit()
        assert Comment.query.only_deleted().one().body == "by key"


def test_a_statement_about_other_models_has_no_criterion(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db), sent() as statements:
        verb(Page.query, "all")
        verb(Author.query, "count")
    assert not any("deleted_at" in statement for statement in statements)


def test_another_database_is_not_looked_at(verb: Verb) -> None:
    from tests import blog

    with blog.created(blog.db, "sqlite://") as other, verb.scope(other):
        verb(blog.User, "new", email="a@x")
        assert verb(blog.User.query, "count") == 1


def test_the_parts_of_a_union_find_what_they_find_alone(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        verb(Article, "new", title="other")
        here, gone = Article.query.filter_by(title="here"), Article.query.only_deleted()
        alive = Article.query.filter(Article.title != "here")
        for whole in (here.union(gone), gone.union(here), gone.union_all(here)):
            assert titles(verb(whole, "all")) == ["gone", "here"]
            assert verb(whole, "count") == 2
        every = Article.query.with_deleted().filter_by(title="gone")
        for whole in (every.union(alive), alive.union(every), alive.limit(9).union(every)):
            assert titles(verb(whole, "all")) == ["gone", "other"]
        assert titles(verb(here.union(alive), "all")) == ["here", "other"]
