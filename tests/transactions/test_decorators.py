"""`@db.transaction()` runs every call of a function in a transaction of its own."""

from collections.abc import AsyncIterator, Callable, Iterator
from inspect import iscoroutinefunction
from typing import Any

import pytest
from fastapi import FastAPI

from fastapi_sqlalchemy.exceptions import MissingSessionError, TransactionOptionError
from tests.shop import Item, db, lent, names, open_shop
from tests.transactions.tools import Spoilt, ends, seen, spoilt
from tests.verbs import Verb
from tests.web.asgi import get, serving


def nothing() -> None:
    pass


def fail() -> None:
    raise Spoilt


def adding(
    verb: Verb, decorate: Callable[[Any], Any], then: Callable[[], object] = nothing
) -> Callable[[str], str]:
    """A decorated function of the verb's colour, which saves an item and does something then."""
    if verb.blocking:

        @decorate
        def add(name: str) -> str:
            Item.new(name=name)
            then()
            return name

        return lambda name: str(add(name))

    @decorate
    async def aadd(name: str) -> str:
        await Item.anew(name=name)
        then()
        return name

    return lambda name: str(verb.inside(aadd, name))


def test_a_call_is_a_transaction_and_returns_what_the_function_does(url: str, verb: Verb) -> None:
    open_shop(url)
    add = adding(verb, db.transaction())
    with verb.scope(db), ends() as noted:
        assert add("pen") == "pen"
        assert add("ink") == "ink"
    assert noted == ["commit", "commit"]
    assert names() == ["ink", "pen"]


def test_a_call_that_fails_rolls_back(url: str, verb: Verb) -> None:
    open_shop(url)
    add = adding(verb, db.transaction(), fail)
    with verb.scope(db):
        with spoilt():
            add("pen")
        assert seen(verb) == []
    assert names() == []


def test_a_call_within_a_block_can_fail_alone(home_url: str, verb: Verb) -> None:
    open_shop(home_url)
    add = adding(verb, db.transaction(), fail)
    with verb.scope(db), verb.within(lambda: db.transaction()):
        verb(Item, "new", name="before")
        with spoilt():
            add("within")
    assert names() == ["before"]


def test_a_call_uses_the_session_around_it(home_url: str, verb: Verb) -> None:
    open_shop(home_url)
    sessions: list[object] = []
    add = adding(verb, db.transaction(), lambda: sessions.append(db.session))
    with verb.scope(db):
        add("pen")
        assert sessions == [verb.inside(lambda: db.session)]


def test_a_call_outside_every_scope_has_one_of_its_own(home_url: str, verb: Verb) -> None:
    open_shop(home_url)
    add = adding(verb, db.transaction())
    add("pen")
    assert names() == ["pen"]
    assert verb.inside(lent) == 0
    with pytest.raises(MissingSessionError):
        verb(Item.query, "count")


OPTIONS: list[dict[str, Any]] = [
    {"isolation_level": "SERIALIZABLE"},
    {"durable": True},
    {"isolation_level": "SERIALIZABLE", "retries": 1},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_a_call_outside_every_scope_is_outermost_whatever_the_policy_of_the_database(
    home_url: str, verb: Verb, options: dict[str, Any]
) -> None:
    open_shop(home_url, commit_on_exit=True)
    add = adding(verb, db.transaction(**options))
    with ends() as noted:
        add("pen")
    assert noted == ["commit"]
    assert names() == ["pen"]


@pytest.mark.parametrize("options", OPTIONS)
def test_the_options_hold_for_every_call(
    home_url: str, verb: Verb, options: dict[str, Any]
) -> None:
    open_shop(home_url)
    add = adding(verb, db.transaction(**options))
    with verb.scope(db), verb.within(lambda: db.transaction()):
        for _ in range(2):
            with pytest.raises(TransactionOptionError):
                add("pen")
        verb(Item, "new", name="ink")
    assert names() == ["ink"]


def test_a_function_may_call_itself() -> None:
    open_shop("sqlite://")

    @db.transaction()
    def add(count: int) -> None:
        if count:
            add(count - 1)
            Item.new(name=f"{count}")

    with ends() as noted:
        add(3)
    assert (noted, names()) == (["commit"], ["1", "2", "3"])


def test_a_method_has_its_object() -> None:
    open_shop("sqlite://")

    class Shelf:
        def __init__(self, name: str) -> None:
            self.name = name

        @db.transaction()
        def add(self) -> None:
            Item.new(name=self.name)

        @db.transaction()
        async def aadd(self) -> None:
            await Item.anew(name=f"awaited {self.name}")

    Shelf("pen").add()
    with Verb("awaitable") as verb:
        verb.inside(Shelf("ink").aadd)
    assert names() == ["awaited ink", "pen"]


def test_a_function_stays_what_it_is() -> None:
    def add() -> None:
        """Add."""

    async def aadd() -> None:
        """Add."""

    for function in (add, aadd):
        decorated = db.transaction()(function)
        assert decorated.__name__ == function.__name__
        assert decorated.__doc__ == "Add."
        assert iscoroutinefunction(decorated) == iscoroutinefunction(function)


def generate() -> Iterator[int]:
    yield 1


async def agenerate() -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize("function", [generate, agenerate])
@pytest.mark.parametrize("retries", [0, 1])
def test_a_generator_function_is_refused_by_name_where_it_is_decorated(
    function: Callable[..., Any], retries: int
) -> None:
    with pytest.raises(TypeError, match=f"{function.__name__}: open the block in its body"):
        db.transaction(retries=retries)(function)


@pytest.mark.parametrize("colour", ["def", "async"])
async def test_a_route_can_be_decorated(home_url: str, colour: str) -> None:
    open_shop(home_url)
    app = serving(FastAPI(), db)

    @app.get("/def/{name}")
    @db.transaction()
    def blocking(name: str, fails: bool = False) -> int:
        return len(name) + Item.new(name=name).id // (not fails)

    @app.get("/async/{name}")
    @db.transaction()
    async def awaited(name: str, fails: bool = False) -> int:
        return len(name) + (await Item.anew(name=name)).id // (not fails)

    assert (await get(app, f"/{colour}/pen")).body == b"4"
    failed = await get(app, f"/{colour}/ink", query="fails=true")
    assert isinstance(failed.error, ZeroDivisionError)
    assert names() == ["pen"]
    assert lent() == 0
