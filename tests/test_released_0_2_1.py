"""What was written for fastapi-sqlalchemy 0.2.1 goes on working: one global `db`, one middleware.

The models are the user's own, without a base of ours.
"""

import json
import threading
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, HTTPException
from sqlalchemy import Engine, String, create_engine, insert, make_url, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from starlette.middleware.base import RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import Response

import fastapi_sqlalchemy
from fastapi_sqlalchemy.exceptions import (
    BlockingCallWarning,
    MissingSessionError,
    SessionNotInitialisedError,
)
from fastapi_sqlalchemy.middleware import DBSessionMiddleware, db
from tests.web.asgi import get


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50), unique=True)


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """The global `db` as it is before anybody gives it a URL."""
    yield
    db.dispose()
    db.init()


@pytest.fixture
def engine(sqlite_file_url: str) -> Iterator[Engine]:
    """The user's own engine for the database, which has its table and one user."""
    engine = create_engine(sqlite_file_url)
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(User).values(name="Ada"))
    yield engine
    engine.dispose()


def names(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.scalars(select(User.name).order_by(User.id)))


async def nothing(*_: object) -> None: ...


def start(url: Any, **options: Any) -> None:
    """What Starlette does with a middleware when the application starts."""
    DBSessionMiddleware(nothing, url, **options)


def application(url: str, **options: Any) -> FastAPI:
    app = FastAPI()
    app.add_middleware(DBSessionMiddleware, db_url=url, **options)
    return app


def test_the_names_are_where_they_were() -> None:
    assert fastapi_sqlalchemy.db is db
    assert fastapi_sqlalchemy.DBSessionMiddleware is DBSessionMiddleware
    assert {"db", "DBSessionMiddleware"} <= set(fastapi_sqlalchemy.__all__)
    assert issubclass(MissingSessionError, Exception)
    assert issubclass(SessionNotInitialisedError, Exception)


def test_the_errors_can_be_raised_without_arguments() -> None:
    assert "with db():" in str(MissingSessionError())
    assert "DBSessionMiddleware" in str(SessionNotInitialisedError())


def test_a_middleware_needs_a_url_or_an_engine() -> None:
    with pytest.raises(ValueError, match="You need to pass a db_url or a custom_engine parameter"):
        DBSessionMiddleware(nothing)


def test_an_unknown_argument_is_refused() -> None:
    options: Any = {"invalid_args": "test"}
    with pytest.raises(TypeError, match="unexpected keyword argument 'invalid_args'"):
        DBSessionMiddleware(nothing, db_url="sqlite://", **options)


@pytest.mark.parametrize("given", [str, make_url])
def test_a_url_is_a_string_or_a_url_object(
    engine: Engine, sqlite_file_url: str, given: Callable[[str], Any]
) -> None:
    start(given(sqlite_file_url))
    with db():
        assert db.session.query(User).count() == 1


def test_an_engine_needs_no_url(engine: Engine) -> None:
    DBSessionMiddleware(nothing, custom_engine=engine)
    with db():
        assert db.session.get_bind() is engine
        assert db.session.query(User).count() == 1


def test_an_engine_comes_before_a_url(engine: Engine) -> None:
    DBSessionMiddleware(nothing, db_url="sqlite://", custom_engine=engine)
    with db():
        assert db.session.query(User).count() == 1


async def test_an_engine_comes_before_a_url_in_awaited_calls_too(
    postgres_url: str, engine: Engine
) -> None:
    DBSessionMiddleware(nothing, db_url=postgres_url, custom_engine=engine)
    async with db():
        assert await db.async_session.scalar(select(User.name)) == "Ada"


def test_the_order_of_the_arguments_is_kept(engine: Engine) -> None:
    DBSessionMiddleware(nothing, None, engine, {}, {"autoflush": False}, True)
    with db():
        assert db.session.get_bind() is engine


def test_engine_args_are_those_of_create_engine(sqlite_file_url: str) -> None:
    start(sqlite_file_url, engine_args={"logging_name": "theirs"})
    assert db.engine.logging_name == "theirs"


async def test_session_args_are_those_of_the_sessions_of_requests(sqlite_file_url: str) -> None:
    app = application(sqlite_file_url, session_args={"autoflush": False})
    app.get("/")(lambda: db.session.autoflush)
    assert (await get(app)).body == b"false"


def test_session_args_are_those_of_sessions_outside_of_requests_too(sqlite_file_url: str) -> None:
    start(sqlite_file_url, session_args={"autoflush": False, "expire_on_commit": True})
    with db():
        assert (db.session.autoflush, db.session.expire_on_commit) == (False, True)


