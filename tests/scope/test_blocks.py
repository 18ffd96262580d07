"""`with db():` is a scope of its own, also within another one."""

import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import orm

from fastapi_sqlalchemy import DBSessionMiddleware
from fastapi_sqlalchemy.exceptions import MissingSessionError, SessionClosedError
from tests.shop import Entry, Item, db, ledger, lent, names, open_ledger, open_shop
from tests.verbs import Verb


class Spoilt(Exception):
    """What the tests raise and catch."""


def fail_within(
    block: AbstractContextManager[Any], before: Callable[[], object] = lambda: None
) -> None:
    with block:
        before()
        raise Spoilt


def test_a_block_yields_the_database(verb: Verb) -> None:
    open_shop("sqlite://")
    with verb.scope(db) as entered:
        assert entered is db


def test_a_block_has_one_session(url: str, verb: Verb) -> None:
    open_shop(url, "pen")
    with verb.scope(db):
        session = verb.inside(lambda: db.session)
        item = verb(Item, "get", 1)
        assert verb.inside(lambda: db.session) is session
        assert verb(Item, "get", 1) is item


def test_outside_of_a_block_there_is_no_session(verb: Verb) -> None:
    open_shop("sqlite://", "pen")
    with verb.scope(db):
        assert verb(Item.query, "count") == 1
    with pytest.raises(MissingSessionError, match=r"with db\(\):"):
        verb(Item.query, "count")


def test_a_block_within_a_block_has_a_session_of_its_own(url: str, verb: Verb) -> None:
    open_shop(url, "pen")
    with verb.scope(db):
        outer, item = verb.inside(lambda: db.session), verb(Item, "get", 1)
        with verb.scope(db):
            assert verb.inside(lambda: db.session) is not outer
            assert verb(Item, "get", 1) is not item
        assert verb.inside(lambda: db.session) is outer
        assert verb(Item, "get", 1) is item


def test_an_inner_block_that_fails_leaves_the_outer_one_its_rows(url: str, verb: Verb) -> None:
    open_shop(url)
    with verb.scope(db, commit_on_exit=True):
        verb(Item, "new", name="outer")
        with pytest.raises(Spoilt):
            fail_within(verb.scope(db))
        assert verb(Item.query, "count") == 1
    assert names() == ["outer"]


@pytest.mark.parametrize("kind", ["sqlite_file_url", "postgres_url", "mysql_url"])
def test_an_inner_block_does_not_see_what_the_outer_one_did_not_commit(
    kind: str, verb: Verb, request: pytest.FixtureRequest
) -> None:
    open_shop(request.getfixturevalue(kind))
    with verb.scope(db, commit_on_exit=True):
        verb(Item, "new", name="outer")
        with verb.scope(db):
            assert verb(Item.query, "count") == 0
        assert verb(Item.query, "count") == 1


def test_an_inner_block_does_not_commit_the_outer_one(server_url: str, verb: Verb) -> None:
    open_shop(server_url)

    def write() -> None:
        verb(Item, "new", name="outer")
        with verb.scope(db, commit_on_exit=True):
            verb(Item, "new", name="inner")

    with pytest.raises(Spoilt):
        fail_within(verb.scope(db, commit_on_exit=True), write)
    assert names() == ["inner"]


def test_a_block_of_one_database_leaves_another_alone(verb: Verb) -> None:
    open_shop("sqlite://", "pen")
    open_ledger("sqlite://")
    with verb.scope(db), verb.scope(ledger):
        verb(Entry, "new")
        assert (verb(Item.query, "count"), verb(Entry.query, "count")) == (1, 1)
    with verb.scope(ledger), pytest.raises(MissingSessionError):
        verb(Item.query, "count")


def sessions_of_three_blocks(verb: Verb, **options: Any) -> list[orm.Session]:
    seen: list[orm.Session] = []
    with verb.scope(db, **options):
        seen.append(verb.inside(lambda: db.session))
        with verb.scope(db, **options):
            seen.append(verb.inside(lambda: db.session))
            with verb.scope(db, **options):
                seen.append(verb.inside(lambda: db.session))
    return seen


def test_blocks_that_join_share_one_session(verb: Verb) -> None:
    open_shop("sqlite://")
    assert len(set(sessions_of_three_blocks(verb, join=True))) == 1


def test_blocks_that_do_not_join_have_a_session_each(verb: Verb) -> None:
    open_shop("sqlite://")
    assert len(set(sessions_of_three_blocks(verb))) == 3


def test_a_block_that_joins_leaves_the_commit_to_the_outer_one(url: str, verb: Verb) -> None:
    open_shop(url)

    def write() -> None:
        with verb.scope(db, join=True, commit_on_exit=True):
            verb(Item, "new", name="pen")

    with pytest.raises(Spoilt):
        fail_within(verb.scope(db, commit_on_exit=True), write)
    assert names() == []


def test_a_block_with_nothing_to_join_is_a_scope_of_its_own(url: str, verb: Verb) -> None:
    open_shop(url)
    with verb.scope(db, join=True, commit_on_exit=True):
        verb(Item, "new", name="pen")
    assert names() == ["pen"]
    with pytest.raises(MissingSessionError):
        verb(Item.query, "count")


def test_a_block_that_joins_and_fails_leaves_the_outer_one_its_session(verb: Verb) -> None:
    open_shop("sqlite://", "pen")
    with verb.scope(db):
        outer = verb.inside(lambda: db.session)
        with pytest.raises(Spoilt):
            fail_within(verb.scope(db, join=True))
        assert verb.inside(lambda: db.session) is outer
        assert verb(Item.query, "count") == 1


