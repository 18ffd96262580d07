"""The chain: each method returns a new query that says more, and sends nothing."""

import inspect
from collections.abc import Callable

import pytest
from sqlalchemy import Select, func
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import aliased, joinedload, selectinload

from fastapi_sqlalchemy import Query
from fastapi_sqlalchemy.exceptions import UnknownNameError
from tests.blog import Post, User
from tests.statements import sent

SELECT = "SELECT users.id, users.email, users.name\nFROM users"
SELECT_DISTINCT = "SELECT DISTINCT users.id, users.email, users.name\nFROM users"
JOINED = f"{SELECT} JOIN posts ON users.id = posts.author_id"

CHAIN: dict[str, Callable[[Query[User]], Query[User]]] = {
    "filter_by": lambda query: query.filter_by(name="Ada"),
    "filter": lambda query: query.filter(User.id > 1),
    "where": lambda query: query.where(User.id > 1),
    "order_by": lambda query: query.order_by(User.name),
    "limit": lambda query: query.limit(2),
    "offset": lambda query: query.offset(2),
    "distinct": lambda query: query.distinct(),
    "join": lambda query: query.join(User.posts),
    "options": lambda query: query.options(joinedload(User.posts)),
    "outerjoin": lambda query: query.outerjoin(User.posts),
    "select_from": lambda query: query.select_from(Post),
    "reset_order": lambda query: query.order_by(User.id).limit(1).reset_order(),
    "group_by": lambda query: query.group_by(User.id),
    "having": lambda query: query.having(func.count() > 1),
    "with_for_update": lambda query: query.with_for_update(),
    "execution_options": lambda query: query.execution_options(yield_per=9).limit(1),
    "when": lambda query: query.when(query, lambda query: query.limit(1)),
    "eager": lambda query: query.eager(User.posts).limit(1),
    "strict": lambda query: query.strict().limit(1),
    "for_schema": lambda query: query.for_schema(User).limit(1),
    "union": lambda query: query.union(query),
    "union_all": lambda query: query.union_all(query),
    "with_deleted": lambda query: query.with_deleted().limit(1),
}
ONLY_OF_SOME_MODELS = {"only_deleted"}


@pytest.mark.parametrize("method", CHAIN)
def test_a_method_of_the_chain_returns_a_new_query(method: str) -> None:
    query = User.query.filter_by(email="ada@x")
    new = CHAIN[method](query)
    assert type(new) is type(query)
    assert new is not query
    assert str(new) != str(query)


@pytest.mark.parametrize("method", CHAIN)
def test_a_method_of_the_chain_leaves_its_query_as_it_was(method: str) -> None:
    query = User.query.filter_by(email="ada@x")
    before = str(query)
    _ = CHAIN[method](query)
    assert str(query) == before


@pytest.mark.parametrize("method", CHAIN)
def test_a_method_of_the_chain_needs_no_scope_and_sends_nothing(method: str) -> None:
    with sent() as statements:
        _ = CHAIN[method](User.query)
    assert statements == []


def test_every_method_of_the_chain_is_tried_here() -> None:
    methods = {
        name
        for name in dir(Query)
        if not name.startswith("_")
        and inspect.isfunction(function := getattr(Query, name))
        and "Self" in str(inspect.signature(function).return_annotation)
    }
    assert methods - ONLY_OF_SOME_MODELS == CHAIN.keys()


def test_two_queries_from_one_go_separate_ways() -> None:
    query = User.query.filter_by(name="Ada")
    assert str(query.filter_by(email="a")) == (
        f"{SELECT}\nWHERE users.name = :name_1 AND users.email = :email_1"
    )
    assert str(query.filter(User.id > 1)) == (
        f"{SELECT}\nWHERE users.name = :name_1 AND users.id > :id_1"
    )


def test_each_access_to_query_is_a_new_query() -> None:
    assert User.query is not User.query


def test_a_subclass_of_the_query_stays_one() -> None:
    class Users(Query[User]):
        __slots__ = ()

        def called(self, name: str) -> "Users":
            return self.filter_by(name=name)

    query = Users(User).limit(2).called("Ada").order_by(User.id)
    assert type(query) is Users