def test_the_dictionaries_given_are_left_alone(sqlite_file_url: str) -> None:
    engine_args, session_args = {"logging_name": "theirs"}, {"autoflush": False}
    start(sqlite_file_url, engine_args=engine_args, session_args=session_args)
    with db(session_args=session_args):
        db.session.connection()
    assert (engine_args, session_args) == ({"logging_name": "theirs"}, {"autoflush": False})


def test_the_middleware_made_last_decides_which_database_it_is(
    engine: Engine, sqlite_file_url: str
) -> None:
    start("sqlite://")
    start(sqlite_file_url)
    with db():
        assert db.session.query(User).count() == 1


def test_without_a_middleware_there_is_no_session() -> None:
    with pytest.raises(SessionNotInitialisedError):
        _ = db.session
    with pytest.raises(SessionNotInitialisedError), db():
        pass


async def test_without_a_middleware_there_is_none_in_a_route_either() -> None:
    app = FastAPI()
    app.get("/")(lambda: db.session)
    assert isinstance((await get(app)).error, SessionNotInitialisedError)


def test_outside_of_a_request_there_is_no_session(sqlite_file_url: str) -> None:
    start(sqlite_file_url)
    with pytest.raises(MissingSessionError):
        _ = db.session


async def test_a_route_has_a_session_of_sqlalchemy(sqlite_file_url: str) -> None:
    app = application(sqlite_file_url)
    seen: list[Session] = []
    app.get("/")(lambda: seen.append(db.session))
    assert (await get(app)).status == 200
    assert isinstance(seen[0], Session)


async def test_a_route_returns_the_records_it_queried(engine: Engine, sqlite_file_url: str) -> None:
    app = application(sqlite_file_url)

    @app.get("/users", response_model=None)
    def get_users() -> list[User]:
        return db.session.query(User).all()

    assert json.loads((await get(app, "/users")).body) == [{"id": 1, "name": "Ada"}]


async def test_a_route_commits_what_it_adds(engine: Engine, sqlite_file_url: str) -> None:
    app = application(sqlite_file_url)

    @app.get("/")
    def route() -> None:
        db.session.add(User(name="Grace"))
        db.session.commit()
        db.session.add(User(name="forgotten"))
        db.session.flush()

    assert (await get(app)).status == 200
    assert names(engine) == ["Ada", "Grace"]


@pytest.mark.parametrize("commit_on_exit", [True, False])
async def test_commit_on_exit_is_for_requests(
    engine: Engine, sqlite_file_url: str, commit_on_exit: bool
) -> None:
    app = application(sqlite_file_url, commit_on_exit=commit_on_exit)
    app.get("/")(lambda: db.session.add(User(name="Grace")))
    await get(app)
    assert names(engine) == (["Ada", "Grace"] if commit_on_exit else ["Ada"])


async def test_an_exception_in_a_route_rolls_back(engine: Engine, sqlite_file_url: str) -> None:
    app = application(sqlite_file_url, commit_on_exit=True)

    @app.get("/")
    def route() -> None:
        db.session.add(User(name="Grace"))
        db.session.flush()
        raise LookupError

    assert isinstance((await get(app)).error, LookupError)
    assert names(engine) == ["Ada"]


@pytest.mark.filterwarnings("always::fastapi_sqlalchemy.exceptions.BlockingCallWarning")
async def test_an_async_route_works_and_is_warned(engine: Engine, sqlite_file_url: str) -> None:
    app = application(sqlite_file_url)

    @app.get("/")
    async def route() -> int:
        db.session.add(User(name="Grace"))
        db.session.commit()
        return db.session.query(User).count()

    with pytest.warns(BlockingCallWarning):
        assert (await get(app)).body == b"2"


async def test_dependencies_and_the_route_share_the_session(
    engine: Engine, sqlite_file_url: str
) -> None:
    app = application(sqlite_file_url)

    def first_user() -> User:
        return db.session.query(User).one()

    @app.get("/")
    def route(user: Annotated[Any, Depends(first_user)]) -> bool:
        return db.session.query(User).one() is user and user in db.session

    assert (await get(app)).body == b"true"


async def test_an_aborted_request_leaves_the_next_one_alone(
    engine: Engine, sqlite_file_url: str
) -> None:
    app = application(sqlite_file_url)

    @app.get("/abort")
    def abort() -> None:
        db.session.add(User(name="Ada"))
        db.session.flush()

    @app.get("/missing")
    def missing() -> None:
        db.session.query(User).all()
        raise HTTPException(404)

    app.get("/")(lambda: db.session.query(User).count())
    assert (await get(app, "/abort")).status == 500
    assert (await get(app, "/missing")).status == 404
    assert (await get(app)).body == b"1"


def test_a_block_yields_db(sqlite_file_url: str) -> None:
    start(sqlite_file_url)
    with db() as entered:
        assert entered is db
        assert entered.session is db.session


