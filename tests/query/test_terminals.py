"""The terminals: what each returns, and what it sends."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import event, func, select
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import Session

from fastapi_sqlalchemy import Query, SQLAlchemy
from fastapi_sqlalchemy.exceptions import MissingSessionError, UnknownNameError
from tests.blog import Post, User
from tests.statements import sent, verbs_of
from tests.verbs import Verb


@pytest.fixture(autouse=True)
def ada_bob_and_eve(db: SQLAlchemy) -> None:
    """Ada has two posts, Bob one, Eve none."""
    with db(commit_on_exit=True):
        for name, titles in (("Ada", ["a1", "a2"]), ("Bob", ["b1"]), ("Eve", [])):
            posts = [Post(title=title) for title in titles]
            User.new(email=f"{name}@x", name=name, posts=posts)


by_name = User.query.order_by(User.name)


def test_all_is_a_list_of_every_match(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        users = verb(by_name, "all")
    assert type(users) is list
    assert [user.name for user in users] == ["Ada", "Bob", "Eve"]


def test_all_applies_criteria_limit_and_offset(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        users = verb(by_name.filter(User.name != "Bob").limit(1).offset(1), "all")
    assert [user.name for user in users] == ["Eve"]


def test_all_sends_one_statement(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db), sent() as statements:
        verb(by_name, "all")
    assert statements == ["SELECT users.id, users.email, users.name FROM users ORDER BY users.name"]


def test_all_without_a_match_is_empty(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        assert verb(User.query.filter_by(name="Mallory"), "all") == []


def test_all_in_an_empty_collection_is_empty(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        assert verb(User.query.filter(User.id.in_([])), "all") == []


def test_all_outside_every_scope_says_how_to_open_one(verb: Verb, db: SQLAlchemy) -> None:
    with pytest.raises(MissingSessionError, match=r"with db\(\):"):
        verb(User.query, "all")


def test_a_query_asks_anew_each_time(verb: Verb, db: SQLAlchemy) -> None:
    query = User.query.filter_by(name="Mallory")
    with verb.scope(db):
        before = verb(query, "all")
        mallory = verb(User, "new", email="m@x", name="Mallory")
        assert (before, verb(query, "all")) == ([], [mallory])


def test_a_record_is_the_same_object_in_every_query_of_a_scope(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        assert verb(by_name, "all")[1] is verb(User.query.filter_by(name="Bob"), "first")


def test_a_query_leaves_what_was_set_and_not_saved(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        user = verb(by_name, "first")
        user.name = "Augusta"
        verb(Post.query, "all")
        assert user.name == "Augusta"


def test_first_is_the_first_in_order(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        assert verb(User.query.order_by(User.name.desc()), "first").name == "Eve"


def test_first_without_a_match_is_none(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        assert verb(User.query.filter_by(name="Mallory"), "first") is None


def test_first_sends_limit_1(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db), sent() as statements:
        verb(by_name, "first")
    [statement] = statements
    assert " LIMIT " in statement


def test_first_keeps_an_offset(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        assert verb(by_name.offset(1), "first").name == "Bob"


def test_one_is_the_only_match(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        assert verb(User.query.filter_by(name="Bob"), "one").email == "Bob@x"


def test_one_or_none_is_the_only_match(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        assert verb(User.query.filter_by(name="Bob"), "one_or_none").email == "Bob@x"


def test_one_or_none_without_a_match_is_none(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        assert verb(User.query.filter_by(name="Mallory"), "one_or_none") is None


@pytest.mark.parametrize("terminal", ["one", "one_or_none"])
def test_one_counts_a_record_with_two_joined_rows_once(
    verb: Verb, db: SQLAlchemy, terminal: str
) -> None:
    with verb.scope(db):
        user = verb(User.query.join(User.posts).filter(Post.title.startswith("a")), terminal)
        assert user.name == "Ada"


def test_exists_is_true_where_a_record_matches(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        assert verb(User.query.filter_by(name="Bob"), "exists") is True


def test_exists_is_false_where_none_matches(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        assert verb(User.query.filter_by(name="Mallory"), "exists") is False


@pytest.mark.parametrize(
    ("limit", "offset", "expected"), [(1, 2, True), (1, 3, False), (0, 0, False)]
)
def test_exists_heeds_limit_and_offset(
    verb: Verb, db: SQLAlchemy, limit: int, offset: int, expected: bool
) -> None:
    with verb.scope(db):
        assert verb(by_name.limit(limit).offset(offset), "exists") is expected


def test_exists_heeds_an_offset_of_distinct_records(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        assert verb(by_name.distinct().limit(9).offset(2), "exists") is True
        assert verb(by_name.distinct().limit(9).offset(3), "exists") is False


def test_exists_heeds_a_join(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        query = User.query.join(User.posts)
        assert verb(query.filter(User.name == "Bob"), "exists") is True
        assert verb(query.filter(User.name == "Eve"), "exists") is False


def test_exists_sends_one_statement_and_loads_no_record(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db), sent() as statements:
        verb(by_name, "exists")
    [statement] = statements
    assert "EXISTS (SELECT 1 FROM users)" in statement


def test_iterating_gives_the_records(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        assert [user.name for user in verb.each(by_name)] == ["Ada", "Bob", "Eve"]


def test_iterating_sends_one_statement(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db), sent() as statements:
        verb.each(by_name)
    assert verbs_of(statements) == ["SELECT"]


def test_a_loop_may_query_and_save_and_end_early(verb: Verb, db: SQLAlchemy) -> None:
    def rename() -> int:
        for user in by_name:
            user.update(name=f"{user.name} of {Post.query.filter_by(author_id=user.id).count()}")
            if user.email == "Bob@x":
                break
        return 0

    async def arename() -> int:
        async for user in by_name:
            count = await Post.query.filter_by(author_id=user.id).acount()
            await user.aupdate(name=f"{user.name} of {count}")
            if user.email == "Bob@x":
                break
        return 0

    with verb.scope(db):
        verb.inside(rename if verb.blocking else arename)
        names = [user.name for user in verb(by_name, "all")]
    assert names == ["Ada of 2", "Bob of 1", "Eve"]


def test_a_query_awaited_is_the_list(db: SQLAlchemy) -> None:
    async def main() -> list[User]:
        async with db():
            return await by_name

    assert [user.name for user in asyncio.run(main())] == ["Ada", "Bob", "Eve"]


def test_queries_are_awaited_together(db: SQLAlchemy) -> None:
    async def main() -> list[int]:
        async with db():
            users, posts = await asyncio.gather(User.query.aall(), Post.query.aall())
            return [len(users), len(posts)]

    assert asyncio.run(main()) == [3, 3]


def test_the_session_takes_a_query(verb: Verb, db: SQLAlchemy) -> None:
    statement: Any = by_name

    def scalars() -> list[User]:
        return list(db.session.scalars(statement))

    async def ascalars() -> list[User]:
        return list(await db.async_session.scalars(statement))

    with verb.scope(db):
        found = verb.inside(scalars if verb.blocking else ascalars)
        assert [user.name for user in found] == ["Ada", "Bob", "Eve"]


def test_execute_of_the_session_takes_a_query(verb: Verb, db: SQLAlchemy) -> None:
    statement: Any = by_name.filter_by(name="Bob")

    def execute() -> User:
        user: User = db.session.execute(statement).scalar_one()
        return user

    async def aexecute() -> User:
        user: User = (await db.async_session.execute(statement)).scalar_one()
        return user

    with verb.scope(db):
        assert verb.inside(execute if verb.blocking else aexecute).name == "Bob"


def test_a_session_of_sqlalchemys_own_takes_a_query(db: SQLAlchemy) -> None:
    statement: Any = by_name
    with Session(db.engine) as session:
        assert [user.name for user in session.scalars(statement)] == ["Ada", "Bob", "Eve"]


def test_a_query_is_a_subquery_of_a_statement(verb: Verb, db: SQLAlchemy) -> None:
    names = by_name.statement.with_only_columns(User.name).order_by(None)

    with verb.scope(db):
        assert verb(User.query.filter(User.name.in_(names)), "count") == 3


def test_a_function_of_the_database_is_a_criterion(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        assert verb(User.query.filter(func.lower(User.name) == "bob"), "one").name == "Bob"


def test_a_scalar_subquery_is_a_criterion(verb: Verb, db: SQLAlchemy) -> None:
    posts = select(func.count()).where(Post.author_id == User.id).scalar_subquery()
    with verb.scope(db):
        assert verb(User.query.filter(posts == 2), "one").name == "Ada"


@pytest.mark.parametrize("terminal", ["all", "first", "count", "exists"])
def test_what_was_set_and_not_saved_is_sent_before_a_terminal(
    verb: Verb, db: SQLAlchemy, terminal: str
) -> None:
    with verb.scope(db):
        user = verb(by_name, "first")
        user.name = "Augusta"
        with sent() as statements:
            verb(User.query.filter_by(name="Augusta"), terminal)
        verb(user, "refresh")
    assert verbs_of(statements) == ["UPDATE", "SELECT"]


TERMINALS: dict[str, tuple[Any, ...]] = {
    "all": (),
    "first": (),
    "count": (),
    "exists": (),
    "explain": (),
    "get": (1,),
    "sum": (User.id,),
    "pluck": (User.name,),
    "dicts": (User.name,),
}


@pytest.mark.parametrize("terminal", TERMINALS)
@pytest.mark.parametrize(
    "query",
    [by_name, by_name.limit(2), User.query.join(User.posts), by_name.union(by_name)],
    ids=["plain", "limit", "join", "union"],
)
def test_a_statement_is_sent_with_the_execution_options_of_the_query(
    verb: Verb, db: SQLAlchemy, query: Query[User], terminal: str
) -> None:
    if terminal == "get":
        query = query.limit(None).offset(None)
    found: list[object] = []

    def note(*arguments: Any) -> None:
        found.append(arguments[4].execution_options.get("note"))

    event.listen(db.engine.__class__, "before_cursor_execute", note)
    try:
        with verb.scope(db):
            verb(query.execution_options(note="ours"), terminal, *TERMINALS[terminal])
    finally:
        event.remove(db.engine.__class__, "before_cursor_execute", note)
    assert set(found) == {"ours"}


def test_get_is_refused_of_a_part_of_the_records(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db), pytest.raises(InvalidRequestError, match=r"without `limit\(\)`"):
        verb(by_name.limit(2), "get", 1)


@pytest.mark.parametrize("name", ["get_all", "count", "exists"])
def test_a_verb_of_a_model_refuses_a_name_in_its_own(verb: Verb, db: SQLAlchemy, name: str) -> None:
    with verb.scope(db), pytest.raises(UnknownNameError, match=rf"^{name}\(\) expected"):
        verb(User, name, nmae="Ada")


@pytest.mark.parametrize("name", ["get_all", "count", "exists"])
def test_a_key_instead_of_a_criterion_is_told_what_takes_it(
    verb: Verb, db: SQLAlchemy, name: str
) -> None:
    expected = rf"^User\.{name}\(\) expected criteria .* found a value of type int: .*`User\.get\("
    with verb.scope(db), pytest.raises(TypeError, match=expected):
        verb(User, name, 1)
