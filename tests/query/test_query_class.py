"""A query class of one's own: scopes as methods, on a model or on a whole database."""
# ruff: noqa: RUF012 - `__mapper_args__` is SQLAlchemy's, which declares it

from collections.abc import Iterator
from typing import Any, ClassVar, Self

import pytest
from sqlalchemy import String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fastapi_sqlalchemy import ModelBase, Query, SQLAlchemy
from fastapi_sqlalchemy.query import query_of
from tests.blog import created
from tests.verbs import Verb


class Base(ModelBase, DeclarativeBase):
    pass


press = SQLAlchemy(model_class=Base)


class ArticleQuery(Query["Article"]):
    viewer = "nobody"

    def published(self) -> Self:
        return self.filter_by(state="published")

    def seen_by(self, viewer: str) -> Self:
        new = self.filter(Article.id > 0)
        new.viewer = viewer
        return new


class Article(Base):
    __tablename__ = "articles"
    query_class: ClassVar[type[ArticleQuery]] = ArticleQuery

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(10), default="article")
    state: Mapped[str] = mapped_column(String(10))
    __mapper_args__ = {
        "polymorphic_on": "kind",
        "polymorphic_identity": "article",
    }


class Column(Article):
    __mapper_args__ = {"polymorphic_identity": "column"}


@pytest.fixture(autouse=True)
def filled() -> Iterator[None]:
    with created(press, "sqlite://"):
        with press(commit_on_exit=True):
            Article.new(state="draft")
            Article.new(state="published")
            Column.new(state="published")
        yield


def test_a_model_is_asked_by_its_own_class(verb: Verb) -> None:
    with verb.scope(press):
        assert type(Article.query) is ArticleQuery
        assert verb(Article.query.published(), "count") == 2
        assert verb(Article.query.order_by(Article.id).published().limit(1), "one").id == 2


def test_a_model_inherits_it(verb: Verb) -> None:
    with verb.scope(press):
        assert type(Column.query) is ArticleQuery
        assert verb(Column.query.published(), "count") == 1


def test_what_such_a_query_keeps_goes_on_with_the_chain() -> None:
    query = Article.query.seen_by("Ada").published()[1:].union(Article.query)
    assert query.viewer == "Ada"
    assert Article.query.viewer == "nobody"
    assert query.with_entities(Article.id).limit(1) is not None


def test_the_verbs_of_a_model_go_through_it(verb: Verb) -> None:
    class Published(ArticleQuery):
        def __init__(self, model: type[Any]) -> None:
            super().__init__(model)
            self._statement = self.published()._statement

    Article.query_class = Published
    try:
        with verb.scope(press):
            assert verb(Article, "get", 1) is None
            assert verb(Article, "get", 2).state == "published"
            assert len(verb(Article, "get_all")) == 2
            assert verb(Article, "count") == 2
            assert verb(Article, "exists", state="draft") is False
    finally:
        Article.query_class = ArticleQuery


class Everywhere(Query[Any]):
    def newest(self) -> Self:
        return self.order_by(None)


def test_a_database_has_one_for_all_its_models() -> None:
    db = SQLAlchemy("sqlite://", query_class=Everywhere)

    class Plain(db.Base):
        __tablename__ = "plain"
        id: Mapped[int] = mapped_column(primary_key=True)

    class Own(ModelBase, db.Base):
        __tablename__ = "own"
        query_class = ArticleQuery
        id: Mapped[int] = mapped_column(primary_key=True)

    assert type(Plain.query) is Everywhere
    assert type(Own.query) is ArticleQuery


def test_a_column_of_that_name_is_a_column() -> None:
    class Odd(Base):
        __tablename__ = "odd"
        id: Mapped[int] = mapped_column(primary_key=True)
        query_class: Mapped[str] = mapped_column(String(10))

    assert type(query_of(Odd)) is Query
    assert str(query_of(Odd).filter_by(query_class="a")).endswith(
        "odd.query_class = :query_class_1"
    )


def test_what_is_no_query_class_is_refused() -> None:
    class Wrong(Base):
        __tablename__ = "wrong"
        query_class = dict
        id: Mapped[int] = mapped_column(primary_key=True)

    with pytest.raises(TypeError, match=r"Wrong\.query_class expected a class that derives from"):
        _ = Wrong.query
