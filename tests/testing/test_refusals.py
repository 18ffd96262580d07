"""What one connection cannot isolate is refused by name, and nothing slips past it."""

import asyncio
import os

import pytest
from sqlalchemy import create_engine, text

from fastapi_sqlalchemy import SQLAlchemy
from fastapi_sqlalchemy.exceptions import IsolationError, SessionNotInitialisedError
from tests.shop import Item, db, lent, names, open_shop


def test_a_database_without_a_url_cannot_be_tested() -> None:
    with pytest.raises(SessionNotInitialisedError), SQLAlchemy().testing():
        pass


def test_a_connection_in_use_is_refused(url: str) -> None:
    open_shop(url)
    with db():
        db.session.add(Item(name="pen"))
        db.session.flush()
        with pytest.raises(IsolationError, match="found 1 in use"), db.testing():
            pass
        db.session.commit()
    assert names() == ["pen"]


@pytest.mark.parametrize("statement", ["COMMIT", "rollback", "END", "PREPARE TRANSACTION 'x'"])
def test_a_statement_that_ends_the_transaction_is_refused(url: str, statement: str) -> None:
    open_shop(url)
    with db.testing(), db():
        Item.new(name="pen")
        with pytest.raises(IsolationError, match=statement.split(maxsplit=1)[0].upper()):
            db.session.execute(text(statement))
        db.session.rollback()
        assert Item.query.count() == 1
    assert names() == []


def test_a_statement_that_commits_by_itself_is_refused_once_there_are_rows(mysql_url: str) -> None:
    open_shop(mysql_url)
    with db.testing(), db():
        db.session.execute(text("CREATE TABLE notes (id INTEGER)"))
        Item.new(name="pen")
        with pytest.raises(IsolationError, match="commits before CREATE"):
            db.session.execute(text("CREATE TABLE more (id INTEGER)"))
        db.session.rollback()
        db.session.execute(text("CREATE TEMPORARY TABLE more (id INTEGER)"))
    assert names() == []


def test_the_asyncio_engine_is_refused(postgres_url: str) -> None:
    open_shop(postgres_url)

    async def main() -> None:
        engine = db.async_engine
        async with db():
            await Item.query.acount()
            async with db.testing():
                with pytest.raises(IsolationError, match="asyncio engine"):
                    _ = db.async_engine
                with pytest.raises(IsolationError, match="from before the block"):
                    await Item.anew(name="of a session from before")
                with pytest.raises(IsolationError, match="from before the block"):
                    async with engine.begin():
                        pass
            assert await Item.query.acount() == 0
        assert lent() == 0

    asyncio.run(main())


def test_sessions_with_engines_of_their_own_are_refused() -> None:
    other = create_engine("sqlite://")
    database = SQLAlchemy("sqlite://", session_args={"binds": {Item: other}})
    with pytest.raises(IsolationError, match="`binds` in `session_args`"), database.testing():
        pass


def test_the_database_stays_where_it_is(sqlite_file_url: str) -> None:
    open_shop(sqlite_file_url)
    with db.testing(), db():
        Item.new(name="pen")
        db.init(sqlite_file_url)  # as the middleware of the legacy form does at start-up
        assert Item.query.count() == 1
        with pytest.raises(IsolationError, match="init"):
            db.init("sqlite://")
        db.dispose()
        assert Item.query.count() == 1
    assert names() == []


def test_the_reason_of_a_lost_connection_is_told(server_url: str) -> None:
    open_shop(server_url)
    killer = create_engine(server_url)
    with db.testing(), db():
        Item.new(name="pen")
        with killer.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            if server_url.startswith("mysql"):
                found = connection.scalars(
                    text(
                        "SELECT id FROM information_schema.processlist"
                        " WHERE db = database() AND id <> connection_id()"
                    )
                ).one()
                connection.execute(text(f"KILL CONNECTION {int(found)}"))
            else:
                connection.scalars(
                    text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )
                ).all()
        with pytest.raises(Exception):  # noqa: B017, PT011 - the driver's word for it
            Item.query.count()
        with pytest.raises(IsolationError, match="lost"):
            Item.query.count()
    killer.dispose()
    with db():
        assert Item.query.count() == 0
    assert lent() == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_a_child_process_does_not_use_the_connection_of_its_parent(postgres_url: str) -> None:
    open_shop(postgres_url)
    with db.testing(), db():
        Item.new(name="pen")
        if (child := os.fork()) == 0:
            try:
                with db():
                    Item.query.count()
            except IsolationError:
                os._exit(7)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert Item.query.count() == 1
