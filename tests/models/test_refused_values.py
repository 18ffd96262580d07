"""A value that a column cannot hold is told as such, by every driver, and nothing is lost."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Numeric, String, Text, exc, func, literal, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fastapi_sqlalchemy import ModelBase, SQLAlchemy
from fastapi_sqlalchemy.exceptions import DataError
from tests.blog import created
from tests.verbs import Verb


class Base(ModelBase, DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class Ware(Base):
    __tablename__ = "wares"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(5), default="pen")
    about: Mapped[str] = mapped_column(Text, default="")
    price: Mapped[Any] = mapped_column(Numeric(4, 2), default=1)
    stock: Mapped[int] = mapped_column(default=0)
    sold: Mapped[bool] = mapped_column(default=False)


@pytest.fixture(autouse=True)
def wares(url: str) -> Iterator[None]:
    with created(db, url):
        yield


@pytest.fixture
def dialect() -> str:
    return db.engine.dialect.name


HUGE = 2**70
SURROGATE = "secret \ud800"

REFUSED: dict[str, tuple[dict[str, Any], set[str]]] = {
    "too large": ({"stock": HUGE}, {"sqlite", "postgresql", "mysql"}),
    "too long": ({"name": "secret and longer"}, {"postgresql", "mysql"}),
    "too many digits": ({"price": 12345}, {"postgresql", "mysql"}),
    "a NUL in text": ({"about": "secret\0"}, {"postgresql"}),
    "half a character": ({"about": SURROGATE}, {"sqlite", "postgresql", "mysql"}),
    "no number": ({"stock": "secret"}, {"postgresql", "mysql"}),
}


EVERYWHERE = [name for name, (_, by) in REFUSED.items() if len(by) == 3]


def values(name: str) -> dict[str, Any]:
    return REFUSED[name][0]


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_new_tells_it_is_the_value(verb: Verb, dialect: str, name: str) -> None:
    refused = dialect in REFUSED[name][1]
    with verb.scope(db):
        if refused:
            with pytest.raises(DataError) as caught:
                verb(Ware, "new", **values(name))
            assert isinstance(caught.value, exc.DataError)
            assert "INSERT INTO wares" in str(caught.value)
        else:
            verb(Ware, "new", **values(name))
        assert verb(Ware.query, "count") == (0 if refused else 1)


@pytest.mark.parametrize("name", EVERYWHERE)
def test_a_refused_update_leaves_the_record_as_it_was(verb: Verb, name: str) -> None:
    with verb.scope(db):
        ware = verb(Ware, "new")
        before = ware.to_dict()
        with pytest.raises(DataError):
            verb(ware, "update", **values(name))
        assert ware.to_dict() == before
        verb(ware, "update", stock=3)
        assert verb(Ware.query, "pluck", Ware.stock) == [3]


@pytest.mark.parametrize("name", EVERYWHERE)
def test_a_refused_value_is_in_no_message(verb: Verb, name: str) -> None:
    with verb.scope(db), pytest.raises(DataError) as caught:
        verb(Ware, "new", **values(name))
    for value in ("secret", str(HUGE)):
        assert value not in str(caught.value)
        assert value not in repr(caught.value.args)


@pytest.mark.parametrize("name", EVERYWHERE)
def test_the_error_of_the_driver_is_kept(verb: Verb, name: str) -> None:
    with verb.scope(db), pytest.raises(DataError) as caught:
        verb(Ware, "new", **values(name))
    assert isinstance(caught.value.orig, Exception)


def test_a_key_that_no_row_can_have_is_refused_or_not_found(verb: Verb, dialect: str) -> None:
    with verb.scope(db):
        if dialect == "mysql":  # compares it
            assert verb(Ware, "get", HUGE) is None
        else:
            with pytest.raises(DataError):
                verb(Ware, "get", HUGE)
        assert verb(Ware.query, "count") == 0


def test_a_column_type_that_refuses_a_value_says_so_itself(verb: Verb) -> None:
    with verb.scope(db), pytest.raises(exc.StatementError) as caught:
        verb(Ware, "new", sold="secret")
    assert not isinstance(caught.value, DataError)


def test_a_division_by_zero_is_nothing_that_a_value_can_help(dialect: str) -> None:
    division = select(literal(1) / func.abs(0))
    with db():
        if dialect == "postgresql":
            with pytest.raises(exc.DataError) as caught:
                db.session.execute(division)
            assert not isinstance(caught.value, DataError)
        else:
            assert db.session.scalar(division) is None


@pytest.fixture
def asyncpg_wares(postgres_url: str) -> Iterator[None]:
    with created(db, postgres_url.replace("+psycopg", "+asyncpg")):
        yield


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.usefixtures("asyncpg_wares")
async def test_asyncpg_which_refuses_most_by_itself_tells_the_same(name: str) -> None:
    async with db():
        with pytest.raises(DataError) as caught:
            await Ware.anew(**values(name))
        assert await Ware.query.acount() == 0
    assert "secret" not in str(caught.value)
