"""Joins and eager loads: a record comes once, is counted once, and a limit limits records."""

from collections.abc import Iterator

import pytest
from sqlalchemy.orm import aliased, contains_eager, defer, joinedload, selectinload

from fastapi_sqlalchemy import SQLAlchemy
from tests.blog import Post, User
from tests.statements import sent, verbs_of
from tests.verbs import Verb


@pytest.fixture(autouse=True)
def authors(db: SQLAlchemy) -> None:
    """Three authors of three posts each, and one of none."""
    with db(commit_on_exit=True):
        for number in range(4):
            posts = [Post(title=f"{number}{letter}") for letter in ("abc" if number < 3 else "")]
            User.new(email=f"{number}@x", name=f"{number}", posts=posts)


joined = User.query.join(User.posts).order_by(User.id)
eager = User.query.options(joinedload(User.posts)).order_by(User.id)


def test_a_joined_record_comes_once(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        assert [user.name for user in verb(joined, "all")] == ["0", "1", "2"]


def test_a_joined_record_is_counted_once(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        assert verb(joined, "count") == 3


def test_a_join_of_the_parent_counts_each_child(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        assert verb(Post.query.join(Post.author).filter_by(name="1"), "count") == 3


def test_an_outer_join_counts_records_without_a_match(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        assert verb(User.query.join(User.posts, isouter=True), "count") == 4


def test_an_outer_join_finds_records_without_a_match(verb: Verb, db: SQLAlchemy) -> None:
    query = User.query.join(User.posts, isouter=True).filter(Post.id.is_(None))
    with verb.scope(db):
        assert verb(query, "one").name == "3"


def test_the_count_of_a_join_is_the_number_of_its_records(verb: Verb, db: SQLAlchemy) -> None:
    query = joined.filter(Post.title.endswith("a") | Post.title.endswith("b"))
    with verb.scope(db):
        assert verb(query, "count") == len(verb(query, "all")) == 3


def test_a_joined_record_may_be_limited(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        users = verb(joined.distinct().limit(2), "all")
        assert [user.name for user in users] == ["0", "1"]


def test_an_eager_join_gives_each_record_once_with_all_its_children(
    verb: Verb, db: SQLAlchemy
) -> None:
    with verb.scope(db), sent() as statements:
        users = verb(eager, "all")
        titles = verb.inside(lambda: [[post.title for post in user.posts] for user in users])
    assert titles == [["0a", "0b", "0c"], ["1a", "1b", "1c"], ["2a", "2b", "2c"], []]
    assert verbs_of(statements) == ["SELECT"]


def test_the_limit_of_an_eager_join_limits_records(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        users = verb(eager.limit(2).offset(1), "all")
        titles = verb.inside(lambda: [[post.title for post in user.posts] for user in users])
    assert titles == [["1a", "1b", "1c"], ["2a", "2b", "2c"]]


def test_a_part_of_twenty_is_twenty_records(verb: Verb, db: SQLAlchemy) -> None:
    with db(commit_on_exit=True):
        for number in range(4, 30):
            User.new(email=f"{number}@x", posts=[Post(title="a"), Post(title="b")])
    for query in (eager[:20], User.query.eager(User.posts).order_by(User.id).limit(20)):
        with verb.scope(db):
            users = verb(query, "all")
            assert [user.id for user in users] == list(range(1, 21))
            assert verb(query, "count") == 20
            assert verb(eager, "count") == 30


def test_first_of_an_eager_join_has_all_its_children(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        user = verb(eager, "first")
        assert verb.inside(lambda: [post.title for post in user.posts]) == ["0a", "0b", "0c"]


@pytest.mark.parametrize("terminal", ["one", "one_or_none"])
def test_one_of_an_eager_join_has_all_its_children(
    verb: Verb, db: SQLAlchemy, terminal: str
) -> None:
    with verb.scope(db):
        user = verb(eager.filter_by(name="1"), terminal)
        assert verb.inside(lambda: [post.title for post in user.posts]) == ["1a", "1b", "1c"]


def test_get_of_an_eager_join_has_all_its_children(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db), sent() as statements:
        user = verb(User.query.options(joinedload(User.posts)), "get", 1)
        assert verb.inside(lambda: len(user.posts)) == 3
    assert verbs_of(statements) == ["SELECT"]


def test_the_count_of_an_eager_join_joins_nothing(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db), sent() as statements:
        assert verb(eager, "count") == 4
    assert statements == ["SELECT count(*) AS count_1 FROM users"]


def test_exists_of_an_eager_join_joins_nothing(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db), sent() as statements:
        assert verb(eager, "exists")
    [statement] = statements
    assert "JOIN" not in statement


def test_a_load_by_a_second_statement_loads_all_children_at_once(
    verb: Verb, db: SQLAlchemy
) -> None:
    query = User.query.options(selectinload(User.posts)).order_by(User.id)
    with verb.scope(db), sent() as statements:
        users = verb(query, "all")
        assert verb.inside(lambda: [len(user.posts) for user in users]) == [3, 3, 3, 0]
    assert verbs_of(statements) == ["SELECT", "SELECT"]


def test_options_of_two_calls_add_up(verb: Verb, db: SQLAlchemy) -> None:
    query = Post.query.options(joinedload(Post.author)).options(defer(Post.title))
    with verb.scope(db), sent() as statements:
        posts = verb(query, "all")
        assert verb.inside(lambda: {post.author.name for post in posts}) == {"0", "1", "2"}
    [statement] = statements
    assert "posts.title" not in statement


def test_a_join_may_load_what_it_joins(verb: Verb, db: SQLAlchemy) -> None:
    query = joined.filter(Post.title.endswith("b")).options(contains_eager(User.posts))
    with verb.scope(db), sent() as statements:
        users = verb(query, "all")
        titles = verb.inside(lambda: [[post.title for post in user.posts] for user in users])
    assert titles == [["0b"], ["1b"], ["2b"]]
    assert verbs_of(statements) == ["SELECT"]


def test_the_count_of_a_join_that_loads_what_it_joins_is_that_of_its_records(
    verb: Verb, db: SQLAlchemy
) -> None:
    with verb.scope(db):
        assert verb(joined.options(contains_eager(User.posts)), "count") == 3


def test_one_of_a_join_with_two_rows_of_one_record_is_that_record(
    verb: Verb, db: SQLAlchemy
) -> None:
    with verb.scope(db):
        assert verb(joined.filter_by(author_id=2), "one").id == 2


def test_filter_by_after_a_join_compares_the_joined_model(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        assert verb(joined.filter_by(title="1b"), "one").name == "1"


def test_two_aliases_of_a_model_join_apart(verb: Verb, db: SQLAlchemy) -> None:
    one, other = aliased(Post), aliased(Post)
    query = (
        User.query.join(User.posts.of_type(one))
        .filter_by(title="1a")
        .join(User.posts.of_type(other))
        .filter_by(title="1c")
    )
    with verb.scope(db):
        assert verb(query, "one").name == "1"


@pytest.fixture
def one_by_one(db: SQLAlchemy) -> Iterator[None]:
    """A scope in which relationships load by themselves."""
    with db():
        yield


@pytest.mark.usefixtures("one_by_one")
def test_a_relationship_that_is_not_loaded_loads_itself_once() -> None:
    [user] = User.query.filter_by(name="0")
    with sent() as statements:
        assert len(user.posts) == 3
        assert len(user.posts) == 3
    assert verbs_of(statements) == ["SELECT"]
