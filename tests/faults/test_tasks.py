"""Tasks and threads that a route starts share its session, take turns, or are told why not."""

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from fastapi_sqlalchemy.exceptions import MissingSessionError
from tests.faults.served import Left, Served
from tests.shop import Item, db

AWAITED = pytest.mark.parametrize(
    "served", ["psycopg-async", "asyncpg-async", "mariadb-async", "sqlite-async"], indirect=True
)


@AWAITED
@pytest.mark.parametrize("commit_on_exit", [True, False])
def test_two_queries_at_once_take_turns(served: Served, commit_on_exit: bool) -> None:
    async def route() -> list[int]:
        await Item.anew(name="cap")
        one, count, items = await asyncio.gather(
            Item.aget(1), Item.query.acount(), Item.query.aall()
        )
        assert one in items
        return [count, len(items)]

    served.open("pen")
    client = served.client(served.app(awaited=route, commit_on_exit=commit_on_exit))
    answer = client.get("/")
    assert (answer.status_code, answer.text) == (200, "[2,2]")
    assert served.left() == Left(("cap", "pen"))


@AWAITED
@pytest.mark.parametrize("commit_on_exit", [True, False])
def test_writes_at_once_are_all_stored(served: Served, commit_on_exit: bool) -> None:
    names = [f"{number:02}" for number in range(10)]

    async def route() -> None:
        await asyncio.gather(*(Item.anew(name=name) for name in names))

    served.open()
    client = served.client(served.app(awaited=route, commit_on_exit=commit_on_exit))
    assert client.get("/").status_code == 200
    assert served.left() == Left(tuple(names))


@AWAITED
def test_a_task_of_a_group_that_fails_ends_the_others_and_the_request(served: Served) -> None:
    async def fail() -> None:
        await Item.anew(name="cap")
        await asyncio.to_thread(served.observer.until_slow_ones, 2)
        raise LookupError

    async def ask() -> None:
        async with db():
            await Item.query.filter(served.slow()).aall()

    async def route() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())
            group.create_task(ask())
            group.create_task(ask())

    served.open("pen", commit_on_exit=True)
    client = served.client(served.app(awaited=route))
    assert client.get("/").status_code == 500
    assert served.left() == Left(("pen",))


def test_a_thread_of_the_users_has_no_session_but_can_be_given_the_requests(
    served: Served,
) -> None:
    outcomes: list[Any] = []

    def in_a_thread() -> None:
        with ThreadPoolExecutor(1) as thread:
            outcomes.append(type(thread.submit(Item.query.count).exception()))
            context = contextvars.copy_context()
            outcomes.append(thread.submit(context.run, lambda: db.session).result())
            item = thread.submit(context.run, lambda: Item.new(name="cap")).result()
            outcomes.append(item)

    def blocking() -> bool:
        Item.query.all()
        in_a_thread()
        return Item.get(name="cap") is outcomes[2] and db.session is outcomes[1]

    async def awaited() -> bool:
        await Item.query.aall()
        await asyncio.to_thread(in_a_thread)
        return await Item.aget(name="cap") is outcomes[2] and db.session is outcomes[1]

    served.open("pen")
    client = served.client(served.app(blocking, awaited, commit_on_exit=True))
    answer = client.get("/")
    assert (answer.status_code, answer.text) == (200, "true")
    assert outcomes[0] is MissingSessionError
    assert served.left() == Left(("cap", "pen"))


def test_threads_that_share_the_session_of_a_request_take_turns(served: Served) -> None:
    names = [f"{number:02}" for number in range(10)]
    together = threading.Barrier(10, timeout=5)

    def save(name: str) -> int:
        together.wait()
        Item.new(name=name)
        return Item.query.filter_by(name=name).count()

    def in_threads() -> list[int]:
        with ThreadPoolExecutor(10) as threads:
            contexts = [contextvars.copy_context() for _ in names]
            saving = [
                threads.submit(context.run, save, name)
                for context, name in zip(contexts, names, strict=True)
            ]
            return [each.result() for each in saving]

    def blocking() -> list[int]:
        Item.query.all()
        return in_threads()

    async def awaited() -> list[int]:
        await Item.query.aall()
        return await asyncio.to_thread(in_threads)

    served.open()
    client = served.client(served.app(blocking, awaited, commit_on_exit=True))
    answer = client.get("/")
    assert (answer.status_code, answer.json()) == (200, [1] * 10)
    assert served.left() == Left(tuple(names))
