"""One middleware serves one database or several, and each has its own session and transaction."""

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, HTTPException
from fastapi.responses import PlainTextResponse
from sqlalchemy import create_engine, exc, orm
from starlette.types import ASGIApp

from fastapi_sqlalchemy import DBSessionMiddleware, SQLAlchemy
from fastapi_sqlalchemy import db as global_db
from tests.shop import (
    NOWHERE,
    Entry,
    Item,
    db,
    entries,
    ledger,
    lent,
    names,
    open_ledger,
    open_shop,
)
from tests.web.asgi import get


@pytest.fixture(autouse=True)
def opened(tmp_path: Path) -> None:
    """Both databases, each in a file of its own."""
    open_shop(f"sqlite:///{tmp_path / 'shop.db'}")
    open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")


def both(databases: Any, **options: Any) -> FastAPI:
    """An application whose routes write to both databases."""
    app = FastAPI()
    app.add_middleware(DBSessionMiddleware, db=databases, **options)

    @app.get("/")
    def route(follows: int | None = None) -> None:
        Item.new(name="pen")
        Entry.new(follows=follows)

    @app.get("/nowhere")
    async def nowhere() -> None:
        await Item.anew(name="pen")
        await Entry.anew(follows=NOWHERE)

    @app.get("/abort")
    def abort() -> None:
        Item.new(name="pen")
        Entry.new()
        raise HTTPException(400)

    return app


class Shop(SQLAlchemy):
    """A class of the user's own."""


def a_list() -> Iterable[SQLAlchemy]:
    return [db, ledger]


def a_tuple() -> Iterable[SQLAlchemy]:
    return (db, ledger)


def a_generator() -> Iterable[SQLAlchemy]:
    return (database for database in (db, ledger))


def a_dict_view() -> Iterable[SQLAlchemy]:
    return {"shop": db, "ledger": ledger}.values()


def one_of_them_twice() -> Iterable[SQLAlchemy]:
    return [db, ledger, db]


@pytest.mark.parametrize(
    "databases", [a_list, a_tuple, a_generator, a_dict_view, one_of_them_twice]
)
async def test_several_databases_can_be_given_in_any_iterable(
    databases: Callable[[], Iterable[SQLAlchemy]],
) -> None:
    answer = await get(both(databases(), commit_on_exit=True))
    assert (answer.error, names(), entries()) == (None, ["pen"], [None])


@pytest.mark.parametrize(
    "databases", [a_list, a_tuple, a_generator, a_dict_view, one_of_them_twice]
)
async def test_several_databases_can_be_given_without_a_name(
    databases: Callable[[], Iterable[SQLAlchemy]],
) -> None:
    app = FastAPI()
    app.add_middleware(DBSessionMiddleware, databases())
    app.get("/")(lambda: Item.query.count() + Entry.query.count())
    assert (await get(app)).body == b"0"


async def test_a_generator_of_databases_serves_every_request() -> None:
    app = both(a_generator(), commit_on_exit=True)
    assert [(await get(app, "/abort")).status for _ in range(3)] == [400] * 3


@pytest.mark.parametrize("given", ["positional", "named"])
async def test_an_object_of_a_subclass_is_a_database(sqlite_file_url: str, given: str) -> None:
    shop = Shop(sqlite_file_url)
    app = FastAPI()
    if given == "named":
        app.add_middleware(DBSessionMiddleware, db=shop)
    else:
        app.add_middleware(DBSessionMiddleware, shop)
    app.get("/")(lambda: str(shop.session.get_bind().url.database))
    assert sqlite_file_url.removeprefix("sqlite:///").encode() in (await get(app)).body


async def app(*_: object) -> None: ...


NO_DATABASES: dict[str, Any] = {
    "a number": 1,
    "a bool": True,
    "an object": object(),
    "a class": SQLAlchemy,
    "bytes": b"sqlite://",
    "an empty list": [],
    "an empty tuple": (),
    "an empty iterator": iter(()),
    "a list of a str": ["sqlite://"],
    "a list with a str": [db, "sqlite://"],
    "a list with None": [db, None],
    "a list of a list": [[db]],
    "a dict by name": {"shop": db},
}


@pytest.mark.parametrize("wrong", [*NO_DATABASES, "a str"])
def test_what_is_no_database_is_refused_with_what_is_accepted(wrong: str) -> None:
    given: Any = NO_DATABASES.get(wrong, "sqlite://")
    with pytest.raises(TypeError, match="SQLAlchemy object or an iterable of them"):
        DBSessionMiddleware(app, db=given)


@pytest.mark.parametrize("wrong", NO_DATABASES)
def test_what_is_no_database_is_refused_without_a_name_too(wrong: str) -> None:
    with pytest.raises(TypeError, match="SQLAlchemy object or an iterable of them"):
        DBSessionMiddleware(app, NO_DATABASES[wrong])


def test_what_was_found_instead_of_a_database_is_named() -> None:
    wrong: Any = [db, "sqlite://"]
    with pytest.raises(TypeError, match=r"found .*str"):
        DBSessionMiddleware(app, db=wrong)


