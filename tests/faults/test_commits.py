"""With `commit_on_exit` an answer is the truth about what is stored, however the route ends."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Annotated, Any

import pytest
from fastapi import Depends, HTTPException, Response
from fastapi.responses import JSONResponse, StreamingResponse
from sqlalchemy import Connection, Engine, event, exc, orm, select

from fastapi_sqlalchemy.exceptions import SessionClosedError
from fastapi_sqlalchemy.session import Session
from tests.faults.served import Left, Served
from tests.shop import NOWHERE, Entry, Item, db, entries, ledger, names, open_ledger


def end(how: str) -> Response | None:
    match how:
        case "raise":
            raise LookupError
        case "abort":
            raise HTTPException(400)
        case "400":
            return JSONResponse({}, status_code=400)
    return None


@pytest.mark.parametrize(
    ("how", "status", "rows"),
    [("return", 200, ("pen",)), ("raise", 500, ()), ("abort", 400, ()), ("400", 400, ())],
    ids=["return", "raise", "abort", "400"],
)
def test_what_a_route_wrote_is_stored_if_the_answer_says_so(
    served: Served, how: str, status: int, rows: tuple[str, ...]
) -> None:
    def blocking() -> Response | None:
        Item.new(name="pen")
        return end(how)

    async def awaited() -> Response | None:
        await Item.anew(name="pen")
        return end(how)

    served.open()
    client = served.client(served.app(blocking, awaited, commit_on_exit=True))
    assert client.get("/").status_code == status
    assert served.left() == Left(rows)


@pytest.mark.parametrize("commit_on_exit", [True, False])
def test_a_commit_that_fails_is_one_server_error_and_no_row(
    served: Served, commit_on_exit: bool
) -> None:
    def blocking() -> None:
        Entry.new(follows=NOWHERE)

    async def awaited() -> None:
        await Entry.anew(follows=NOWHERE)

    served.open()
    open_ledger(served.url)
    app = served.app(blocking, awaited, databases=[db, ledger], commit_on_exit=commit_on_exit)
    answer = served.client(app).get("/")
    assert (answer.status_code, answer.text) == (500, "Internal Server Error")
    assert served.left() == Left(())
    assert entries() == []


@pytest.mark.parametrize("kind", ["block", "transaction", "nested"])
def test_a_block_whose_commit_fails_raises(served: Served, kind: str) -> None:
    def blocking() -> int:
        match kind:
            case "block":
                with pytest.raises(exc.IntegrityError), ledger(commit_on_exit=True):
                    Entry.new(follows=NOWHERE)
            case "transaction":
                with pytest.raises(exc.IntegrityError), ledger.transaction():
                    Entry.new(follows=NOWHERE)
            case "nested":
                with pytest.raises(exc.IntegrityError), ledger.transaction():
                    with ledger.transaction():
                        Entry.new(follows=NOWHERE)
                    Entry.new(follows=None)
        return Entry.query.count()

    async def awaited() -> int:
        with pytest.raises(exc.IntegrityError):
            match kind:
                case "block":
                    async with ledger(commit_on_exit=True):
                        await Entry.anew(follows=NOWHERE)
                case "transaction":
                    async with ledger.transaction():
                        await Entry.anew(follows=NOWHERE)
                case "nested":
                    async with ledger.transaction():
                        async with ledger.transaction():
                            await Entry.anew(follows=NOWHERE)
                        await Entry.anew(follows=None)
        return await Entry.query.acount()

    served.open()
    open_ledger(served.url)
    app = served.app(blocking, awaited, databases=[db, ledger])
    answer = served.client(app).get("/")
    assert (answer.status_code, answer.text) == (200, "0")
    assert served.left() == Left(())
    assert entries() == []


def test_what_is_stored_can_be_seen_before_the_first_byte_is_sent(served: Served) -> None:
    go_on = threading.Event()

    def body() -> Iterator[str]:
        assert go_on.wait(5)
        yield "the body"

    def blocking() -> StreamingResponse:
        Item.new(name="pen")
        return StreamingResponse(body())

    async def awaited() -> StreamingResponse:
        await Item.anew(name="pen")
        return StreamingResponse(body())

    served.open()
    client = served.client(served.app(blocking, awaited, commit_on_exit=True))
    with client.stream("GET", "/") as answer:
        assert names(served.observer.engine) == ["pen"]
        go_on.set()
        assert answer.read() == b"the body"
    assert served.left() == Left(("pen",))


@pytest.mark.parametrize("commit_on_exit", [True, False])
def test_a_route_without_sql_opens_no_session(served: Served, commit_on_exit: bool) -> None:
    made: list[Session] = []
    init = Session.__init__

    def blocking() -> None: ...

    async def awaited() -> None: ...

    def noting(self: Session, *args: Any, **options: Any) -> None:
        made.append(self)
        init(self, *args, **options)

    served.open()
    client = served.client(served.app(blocking, awaited, commit_on_exit=commit_on_exit))
    lent_before = served.engines.lendings
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, "__init__", noting)
        assert client.get("/").status_code == 200
        assert made == []
        assert served.engines.lendings == lent_before
        assert client.get("/count").status_code == 200
        assert len(made) == 1
    assert served.left() == Left(())


@pytest.mark.parametrize("commit_on_exit", [True, False])
def test_a_route_that_reads_holds_no_connection_and_no_transaction_meanwhile(
    served: Served, commit_on_exit: bool
) -> None:
    read, go_on = threading.Event(), threading.Event()

    def blocking() -> None:
        Item.query.all()
        Item.get(1)
        read.set()
        assert go_on.wait(5)

    async def awaited() -> None:
        await Item.query.aall()
        await Item.aget(1)
        read.set()
        await asyncio.to_thread(go_on.wait, 5)

    served.open("pen")
    app = served.app(blocking, awaited, commit_on_exit=commit_on_exit)
    client = served.client(app)
    with served.thread() as thread:
        asked = thread.submit(client.get, "/")
        assert read.wait(5)
        assert served.engines.lent() == 0
        assert served.observer.at_the_server() == (0, 0)
        go_on.set()
        assert asked.result().status_code == 200
    assert served.left() == Left(("pen",))


def test_a_block_within_a_request_stores_what_the_request_rolls_back_around_it(
    served: Served,
) -> None:
    def blocking() -> None:
        with db(commit_on_exit=True):
            Item.new(name="stored")
        with suppress(LookupError), db(commit_on_exit=True):
            Item.new(name="undone")
            raise LookupError
        with db(commit_on_exit=False):
            Item.new(name="stored at once")
        Item.new(name="of the request")
        raise LookupError

    async def awaited() -> None:
        async with db(commit_on_exit=True):
            await Item.anew(name="stored")
        with suppress(LookupError):
            async with db(commit_on_exit=True):
                await Item.anew(name="undone")
                raise LookupError
        async with db(commit_on_exit=False):
            await Item.anew(name="stored at once")
        await Item.anew(name="of the request")
        raise LookupError

    served.open(commit_on_exit=True)
    client = served.client(served.app(blocking, awaited))
    assert client.get("/").status_code == 500
    assert served.left() == Left(("stored", "stored at once"))


def test_blocks_within_blocks_are_independent(served: Served) -> None:
    def blocking() -> list[bool]:
        with db():
            outer = db.session
            pen = Item.query.one()
            with db():
                Item.new(name="inner")
                inner = db.session
            with db(join=True):
                joined = db.session
            found = [item is pen for item in Item.query.order_by(Item.id)]
        return [*found, inner is outer, joined is outer]

    async def awaited() -> list[bool]:
        async with db():
            outer = db.session
            pen = await Item.query.aone()
            async with db():
                await Item.anew(name="inner")
                inner = db.session
            async with db(join=True):
                joined = db.session
            found = [item is pen for item in await Item.query.order_by(Item.id)]
        return [*found, inner is outer, joined is outer]

    served.open("pen")
    client = served.client(served.app(blocking, awaited))
    answer = client.get("/")
    assert (answer.status_code, answer.json()) == (200, [True, False, False, True])
    assert served.left() == Left(("inner", "pen"))


def test_a_def_dependency_and_a_route_that_both_write_are_one_transaction(
    served: Served,
) -> None:
    sessions: list[orm.Session] = []
    records: list[Item] = []
    commits: list[Connection] = []

    def committed(connection: Connection) -> None:
        commits.append(connection)

    def dependency() -> None:
        sessions.append(db.session)
        records.append(Item.new(name="pen"))

    def blocking(_: Annotated[None, Depends(dependency)]) -> None:
        sessions.append(db.session)
        records.append(Item.query.filter_by(name="pen").one())
        Item.new(name="cap")

    async def awaited(_: Annotated[None, Depends(dependency)]) -> None:
        sessions.append(db.session)
        records.append(await Item.query.filter_by(name="pen").aone())
        await Item.anew(name="cap")

    served.open()
    client = served.client(served.app(blocking, awaited, commit_on_exit=True))
    event.listen(Engine, "commit", committed)
    try:
        assert client.get("/").status_code == 200
    finally:
        event.remove(Engine, "commit", committed)
    assert (len(set(sessions)), len(set(records)), len(commits)) == (1, 1, 1)
    assert served.left() == Left(("cap", "pen"))


def test_an_async_dependency_and_a_def_route_that_both_write_are_one_transaction(
    served: Served,
) -> None:
    sessions: list[orm.Session] = []

    async def dependency() -> None:
        sessions.append(db.session)
        await Item.anew(name="pen")

    def blocking(_: Annotated[None, Depends(dependency)]) -> None:
        sessions.append(db.session)
        Item.new(name="cap")
        raise LookupError

    async def awaited(_: Annotated[None, Depends(dependency)]) -> None:
        sessions.append(db.session)
        await asyncio.to_thread(Item.new, name="cap")
        raise LookupError

    served.open()
    client = served.client(served.app(blocking, awaited, commit_on_exit=True))
    assert client.get("/").status_code == 500
    assert len(set(sessions)) == 1
    assert served.left() == Left(())


def test_the_session_of_a_request_that_was_kept_tells_that_it_is_over(served: Served) -> None:
    kept: list[Any] = []

    def blocking() -> None:
        Item.query.all()
        kept.append(db.session)

    async def awaited() -> None:
        await Item.query.aall()
        kept.append(db.async_session)

    served.open("pen")
    client = served.client(served.app(blocking, awaited))
    assert client.get("/").status_code == 200
    assert served.left() == Left(("pen",))
    lendings = served.engines.lendings

    async def use() -> None:
        result = kept[0].scalars(select(Item))
        if served.colour == "async":
            await result

    with pytest.raises(SessionClosedError, match="Open a scope of its own"):
        asyncio.run(use())
    assert (served.engines.lendings, served.engines.lent()) == (lendings, 0)
