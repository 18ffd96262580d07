"""Queries, their terminals, and rows."""
# mypy: disable-error-code="unused-awaitable"
# Nothing is run here: a query that `assert_type` returns is not one that was forgotten.

from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Any, assert_type

from sqlalchemy import Row, Select, func

from fastapi_sqlalchemy import Query, Rows
from tests.blog import Post, User
from tests.catalogue import Book, Rating, Writer
from tests.query.test_query_class import Article, ArticleQuery, Column


def _few(query: Query[User]) -> Query[User]:
    return query.limit(1)


def chains() -> None:
    """`filter`, `order_by`, `join`, ... of `User.query` are `Query[User]`"""
    assert_type(User.query, Query[User])
    assert_type(User.query.filter(User.id > 1).filter_by(name="Ada"), Query[User])
    assert_type(User.query.join(User.posts).outerjoin(Post.author), Query[User])
    assert_type(User.query.order_by(User.id).reset_order().limit(1).offset(2), Query[User])
    assert_type(User.query.group_by(User.id).having(func.count() > 1), Query[User])
    assert_type(User.query.with_for_update(skip_locked=True, of=User), Query[User])
    assert_type(User.query.execution_options(populate_existing=True), Query[User])
    assert_type(User.query.select_from(Post), Query[User])
    assert_type(User.query.union(User.query).union_all(User.query, User.query), Query[User])
    assert_type(User.query.when(1, _few), Query[User])
    assert_type(User.query.eager(User.posts, Post.author).strict(), Query[User])
    assert_type(User.query[1:2], Query[User])
    assert_type(User.query.statement, Select[User])


def mistakes() -> None:
    """mistakes in a chain and in its terminals"""
    User.query.with_for_update(True)  # type: ignore[call-arg]
    User.query.union(Post.query)  # type: ignore[arg-type]
    User.query.when(1, _few, Query[User].count)  # type: ignore[arg-type]
    User.query.eager("posts")  # type: ignore[arg-type]
    User.query.limit("1")  # type: ignore[arg-type]
    User.query["1"]  # type: ignore[call-overload]
    User.query.get_one()  # type: ignore[call-arg]
    User.query.pluck("name")  # type: ignore[arg-type]
    User.query.with_entities("name")  # type: ignore[call-overload]
    User.query.rows(User.id, "name")  # type: ignore[call-overload]
    User.query.dicts("name")  # type: ignore[arg-type]
    User.query.sum("age")  # type: ignore[arg-type]
    Book.query.avg(Book.title)  # type: ignore[type-var]
    User.query.nothing()  # type: ignore[attr-defined]


def functions() -> None:
    """`when(condition, lambda query: ...)`"""
    query = User.query.when(1, lambda query: query.limit(1))
    assert_type(query, Query[User])  # but ty: type-assertion-failure
    assert_type(query.first(), User | None)  # but ty: type-assertion-failure
    User.query.when(1, lambda query: 1)  # type: ignore[arg-type, return-value]
    User.query.when(1, lambda query: query.nothing())  # type: ignore[attr-defined] # but ty: nothing


def terminals() -> None:
    """terminals: `all`, `first`, `one`, `count`, ..."""
    query = User.query
    assert_type(query.all(), list[User])
    assert_type(query.first(), User | None)
    assert_type(query.one(), User)
    assert_type(query.one_or_none(), User | None)
    assert_type(query.scalar(), User | None)
    assert_type(query.get(1), User | None)
    assert_type(query.get_one(1), User)
    assert_type(Rating.query.get((1, 2)), Rating | None)
    assert_type(query.get_or_404(1, "gone"), User)
    assert_type(query.first_or_404(), User)
    assert_type(query.one_or_404(description="gone"), User)
    assert_type(query.count(), int)
    assert_type(query.exists(), bool)
    assert_type(query.explain(), str)
    assert_type(query[0], User)
    assert_type(iter(query), Iterator[User])