@pytest.mark.parametrize(
    "more",
    [
        {"db_url": "sqlite://"},
        {"custom_engine": create_engine("sqlite://")},
        {"engine_args": {"echo": True}},
    ],
    ids=lambda more: next(iter(more)),
)
def test_a_database_and_what_is_for_the_global_one_exclude_each_other(more: Any) -> None:
    with pytest.raises(TypeError, match=r"expected either `db`, or `db_url`"):
        DBSessionMiddleware(app, db=db, **more)
    assert global_db.url is None


def test_two_kinds_of_database_exclude_each_other() -> None:
    with pytest.raises(TypeError, match="db"):
        DBSessionMiddleware(app, db, db=ledger)


def test_neither_a_database_nor_a_url_nor_an_engine_is_refused() -> None:
    with pytest.raises(ValueError, match="db_url or a custom_engine"):
        DBSessionMiddleware(app)


def test_an_unknown_option_is_refused_by_name() -> None:
    options: Any = {"comit_on_exit": True}
    with pytest.raises(TypeError, match="comit_on_exit"):
        DBSessionMiddleware(app, db=db, **options)


async def test_an_error_rolls_every_database_back() -> None:
    assert (await get(both([db, ledger], commit_on_exit=True), "/abort")).status == 400
    assert (names(), entries()) == ([], [])


async def test_each_database_has_the_commit_policy_it_was_made_with(tmp_path: Path) -> None:
    open_shop(f"sqlite:///{tmp_path / 'committing.db'}", commit_on_exit=True)
    app = FastAPI()
    app.add_middleware(DBSessionMiddleware, db=[db, ledger])

    @app.get("/")
    def route() -> None:
        db.session.add(Item(name="pen"))
        ledger.session.add(Entry())
        ledger.session.flush()

    await get(app)
    assert (names(), entries()) == (["pen"], [])


async def test_a_second_commit_that_fails_is_an_error_and_leaves_the_first_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    answer = await get(both([db, ledger], commit_on_exit=True), "/nowhere")
    assert answer.kinds == ["start", "body"]
    assert answer.status == 500
    assert isinstance(answer.error, exc.IntegrityError)
    assert (names(), entries()) == (["pen"], [])
    assert (lent(db), lent(ledger)) == (0, 0)
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    told = r"failed to commit to \S+ledger\.db after it had committed to \S+shop\.db"
    assert re.search(told, record.getMessage())


async def test_a_first_commit_that_fails_leaves_nothing_anywhere() -> None:
    answer = await get(both([ledger, db], commit_on_exit=True), "/nowhere")
    assert answer.status == 500
    assert (names(), entries()) == ([], [])
    assert (lent(db), lent(ledger)) == (0, 0)


async def test_the_handler_of_a_failed_commit_commits_only_what_it_writes_itself() -> None:
    app = both([ledger, db], commit_on_exit=True)

    @app.exception_handler(exc.IntegrityError)
    def report(_request: object, _error: object) -> Any:
        Item(name="report").save(commit=True)
        return PlainTextResponse("refused", status_code=409)

    answer = await get(app, "/nowhere")
    assert (answer.status, answer.body) == (409, b"refused")
    assert (names(), entries()) == (["report"], [])


class Refusing(orm.Session):
    """Fails to close, after it has closed."""

    def close(self) -> None:
        super().close()
        raise LookupError


async def test_every_session_is_closed_although_one_fails_to(
    tmp_path: Path,
) -> None:
    open_shop(f"sqlite:///{tmp_path / 'refusing.db'}", session_args={"class_": Refusing})
    sessions: list[orm.Session] = []
    app = FastAPI()
    app.add_middleware(DBSessionMiddleware, db=[db, ledger])

    @app.get("/")
    def route() -> Iterator[str]:
        for database in (db, ledger):
            database.session.connection()
            sessions.append(database.session)
        yield "asked"

    answer = await get(app)
    assert isinstance(answer.error, LookupError)
    assert [session.in_transaction() for session in sessions] == [False, False]
    assert (lent(db), lent(ledger)) == (0, 0)


async def test_the_error_of_the_route_comes_before_those_of_closing(tmp_path: Path) -> None:
    open_shop(f"sqlite:///{tmp_path / 'refusing.db'}", session_args={"class_": Refusing})
    app = FastAPI()
    app.add_middleware(DBSessionMiddleware, db=[db, ledger])

    @app.get("/")
    def route() -> None:
        for database in (db, ledger):
            database.session.connection()
        raise KeyError("from the route")

    answer = await get(app)
    assert isinstance(answer.error, KeyError)
    assert (lent(db), lent(ledger)) == (0, 0)


async def test_two_middlewares_serve_a_database_each() -> None:
    app: FastAPI = both([db])
    app.add_middleware(DBSessionMiddleware, db=ledger)
    assert (await get(app)).error is None
    assert (names(), entries()) == (["pen"], [None])


async def test_two_middlewares_around_one_database_give_one_session() -> None:
    seen: list[orm.Session] = []
    inner = FastAPI()
    inner.add_middleware(DBSessionMiddleware, db=[db, ledger])
    inner.get("/")(lambda: seen.append(db.session))

    async def between(*message: Any) -> None:
        seen.append(db.session)
        await inner(*message)

    outer: ASGIApp = DBSessionMiddleware(between, db=db)
    assert (await get(outer)).status == 200
    assert seen[0] is seen[1]