@pytest.mark.parametrize(
    ("query", "sql"),
    [
        pytest.param(User.query, SELECT, id="nothing"),
        pytest.param(
            User.query.filter_by(name="Ada", email="a"),
            f"{SELECT}\nWHERE users.name = :name_1 AND users.email = :email_1",
            id="filter_by",
        ),
        pytest.param(
            User.query.filter_by(name=None), f"{SELECT}\nWHERE users.name IS NULL", id="null"
        ),
        pytest.param(User.query.filter_by(), SELECT, id="filter_by nothing"),
        pytest.param(User.query.filter(), SELECT, id="filter nothing"),
        pytest.param(
            User.query.filter(User.id > 1, User.name == "Ada"),
            f"{SELECT}\nWHERE users.id > :id_1 AND users.name = :name_1",
            id="filter",
        ),
        pytest.param(
            User.query.where(User.id > 1).where(User.id < 9),
            f"{SELECT}\nWHERE users.id > :id_1 AND users.id < :id_2",
            id="where twice",
        ),
        pytest.param(
            User.query.filter((User.id == 1) | (User.id == 2)).filter_by(name="Ada"),
            f"{SELECT}\nWHERE (users.id = :id_1 OR users.id = :id_2) AND users.name = :name_1",
            id="or",
        ),
        pytest.param(
            User.query.order_by(User.name, User.id.desc()),
            f"{SELECT} ORDER BY users.name, users.id DESC",
            id="order_by",
        ),
        pytest.param(
            User.query.order_by(User.name).order_by(User.id),
            f"{SELECT} ORDER BY users.name, users.id",
            id="order_by twice",
        ),
        pytest.param(
            User.query.order_by(User.name).order_by(None).order_by(User.id),
            f"{SELECT} ORDER BY users.id",
            id="order_by forgotten",
        ),
        pytest.param(
            User.query.order_by("name"), f"{SELECT} ORDER BY users.name", id="order_by words"
        ),
        pytest.param(
            User.query.order_by(func.lower(User.name)),
            f"{SELECT} ORDER BY lower(users.name)",
            id="order_by expression",
        ),
        pytest.param(User.query.limit(2), f"{SELECT}\n LIMIT :param_1", id="limit"),
        pytest.param(User.query.limit(2).limit(None), SELECT, id="limit forgotten"),
        pytest.param(
            User.query.limit(2).offset(4),
            f"{SELECT}\n LIMIT :param_1 OFFSET :param_2",
            id="limit and offset",
        ),
        pytest.param(User.query.offset(4).offset(None), SELECT, id="offset forgotten"),
        pytest.param(User.query.distinct(), SELECT_DISTINCT, id="distinct"),
        pytest.param(User.query.join(User.posts), JOINED, id="join"),
        pytest.param(User.query.join(Post), JOINED, id="join model"),
        pytest.param(
            User.query.join(Post, Post.author_id == User.id),
            f"{SELECT} JOIN posts ON posts.author_id = users.id",
            id="join on",
        ),
        pytest.param(
            User.query.join(User.posts, isouter=True),
            f"{SELECT} LEFT OUTER JOIN posts ON users.id = posts.author_id",
            id="join isouter",
        ),
        pytest.param(User.query.options(selectinload(User.posts)), SELECT, id="selectinload"),
        pytest.param(
            User.query.outerjoin(User.posts, full=True),
            f"{SELECT} FULL OUTER JOIN posts ON users.id = posts.author_id",
            id="outerjoin full",
        ),
        pytest.param(
            User.query.order_by(User.name).reset_order().order_by(User.id),
            f"{SELECT} ORDER BY users.id",
            id="reset_order",
        ),
        pytest.param(
            User.query.group_by(User.id, "name").having(func.count() > 1),
            f"{SELECT} GROUP BY users.id, users.name\nHAVING count(*) > :count_1",
            id="group_by, having",
        ),
        pytest.param(User.query.group_by(User.id).group_by(None), SELECT, id="group_by forgotten"),
        pytest.param(
            User.query.when("Ada", lambda query: query.filter_by(name="Ada")),
            f"{SELECT}\nWHERE users.name = :name_1",
            id="when",
        ),
        pytest.param(
            User.query.when("", lambda query: query.filter_by(name="")), SELECT, id="when not"
        ),
        pytest.param(
            User.query.when(
                None, lambda query: query.limit(1), lambda query: query.order_by(User.id)
            ),
            f"{SELECT} ORDER BY users.id",
            id="when otherwise",
        ),
        pytest.param(
            User.query.filter(User.id.in_([1, 2])),
            f"{SELECT}\nWHERE users.id IN (__[POSTCOMPILE_id_1])",
            id="in",
        ),
    ],
)
def test_the_text_of_a_query_is_its_sql(query: Query[User], sql: str) -> None:
    assert str(query) == sql


def test_the_text_of_a_query_has_no_values() -> None:
    assert "secret" not in str(User.query.filter_by(email="secret"))


def test_no_line_of_the_text_ends_in_a_blank() -> None:
    lines = str(User.query.join(User.posts).filter_by(title="a").limit(1)).splitlines()
    assert [line for line in lines if line != line.rstrip()] == []


