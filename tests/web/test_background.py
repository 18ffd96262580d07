"""What runs after a response has a session of its own, and commits or rolls back on its own."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Annotated, Any

import pytest
from fastapi import BackgroundTasks, Depends, FastAPI
from sqlalchemy import exc, orm
from starlette.types import Message

from fastapi_sqlalchemy.exceptions import LateCommitWarning
from tests.shop import Item, db, lent, names, open_shop
from tests.web.asgi import get, serving

Task = Callable[[], None] | Callable[[], Awaitable[None]]


def after(*tasks: Task, commit_on_exit: bool = True, writes: str = "") -> FastAPI:
    """An application with one route, which leaves tasks behind."""
    app = serving(FastAPI(), db, commit_on_exit=commit_on_exit)

    @app.get("/")
    async def route(background: BackgroundTasks) -> str:
        if writes:
            await Item.anew(name=writes)
        for task in tasks:
            background.add_task(task)
        return "answered"

    return app


def write() -> None:
    Item.new(name=f"task {Item.query.count()}")


async def awrite() -> None:
    await Item.anew(name=f"task {await Item.query.acount()}")


TASKS = pytest.mark.parametrize("task", [write, awrite])
COMMITTING = pytest.mark.parametrize("commit_on_exit", [True, False])


@TASKS
@COMMITTING
async def test_a_task_can_query_and_write(url: str, task: Task, commit_on_exit: bool) -> None:
    open_shop(url)
    answer = await get(after(task, commit_on_exit=commit_on_exit, writes="route"))
    assert (answer.status, answer.error) == (200, None)
    assert names() == ["route", "task 1"]
    assert lent() == 0


@COMMITTING
async def test_a_task_has_another_session_than_the_route(url: str, commit_on_exit: bool) -> None:
    open_shop(url)
    seen: list[orm.Session] = []
    app = serving(FastAPI(), db, commit_on_exit=commit_on_exit)

    @app.get("/")
    def route(background: BackgroundTasks) -> None:
        Item.new(name="pen")
        seen.append(db.session)
        background.add_task(lambda: seen.append(db.session))

    await get(app)
    route_session, task_session = seen
    assert route_session is not task_session


@COMMITTING
async def test_a_task_without_sql_holds_no_connection_of_the_route(
    url: str, commit_on_exit: bool
) -> None:
    open_shop(url)
    held: list[int] = []

    async def hold() -> None:
        held.append(lent())

    await get(after(hold, commit_on_exit=commit_on_exit, writes="pen"))
    assert held == [0]


@TASKS
async def test_a_task_that_fails_does_not_change_what_the_route_did(url: str, task: Any) -> None:
    open_shop(url)

    def fail() -> None:
        Item.new(name="task")
        raise LookupError

    async def afail() -> None:
        await Item.anew(name="task")
        raise LookupError

    answer = await get(after(afail if task is awrite else fail, writes="route"))
    assert answer.body == b'"answered"'
    assert isinstance(answer.error, LookupError)
    assert names() == ["route", "task"]  # after the response every save commits
    assert lent() == 0


@TASKS
@COMMITTING
async def test_a_task_is_not_touched_by_the_failed_save_of_the_one_before(
    url: str, task: Task, commit_on_exit: bool
) -> None:
    open_shop(url, "pen")

    def clash() -> None:
        with pytest.raises(exc.IntegrityError):
            Item.new(name="pen")

    answer = await get(after(clash, task, commit_on_exit=commit_on_exit))
    assert answer.error is None
    assert names() == ["pen", "task 1"]


@TASKS
@COMMITTING
async def test_a_task_is_not_touched_by_the_failed_flush_of_the_one_before(
    sqlite_file_url: str, task: Task, commit_on_exit: bool
) -> None:
    open_shop(sqlite_file_url, "pen")

    def clash() -> None:
        db.session.add(Item(name="pen"))
        with pytest.raises(exc.IntegrityError):
            db.session.flush()

    # SQLAlchemy wants a rollback after that, which a block of its own brings.
    answer = await get(after(db()(clash), task, commit_on_exit=commit_on_exit))
    assert answer.error is None
    assert names() == ["pen", "task 1"]


@TASKS
async def test_what_a_task_wrote_outlives_the_error_of_the_one_after(
    sqlite_file_url: str, task: Any
) -> None:
    open_shop(sqlite_file_url)

    def fail() -> None:
        raise LookupError

    answer = await get(after(task, fail))
    assert isinstance(answer.error, LookupError)
    assert names() == ["task 0"]


async def test_a_task_sees_what_the_route_wrote_on_another_connection(
    sqlite_file_url: str,
) -> None:
    open_shop(sqlite_file_url)
    seen: list[list[str]] = []
    await get(after(lambda: seen.append(names()), writes="route"))
    assert seen == [["route"]]


async def test_the_commit_comes_before_that_of_a_dependency(sqlite_file_url: str) -> None:
    open_shop(sqlite_file_url)
    order: list[str] = []

    def note(what: str) -> None:
        order.append(f"{what}: {len(names())}")

    def dependency() -> Any:
        yield
        note("dependency")

    app = serving(FastAPI(), db, commit_on_exit=True)

    @app.get("/")
    def route(_: Annotated[None, Depends(dependency)], background: BackgroundTasks) -> None:
        Item.new(name="pen")
        note("route")
        background.add_task(note, "task")

    def look(message: Message) -> None:
        note(message["type"])

    await get(app, look=look)
    assert order == [
        "route: 0",
        "http.response.start: 1",
        "http.response.body: 1",
        "task: 1",
        "dependency: 1",
    ]


async def test_what_a_dependency_writes_after_the_response_is_committed_at_the_end(
    url: str,
) -> None:
    open_shop(url)

    async def dependency() -> Any:
        yield
        await Item.anew(name="after")

    app = serving(FastAPI(), db, commit_on_exit=True)

    @app.get("/")
    async def route(_: Annotated[None, Depends(dependency)]) -> None:
        await Item.anew(name="before")

    assert (await get(app)).error is None
    assert names() == ["after", "before"]


async def test_a_dependency_may_commit_the_session_of_the_route_late(url: str) -> None:
    open_shop(url)

    def dependency() -> Any:
        yield db.session
        db.session.commit()

    app = serving(FastAPI(), db)

    @app.get("/")
    def route(session: Annotated[Any, Depends(dependency)]) -> None:
        session.add(Item(name="pen"))

    assert (await get(app)).error is None
    assert names() == ["pen"]


def late() -> Iterator[None]:
    yield
    db.session.commit()


@pytest.mark.parametrize("colour", ["def", "async"])
async def test_a_dependency_that_commits_after_the_response_is_warned_of_by_name(
    url: str, colour: str
) -> None:
    open_shop(url)
    app = serving(FastAPI(), db)

    @app.get("/def")
    def blocking(_: Annotated[None, Depends(late)]) -> None:
        db.session.add(Item(name="pen"))
        db.session.flush()

    @app.get("/async")
    async def awaited(_: Annotated[None, Depends(late)]) -> None:
        await asyncio.to_thread(blocking, None)

    with pytest.warns(LateCommitWarning, match=r"late.*scope=\"function\"") as caught:
        assert (await get(app, f"/{colour}")).error is None
    assert [warning.filename for warning in caught] == [f"/{colour}"]
    assert names() == ["pen"]


async def test_a_dependency_that_commits_before_the_response_is_not_warned_of(url: str) -> None:
    open_shop(url)
    app = serving(FastAPI(), db)
    seen: list[list[str]] = []

    @app.get("/")
    def route(_: Annotated[None, Depends(late, scope="function")]) -> None:
        db.session.add(Item(name="pen"))
        db.session.flush()

    assert (await get(app, look=lambda _: seen.append(names()))).error is None
    assert seen[0] == ["pen"]


async def test_a_dependency_is_not_warned_of_where_the_request_is_committed(url: str) -> None:
    open_shop(url)
    app = serving(FastAPI(), db, commit_on_exit=True)

    @app.get("/")
    def route(_: Annotated[None, Depends(late)]) -> None:
        Item.new(name="pen")

    assert (await get(app)).error is None
    assert names() == ["pen"]
