"""Event loops that run at once, each in a thread of its own, share one database object."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from fastapi import FastAPI

from fastapi_sqlalchemy import DBSessionMiddleware
from tests.databases import Databases
from tests.faults.served import Left, Served
from tests.serving import Serve
from tests.shop import Item, db, names, open_shop

LOOPS = 4
ROUNDS = 10

AWAITED = pytest.mark.parametrize(
    "served", ["psycopg-async", "asyncpg-async", "mariadb-async", "sqlite-async"], indirect=True
)


@AWAITED
def test_loops_at_once_read_and_write(served: Served) -> None:
    together = threading.Barrier(LOOPS, timeout=10)

    async def work(loop: int) -> list[int]:
        await asyncio.to_thread(together.wait)

        async def job(number: int) -> int:
            async with db(commit_on_exit=True):
                item = await Item.anew(name=f"{loop} {number}")
                return len(await Item.query.filter_by(name=item.name).aall())

        return await asyncio.gather(*(job(number) for number in range(ROUNDS)))

    served.open(engine_args={"pool_size": 2, "max_overflow": 0, "pool_timeout": 20})
    with ThreadPoolExecutor(LOOPS) as threads:
        found = list(threads.map(lambda loop: asyncio.run(work(loop)), range(LOOPS)))
    assert found == [[1] * ROUNDS] * LOOPS
    rows = tuple(f"{loop} {number}" for loop in range(LOOPS) for number in range(ROUNDS))
    assert served.left() == Left(rows)


@AWAITED
def test_a_loop_that_ends_leaves_the_others_their_connections(served: Served) -> None:
    ended = threading.Event()

    async def short() -> int:
        async with db():
            return await Item.query.acount()

    async def long() -> list[int]:
        async with db():
            before = await Item.query.acount()
            async with db.transaction():
                await Item.anew(name="cap")
                assert await asyncio.to_thread(ended.wait, 10)
                await Item.anew(name="hat")
            return [before, await Item.query.acount()]

    served.open("pen")
    with ThreadPoolExecutor(1) as thread:
        other = thread.submit(asyncio.run, long())
        assert asyncio.run(short()) == 1
        ended.set()
        assert other.result() == [1, 3]
    assert served.left() == Left(("cap", "hat", "pen"))


def test_two_servers_in_one_process_share_a_database(
    server_url: str, serve: Serve, connections: Databases
) -> None:
    open_shop(server_url)

    def application() -> FastAPI:
        app = FastAPI()
        app.add_middleware(DBSessionMiddleware, db=db, commit_on_exit=True)

        @app.get("/async/{name}")
        async def awaited(name: str) -> None:
            await Item.anew(name=name)

        @app.get("/def/{name}")
        def blocking(name: str) -> None:
            Item.new(name=name)

        return app

    addresses = [serve(application()), serve(application())]
    paths = [f"{colour}/{colour} {n}" for colour in ("async", "def") for n in range(10)]
    with ThreadPoolExecutor(8) as threads, httpx.Client(verify=False) as client:
        asked = [
            threads.submit(client.get, f"{address}/{path} of server {server}")
            for server, address in enumerate(addresses)
            for path in paths
        ]
        assert {answer.result().status_code for answer in asked} == {200}
    assert len(names()) == 40
    assert connections(server_url).idle_in_transaction == 0