def test_an_eager_join_is_part_of_the_text() -> None:
    assert "LEFT OUTER JOIN posts AS posts_1 ON users.id = posts_1.author_id" in str(
        User.query.options(joinedload(User.posts))
    )


def test_distinct_takes_columns_on_postgresql() -> None:
    statement = User.query.distinct(User.name).order_by(User.name).statement
    sql = str(statement.compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]
    assert sql.startswith("SELECT DISTINCT ON (users.name) users.id")


def test_filter_by_after_a_join_names_attributes_of_the_joined_model() -> None:
    query = User.query.join(User.posts).filter_by(title="a")
    assert str(query) == f"{JOINED}\nWHERE posts.title = :title_1"


def test_filter_by_of_a_name_both_have_means_the_joined_model() -> None:
    query = User.query.join(User.posts).filter_by(id=1)
    assert str(query) == f"{JOINED}\nWHERE posts.id = :id_1"


def test_filter_by_before_a_join_names_attributes_of_the_model() -> None:
    query = User.query.filter_by(id=1).join(User.posts).filter_by(id=2)
    assert str(query) == f"{JOINED}\nWHERE users.id = :id_1 AND posts.id = :id_2"


def test_filter_by_after_two_joins_names_attributes_of_the_last() -> None:
    query = Post.query.join(Post.author).join(User.posts.of_type(other := aliased(Post)))
    assert str(query.filter_by(title="a")).endswith("WHERE posts_1.title = :title_1")
    assert str(query.filter(other.title == "a")) == str(query.filter_by(title="a"))


def test_filter_by_after_a_join_of_an_alias_names_attributes_of_the_alias() -> None:
    other = aliased(User, name="other")
    query = User.query.join(other, other.name == User.name).filter_by(email="a")
    assert str(query).endswith("WHERE other.email = :email_1")


def test_filter_by_after_a_join_of_an_aliased_relationship_names_its_attributes() -> None:
    post = aliased(Post, name="post")
    query = User.query.join(User.posts.of_type(post)).filter_by(title="a")
    assert str(query).endswith("WHERE post.title = :title_1")


def test_an_unknown_name_is_refused_with_the_closest_one() -> None:
    with pytest.raises(UnknownNameError) as caught:
        _ = User.query.filter_by(nmae="Ada")  # type: ignore[call-arg]  # the mistake
    error = caught.value
    assert (error.model, error.unknown, error.closest) == ("User", "nmae", "name")
    assert str(error) == (
        "filter_by() expected attributes of User, found `nmae`, which it does not have.\n\n"
        "Did you mean `name`?"
    )


def test_an_unknown_name_after_a_join_is_looked_for_in_the_joined_model() -> None:
    with pytest.raises(UnknownNameError) as caught:
        _ = User.query.join(User.posts).filter_by(titel="a")
    assert (caught.value.model, caught.value.closest) == ("Post", "title")


def test_an_unknown_name_after_a_join_of_an_alias_tells_the_model() -> None:
    other = aliased(User)
    with pytest.raises(UnknownNameError) as caught:
        _ = User.query.join(other, other.name == User.name).filter_by(nmae="Ada")
    assert (caught.value.model, caught.value.closest) == ("User", "name")


def test_the_first_of_several_unknown_names_is_told() -> None:
    with pytest.raises(UnknownNameError) as caught:
        _ = User.query.filter_by(name="Ada", emial="a", nmae="b")  # type: ignore[call-arg]  # the mistake
    assert caught.value.unknown == "emial"


@pytest.mark.parametrize("caught_by", [InvalidRequestError, AttributeError, TypeError])
def test_an_unknown_name_is_what_a_caller_catches_already(caught_by: type[Exception]) -> None:
    with pytest.raises(caught_by):
        _ = User.query.filter_by(nmae="Ada")  # type: ignore[call-arg]  # the mistake


@pytest.mark.parametrize("name", ["metadata", "save", "query", "__tablename__", "_sa_registry"])
def test_what_cannot_be_compared_in_sql_is_an_unknown_name(name: str) -> None:
    with pytest.raises(UnknownNameError):
        _ = User.query.filter_by(**{name: 1})


def test_the_statement_of_a_query_is_a_select() -> None:
    statement: Select[User] = User.query.filter_by(name="Ada").statement
    assert isinstance(statement, Select)
    assert str(statement.with_only_columns(User.id)) == (
        "SELECT users.id \nFROM users \nWHERE users.name = :name_1"
    )


def test_the_repr_of_a_query_names_its_model() -> None:
    assert repr(User.query.filter_by(email="secret")) == "<Query of User>"