async def test_a_block_can_join_one_of_the_other_colour() -> None:
    open_shop("sqlite://")
    async with db():
        with db(join=True):
            inner = db.session
        assert db.session is inner


@pytest.mark.parametrize("commit_on_exit", [True, False])
def test_the_end_of_a_block_commits_where_it_is_asked_to(
    url: str, verb: Verb, commit_on_exit: bool
) -> None:
    open_shop(url)
    with verb.scope(db, commit_on_exit=commit_on_exit):
        verb.inside(lambda: db.session.add(Item(name="pen")))
    assert names() == (["pen"] if commit_on_exit else [])


@pytest.mark.parametrize("commit_on_exit", [True, False])
def test_a_block_that_fails_keeps_nothing(url: str, verb: Verb, commit_on_exit: bool) -> None:
    open_shop(url)

    def add() -> None:
        verb.inside(lambda: db.session.add(Item(name="pen")))

    with pytest.raises(Spoilt):
        fail_within(verb.scope(db, commit_on_exit=commit_on_exit), add)
    assert names() == []
    assert lent() == 0


def test_the_option_of_a_block_comes_before_that_of_the_database(verb: Verb) -> None:
    open_shop("sqlite://", commit_on_exit=True)
    with verb.scope(db, commit_on_exit=False):
        verb.inside(lambda: db.session.add(Item(name="dropped")))
    with verb.scope(db):
        verb.inside(lambda: db.session.add(Item(name="kept")))
    assert names() == ["kept"]


def test_no_connection_is_out_after_a_block(url: str, verb: Verb) -> None:
    open_shop(url, "pen")
    with verb.scope(db):
        verb(Item.query, "all")
        assert verb.inside(lent) == 0
        verb(Item, "new", name="ink")
        assert verb.inside(lent) == 0
    assert verb.inside(lent) == 0


def test_a_session_that_was_kept_tells_that_its_block_ended(url: str) -> None:
    open_shop(url, "pen")
    with db():
        kept = db.session
        item = Item.query.one()
    with pytest.raises(SessionClosedError):
        kept.get(Item, 2)
    with pytest.raises(SessionClosedError):
        kept.execute(orm.Query(Item).statement)
    assert item.name == "pen"
    assert lent() == 0


async def test_an_asyncio_session_that_was_kept_tells_that_its_block_ended(url: str) -> None:
    open_shop(url, "pen")
    async with db():
        kept = db.async_session
        await kept.get(Item, 1)
    with pytest.raises(SessionClosedError):
        await kept.get(Item, 2)
    assert lent() == 0


def test_a_block_is_entered_once_at_a_time(verb: Verb) -> None:
    open_shop("sqlite://")
    block = db()
    with verb.within(lambda: block):
        with pytest.raises(RuntimeError, match=r"call `db\(\)` again"), verb.within(lambda: block):
            pass
        _ = verb.inside(lambda: db.session)


def test_the_database_itself_is_no_block() -> None:
    database: Any = db
    with pytest.raises(TypeError), database:
        pass


def test_a_decorated_function_runs_in_a_scope_of_its_own(url: str) -> None:
    open_shop(url)

    @db(commit_on_exit=True)
    def add(name: str, *, times: int = 1) -> orm.Session:
        """Add an item."""
        db.session.add(Item(name=name * times))
        return db.session

    with db():
        outer = db.session
        assert add("pen") is not outer
        assert add("ink", times=2) is not outer
        assert db.session is outer
    assert names() == ["inkink", "pen"]
    assert (add.__name__, add.__doc__) == ("add", "Add an item.")
    assert list(inspect.signature(add).parameters) == ["name", "times"]


async def test_a_decorated_coroutine_function_runs_in_a_scope_of_its_own(url: str) -> None:
    open_shop(url)

    @db(commit_on_exit=True)
    async def add(name: str) -> orm.Session:
        db.session.add(Item(name=name))
        return db.session

    assert inspect.iscoroutinefunction(add)
    async with db():
        outer = db.session
        assert await add("pen") is not outer
        assert db.session is outer
    assert names() == ["pen"]


def test_a_decorated_function_that_fails_rolls_back(url: str) -> None:
    open_shop(url)

    @db(commit_on_exit=True)
    def add() -> None:
        db.session.add(Item(name="pen"))
        raise Spoilt

    with pytest.raises(Spoilt):
        add()
    assert names() == []


def test_a_decorated_function_can_call_itself(verb: Verb) -> None:
    open_shop("sqlite://")
    seen: set[orm.Session] = set()

    @db()
    def call(depth: int) -> None:
        seen.add(db.session)
        if depth:
            call(depth - 1)

    call(2)
    assert len(seen) == 3


def test_a_decorated_method_has_its_object() -> None:
    open_shop("sqlite://", "pen")

    class Clerk:
        @db()
        def count(self) -> tuple["Clerk", int]:
            return self, Item.query.count()

    clerk = Clerk()
    assert clerk.count() == (clerk, 1)


def generate() -> Iterator[int]:
    yield 1


async def agenerate() -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize("function", [generate, agenerate])
def test_a_generator_function_cannot_be_decorated(function: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match=f"generator function {function.__name__}"):
        db()(function)


async def count() -> int:
    return await Item.query.acount()


@pytest.mark.parametrize("function", [generate, agenerate, count, lent])
def test_a_decorator_without_its_parentheses_is_refused_at_once(function: Any) -> None:
    with pytest.raises(TypeError, match=r"db\(\)|session_args"):
        db(function)


async def test_a_block_works_before_the_application_starts(verb: Verb) -> None:
    open_shop("sqlite://", "pen")
    app = FastAPI()
    app.add_middleware(DBSessionMiddleware, db=db)
    async with db():
        assert await Item.query.acount() == 1
