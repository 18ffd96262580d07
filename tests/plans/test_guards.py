"""What sends a query to SQLAlchemy's own path: whoever would see a difference."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, Pool, event, literal_column, tuple_
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session as SQLAlchemySession
from sqlalchemy.orm import selectinload

from fastapi_sqlalchemy import Query, SQLAlchemy
from fastapi_sqlalchemy.testing import assert_queries
from tests.blog import Post, User

OWN = "SQLAlchemy's own path: "


def path_of(db: SQLAlchemy) -> str:
    with db():
        return User.query.filter_by(name="Ada").explain_plan()


@contextmanager
def listening(target: Any, name: str) -> Iterator[list[Any]]:
    heard: list[Any] = []

    def listener(*args: Any, **_: Any) -> None:
        heard.append(args)

    event.listen(target, name, listener)
    try:
        yield heard
    finally:
        event.remove(target, name, listener)


def test_an_ordinary_query_has_a_plan(db: SQLAlchemy) -> None:
    assert path_of(db) == "a plan"


OF_STATEMENTS = [
    "before_execute",
    "after_execute",
    "before_cursor_execute",
    "after_cursor_execute",
    "do_execute",
]


def test_a_listener_hears_of_errors_with_all_that_belongs_to_them(db: SQLAlchemy) -> None:
    with db(), listening(db.engine, "handle_error") as heard:
        assert User.query.explain_plan().startswith(f"{OWN}somebody listens")
        with pytest.raises(DBAPIError):
            User.query.filter(literal_column("nothing") == 1).all()
        assert heard[0][0].execution_context is not None


def test_a_query_class_with_a_statement_of_its_own_has_no_plan(db: SQLAlchemy) -> None:
    class Odd(Query[User]):
        @property
        def statement(self) -> Any:
            return super().statement.where(User.name != "Ada")

    with db():
        assert len(Odd(User).all()) == 1
        assert Odd(User).explain_plan().startswith(OWN)


@pytest.mark.parametrize("name", OF_STATEMENTS)
@pytest.mark.parametrize("target", ["engine", "every engine"])
def test_a_listener_hears_the_statements_from_then_on(
    db: SQLAlchemy, name: str, target: str
) -> None:
    with db():
        User.query.count()
        with listening(db.engine if target == "engine" else Engine, name) as heard:
            assert User.query.explain_plan().startswith(f"{OWN}somebody listens")
            User.query.count()
            User.get(1)
            assert User.query.filter_by(name="Ada").exists()
            assert len(heard) == 3
        User.query.count()
        assert len(heard) == 3
        assert User.query.explain_plan() == "a plan"


@pytest.mark.parametrize("name", ["checkout", "checkin", "reset"])
@pytest.mark.parametrize("target", ["pool", "every pool"])
def test_a_listener_hears_of_the_connections(db: SQLAlchemy, name: str, target: str) -> None:
    with db():
        User.query.count()
        with listening(db.engine.pool if target == "pool" else Pool, name) as heard:
            User.query.count()
            assert len(heard) == 1


ACTS: dict[str, Callable[[], object]] = {
    "count": lambda: User.query.count(),
    "get": lambda: User.get(1),
    "new": lambda: User.new(email="new@x"),
    "update by filter": lambda: User.query.filter_by(name="Ada").update({"name": "Ada"}),
}


@pytest.mark.parametrize("act", ACTS)
def test_a_listener_hears_of_the_connections_of_a_new_pool(db: SQLAlchemy, act: str) -> None:
    def once() -> None:
        with db():
            ACTS[act]()
            User.query.filter_by(email="new@x").delete()

    once()
    old = db.engine.pool
    db.engine.dispose()
    with listening(old, "checkout") as heard:
        once()
        assert heard == []
    with listening(db.engine.pool, "checkout") as heard:
        once()
        assert len(heard) == 2
    once()
    assert len(heard) == 2


@pytest.mark.parametrize(
    "name", ["do_orm_execute", "loaded_as_persistent", "after_begin", "after_transaction_end"]
)
@pytest.mark.parametrize("target", ["session", "every session"])
def test_a_listener_hears_of_the_session(db: SQLAlchemy, name: str, target: str) -> None:
    with db():
        User.query.count()
        with listening(db.session if target == "session" else SQLAlchemySession, name) as heard:
            assert User.query.explain_plan().startswith(OWN)
            User.query.filter_by(name="Ada").one()
            assert len(heard) == 1


def test_a_listener_hears_of_the_loading_of_records(db: SQLAlchemy) -> None:
    with db(), listening(User, "load") as heard:
        assert User.query.explain_plan() == f"{OWN}somebody listens to the loading of records"
        User.query.all()
        assert len(heard) == 2


def test_what_echo_shows_is_complete(db: SQLAlchemy, caplog: pytest.LogCaptureFixture) -> None:
    with db():
        db.engine.echo = True
        User.query.count()
        db.engine.echo = False
        User.query.count()
    assert sum("count(*)" in each.getMessage() for each in caplog.records) == 1


def test_what_is_counted_in_tests_is_complete(db: SQLAlchemy) -> None:
    with db():
        User.query.count()
        with assert_queries(3):
            User.get(1)
            User.query.filter_by(name="Ada").first()
            User.query.all()


def test_an_isolated_test_takes_sqlalchemys_path(db: SQLAlchemy) -> None:
    with db.testing():
        assert path_of(db) == f"{OWN}the engine has a pool of another kind"


def test_a_connection_that_somebody_listens_to_is_heard(db: SQLAlchemy) -> None:
    with db():
        heard: list[str] = []
        connection = db.session.connection()

        @event.listens_for(connection, "before_cursor_execute")
        def note(_: Connection, __: object, statement: str, *___: object) -> None:
            heard.append(statement)

        User.query.count()
        assert len(heard) == 1


UNPLANNED = {
    "the query joins": lambda: User.query.join(User.posts),
    "the query has loader options other than `selectinload()`": lambda: User.query.options(
        selectinload(User.posts).joinedload(Post.author)
    ),
    "the query has a DISTINCT": lambda: User.query.distinct(),
    "the query locks rows": lambda: User.query.with_for_update(),
    "the query has execution options": lambda: User.query.execution_options(populate_existing=True),
    "the query groups": lambda: User.query.group_by(User.id),
    "the query compares with a value, or has a part, that no plan is made for": lambda: (
        User.query.union(User.query)
    ),
    "values become part of the SQL, as those of `tuple_().in_()` do": lambda: User.query.filter(
        tuple_(User.id, User.name).in_([(1, "Ada")])
    ),
    "a value is compared as another type than that of its column": lambda: User.query.filter_by(
        name=1  # type: ignore[arg-type]  # what the plugin refuses, a query has to survive
    ),
}


@pytest.mark.parametrize("reason", UNPLANNED)
def test_the_reason_is_told(db: SQLAlchemy, reason: str) -> None:
    with db():
        assert UNPLANNED[reason]().explain_plan() == OWN + reason


def test_plans_can_be_turned_off(sqlite_file_url: str) -> None:
    db = SQLAlchemy(sqlite_file_url, plans=False)
    with db():
        assert db.session._plans is None


def test_a_session_with_options_of_its_own_has_no_plans(db: SQLAlchemy) -> None:
    class Other(SQLAlchemySession):
        pass

    for options in ({"class_": Other}, {"binds": {User: db.engine}}, {"bind": db.engine}):
        with db(options):
            assert User.query.explain_plan() == f"{OWN}plans are off for this session"
            assert User.query.count() == 2


def test_options_of_an_engine_send_queries_the_plain_way(db: SQLAlchemy) -> None:
    db.engine.update_execution_options(schema_translate_map={None: None})
    assert path_of(db) == f"{OWN}the engine has execution options of its own"
