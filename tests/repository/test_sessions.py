"""Which session a repository uses: that of its model's scope, of another one, or its own."""

import pytest
from sqlalchemy import create_engine, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, Session, mapped_column

import fastapi_sqlalchemy
from fastapi_sqlalchemy import Repository, SoftDeleteMixin, SQLAlchemy
from fastapi_sqlalchemy.exceptions import (
    MissingSessionError,
    RecordNotFoundError,
    SessionKindError,
    UniqueViolation,
)
from tests import blog
from tests.blog import User
from tests.repository.plain import Author, Authors, Letter, Letters
from tests.verbs import Verb


def names(db: SQLAlchemy) -> list[str]:
    """The names that are committed."""
    with db.engine.connect() as connection:
        return list(connection.scalars(select(Author.name).order_by(Author.id)))


def test_a_model_of_ours_is_found_in_its_own_scope(verb: Verb, url: str) -> None:
    with blog.created(blog.db, url) as db, verb.scope(db):
        ada = verb(Repository(User), "create", email="ada@x")
        assert verb(User, "get", 1) is ada
        assert verb.inside(lambda: ada in db.session)


def test_a_plain_model_lives_in_the_global_database() -> None:
    fastapi_sqlalchemy.db.init("sqlite://")
    try:
        Author.metadata.create_all(fastapi_sqlalchemy.db.engine)
        authors = Repository(Author)
        with fastapi_sqlalchemy.db():
            ada = authors.create(name="Ada")
            assert ada in fastapi_sqlalchemy.db.session
    finally:
        fastapi_sqlalchemy.db.dispose()
        fastapi_sqlalchemy.db.init()


def test_a_plain_model_lives_in_the_database_that_is_given(verb: Verb, db: SQLAlchemy) -> None:
    authors = Repository(Author, db=db)
    with verb.scope(db):
        ada = verb(authors, "create", name="Ada")
        assert verb(authors.query.filter(Author.id > 0), "one") is ada
        assert verb.inside(lambda: ada in db.session)
    with pytest.raises(MissingSessionError):
        verb(authors, "get", 1)


def test_a_query_is_of_the_query_class_of_the_model(db: SQLAlchemy) -> None:
    with db():
        old = Repository(Letter, db=db).query.old()  # type: ignore[attr-defined]  # at run time
        assert isinstance(old, Letters)
        assert old.count() == 0


def work(authors: Repository[Author], owner: Session) -> None:
    """Every verb, blocking, over a session whose owner commits."""
    ada = authors.create(name="Ada", age=36)
    assert ada in owner
    assert authors.get(ada.id) is ada
    assert authors.get_one(ada.id) is ada
    assert authors.get_by(name="Ada") is ada
    assert authors.update(ada.id, age=37) is ada
    grace, mary = authors.add_all([Author(name="Grace"), Author(name="Mary")])
    assert authors.update(mary, age=47).age == 47
    assert authors.find(Author.age > 40) == [mary]
    assert (authors.count(), authors.exists(name="Mary")) == (3, True)
    assert authors.paginate(per_page=2).total == 3
    assert authors.cursor_paginate(limit=1).items == [ada]
    assert list(authors.query.order_by(Author.id)) == [ada, grace, mary]
    assert authors.query.order_by(Author.name).pluck(Author.name) == ["Ada", "Grace", "Mary"]
    assert [each.id for each in authors.query.find_each(1)] == [ada.id, grace.id, mary.id]
    assert authors.query.filter_by(name="Mary").update(age=48) == 1
    assert mary.age == 48
    authors.delete(mary.id)
    assert authors.get_or_create(name="Ada") == (ada, False)
    assert authors.update_or_create(name="Ada", defaults={"age": 38}) == (ada, False)
    assert ada.age == 38
    anne, created = authors.get_or_create(name="Anne")
    assert created
    assert authors.insert_many([{"name": "Eve"}]) == 1
    (bob,) = authors.insert_many([{"name": "Bob"}], returning=True)
    assert bob in owner
    assert authors.upsert([{"id": anne.id, "name": "Ann"}]) == 1
    assert anne.name == "Ann"
    with pytest.raises(RecordNotFoundError):
        authors.delete(77)


