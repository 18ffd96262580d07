"""A database object may get its URL late, and another one later."""

import asyncio
import gc

import pytest

from fastapi_sqlalchemy import SQLAlchemy
from fastapi_sqlalchemy.exceptions import MissingSessionError, SessionNotInitialisedError
from tests.databases import Databases
from tests.shop import Item, db, open_shop
from tests.verbs import Verb


def test_without_a_url_a_block_says_how_to_give_one(verb: Verb) -> None:
    with pytest.raises(SessionNotInitialisedError, match=r"init\(url"), verb.scope(SQLAlchemy()):
        pass


def test_without_a_url_every_access_says_how_to_give_one() -> None:
    empty = SQLAlchemy()
    for access in (lambda: empty.session, lambda: empty.engine, empty.create_all):
        with pytest.raises(SessionNotInitialisedError, match=r"init\(url"):
            access()


async def test_without_a_url_every_awaited_access_says_how_to_give_one() -> None:
    empty = SQLAlchemy()
    with pytest.raises(SessionNotInitialisedError):
        _ = empty.async_session
    with pytest.raises(SessionNotInitialisedError):
        _ = empty.async_engine
    with pytest.raises(SessionNotInitialisedError):
        await empty.acreate_all()


def test_a_url_given_late_is_as_good_as_one_given_at_once(verb: Verb) -> None:
    late = SQLAlchemy()
    late.init("sqlite://")
    with verb.scope(late):
        assert verb.inside(lambda: late.session) is not None
    with pytest.raises(MissingSessionError):
        _ = late.session


async def test_a_second_init_closes_the_connections_of_the_event_loop(
    server_url: str, connections: Databases
) -> None:
    open_shop(server_url)
    async with db():
        await Item.query.acount()
    assert connections.settle(server_url, open=2).open == 2
    db.init("sqlite://")
    for _ in range(100):  # turns of the loop, which is what closes them
        await asyncio.sleep(0)
    gc.collect()
    assert (await asyncio.to_thread(connections.settle, server_url)).open == 0


def test_after_a_second_init_the_second_database_is_used(postgres_url: str, verb: Verb) -> None:
    open_shop("sqlite://", "first")
    open_shop(postgres_url, "second")
    with verb.scope(db):
        assert [item.name for item in verb(Item.query, "all")] == ["second"]


def test_after_a_second_init_its_options_hold_and_no_others(verb: Verb) -> None:
    open_shop("sqlite://", commit_on_exit=True, session_args={"autoflush": False})
    open_shop("sqlite://")
    with verb.scope(db):
        assert verb.inside(lambda: db.session.autoflush)
        verb.inside(lambda: db.session.add(Item(name="pen")))
    with verb.scope(db):
        assert verb(Item.query, "count") == 0
