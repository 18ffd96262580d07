"""What `new`, `save`, `update`, `delete` and `refresh` do to the rows and to the record."""

import asyncio
from contextlib import suppress
from inspect import iscoroutinefunction

import pytest
from sqlalchemy import inspect
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import Session

from fastapi_sqlalchemy import SQLAlchemy
from fastapi_sqlalchemy.exceptions import MissingSessionError
from tests.blog import Post, User
from tests.statements import sent, verbs_of
from tests.verbs import Verb


def stored(verb: Verb, db: SQLAlchemy) -> list[tuple[str, str | None]]:
    """The committed users, seen by a session that knew none of them."""
    with verb.scope(db):
        return [(user.email, user.name) for user in verb(User.query.order_by(User.id), "all")]


def test_a_record_is_made_without_a_session() -> None:
    user = User(email="ada@x", name="Ada")
    assert (user.email, user.name) == ("ada@x", "Ada")


def test_new_outside_every_scope_says_how_to_open_one(verb: Verb, db: SQLAlchemy) -> None:
    with pytest.raises(MissingSessionError, match=r"with db\(\):"):
        verb(User, "new", email="ada@x")


def test_new_commits_at_once(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        verb(User, "new", email="ada@x", name="Ada")
        assert stored(verb, db) == [("ada@x", "Ada")]


def test_new_returns_the_record_with_its_key(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        user = verb(User, "new", email="ada@x")
        assert type(user) is User
        assert verb(User, "get", user.id) is user


def test_new_sends_one_insert(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db), sent() as statements:
        verb(User, "new", email="ada@x")
    assert verbs_of(statements) == ["INSERT"]


def test_save_returns_the_record(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        user = User(email="ada@x")
        assert verb(user, "save") is user


def test_save_sends_only_the_columns_that_changed(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        user = verb(User, "new", email="ada@x")
        user.name = "Ada"
        with sent() as statements:
            verb(user, "save")
    [statement] = statements
    assert statement.startswith("UPDATE users SET name=")
    assert "email" not in statement
    assert stored(verb, db) == [("ada@x", "Ada")]


def test_save_of_an_unchanged_record_sends_nothing(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        user = verb(User, "new", email="ada@x")
        with sent() as statements:
            verb(user, "save")
    assert statements == []


def test_update_sets_saves_and_returns_the_record(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        user = verb(User, "new", email="ada@x")
        assert verb(user, "update", name="Ada", email="lovelace@x") is user
        assert (user.name, user.email) == ("Ada", "lovelace@x")
    assert stored(verb, db) == [("lovelace@x", "Ada")]


def test_update_of_a_new_record_inserts_it(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        verb(User(email="ada@x"), "update", name="Ada")
    assert stored(verb, db) == [("ada@x", "Ada")]


def test_update_to_none_stores_null(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        verb(verb(User, "new", email="ada@x", name="Ada"), "update", name=None)
    assert stored(verb, db) == [("ada@x", None)]


def test_delete_removes_the_row_at_once(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        user = verb(User, "new", email="ada@x")
        verb(User, "new", email="bob@x")
        assert verb(user, "delete") is None
        assert stored(verb, db) == [("bob@x", None)]


def test_a_deleted_record_keeps_its_values(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        user = verb(User, "new", email="ada@x", name="Ada")
        verb(user, "delete")
        assert verb.inside(user.to_dict) == {"id": user.id, "email": "ada@x", "name": "Ada"}


def test_delete_of_a_record_without_a_row_is_refused(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db), pytest.raises(InvalidRequestError, match="not persisted"):
        verb(User(email="ada@x"), "delete")


def test_refresh_loads_what_another_session_has_changed(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        user = verb(User, "new", email="ada@x", name="Ada")
        with verb.scope(db):
            verb(verb(User, "get", user.id), "update", name="Augusta")
        assert user.name == "Ada"
        assert verb(user, "refresh") is user
        assert user.name == "Augusta"


def test_refresh_drops_what_was_not_saved(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        user = verb(User, "new", email="ada@x", name="Ada")
        user.name = "Eve"
        verb(user, "refresh")
        assert user.name == "Ada"
        with sent() as statements:
            verb(user, "save")
    assert statements == []


def test_refresh_sends_nothing_of_other_records(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        user, other = verb(User, "new", email="ada@x"), verb(User, "new", email="bob@x")
        other.name = "Bob"
        with sent() as statements:
            verb(user, "refresh")
        assert other.name == "Bob"
    assert verbs_of(statements) == ["SELECT"]


def test_refresh_of_some_attributes_leaves_the_others(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        user = verb(User, "new", email="ada@x", name="Ada")
        user.name, user.email = "Eve", "eve@x"
        verb(user, "refresh", "name")
        assert (user.name, user.email) == ("Ada", "eve@x")


def test_refresh_of_a_row_that_is_gone_is_refused(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        user = verb(User, "new", email="ada@x")
        with verb.scope(db):
            verb(verb(User, "get", user.id), "delete")
        with pytest.raises(InvalidRequestError, match="Could not refresh"):
            verb(user, "refresh")


def test_what_the_database_decides_is_loaded_by_the_insert(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        author = verb(User, "new", email="ada@x")
        post = verb(Post, "new", title="On engines", author_id=author.id)
        with sent() as statements:
            assert verb.inside(lambda: (post.state, post.edits)) == ("draft", 0)
    assert statements == []


def test_what_the_database_decides_is_loaded_by_the_update(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        author = verb(User, "new", email="ada@x")
        post = verb(Post, "new", title="On engines", author_id=author.id)
        verb(post, "update", title="On the analytical engine")
        with sent() as statements:
            assert verb.inside(lambda: post.edits) == 1
    assert statements == []


def test_update_takes_an_expression_and_loads_its_result(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        post = verb(Post, "new", title="On engines", edits=2, author=User(email="ada@x"))
        verb(post, "update", edits=Post.edits + 5)
        with sent() as statements:
            assert verb.inside(lambda: post.edits) == 7
    assert statements == []


def test_a_saved_record_is_readable_after_its_scope(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        author = verb(User, "new", email="ada@x")
        post = verb(Post, "new", title="On engines", author_id=author.id)
    with sent() as statements:
        assert (post.title, post.state) == ("On engines", "draft")
    assert statements == []


def test_save_without_commit_leaves_nothing_behind(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        user = verb(User(email="ada@x"), "save", commit=False)
        assert verb(User, "get", email="ada@x") is user
    assert stored(verb, db) == []


def test_save_without_commit_is_committed_by_the_next_save(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        verb(User(email="ada@x"), "save", commit=False)
        verb(User(email="bob@x"), "save")
    assert stored(verb, db) == [("ada@x", None), ("bob@x", None)]


def test_a_scope_that_commits_on_exit_commits_what_save_flushed(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db, commit_on_exit=True):
        verb(User(email="ada@x"), "save")
        verb(User, "new", email="bob@x")
    assert stored(verb, db) == [("ada@x", None), ("bob@x", None)]


def test_a_scope_that_commits_on_exit_keeps_nothing_when_it_fails(
    verb: Verb, db: SQLAlchemy
) -> None:
    with suppress(ZeroDivisionError), verb.scope(db, commit_on_exit=True):
        verb(User, "new", email="ada@x")
        raise ZeroDivisionError
    assert stored(verb, db) == []


def test_save_with_commit_is_kept_though_the_scope_fails(verb: Verb, db: SQLAlchemy) -> None:
    with suppress(ZeroDivisionError), verb.scope(db, commit_on_exit=True):
        verb(User(email="ada@x"), "save", commit=True)
        verb(User(email="bob@x"), "save")
        raise ZeroDivisionError
    assert stored(verb, db) == [("ada@x", None)]


def test_a_record_of_a_scope_that_ended_is_saved_in_the_next(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        user = verb(User, "new", email="ada@x")
    with verb.scope(db):
        verb(user, "update", name="Ada")
    assert stored(verb, db) == [("ada@x", "Ada")]


def test_a_record_of_a_scope_that_ended_is_deleted_in_the_next(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        user = verb(User, "new", email="ada@x")
    with verb.scope(db):
        verb(user, "delete")
    assert stored(verb, db) == []


def test_a_record_of_a_scope_that_ended_is_refreshed_in_the_next(
    verb: Verb, db: SQLAlchemy
) -> None:
    with verb.scope(db):
        user = verb(User, "new", email="ada@x", name="Ada")
    user.name = "Eve"
    with verb.scope(db):
        assert verb(user, "refresh").name == "Ada"


@pytest.mark.parametrize("action", ["save", "update", "delete"])
def test_a_record_of_a_session_elsewhere_is_refused(
    verb: Verb, db: SQLAlchemy, action: str
) -> None:
    with Session(db.engine) as elsewhere:
        user = User(email="ada@x")
        elsewhere.add(user)
        elsewhere.commit()
        values = {"name": "Ada"} if action == "update" else {}
        with verb.scope(db), pytest.raises(InvalidRequestError, match="attached to session"):
            verb(user, action, **values)
        assert inspect(user).session is elsewhere


def test_update_of_a_record_of_a_session_elsewhere_sets_nothing(verb: Verb, db: SQLAlchemy) -> None:
    with Session(db.engine, expire_on_commit=False) as elsewhere:
        user = User(email="ada@x")
        elsewhere.add(user)
        elsewhere.commit()
        with verb.scope(db), pytest.raises(InvalidRequestError):
            verb(user, "update", name="Ada")
        assert user.name is None


@pytest.mark.parametrize("name", ["new", "get", "get_all", "save", "update", "delete", "refresh"])
def test_the_twin_of_a_verb_is_a_coroutine_function(name: str) -> None:
    assert iscoroutinefunction(getattr(User, f"a{name}"))
    assert not iscoroutinefunction(getattr(User, name))


def test_a_coroutine_may_be_kept_and_awaited_later(db: SQLAlchemy) -> None:
    async def main() -> list[User]:
        async with db():
            coroutine = User.anew(email="ada@x")
            before = await User.query.acount()
            user = await coroutine
            assert before == 0
            return [user, *await User.aget_all(id=user.id)]

    made, found = asyncio.run(main())
    assert made is found


def test_a_coroutine_may_be_run_as_a_task(db: SQLAlchemy) -> None:
    async def main() -> tuple[User, User | None]:
        async with db():
            user = await asyncio.create_task(User.anew(email="ada@x"))
            return user, await User.aget(user.id)

    made, found = asyncio.run(main())
    assert made is found


def test_a_coroutine_may_be_awaited_on_another_line(db: SQLAlchemy) -> None:
    async def main() -> list[str]:
        async with db():
            await (
                User
                .anew(
                    email="ada@x",
                )
            )  # fmt: skip
            return [user.email for user in await User.aget_all()]

    assert asyncio.run(main()) == ["ada@x"]