def test_a_session_of_ones_own_needs_no_scope_and_is_not_committed(db: SQLAlchemy) -> None:
    with Session(db.engine) as session:
        work(Authors(session=session), session)
        session.rollback()
        assert names(db) == []
        work(Authors(session=session), session)
        session.commit()
    assert names(db) == ["Ada", "Grace", "Ann", "Eve", "Bob"]


def test_a_session_of_ones_own_calls_no_methods_of_a_record_and_hides_none() -> None:
    calls: list[str] = []
    database = SQLAlchemy("sqlite://")

    class Invoice(SoftDeleteMixin, database.Base):
        __tablename__ = "invoices"
        id: Mapped[int] = mapped_column(primary_key=True)
        text: Mapped[str | None]

        def before_save(self) -> None:
            calls.append("before_save")

        def after_delete(self) -> None:
            calls.append("after_delete")

    database.create_all()
    with Session(database.engine) as session:
        invoices = Repository(Invoice, session=session)
        invoice = invoices.create()
        invoices.update(invoice, text="Two pens")
        invoices.delete(invoice)
        assert invoice.deleted_at is not None
        assert invoices.find() == [invoice]
        session.delete(invoice)
        session.commit()
        assert invoices.count() == 0
    assert calls == []
    database.dispose()


def test_an_error_in_a_session_of_ones_own_is_typed(db: SQLAlchemy) -> None:
    engine = create_engine(db.engine.url) if db.engine.dialect.name != "sqlite" else db.engine
    with Session(engine) as session:
        authors = Authors(session=session)
        authors.create(name="Ada")
        session.commit()
        with pytest.raises(UniqueViolation) as caught:
            authors.create(name="Ada")
        assert "Ada" not in str(caught.value)
        session.rollback()
        assert authors.count() == 1
    engine.dispose()


def test_what_is_there_by_another_name_undoes_nothing_else(db: SQLAlchemy) -> None:
    with Session(db.engine) as session:
        authors = Authors(session=session)
        ada = authors.create(name="Ada")
        with pytest.raises(UniqueViolation):
            authors.get_or_create(id=99, defaults={"name": "Ada"})
        assert authors.find() == [ada]
        session.commit()
    assert names(db) == ["Ada"]


async def test_an_async_session_of_ones_own_is_awaited(postgres_url: str) -> None:
    with blog.created(Authors.db, postgres_url) as db:
        async with AsyncSession(db.async_engine) as session:
            authors = Authors(session=session)
            ada = await authors.acreate(name="Ada")
            assert ada in session
            assert await authors.aget(1) is ada
            assert (await authors.aupdate(1, age=37)).age == 37
            assert await authors.query.acount() == 1
            assert [each async for each in authors.query] == [ada]
            assert await authors.aget_or_create(name="Ada") == (ada, False)
            assert await authors.aadd_all([Author(name="Grace")])
            await authors.adelete(2)
            assert names(db) == []
            await session.commit()
        assert names(db) == ["Ada"]
        await db.adispose()


async def test_a_verb_of_the_other_kind_is_refused_with_its_twin(postgres_url: str) -> None:
    with blog.created(Authors.db, postgres_url) as db:
        with (
            Session(db.engine) as session,
            pytest.raises(SessionKindError, match="expected an AsyncSession"),
        ):
            await Authors(session=session).aget(1)
        async with AsyncSession(db.async_engine) as asession:
            with pytest.raises(SessionKindError, match=r"await aget\(\)"):
                Authors(session=asession).get(1)
        await db.adispose()


def test_the_session_of_a_scope_that_is_given_commits_by_the_scope(
    verb: Verb, db: SQLAlchemy
) -> None:
    with verb.scope(db):
        session = verb.inside(lambda: db.session if verb.blocking else db.async_session)
        authors = Authors(session=session)
        verb(authors, "create", name="Ada")
        assert names(db) == ["Ada"]
        with verb.within(db.transaction):
            verb(authors, "update", 1, name="Grace")
        assert names(db) == ["Grace"]
        with pytest.raises(UniqueViolation):
            verb(authors, "create", name="Grace")
        assert verb(authors, "count") == 1


def test_what_is_no_session_is_refused() -> None:
    with pytest.raises(TypeError, match="expected a Session or an AsyncSession"):
        Authors(session=object())  # type: ignore[arg-type]
