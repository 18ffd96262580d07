"""What a request costs with the middleware, as ratios from one interleaved run of raw ASGI calls.

    pip install -e ".[bench]"
    python -m benchmarks.requests [postgresql-url]

Three questions: a request without SQL against the bare application, a request with one indexed
read against a route that opens a `Session` inline, and 100 requests that read and then wait 0.2
seconds on a pool of five connections against the same routes with a session per request.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from benchmarks.queueing import Clock
from fastapi_sqlalchemy import DBSessionMiddleware, ModelBase, SQLAlchemy

ROUNDS, CALLS = 15, 200
WAITERS, WAIT = 100, 0.2


class Base(ModelBase, DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "benchmark_users"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(index=True)


Call = Callable[[], Awaitable[None]]


def application(route: Callable[..., Any], db: SQLAlchemy | None = None) -> Call:
    app: Any = FastAPI()
    app.add_api_route("/", route, response_model=None)
    if db is not None:
        app.add_middleware(DBSessionMiddleware, db=db, create_all=False)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start" and message["status"] != 200:
            raise RuntimeError("the request failed")

    async def call() -> None:
        scope = {  # the keys that uvicorn gives
            "type": "http",
            "method": "GET",
            "path": "/",
            "raw_path": b"/",
            "query_string": b"",
            "headers": [],
            "root_path": "",
            "scheme": "http",
            "server": ("localhost", 80),
            "client": ("localhost", 1),
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "state": {},
        }
        await app(scope, receive, send)

    return call


@dataclass(frozen=True)
class Figure:
    """One answer: ours in terms of the other."""

    question: str
    ratio: float
    detail: str


async def interleaved(calls: dict[str, Call], rounds: int) -> dict[str, float]:
    """Median seconds per call; the calls take turns, so that noise hits all of them."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        for _ in range(20):
            await call()
    for _ in range(rounds):
        for name, call in calls.items():
            clock = Clock()
            for _ in range(CALLS):
                await call()
            times[name].append(clock.seconds() / CALLS)
    return {name: statistics.median(taken) for name, taken in times.items()}


async def at_once(call: Call) -> float:
    start = time.perf_counter()
    await asyncio.gather(*(call() for _ in range(WAITERS)))
    return time.perf_counter() - start


async def plain(_: Request) -> PlainTextResponse:
    return PlainTextResponse("")


async def awaited(_: Request) -> PlainTextResponse:
    user = await User.query.filter_by(name="user5").afirst()
    return PlainTextResponse(user.name if user else "")


def blocking(_: Request) -> PlainTextResponse:
    user = User.query.filter_by(name="user5").first()
    return PlainTextResponse(user.name if user else "")


async def awaited_then_waits(_: Request) -> PlainTextResponse:
    await User.query.filter_by(name="user5").afirst()
    await asyncio.sleep(WAIT)
    return PlainTextResponse("")


def inline(db: SQLAlchemy, async_engine: AsyncEngine | None) -> dict[str, Callable[..., Any]]:
    """The same routes with a session opened by hand."""

    engine = db.async_engine if async_engine is None else async_engine

    def in_thread(_: Request) -> PlainTextResponse:
        with Session(db.engine) as session:
            user = session.scalars(select(User).filter_by(name="user5").limit(1)).first()
            return PlainTextResponse(user.name if user else "")

    async def in_loop(_: Request) -> PlainTextResponse:
        async with AsyncSession(engine) as session:
            found = await session.scalars(select(User).filter_by(name="user5").limit(1))
            user = found.first()
            return PlainTextResponse(user.name if user else "")

    async def in_loop_then_waits(_: Request) -> PlainTextResponse:
        async with AsyncSession(engine) as session:
            await session.scalars(select(User).filter_by(name="user5").limit(1))
            await asyncio.sleep(WAIT)
            return PlainTextResponse("")

    return {"blocking": in_thread, "awaited": in_loop, "waits": in_loop_then_waits}


def ratio(question: str, times: dict[str, float], theirs: str) -> Figure:
    microseconds = 1e6 * (times["ours"] - times[theirs])
    return Figure(question, times["ours"] / times[theirs], f"{microseconds:+.1f} microseconds")


async def ask(url: str, rounds: int) -> list[Figure]:
    """The answers for one database."""
    pool = {"pool_size": 5, "max_overflow": 0}
    db = SQLAlchemy(url, model_class=Base, engine_args=pool, blocking="allow")
    db.drop_all()
    db.create_all()
    with db(commit_on_exit=True):
        db.session.add_all(User(name=f"user{n}") for n in range(100))
        db.session.flush()
    kind = db.engine.dialect.name
    sqlite = create_async_engine(url.replace("sqlite", "sqlite+aiosqlite"), **pool)
    by_hand = inline(db, sqlite if kind == "sqlite" else None)
    calls = {"bare": application(plain), "ours": application(plain, db)}
    times = await interleaved(calls, rounds)
    found = [ratio(f"{kind}: no SQL / the bare application", times, "bare")]
    for colour, route in (("awaited", awaited), ("blocking", blocking)):
        calls = {"by hand": application(by_hand[colour]), "ours": application(route, db)}
        times = await interleaved(calls, rounds)
        question = f"{kind}: one read, {colour} / a session inline"
        found.append(ratio(question, times, "by hand"))
    if kind == "postgresql":
        ours = await at_once(application(awaited_then_waits, db))
        theirs = await at_once(application(by_hand["waits"]))
        question = f"{kind}: {WAITERS} requests that read, then wait, on a pool of 5"
        found.append(Figure(question, ours / theirs, f"{ours:.2f} s / {theirs:.2f} s"))
    await sqlite.dispose()
    db.drop_all()
    await db.adispose()
    return found


def figures(*servers: str, rounds: int = ROUNDS) -> list[Figure]:
    """The answers, on an SQLite file and on these servers."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "benchmark.db"
        urls = (f"sqlite:///{file}", *servers)
        return [figure for url in urls for figure in asyncio.run(ask(url, rounds))]


def main() -> None:
    for figure in figures(*sys.argv[1:]):
        print(f"{figure.question:60} {figure.ratio:5.2f}   {figure.detail}")


if __name__ == "__main__":
    main()