async def awaited_terminals() -> None:
    """the same, awaited: `await query`, `aall`, `async for`"""
    query = User.query
    assert_type(await query, list[User])
    assert_type(await query.aall(), list[User])
    assert_type(await query.afirst(), User | None)
    assert_type(await query.aone(), User)
    assert_type(await query.aone_or_none(), User | None)
    assert_type(await query.ascalar(), User | None)
    assert_type(await query.aget(1), User | None)
    assert_type(await query.aget_one(1), User)
    assert_type(await query.aget_or_404(1), User)
    assert_type(await query.afirst_or_404(), User)
    assert_type(await query.aone_or_404(), User)
    assert_type(await query.acount(), int)
    assert_type(await query.aexists(), bool)
    assert_type(await query.aexplain(), str)
    assert_type(aiter(query), AsyncIterator[User])


def values() -> None:
    """values: `pluck`, `sum`, `min`, `max`, `avg`, `dicts`"""
    assert_type(User.query.pluck(User.id), list[int])
    assert_type(User.query.pluck(User.name), list[str | None])
    assert_type(User.query.pluck(User.id + 1), list[int])
    assert_type(Book.query.sum(Book.pages), int | None)
    assert_type(Book.query.sum(Book.price), Decimal | None)
    assert_type(Writer.query.sum(Writer.age), int | None)
    assert_type(Book.query.min(Book.title), str | None)
    assert_type(Book.query.max(Book.price), Decimal | None)
    assert_type(Book.query.avg(Book.pages), float | None)
    assert_type(Writer.query.avg(Writer.age), float | None)
    assert_type(Book.query.avg(Book.price), Decimal | None)
    assert_type(Book.query.dicts(Book.id), list[dict[str, Any]])


async def awaited_values() -> None:
    """the same, awaited"""
    assert_type(await User.query.apluck(User.id), list[int])
    assert_type(await Book.query.asum(Book.price), Decimal | None)
    assert_type(await Book.query.amin(Book.title), str | None)
    assert_type(await Book.query.amax(Book.pages), int | None)
    assert_type(await Book.query.aavg(Book.pages), float | None)
    assert_type(await Book.query.aavg(Book.price), Decimal | None)
    assert_type(await Book.query.adicts(), list[dict[str, Any]])


def rows() -> None:
    """rows of `with_entities(User.id, User.name)` unpack to `int` and `str`"""
    pairs = User.query.with_entities(User.id, User.name)
    assert_type(pairs, Rows[int, str | None])
    assert_type(pairs.filter_by(name="Ada").order_by(User.id)[1:], Rows[int, str | None])
    assert_type(pairs.statement, Select[int, str | None])
    for number, name in pairs.all():
        assert_type(number, int)
        assert_type(name, str | None)
    for number, _ in pairs:
        assert_type(number, int)
    number, name = pairs.one()
    assert_type(number, int)
    assert_type(pairs.scalar(), int | None)
    assert_type(pairs.first_or_404()[1], str | None)
    assert_type(pairs.with_entities(User.name), Rows[str | None])
    assert_type(pairs.pluck(User.id), list[int])
    assert_type(User.query.with_entities(User, Post.title), Rows[User, str])
    assert_type(User.query.with_entities(func.count()).scalar(), int | None)
    pairs.get(1)  # type: ignore[attr-defined]


async def awaited_rows() -> None:
    """the same, awaited"""
    pairs = User.query.with_entities(User.id, User.name)
    for number, name in await pairs:
        assert_type(number, int)
        assert_type(name, str | None)
    async for number, _ in pairs:
        assert_type(number, int)
    assert_type(await pairs.ascalar(), int | None)
    for number, title in await User.query.arows(User.id, Post.title):
        assert_type(number, int)
        assert_type(title, str)


def many_columns() -> None:
    """rows of up to ten columns; of more, `Any`"""
    a, b = Book.id, Book.title
    ten = Book.query.with_entities(a, b, a, b, a, b, a, b, a, b)
    assert_type(ten, Rows[int, str, int, str, int, str, int, str, int, str])
    eleven = Book.query.with_entities(a, b, a, b, a, b, a, b, a, b, a)
    assert_type(eleven, Rows[*tuple[Any, ...]])
    [first, *_] = Book.query.rows(a, b, a)
    assert_type(first, Row[int, str, int])


def query_classes() -> None:
    """`query_class`: `Article.query` is an `ArticleQuery`"""
    assert_type(Article.query, ArticleQuery)
    assert_type(Article.query.published().order_by(Article.id), ArticleQuery)
    assert_type(Article.query.published().first(), Article | None)
    assert_type(Column.query, ArticleQuery)
    assert_type(Article.query.published().with_entities(Article.id), Rows[int])
