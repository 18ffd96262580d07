"""Options of the database that reach its session and its records."""

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Connection, Engine, MetaData, create_engine, event, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from fastapi_sqlalchemy import DBSessionMiddleware, ModelBase, SQLAlchemy
from tests.blog import User, created
from tests.blog import db as blog
from tests.statements import sent, verbs_of


def test_a_saved_record_expires_where_expire_on_commit_is_asked_for(url: str) -> None:
    with created(blog, url) as db, db({"expire_on_commit": True}):
        user = User.new(email="ada@x")
        with sent() as statements:
            assert user.email == "ada@x"
    assert verbs_of(statements) == ["SELECT"]


def test_a_saved_record_does_not_expire_otherwise(url: str) -> None:
    with created(blog, url) as db, db():
        user = User.new(email="ada@x")
        with sent() as statements:
            assert user.email == "ada@x"
    assert statements == []


def make(url: str = "sqlite://", **options: Any) -> tuple[SQLAlchemy, type[Any]]:
    class Base(ModelBase, DeclarativeBase):
        pass

    class Note(Base):
        __tablename__ = "notes"

        id: Mapped[int] = mapped_column(primary_key=True)

    db = SQLAlchemy(url, model_class=Base, **options)
    db.create_all()
    return db, Note


def test_session_args_of_the_database_apply_to_every_scope() -> None:
    db, note = make(session_args={"expire_on_commit": True})
    for _ in range(2):
        with db():
            record = note.new()
            with sent() as statements:
                assert record.id is not None
            assert verbs_of(statements) == ["SELECT"]
    db.dispose()


def test_session_args_of_a_scope_are_laid_over_those_of_the_database() -> None:
    db, _ = make(session_args={"expire_on_commit": True, "autoflush": False})
    with db(session_args={"expire_on_commit": False}):
        session = db.session
        assert (session.expire_on_commit, session.autoflush) == (False, False)
    with db():
        assert db.session.expire_on_commit
    db.dispose()


def test_the_dictionaries_of_the_caller_are_not_changed() -> None:
    session_args = {"expire_on_commit": True, "info": {"of": "the caller"}}
    engine_args = {"echo": False, "connect_args": {"timeout": 5}}
    db, note = make(session_args=session_args, engine_args=engine_args)
    with db(session_args), db(session_args):
        note.new()
    assert session_args == {"expire_on_commit": True, "info": {"of": "the caller"}}
    assert engine_args == {"echo": False, "connect_args": {"timeout": 5}}
    db.dispose()


def test_a_change_of_the_callers_dictionary_comes_too_late() -> None:
    session_args = {"autoflush": False}
    db, _ = make(session_args=session_args)
    session_args["autoflush"] = True
    with db():
        assert db.session.autoflush is False
    db.dispose()


def test_engines_of_some_models_are_those_of_their_statements(sqlite_file_url: str) -> None:
    engine = create_engine(sqlite_file_url)
    binds: dict[type, Engine] = {}
    db, note = make(session_args={"binds": binds})
    binds[note] = engine
    db.metadata.create_all(engine)
    with db():
        note.new()
        assert note.query.count() == 1
    with engine.connect() as there, db.engine.connect() as elsewhere:
        assert [len(each.execute(select(note)).all()) for each in (there, elsewhere)] == [1, 0]
    engine.dispose()
    db.dispose()


def test_a_session_class_of_the_users_adds_its_methods() -> None:
    class Counting(Session):
        def doubled(self, number: int) -> int:
            return number * 2

    db, note = make(session_args={"class_": Counting})
    with db():
        note.new()
        session: Any = db.session
        assert isinstance(session, Counting)
        assert session.doubled(note.query.count()) == 2
    db.dispose()


def test_an_engine_of_the_callers_needs_no_url() -> None:
    engine = create_engine("sqlite://")
    db = SQLAlchemy(custom_engine=engine)
    assert db.engine is engine
    assert db.url == engine.url
    engine.dispose()


@pytest.mark.parametrize("option", ["custom_engine", "engine"])
def test_an_engine_of_the_callers_serves_the_verbs(option: str, sqlite_file_url: str) -> None:
    engine = create_engine(sqlite_file_url)
    db, note = make("sqlite:///unused.db", **{option: engine})
    with db():
        note.new()
        assert note.query.count() == 1
    engine.dispose()


def test_the_metadata_of_a_database_collects_the_tables_of_its_models() -> None:
    db, note = make()
    assert isinstance(db.metadata, MetaData)
    assert db.metadata is db.Base.metadata
    assert db.metadata.tables == {"notes": note.__table__}
    db.dispose()


def test_a_metadata_of_the_callers_is_used() -> None:
    metadata = MetaData(schema="main")
    assert SQLAlchemy(metadata=metadata).metadata is metadata


def test_two_databases_collect_their_tables_apart() -> None:
    assert SQLAlchemy().metadata is not SQLAlchemy().metadata


def test_an_awaited_verb_of_a_route_with_a_path_parameter_uses_the_asyncio_driver(
    server_url: str,
) -> None:
    drivers: list[bool] = []

    def note(connection: Connection, *_: Any) -> None:
        drivers.append(connection.dialect.is_async)

    async def main(db: SQLAlchemy) -> list[int]:
        app = FastAPI()
        app.add_middleware(DBSessionMiddleware, db=db, create_all=False)

        @app.get("/users/{user_id}")
        async def show(user_id: int) -> dict[str, Any]:
            found = await User.aget(user_id)
            return {} if found is None else found.to_dict()

        @app.get("/users")
        async def count() -> int:
            return await User.query.acount()

        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return [
                (await client.get(path)).status_code
                for path in ("/users", "/users/1", "/users/1?more=2")
            ]

    with created(blog, server_url) as db:
        event.listen(Engine, "before_cursor_execute", note)
        try:
            assert asyncio.run(main(db)) == [200, 200, 200]
        finally:
            event.remove(Engine, "before_cursor_execute", note)
    assert drivers == [True, True, True]


def test_a_record_saved_by_an_asyncio_driver_can_be_read_although_it_expires(
    postgres_url: str,
) -> None:
    async def main() -> dict[str, Any]:
        async with blog({"expire_on_commit": True}):
            user = await User.anew(email="ada@x")
            return (await user.aupdate(name="Ada")).to_dict()

    with created(blog, postgres_url):
        assert asyncio.run(main()) == {"id": 1, "email": "ada@x", "name": "Ada"}