def test_a_block_reads_and_writes(engine: Engine, sqlite_file_url: str) -> None:
    start(sqlite_file_url)
    with db():
        assert [user.name for user in db.session.query(User).all()] == ["Ada"]
        db.session.add(User(name="Grace"))
        db.session.commit()
        assert db.session.query(User).filter_by(name="Grace").one().id == 2
    assert names(engine) == ["Ada", "Grace"]


def test_a_block_works_in_a_thread_of_a_scheduler(engine: Engine, sqlite_file_url: str) -> None:
    start(sqlite_file_url)
    counted: list[int] = []

    def count() -> None:
        with db():
            counted.append(db.session.query(User).count())

    thread = threading.Thread(target=count)
    thread.start()
    thread.join()
    assert counted == [1]


def test_after_a_block_there_is_no_session(sqlite_file_url: str) -> None:
    start(sqlite_file_url)
    with db():
        _ = db.session
    with pytest.raises(MissingSessionError):
        _ = db.session


def test_a_block_object_can_be_entered_again(engine: Engine, sqlite_file_url: str) -> None:
    start(sqlite_file_url)
    block = db()
    for _ in range(2):
        with block:
            assert db.session.query(User).count() == 1


@pytest.mark.parametrize("positional", [True, False])
def test_session_args_of_a_block_are_for_its_session(
    sqlite_file_url: str, positional: bool
) -> None:
    start(sqlite_file_url, session_args={"autoflush": True})
    session_args = {"autoflush": False}
    with db(session_args) if positional else db(session_args=session_args):
        assert not db.session.autoflush
    with db():
        assert db.session.autoflush


def test_a_block_keeps_only_what_was_committed(engine: Engine, sqlite_file_url: str) -> None:
    start(sqlite_file_url)
    with db():
        db.session.add(User(name="Grace"))
        db.session.flush()
    assert names(engine) == ["Ada"]


@pytest.mark.parametrize("positional", [True, False])
def test_a_block_may_commit_on_exit(engine: Engine, sqlite_file_url: str, positional: bool) -> None:
    start(sqlite_file_url)
    with db(None, True) if positional else db(commit_on_exit=True):
        db.session.add(User(name="Grace"))
    assert names(engine) == ["Ada", "Grace"]


def test_commit_on_exit_of_the_middleware_is_not_for_blocks(
    engine: Engine, sqlite_file_url: str
) -> None:
    start(sqlite_file_url, commit_on_exit=True)
    with db():
        db.session.add(User(name="Grace"))
        db.session.flush()
    assert names(engine) == ["Ada"]


@pytest.mark.parametrize("commit_on_exit", [True, False])
def test_an_exception_in_a_block_rolls_back(
    engine: Engine, sqlite_file_url: str, commit_on_exit: bool
) -> None:
    start(sqlite_file_url)

    def fail() -> None:
        with db(commit_on_exit=commit_on_exit):
            db.session.add(User(name="Grace"))
            db.session.flush()
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert names(engine) == ["Ada"]


def test_nested_blocks_are_independent(engine: Engine, sqlite_file_url: str) -> None:
    start(sqlite_file_url)
    with db():
        outer = db.session
        ada = outer.query(User).one()
        with db():
            assert db.session is not outer
            assert db.session.query(User).one() is not ada
            db.session.add(User(name="Grace"))
            db.session.commit()
        assert db.session is outer
    assert names(engine) == ["Ada", "Grace"]


def test_a_block_within_a_block_does_not_commit_the_one_around_it(
    engine: Engine, sqlite_file_url: str
) -> None:
    start(sqlite_file_url)
    with db():
        db.session.add(User(name="Grace"))
        with db(commit_on_exit=True):
            assert db.session.query(User).count() == 1
    assert names(engine) == ["Ada"]


async def test_a_block_within_a_request_has_a_session_of_its_own(
    engine: Engine, sqlite_file_url: str
) -> None:
    app = application(sqlite_file_url)

    @app.get("/")
    def route() -> bool:
        around = db.session
        with db():
            independent = db.session is not around
        return independent and db.session is around

    assert (await get(app)).body == b"true"


class Counting(DBSessionMiddleware):
    """What 0.2.1 called with every request can still be overridden."""

    served = 0

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        with db():
            type(self).served += 1
        return await super().dispatch(request, call_next)


@pytest.mark.usefixtures("engine")
async def test_a_subclass_of_the_middleware_dispatches_requests(sqlite_file_url: str) -> None:
    app = FastAPI()
    app.add_middleware(Counting, db_url=sqlite_file_url, commit_on_exit=True)

    @app.get("/")
    def names_of_users() -> list[str]:
        return [user.name for user in db.session.query(User)]

    answer = await get(app, "/")
    assert (answer.status, answer.body) == (200, b'["Ada"]')
    assert Counting.served == 1
