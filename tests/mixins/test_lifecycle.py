"""Methods of a model are called when its records are saved, deleted and committed."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import delete, insert, inspect, update
from sqlalchemy.exc import IntegrityError, InvalidRequestError

from fastapi_sqlalchemy import ModelBase, SQLAlchemy
from tests.blog import created
from tests.mixins import lives
from tests.mixins.lives import Car, Hidden, Item, Letter, Owner, Part, Plain, Vehicle, doing
from tests.statements import sent
from tests.transactions.tools import Spoilt, spoilt
from tests.verbs import Verb


@pytest.fixture
def db(url: str) -> Iterator[SQLAlchemy]:
    with created(lives.db, url) as database:
        yield database


@pytest.fixture
def home_db(request: pytest.FixtureRequest) -> Iterator[SQLAlchemy]:
    """In memory only, for what no database decides."""
    with created(lives.db, "sqlite://") as database:
        yield database


def names(db: SQLAlchemy) -> list[str]:
    with db():
        return [item.name for item in Item.query.order_by(Item.id)]


def test_a_new_record_is_announced_before_and_after(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db), doing() as calls:
        verb(Item, "new", name="pen")
    assert calls == ["before_save pen", "after_save pen", "after_commit pen"]


def test_a_changed_record_is_announced_too(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        pen = verb(Item, "new", name="pen")
        with doing() as calls:
            verb(pen, "update", name="ink")
    assert calls == ["before_save ink", "after_save ink", "after_commit ink"]


def test_a_deleted_record_is_announced(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        pen = verb(Item, "new", name="pen")
        with doing() as calls:
            verb(pen, "delete")
    assert calls == ["before_delete pen", "after_delete pen", "after_commit pen"]


def test_a_record_that_did_not_change_is_not_announced(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        pen = verb(Item, "new", name="pen")
        with doing() as calls:
            verb(pen, "save")
            verb(pen, "update", name="pen")
    assert calls == []


def test_what_is_saved_with_a_record_is_announced(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        with doing() as calls:
            pen = verb(Item, "new", name="pen", parts=[Part(name="cap"), Part(name="nib")])
        assert sorted(calls[:3]) == ["before_save cap", "before_save nib", "before_save pen"]
        assert sorted(calls[3:6]) == ["after_save cap", "after_save nib", "after_save pen"]
        assert sorted(calls[6:]) == ["after_commit cap", "after_commit nib", "after_commit pen"]
        with doing() as calls:
            verb(pen, "delete")
        assert sorted(calls[:3]) == ["before_delete cap", "before_delete nib", "before_delete pen"]


def test_after_commit_can_tell_that_a_record_was_deleted(verb: Verb, db: SQLAlchemy) -> None:
    gone = []
    with verb.scope(db), doing(after_commit=lambda item: gone.append(inspect(item).was_deleted)):
        pen = verb(Item, "new", name="pen")
        verb(pen, "delete")
    assert gone == [False, True]


def test_an_orphan_is_announced_as_deleted(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        pen = verb(Item, "new", name="pen", parts=[Part(name="cap"), Part(name="nib")])
        with doing() as calls:
            verb(pen, "update", parts=pen.parts[1:])
    assert calls == ["before_delete cap", "after_delete cap", "after_commit cap"]


def test_what_only_the_flush_finds_changed_is_announced(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        car = verb(Car, "new", name="car")
        with doing() as calls:
            verb(Owner, "new", cars=[car])
        assert calls == ["before_save car", "after_save car", "after_commit car"]


def test_what_the_session_saves_is_announced(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db), doing() as calls:
        session = db.session if verb.blocking else verb.inside(lambda: db.async_session)
        verb.inside(session.add, Item(name="pen"))
        assert calls == []
        verb.inside(session.flush)
        assert calls == ["before_save pen", "after_save pen"]
        verb.inside(session.commit)
        assert calls[2:] == ["after_commit pen"]


def test_statements_call_nothing(verb: Verb, db: SQLAlchemy) -> None:
    with db():
        db.session.execute(insert(Item), [{"name": "pen"}])
        db.session.commit()
    with db(), doing() as calls:
        db.session.execute(insert(Item), [{"name": "ink"}])
        db.session.execute(update(Item).values(slug="x"))
        db.session.execute(delete(Item))
        db.session.commit()
    assert calls == []


def test_a_soft_deletion_is_a_deletion_and_its_end_a_save(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        record = verb(Hidden, "new", name="pen")
        with doing() as calls:
            verb(record, "delete")
        assert calls == ["before_delete pen", "after_delete pen", "after_commit pen"]
        with doing() as calls:
            verb(record, "update", name="ink")
            verb(record, "restore")
        assert calls == ["before_save ink", "after_save ink", "after_commit ink"] * 2
        with doing() as calls:
            verb(record, "delete", force=True)
        assert calls[0] == "before_delete ink"


def test_what_before_save_sets_is_saved(verb: Verb, db: SQLAlchemy) -> None:
    def slug(item: Any) -> None:
        item.slug = item.name.lower()

    with verb.scope(db), doing(before_save=slug) as calls:
        pen = verb(Item, "new", name="PEN")
        assert pen.slug == "pen"
        verb(pen, "update", name="INK")
        assert pen.slug == "ink"
        with sent() as statements:
            verb(pen, "save")
        assert statements == []
    assert calls.count("before_save PEN") == calls.count("before_save INK") == 1
    with verb.scope(db):
        assert verb(Item, "get", 1).slug == "ink"


def test_before_save_may_set_a_relationship(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        pen = verb(Item, "new", name="pen")

        def belong(part: Any) -> None:
            part.item = pen

        with doing(before_save=belong):
            part = verb(Part, "new", name="cap")
        assert part.item_id == pen.id


def test_before_save_may_query(verb: Verb, db: SQLAlchemy) -> None:
    """A blocking verb is right: the method runs where the session lives."""

    def number(item: Any) -> None:
        item.slug = str(Item.query.count())

    with verb.scope(db), doing(before_save=number):
        assert verb(Item, "new", name="pen").slug == "0"
        assert verb(Item, "new", name="ink").slug == "1"


def test_before_save_may_add_records_whose_methods_are_called(verb: Verb, db: SQLAlchemy) -> None:
    def add(item: Any) -> None:
        if item.name == "pen":
            db.session.add_all([Item(name="ink"), Plain(name="paper")])

    with verb.scope(db), doing(before_save=add) as calls:
        verb(Item, "new", name="pen")
        assert verb(Plain.query, "count") == 1
    assert calls[:2] == ["before_save pen", "before_save ink"]
    assert sorted(names(db)) == ["ink", "pen"]


@pytest.mark.parametrize("when", ["before_save", "after_save"])
def test_a_verb_that_writes_is_refused_within_a_flush(
    verb: Verb, db: SQLAlchemy, when: str
) -> None:
    def write(item: Any) -> None:
        Plain.new(name="paper")

    with verb.scope(db):
        pen = Item(name="pen")
        with doing(**{when: write}), pytest.raises(InvalidRequestError) as caught:
            verb(pen, "save")
        assert str(caught.value) == (
            "expected no verb that writes in a method that a flush calls, found one\n\n"
            "Set attributes, or `db.session.add()` a record: what `before_save` adds is part of "
            "the same flush. In `after_commit` every verb works."
        )
        assert verb(Plain.query, "count") == 0
        assert verb(pen, "save").id is not None


@pytest.mark.parametrize("when", ["before_save", "after_save"])
def test_what_it_raises_leaves_a_new_record_as_it_was(
    verb: Verb, db: SQLAlchemy, when: str
) -> None:
    def refuse(item: Any) -> None:
        item.slug = "set"
        raise Spoilt

    with verb.scope(db):
        pen = Item(name="pen")
        with doing(**{when: refuse}) as calls, spoilt():
            verb(pen, "save")
        assert "after_commit pen" not in calls
        assert verb.inside(pen.to_dict)["id"] is None
        assert inspect(pen).transient
        if when == "before_save":
            assert pen.slug is None
        assert verb(Item.query, "count") == 0
        assert verb(pen, "update", slug="mine").id is not None
    assert names(db) == ["pen"]


@pytest.mark.parametrize("when", ["before_save", "after_save"])
def test_what_it_raises_leaves_a_stored_record_as_it_was(
    verb: Verb, db: SQLAlchemy, when: str
) -> None:
    def refuse(item: Any) -> None:
        raise Spoilt

    with verb.scope(db):
        pen = verb(Item, "new", name="pen")
        pen.name = "ink"
        with doing(**{when: refuse}), spoilt():
            verb(pen, "save")
        assert pen.name == "ink"
        assert names(db) == ["pen"]
        verb(pen, "save")
    assert names(db) == ["ink"]


def test_what_before_delete_raises_keeps_the_record(verb: Verb, db: SQLAlchemy) -> None:
    def refuse(item: Any) -> None:
        raise Spoilt

    with verb.scope(db):
        pen = verb(Item, "new", name="pen")
        with doing(before_delete=refuse), spoilt():
            verb(pen, "delete")
        assert verb(Item, "get", pen.id) is pen
    assert names(db) == ["pen"]


def test_what_before_save_raises_takes_nothing_of_a_block_with_it(
    verb: Verb, db: SQLAlchemy
) -> None:
    def refuse(item: Any) -> None:
        if item.name == "ink":
            raise Spoilt

    with verb.scope(db), doing(before_save=refuse) as calls:
        with verb.within(lambda: db.transaction()):
            verb(Item, "new", name="pen")
            with spoilt():
                verb(Item, "new", name="ink")
        assert calls[-1] == "after_commit pen"
    assert names(db) == ["pen"]


def test_after_commit_sees_what_is_stored_and_every_verb_works(verb: Verb, db: SQLAlchemy) -> None:
    stored = []

    def look(item: Any) -> None:
        stored.append(names(db))
        Plain.new(name="paper")

    with verb.scope(db):
        with doing(after_commit=look) as calls:
            verb(Item, "new", name="pen")
        assert "after_commit pen" in calls
        assert verb(Plain.query, "count") == 1
    assert stored == [["pen"]]


def test_after_commit_is_called_once_after_the_outermost_block(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db), doing() as calls:
        with verb.within(lambda: db.transaction()):
            pen = verb(Item, "new", name="pen")
            with verb.within(lambda: db.transaction()):
                verb(pen, "update", name="ink")
                verb(Item, "new", name="cap")
            verb(pen, "update", slug="x")
            assert not any("after_commit" in call for call in calls)
        assert calls[-2:] == ["after_commit ink", "after_commit cap"]
        assert sum("after_commit" in call for call in calls) == 2


def test_after_commit_is_called_again_in_the_next_transaction(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db), doing() as calls:
        pen = verb(Item, "new", name="pen")
        verb(pen, "update", name="ink")
    assert [call for call in calls if "commit" in call] == ["after_commit pen", "after_commit ink"]


def test_after_commit_is_dropped_with_its_block(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db), doing() as calls:
        with spoilt(), verb.within(lambda: db.transaction()):
            verb(Item, "new", name="pen")
            raise Spoilt
        verb(Plain, "new", name="paper")
    assert not any("commit" in call for call in calls)


def test_after_commit_is_dropped_with_a_savepoint_alone(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db), doing() as calls:
        with verb.within(lambda: db.transaction()):
            pen = verb(Item, "new", name="pen")
            with spoilt(), verb.within(lambda: db.transaction()):
                verb(pen, "update", slug="x")
                verb(Item, "new", name="ink")
                raise Spoilt
        assert [call for call in calls if "commit" in call] == ["after_commit pen"]
    assert names(db) == ["pen"]


def test_after_commit_is_dropped_with_a_savepoint_of_the_session(db: SQLAlchemy) -> None:
    with db(), doing() as calls:
        db.session.add(Item(name="pen"))
        db.session.flush()
        inner = db.session.begin_nested()
        db.session.add(Item(name="ink"))
        db.session.flush()
        inner.rollback()
        db.session.commit()
    assert [call for call in calls if "commit" in call] == ["after_commit pen"]


def test_after_commit_is_dropped_when_the_commit_fails(verb: Verb, home_db: SQLAlchemy) -> None:
    from sqlalchemy import event

    def fail(session: Any) -> None:
        raise Spoilt

    with verb.scope(home_db), doing() as calls:
        session: Any = home_db.session if verb.blocking else home_db
        if not verb.blocking:
            session = verb.inside(lambda: home_db.async_session).sync_session
        event.listen(session, "before_commit", fail)
        with spoilt():
            verb(Item, "new", name="pen")
        event.remove(session, "before_commit", fail)
        verb(Plain, "new", name="paper")
    assert not any("commit" in call for call in calls)


def test_a_save_that_is_refused_is_not_announced_as_done(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        verb(Item, "new", name="pen")
        with doing() as calls, pytest.raises(IntegrityError):
            verb(Item, "new", name="pen")
    assert calls == ["before_save pen"]


def test_after_commit_waits_for_the_end_of_a_scope_that_commits(verb: Verb, db: SQLAlchemy) -> None:
    with doing() as calls:
        with verb.scope(db, commit_on_exit=True):
            verb(Item, "new", name="pen")
            assert not any("commit" in call for call in calls)
        assert calls[-1] == "after_commit pen"


def test_after_commit_comes_before_the_hooks_of_the_block(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db), doing() as calls, verb.within(lambda: db.transaction()):
        verb.inside(lambda: db.on_commit(lambda: calls.append("on_commit")))
        verb(Item, "new", name="pen")
    assert calls[-2:] == ["after_commit pen", "on_commit"]


def test_after_commit_that_fails_is_logged_and_the_next_one_called(
    verb: Verb, home_db: SQLAlchemy, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(item: Any) -> None:
        raise Spoilt

    with caplog.at_level(logging.ERROR), verb.scope(home_db), doing(after_commit=fail) as calls:
        with verb.within(lambda: home_db.transaction()):
            verb(Item, "new", name="pen")
            verb(Item, "new", name="ink")
        assert sum("commit" in call for call in calls) == 2
    assert [record.exc_info is not None for record in caplog.records] == [True, True]
    assert names(home_db) == ["pen", "ink"]


async def test_after_commit_is_awaited_where_the_commit_is(url: str) -> None:
    with created(lives.db, url) as db:
        async with db():
            with doing() as calls:
                await Letter.anew(name="one")
            assert calls == ["after_commit one"]
            with doing() as calls:
                async with db.transaction():
                    await Letter.anew(name="two")
                    assert calls == []
            assert calls == ["after_commit two"]
        with doing() as calls:
            async with db(commit_on_exit=True):
                await Letter.anew(name="three")
            assert calls == ["after_commit three"]


async def test_after_commit_of_a_blocking_save_is_awaited_at_the_end_of_the_scope() -> None:
    with created(lives.db, "sqlite://", blocking="allow") as db, doing() as calls:
        async with db():
            Letter.new(name="one")
            assert calls == []
        assert calls == ["after_commit one"]


async def test_after_commit_of_a_commit_of_the_session_is_awaited(url: str) -> None:
    with created(lives.db, url) as db, doing() as calls:
        async with db():
            db.async_session.add(Letter(name="one"))
            await db.async_session.commit()
        assert calls == ["after_commit one"]


def test_after_commit_that_nobody_can_await_is_refused_before_anything_is_sent(
    home_db: SQLAlchemy,
) -> None:
    with home_db(), doing() as calls:
        letter = Letter(name="one")
        with sent() as statements, pytest.raises(TypeError) as caught:
            letter.save()
        assert statements == calls == []
        assert inspect(letter).transient
        assert str(caught.value) == (
            "Letter.after_commit() expected to be awaited, found a `with` block that commits: use "
            "`async with`, or make it a plain method"
        )


@pytest.mark.parametrize("name", ["before_save", "after_save", "before_delete", "after_delete"])
def test_a_coroutine_function_is_refused_where_a_flush_calls(name: str) -> None:
    async def method(self: object) -> None:
        raise AssertionError

    mixin = type("Mixin", (), {name: method})
    with pytest.raises(TypeError):
        type("Item", (mixin, ModelBase), {})
    with pytest.raises(TypeError) as caught:
        type("Item", (ModelBase,), {name: method})
    assert str(caught.value) == (
        f"Item.{name}() expected a plain method, found a coroutine function: a flush cannot await "
        "it\n\n"
        "Blocking verbs are fine there, in an awaited save too. What has to be awaited goes into "
        "`async def after_commit`."
    )


def test_a_column_may_have_the_name_of_a_method(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        car = verb(Vehicle, "new", before_save="a", after_commit="b")
        assert verb(car, "update", before_save="c").before_save == "c"


def test_a_session_without_such_models_is_not_listened_to(python: Any) -> None:
    code = """
from sqlalchemy.orm import Mapped, mapped_column
from fastapi_sqlalchemy import SQLAlchemy

db = SQLAlchemy("sqlite://")
class User(db.Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
db.create_all()
with db():
    print(bool(db.session.dispatch.before_flush))
class Item(db.Base):
    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True)
    def before_save(self): pass
with db():
    print(bool(db.session.dispatch.before_flush))
    print(bool(User.__mapper__.dispatch.before_insert))
"""
    assert python(code).stdout.split() == ["False", "True", "False"]
