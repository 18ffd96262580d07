"""Options of a database: a wrong one is refused by name."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import NullPool, create_engine
from sqlalchemy.ext.asyncio import create_async_engine

from fastapi_sqlalchemy import SQLAlchemy

Make = Callable[..., Any]
MAKES: dict[str, Make] = {
    "constructor": SQLAlchemy,
    "init": lambda *args, **options: SQLAlchemy().init(*args, **options),
}


@pytest.fixture(params=MAKES)
def make(request: pytest.FixtureRequest) -> Make:
    return MAKES[request.param]


def test_an_unknown_option_is_refused_by_name(make: Make) -> None:
    with pytest.raises(TypeError, match="poolsize"):
        make("sqlite://", poolsize=5)


def test_an_engine_by_both_names_is_refused(make: Make) -> None:
    engine = create_engine("sqlite://")
    with pytest.raises(TypeError, match="`engine` and `custom_engine`"):
        make(engine=engine, custom_engine=engine)


@pytest.mark.parametrize("wrong", ["maybe", True, None])
def test_a_word_that_blocking_does_not_know_is_refused(make: Make, wrong: Any) -> None:
    with pytest.raises(TypeError, match='blocking expected "warn", "raise" or "allow"'):
        make("sqlite://", blocking=wrong)


@pytest.mark.parametrize("option", ["engine", "custom_engine"])
def test_an_asyncio_engine_in_the_place_of_a_blocking_one_is_refused(
    make: Make, option: str
) -> None:
    engine = create_async_engine("postgresql+psycopg://nowhere/db")
    with pytest.raises(TypeError, match=f"^{option} expected"):
        make(**{option: engine})


def test_a_blocking_engine_in_the_place_of_an_asyncio_one_is_refused(make: Make) -> None:
    engine = create_engine("postgresql+psycopg://nowhere/db")
    with pytest.raises(TypeError, match=r"^async_engine expected"):
        make(async_engine=engine)


@pytest.mark.parametrize("option", ["engine_args", "session_args"])
def test_arguments_that_are_no_mapping_are_refused_by_name(make: Make, option: str) -> None:
    with pytest.raises(TypeError, match=f"^{option} expected"):
        make("sqlite://", **{option: ["echo"]})


def test_a_url_that_is_no_url_is_refused(make: Make) -> None:
    with pytest.raises(TypeError, match=r"^url expected"):
        make(42)


def test_a_refused_option_leaves_the_database_as_it_was() -> None:
    db = SQLAlchemy("sqlite://")
    engine = db.engine
    with pytest.raises(TypeError):
        db.init("sqlite:///other.db", blocking="maybe")  # type: ignore[arg-type]  # the claim
    assert db.engine is engine
    db.init()


def test_arguments_of_the_engine_reach_both_engines() -> None:
    async def size() -> int:
        pool: Any = db.async_engine.pool
        return int(pool.size())

    db = SQLAlchemy("postgresql://nowhere/db", engine_args={"pool_size": 3})
    pool: Any = db.engine.pool
    assert (pool.size(), asyncio.run(size())) == (3, 3)


def test_a_change_of_the_callers_dictionary_comes_too_late() -> None:
    arguments = {"pool_size": 3}
    db = SQLAlchemy("postgresql://nowhere/db", engine_args=arguments)
    arguments["pool_size"] = 7
    pool: Any = db.engine.pool
    assert pool.size() == 3


def test_the_pool_may_be_chosen() -> None:
    async def kind() -> type:
        return type(db.async_engine.pool)

    db = SQLAlchemy("postgresql://nowhere/db", engine_args={"poolclass": NullPool})
    assert (type(db.engine.pool), asyncio.run(kind())) == (NullPool, NullPool)


def test_an_argument_that_the_engine_does_not_know_is_refused_at_first_use() -> None:
    db = SQLAlchemy("sqlite://", engine_args={"poolsize": 3})
    with pytest.raises(TypeError, match="poolsize"):
        _ = db.engine
