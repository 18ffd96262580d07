"""Twenty who want the same record at the same time: one makes it, the others have it."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import insert

from fastapi_sqlalchemy import SQLAlchemy
from tests.bulk.crowd import SIZE, Call, Crowd, holding, until_waiting
from tests.bulk.stock import Item, db, rows
from tests.verbs import COLOURS, Colour

POOL = {"pool_size": SIZE + 3}


def opened(url: str) -> Iterator[SQLAlchemy]:
    db.init(url, engine_args={} if url.startswith("sqlite") else POOL)
    try:
        db.create_all()
        yield db
    finally:
        db.dispose()
        db.init()


@pytest.fixture
def stock(url: str) -> Iterator[SQLAlchemy]:
    yield from opened(url)


@pytest.fixture
def served_stock(server_url: str) -> Iterator[SQLAlchemy]:
    yield from opened(server_url)


@pytest.fixture(params=COLOURS)
def colour(request: pytest.FixtureRequest) -> Colour:
    found: Colour = request.param
    return found


@pytest.fixture(params=["alone", "in a transaction"])
def crowd(request: pytest.FixtureRequest, colour: Colour) -> Crowd:
    return Crowd(colour, block=request.param == "in a transaction")


def get_or_create(number: int) -> Call:
    return Item, "get_or_create", {"sku": "a", "defaults": {"amount": number}}


def update_or_create(number: int) -> Call:
    return Item, "update_or_create", {"sku": "a", "defaults": {"label": f"of {number}"}}


def made(results: list[Any]) -> int:
    return sum(created for _, created in results)


ROW = insert(Item).values(sku="a", amount=99)


@pytest.mark.usefixtures("stock")
def test_one_makes_it_and_the_others_get_it(crowd: Crowd) -> None:
    results = crowd.each(get_or_create)
    assert made(results) == 1
    assert {item.id for item, _ in results} == {rows(Item.id)[0][0]}
    assert len({item.amount for item, _ in results}) == 1


@pytest.mark.usefixtures("served_stock")
def test_all_get_what_another_one_makes_first(crowd: Crowd) -> None:
    with holding(ROW) as rival:

        def meanwhile() -> None:
            until_waiting(SIZE)
            rival.commit()

        results = crowd.each(get_or_create, meanwhile=meanwhile)
    assert made(results) == 0
    assert {item.amount for item, _ in results} == {99}


@pytest.mark.usefixtures("served_stock")
def test_one_makes_it_after_another_one_gave_up(colour: Colour) -> None:
    with holding(ROW) as rival:

        def meanwhile() -> None:
            until_waiting(SIZE)
            rival.rollback()

        results = Crowd(colour).each(get_or_create, meanwhile=meanwhile)
    assert made(results) == 1
    assert len(rows(Item.id)) == 1


@pytest.mark.usefixtures("stock")
def test_everybody_updates_what_one_makes(colour: Colour) -> None:
    results = Crowd(colour).each(update_or_create)
    assert made(results) == 1
    assert {item.label for item, _ in results} == {f"of {number}" for number in range(SIZE)}
    [(label, revision)] = rows(Item.label, Item.revision)
    assert label in {item.label for item, _ in results}
    assert revision == SIZE - 1, "each but the one who made it has sent an UPDATE"
    assert {item.revision for item, _ in results} == set(range(SIZE)), "each saw a state of its own"


@pytest.mark.usefixtures("served_stock")
def test_everybody_updates_what_another_one_makes(colour: Colour) -> None:
    with holding(ROW) as rival:

        def meanwhile() -> None:
            until_waiting(SIZE)
            rival.commit()

        results = Crowd(colour).each(update_or_create, meanwhile=meanwhile)
    assert made(results) == 0
    assert rows(Item.amount, Item.revision) == [(99, SIZE)]


@pytest.mark.usefixtures("stock")
def test_everybody_updates_what_one_makes_within_transactions_that_are_repeated(
    colour: Colour,
) -> None:
    results = Crowd(colour, block=True, retries=SIZE).each(update_or_create)
    assert made(results) == 1
    [(revision,)] = rows(Item.revision)
    assert revision == SIZE - 1
