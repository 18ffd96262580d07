"""Sessions that nobody's scope ends: made for libraries that open and commit them by themselves."""

import asyncio
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from sqlalchemy import event, func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from fastapi_sqlalchemy import ModelBase, Repository, SQLAlchemy
from fastapi_sqlalchemy.exceptions import SessionNotInitialisedError
from tests.blog import created
from tests.interop import stock
from tests.interop.stock import Product, Supplier, fill
from tests.verbs import Verb


@pytest.fixture
def db(url: str) -> Iterator[SQLAlchemy]:
    with created(stock.db, url) as database:
        fill("P1", "P2")
        yield database


def maker(db: SQLAlchemy, verb: Verb, **options: Any) -> Any:
    return (db.sessionmaker if verb.blocking else db.async_sessionmaker)(**options)


async def result_of(value: Any) -> Any:
    return await value if asyncio.iscoroutine(value) else value


def in_a_session(verb: Verb, make: Any, *calls: Any) -> list[Any]:
    """What these functions of a session give, each called or awaited, in one session."""

    async def awaited() -> list[Any]:
        async with make() as session:
            return [await result_of(call(session)) for call in calls]

    if not verb.blocking:
        found: list[Any] = verb.inside(awaited)
        return found
    with make() as session:
        return [call(session) for call in calls]


def codes(db: SQLAlchemy) -> list[str]:
    """What is committed, deleted or not."""
    with db.engine.connect() as connection:
        return list(connection.scalars(select(Product.code).order_by(Product.id)))


def product(code: str) -> Product:
    return Product(code=code, supplier_id=1)


def test_they_are_sqlalchemys(db: SQLAlchemy, verb: Verb) -> None:
    make = maker(db, verb)
    assert isinstance(make, sessionmaker if verb.blocking else async_sessionmaker)
    (session,) = in_a_session(verb, make, lambda session: session)
    assert isinstance(session, Session if verb.blocking else AsyncSession)


def test_they_need_no_scope_and_commit_when_they_are_told(db: SQLAlchemy, verb: Verb) -> None:
    make = maker(db, verb)
    in_a_session(verb, make, lambda s: s.add(product("P3")), lambda s: s.flush())
    assert codes(db) == ["P1", "P2"]
    in_a_session(verb, make, lambda s: s.add(product("P3")), lambda s: s.commit())
    assert codes(db) == ["P1", "P2", "P3"]


def test_begin_commits_at_the_end_of_its_block(db: SQLAlchemy, verb: Verb) -> None:
    make = maker(db, verb)

    async def awaited() -> None:
        async with make.begin() as session:
            session.add(product("P3"))

    if verb.blocking:
        with make.begin() as session:
            session.add(product("P3"))
    else:
        verb.inside(awaited)
    assert codes(db) == ["P1", "P2", "P3"]


def test_they_hide_what_is_deleted(db: SQLAlchemy, verb: Verb) -> None:
    with db():
        Product.query.filter_by(code="P1").one().delete()
    seen = in_a_session(
        verb,
        maker(db, verb),
        lambda s: s.scalar(select(func.count(Product.id))),
        lambda s: s.scalar(select(Product.code)),
    )
    assert seen == [1, "P2"]


def test_they_call_the_methods_of_a_records_life(db: SQLAlchemy, verb: Verb) -> None:
    in_a_session(verb, maker(db, verb), lambda s: s.add(product("p3")), lambda s: s.commit())
    assert codes(db)[-1] == "P3"


def test_they_leave_the_session_of_the_scope_alone(db: SQLAlchemy, verb: Verb) -> None:
    with verb.scope(db):
        inside = verb.inside(lambda: db.session if verb.blocking else db.async_session)
        (session,) = in_a_session(verb, maker(db, verb), lambda session: session)
        assert session is not inside
        assert verb(Product.query, "count") == 2


def test_records_do_not_expire_unless_they_are_told_to(db: SQLAlchemy, verb: Verb) -> None:
    def sync(session: Any) -> Session:
        found: Session = getattr(session, "sync_session", session)
        return found

    assert [
        in_a_session(verb, make, lambda s: sync(s).expire_on_commit)
        for make in (maker(db, verb), maker(db, verb, expire_on_commit=True))
    ] == [[False], [True]]
    make = maker(db, verb, info={"a": 1, "b": 1})
    make.configure(autoflush=False)
    (session,) = in_a_session(verb, lambda: make(info={"b": 2}), sync)
    assert (session.autoflush, session.info) == (False, {"a": 1, "b": 2})


