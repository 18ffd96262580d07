"""`Verb` calls or awaits, in one task and one context, against a toy."""

import asyncio
import gc
import threading
import weakref
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from types import TracebackType
from typing import Any

import pytest

from tests.verbs import Verb

current: ContextVar[str | None] = ContextVar("current", default=None)


def task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


class Toy:
    """Has each verb twice and notes how it was called."""

    def __init__(self) -> None:
        self.called: list[str] = []

    def add(self, left: int, *, right: int) -> int:
        self.called.append("add")
        return left + right

    async def aadd(self, left: int, *, right: int) -> int:
        self.called.append("aadd")
        await asyncio.sleep(0)
        return left + right

    def fail(self, error: BaseException) -> None:
        raise error

    async def afail(self, error: BaseException) -> None:
        raise error

    def count(self, to: int) -> Iterator[int]:
        return iter(range(to))

    async def acount(self, to: int) -> AsyncIterator[int]:
        for number in range(to):
            yield number

    def where(self) -> tuple[str | None, asyncio.Task[Any] | None]:
        return current.get(), task()

    async def awhere(self) -> tuple[str | None, asyncio.Task[Any] | None]:
        return self.where()

    def __iter__(self) -> Iterator[str]:
        yield "blocking"

    async def __aiter__(self) -> AsyncIterator[str]:
        yield "awaitable"


class Scope:
    """Both kinds of `with`; shows a name in a context variable and can hide errors."""

    def __init__(self, name: str = "scope", *, hides: type[BaseException] | None = None) -> None:
        self.name = name
        self.hides = hides
        self.seen: list[type[BaseException] | None] = []

    def __enter__(self) -> str:
        self._token = current.set(self.name)
        return self.name

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        # Refused in another context, which shows that leaving happens where entering did.
        current.reset(self._token)
        self.seen.append(kind)
        return kind is not None and self.hides is not None and issubclass(kind, self.hides)

    async def __aenter__(self) -> str:
        assert task() is not None
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        return self.__exit__(kind, error, traceback)


def test_a_verb_is_called_or_its_twin_awaited(verb: Verb) -> None:
    toy = Toy()
    assert verb(toy, "add", 1, right=2) == 3
    assert toy.called == [verb.name("add")]
    assert verb.name("add") == ("add" if verb.blocking else "aadd")


@pytest.mark.parametrize(
    "error", [ValueError("no"), asyncio.CancelledError(), KeyboardInterrupt(), SystemExit(1)]
)
def test_an_error_arrives_as_it_was_raised_and_the_next_verb_works(
    verb: Verb, error: BaseException
) -> None:
    with pytest.raises(type(error)) as caught:
        verb(Toy(), "fail", error)
    assert caught.value is error
    assert verb(Toy(), "add", 1, right=1) == 2


class Failure(Exception):
    """Unlike a builtin error, one that can be referred to weakly."""


class Failing:
    def fail(self) -> None:
        raise Failure

    async def afail(self) -> None:
        raise Failure


def test_an_error_is_free_as_soon_as_it_was_handled(verb: Verb) -> None:
    gc.disable()
    try:
        try:
            with verb.scope(Scope):
                verb(Failing(), "fail")
        except Failure as error:
            reference = weakref.ref(error)
        else:
            pytest.fail("nothing was raised")
        assert reference() is None
    finally:
        gc.enable()


def test_an_iterator_is_a_list_in_both_colours(verb: Verb) -> None:
    assert verb.each(Toy(), "count", 3) == [0, 1, 2]
    assert verb.each(Toy()) == [verb.colour]


def test_a_scope_is_seen_by_verbs_until_it_ends(verb: Verb) -> None:
    toy = Toy()
    with verb.scope(Scope, name="outer") as entered:
        assert entered == "outer"
        assert verb(toy, "where")[0] == "outer"
        with verb.within(lambda: Scope("inner")):
            assert verb(toy, "where")[0] == "inner"
        assert verb(toy, "where")[0] == "outer"
        assert verb.inside(current.get) == "outer"
    assert verb(toy, "where")[0] is None


def test_all_verbs_of_a_test_run_in_one_task(verb: Verb) -> None:
    toy = Toy()
    with verb.scope(Scope):
        first = verb(toy, "where")[1]
    assert first is verb(toy, "where")[1]
    assert (first is None) == verb.blocking


def test_verbs_run_in_the_thread_of_the_test(verb: Verb) -> None:
    assert verb.inside(threading.get_ident) == threading.get_ident()


def test_a_scope_sees_the_error_of_its_block(verb: Verb) -> None:
    scope = Scope()
    with pytest.raises(ValueError, match="from the block"), verb.within(lambda: scope):
        raise ValueError("from the block")
    assert scope.seen == [ValueError]


def test_a_scope_may_hide_the_error_of_its_block(verb: Verb) -> None:
    scope = Scope(hides=ValueError)
    with verb.within(lambda: scope):
        raise ValueError("hidden")
    assert scope.seen == [ValueError]


def test_inside_awaits_a_coroutine_function_in_the_awaitable_colour() -> None:
    async def double(number: int) -> int:
        await asyncio.sleep(0)
        return number * 2

    with Verb("awaitable") as verb:
        assert verb.inside(double, 2) == 4


def test_what_is_left_on_the_loop_is_cancelled_at_the_end() -> None:
    left: list[asyncio.Task[None]] = []

    async def leave() -> None:
        left.append(asyncio.create_task(asyncio.sleep(60)))

    with Verb("awaitable") as verb:
        verb.inside(leave)
    assert left[0].cancelled()


async def test_an_async_test_needs_no_mark() -> None:
    await asyncio.sleep(0)
    assert task() is not None
