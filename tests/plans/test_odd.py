"""What is asked seldom, or looks like something else: the same on both paths."""

import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import ForeignKey, String, bindparam, func, inspect, literal
from sqlalchemy.orm import Mapped, aliased, mapped_column, relationship
from sqlalchemy.types import TypeDecorator
from typing_extensions import override

from fastapi_sqlalchemy import SQLAlchemy
from fastapi_sqlalchemy._plans import plans, running


class Lowered(TypeDecorator.Comparator[str]):  # noqa: PLW1641 - an expression, not equality
    @override
    def __eq__(self, other: Any) -> Any:  # noqa: PYI032
        return super().__eq__(other.lower())


class LowerCase(TypeDecorator[str]):
    """Text that is compared with what has no capitals."""

    impl = String
    cache_ok = True
    comparator_factory: Any = Lowered


class Choosing(TypeDecorator[str]):
    """Text whose type, where it is compared, depends on the text."""

    impl = String
    cache_ok = True

    @override
    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        return self if value == "Ada" else String()

    @override
    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return value.lower()


class Uncached(TypeDecorator[str]):
    """A type that does not say whether its SQL can be kept."""

    impl = String


def shop_at(url: str, *, plans: bool) -> Any:
    db = SQLAlchemy(url, plans=plans)
    made: list[int] = []

    def next_number() -> int:
        made.append(1)
        return len(made)

    def failing() -> int:
        raise ValueError("no default")

    class User(db.Base):
        __tablename__ = "users"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str | None] = mapped_column(String(20))
        lower: Mapped[str | None] = mapped_column(LowerCase(20))
        choosing: Mapped[str | None] = mapped_column(Choosing(20))
        uncached: Mapped[str | None] = mapped_column(Uncached(20))

    class Post(db.Base):
        __tablename__ = "posts"

        id: Mapped[int] = mapped_column(primary_key=True)
        author_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
        author: Mapped[User | None] = relationship()

    class Empty(db.Base):
        __tablename__ = "empties"

        id: Mapped[int] = mapped_column(primary_key=True)

        def __len__(self) -> int:
            return 0

    class Numbered(db.Base):
        __tablename__ = "numbered"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]
        number: Mapped[int] = mapped_column(default=next_number)

    class Failing(db.Base):
        __tablename__ = "failing"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]
        number: Mapped[int] = mapped_column(default=failing)

    class Line(db.Base):
        __tablename__ = "lines"

        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        name: Mapped[str]

    db.create_all()
    with db():
        for name in ("Ada", "Grace", "Alan"):
            User.new(name=name, lower=name.lower(), choosing=name, uncached=name)
        Post.new(author_id=1)
        Empty.new(id=1)
        User.query.all()
    return SimpleNamespace(
        db=db, User=User, Post=Post, Empty=Empty, Numbered=Numbered, Failing=Failing, Line=Line
    )


def one_criterion_twice(s: Any) -> Any:
    one = s.User.id == 1
    found = [s.User.query.filter(one).filter(one).count(), s.User.query.filter(one, one).count()]
    other = s.User.query.filter(s.User.id == 1).filter(s.User.id == 2).count()
    return *found, other, s.User.query.filter(s.User.id == 1, s.User.id == 2).count()


def one_value_twice(s: Any) -> Any:
    one = literal(1)
    rising = s.User.query.filter(s.User.id > one).order_by(s.User.id * one)
    falling = s.User.query.filter(s.User.id > literal(1)).order_by(s.User.id * literal(-1))
    return [each.id for each in (*rising.all(), *falling.all())]


def one_alias_and_two(s: Any) -> Any:
    one, other = aliased(s.User), aliased(s.User)
    found = [
        s.User.query.filter(one.id == s.User.id).filter(each.name == "Ada").count()
        for each in (one, other)
    ]
    return *found, s.User.query.filter(one.id == s.User.id).filter(one.name == "Ada").count()


def a_prefix_of_two_chains(s: Any) -> Any:
    prefix = s.User.query.filter(s.User.id > 0)
    longer = prefix.filter(s.User.id > 1).filter(s.User.id < 3)
    return prefix.count(), longer.count(), prefix.count(), prefix.filter(s.User.id > 2).count()


def a_record_that_waits(s: Any) -> Any:
    user = s.User(name="new")
    s.db.session.add(user)
    with s.db.session.no_autoflush:
        query = s.Post.query.filter(s.Post.author == user)
    return [query.count(), s.Post.query.filter(s.Post.author == s.User.get(1)).count()]


def a_value_that_is_missing(s: Any) -> Any:
    return s.User.query.filter(s.User.name == bindparam("given")).count()


def a_type_that_compares(s: Any) -> Any:
    return [s.User.query.filter_by(lower=each).count() for each in ("ada", "ADA", "Grace")]


def a_type_that_chooses(s: Any) -> Any:
    return [s.User.query.filter_by(choosing=each).count() for each in ("Ada", "ADA", "Grace")]