def test_a_repository_flushes_in_one_and_leaves_the_commit(db: SQLAlchemy, verb: Verb) -> None:
    def create(session: Any) -> Any:
        return verb_of(Repository(Product, session=session), "create")(code="P3", supplier_id=1)

    def verb_of(target: Any, name: str) -> Any:
        return getattr(target, verb.name(name))

    in_a_session(verb, maker(db, verb), create)
    assert codes(db) == ["P1", "P2"]
    in_a_session(verb, maker(db, verb), create, lambda s: s.commit())
    assert codes(db) == ["P1", "P2", "P3"]


def test_they_return_their_connection(db: SQLAlchemy, verb: Verb) -> None:
    in_a_session(verb, maker(db, verb), lambda s: s.scalar(select(Product.id)))
    with db.testing():  # which needs all of them
        pass


def test_one_made_before_the_database_is_told_where_it_is_goes_there(
    sqlite_file_url: str, verb: Verb
) -> None:
    make = maker(stock.db, verb)
    with pytest.raises(SessionNotInitialisedError):
        in_a_session(verb, make, lambda s: s)
    with created(stock.db, sqlite_file_url):
        fill("P1")
        assert in_a_session(verb, make, lambda s: s.scalar(select(Product.code))) == ["P1"]


def test_within_testing_they_are_isolated(db: SQLAlchemy, verb: Verb) -> None:
    make = maker(db, verb)
    with db.testing():
        in_a_session(verb, make, lambda s: s.add(product("P3")), lambda s: s.commit())
        assert codes(db) == ["P1", "P2", "P3"]
    assert codes(db) == ["P1", "P2"]


@pytest.mark.parametrize("blocking", ["warn", "raise"])
async def test_a_library_may_block_the_loop_as_it_does_with_any_session(
    sqlite_file_url: str, blocking: Any
) -> None:
    with created(stock.db, sqlite_file_url, blocking=blocking):
        await asyncio.to_thread(fill, "P1")
        with stock.db.sessionmaker()() as session:
            assert session.scalar(select(Product.code)) == "P1"


def test_the_events_of_one_are_those_of_its_sessions(db: SQLAlchemy) -> None:
    make, other = db.sessionmaker(), db.sessionmaker()
    heard: list[Session] = []
    event.listen(make, "before_commit", heard.append)
    for each in (make, other):
        with each.begin() as session:
            session.add(Supplier(name=f"Supplier {len(heard)}"))
    assert len(heard) == 1


def test_a_session_class_of_the_users_is_the_class_of_theirs(db: SQLAlchemy, verb: Verb) -> None:
    class Counting(Session):
        pass

    make = maker(db, verb, class_=Counting)
    (session,) = in_a_session(verb, make, lambda s: getattr(s, "sync_session", s))
    assert isinstance(session, Counting)


class Told:
    """The ids of letters, as their methods were called after a commit."""

    ids: ClassVar[list[int]] = []


class LetterBase(ModelBase, DeclarativeBase):
    pass


class Letter(LetterBase):
    __tablename__ = "letters"

    id: Mapped[int] = mapped_column(primary_key=True)

    def after_commit(self) -> None:
        Told.ids.append(self.id)


class Awaited(LetterBase):
    __tablename__ = "awaited_letters"

    id: Mapped[int] = mapped_column(primary_key=True)

    async def after_commit(self) -> None:
        await asyncio.sleep(0)
        Told.ids.append(self.id)


post = SQLAlchemy(model_class=LetterBase)


@pytest.fixture
def letters(url: str) -> Iterator[SQLAlchemy]:
    Told.ids = []
    with created(post, url) as database:
        yield database


def test_after_commit_is_called_once_it_is_stored(letters: SQLAlchemy, verb: Verb) -> None:
    in_a_session(
        verb,
        maker(letters, verb),
        lambda s: s.add(Letter(id=1)),
        lambda s: s.commit(),
        lambda s: s.add(Letter(id=2)),
        lambda s: s.flush(),
    )
    assert Told.ids == [1]


def test_after_commit_is_called_where_a_block_commits(letters: SQLAlchemy, verb: Verb) -> None:
    make = maker(letters, verb)

    async def awaited() -> None:
        async with make.begin() as session:
            session.add_all([Letter(id=1), Awaited(id=2)])

    if verb.blocking:
        with make.begin() as session:
            session.add(Letter(id=1))
    else:
        verb.inside(awaited)
    assert sorted(Told.ids) == ([1] if verb.blocking else [1, 2])


async def test_a_method_that_is_awaited_is_awaited(letters: SQLAlchemy) -> None:
    async with letters.async_sessionmaker()() as session:
        session.add(Awaited(id=1))
        await session.commit()
        assert Told.ids == [1]


def test_a_method_that_nobody_would_await_is_refused(letters: SQLAlchemy) -> None:
    with letters.sessionmaker()() as session:
        session.add(Awaited(id=1))
        with pytest.raises(TypeError, match="expected to be awaited"):
            session.commit()
    assert Told.ids == []