def warned(act: Callable[[], Any]) -> Any:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            found = act()
        except Exception as error:
            found = type(error).__name__
    return found, len(heard)


def a_type_that_is_not_kept(s: Any) -> Any:
    return warned(lambda: [s.User.query.filter_by(uncached="Ada").count() for _ in range(3)])


def tables_that_nothing_joins(s: Any) -> Any:
    return warned(lambda: len(s.User.query.filter(s.Post.id == 1).all()))


def a_record_that_is_false(s: Any) -> Any:
    found = s.Empty.get(1)
    s.db.session.delete(found)
    return s.Empty.get(1) is found


def the_key_of_another_record(s: Any) -> Any:
    known = s.User.get(1)
    return warned(lambda: s.User.new(id=1)), inspect(known).persistent


def the_key_of_a_record_that_is_gone(s: Any) -> Any:
    known = s.User.get(3)
    with s.db.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM users WHERE id = 3")
    return warned(lambda: s.User.new(id=3).id), known.name


def a_default_is_made_once(s: Any) -> Any:
    s.db.engine.dispose()
    return s.Numbered.new(name="a").number, s.Numbered.new(name="b").number


def a_default_that_fails(s: Any) -> Any:
    return s.Failing.new(name="a")


CASES: dict[str, Callable[[Any], Any]] = {
    each.__name__: each
    for each in (
        *(one_criterion_twice, one_value_twice, one_alias_and_two, a_prefix_of_two_chains),
        *(a_record_that_waits, a_value_that_is_missing, a_type_that_compares),
        *(a_type_that_chooses, a_type_that_is_not_kept, tables_that_nothing_joins),
        *(a_record_that_is_false, the_key_of_another_record, the_key_of_a_record_that_is_gone),
        *(a_default_is_made_once, a_default_that_fails),
    )
}


def outcome(url: str, act: Callable[[Any], Any], *, plans: bool) -> Any:
    shop = shop_at(url, plans=plans)
    try:
        with shop.db():
            try:
                found = act(shop)
            except Exception as error:
                found = type(error).__name__, str(error).partition("\n")[0]
            return found, shop.db.session.in_transaction(), shop.db.engine.pool.checkedout()
    finally:
        shop.db.metadata.drop_all(shop.db.engine)
        shop.db.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def address(request: pytest.FixtureRequest) -> str:
    """An empty database; on a server the same takes three times as long."""
    return "sqlite://" if request.param == "sqlite" else request.getfixturevalue("postgres_url")


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")
@pytest.mark.parametrize("case", CASES)
def test_the_outcome_is_the_same_on_both_paths(address: str, case: str) -> None:
    plain, planned = (outcome(address, CASES[case], plans=plans) for plans in (False, True))
    assert planned == plain


def in_postgresql(s: Any, *statements: str) -> list[Any]:
    with s.db.engine.begin() as connection:
        results = [connection.exec_driver_sql(each) for each in statements]
        return [each.scalar() if each.returns_rows else None for each in results]


TRIGGER = (
    "CREATE FUNCTION redirect() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN INSERT INTO posts DEFAULT VALUES; RETURN NULL; END $$"
)


@pytest.mark.parametrize("table", ["lines", "users"])
def test_a_row_that_a_trigger_puts_elsewhere_is_inserted_once(
    postgres_url: str, table: str
) -> None:
    def act(s: Any) -> Any:
        s.db.engine.dispose()
        trigger = f"CREATE TRIGGER t BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION"
        in_postgresql(s, TRIGGER, f"{trigger} redirect()")
        s.User.query.count()
        try:
            (s.Line.new(id=1, name="a") if table == "lines" else s.User.new(name="a"))
            found = "saved"
        except Exception as error:
            found = type(error).__name__
        [number] = in_postgresql(s, "SELECT count(*) FROM posts")
        in_postgresql(s, f"DROP TRIGGER t ON {table}", "DROP FUNCTION redirect")
        return found, number if table == "lines" else None

    plain, planned = (outcome(postgres_url, act, plans=plans) for plans in (False, True))
    assert planned == plain


def test_old_plans_go_when_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "MOST", 5)
    shop = shop_at("sqlite://", plans=True)
    with shop.db():
        for number in range(1, 12):
            criteria = [shop.User.id > 0] * number
            assert shop.User.query.filter(*criteria).count() == 3
        assert len(shop.db.session._plans.known) == 5


def test_a_connection_comes_back_where_a_default_is_interrupted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop = shop_at("sqlite://", plans=True)

    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    with shop.db():
        lone = running.Lone(shop.db.engine.pool)
        with pytest.raises(KeyboardInterrupt):
            lone.send(shop.db.session, "SELECT 1", interrupted, returns=False)
        assert shop.db.engine.pool.checkedout() == 0
        assert shop.User.query.filter(func.lower(shop.User.name) == "ada").count() == 1
