"""One body of tests for both colours: a `Verb` calls `obj.first()` or awaits `obj.afirst()`.

Awaitable verbs run in one task that lives as long as the test, on one event loop in the thread of
the test.  So a scope entered by one call is there for the next (context variables belong to a
task), and code that tells tasks apart sees one caller, as it does in a route.
"""

import asyncio
import contextvars
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from types import TracebackType
from typing import Any, Literal, Self

Colour = Literal["blocking", "awaitable"]
COLOURS: tuple[Colour, ...] = ("blocking", "awaitable")


class Caller:
    """A task that awaits what it is handed, one after another, while its owner waits."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._loop = self._runner.get_loop()
        self._orders: asyncio.Queue[tuple[Callable[[], Awaitable[Any]], asyncio.Future[Any]]]
        self._orders = asyncio.Queue()
        self.context = contextvars.copy_context()
        self._closing = False
        self._task = self._loop.create_task(self._work(), context=self.context)

    def run(self, act: Callable[[], Awaitable[Any]]) -> Any:
        """Call `act` inside the task, await what it returns, and return or raise its outcome."""
        outcome: asyncio.Future[Any] = self._loop.create_future()
        self._orders.put_nowait((act, outcome))
        succeeded, value = self._loop.run_until_complete(outcome)
        if succeeded:
            return value
        try:
            raise value
        finally:
            # The traceback refers to this frame: a cycle would keep what the error refers to alive.
            del outcome, value

    def close(self) -> None:
        """End the task and the loop, with what is left on it."""
        self._closing = True
        self._runner.close()

    async def _work(self) -> None:
        while not self._closing:
            act, outcome = await self._orders.get()
            # A pair, not `set_exception`: the future would keep the error.
            try:
                outcome.set_result((True, await act()))
            except BaseException as error:
                outcome.set_result((False, error))
            del act, outcome


class Verb:
    """Calls verbs in one colour.

    def test_first(verb: Verb) -> None:
        with verb.scope(db):
            verb(User(name="Ada"), "save")
            assert verb(User.query, "first").name == "Ada"
    """

    def __init__(self, colour: Colour) -> None:
        self.colour = colour
        self._caller = Caller() if colour == "awaitable" else None

    def __repr__(self) -> str:
        return f"Verb({self.colour!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._caller is not None:
            self._caller.close()

    @property
    def blocking(self) -> bool:
        return self._caller is None

    def name(self, name: str) -> str:
        """`first`, or `afirst` where verbs are awaited."""
        return name if self.blocking else f"a{name}"

    def __call__(self, target: Any, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call the verb `name` of `target`, or await its twin."""
        twin = getattr(target, self.name(name))
        if self._caller is None:
            return twin(*args, **kwargs)
        return self._caller.run(lambda: twin(*args, **kwargs))

    def inside(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call a function where the verbs run: in the same thread, task and context.

        A coroutine function is awaited, in the awaitable colour only.
        """
        if self._caller is None:
            return function(*args, **kwargs)

        async def call() -> Any:
            value = function(*args, **kwargs)
            return await value if isinstance(value, Awaitable) else value

        return self._caller.run(call)

    def each(self, target: Any, name: str | None = None, /, *args: Any, **kwargs: Any) -> list[Any]:
        """All that iterating gives, over `target` itself or over what its verb `name` returns.

        The twin of an iterator is an asynchronous one: it is iterated, not awaited.
        """
        source = target if name is None else getattr(target, self.name(name))
        if self._caller is None:
            items: Iterable[Any] = source if name is None else source(*args, **kwargs)
            return list(items)

        async def collect() -> list[Any]:
            items: AsyncIterable[Any] = source if name is None else source(*args, **kwargs)
            return [item async for item in items]

        return list(self._caller.run(collect))

    def scope(self, database: Callable[..., Any], /, **options: Any) -> AbstractContextManager[Any]:
        """`with database(**options):`, or `async with`."""
        return self.within(lambda: database(**options))

    @contextmanager
    def within(self, make: Callable[[], Any]) -> Iterator[Any]:
        """Enter the manager that `make` returns, which has both kinds of `with`.

        It is made where it is entered, because a manager may look at the context it is made in.
        """
        caller = self._caller
        if caller is None:
            with make() as value:
                yield value
            return

        manager: Any = None

        async def enter() -> Any:
            nonlocal manager
            manager = make()
            return await manager.__aenter__()

        value = caller.run(enter)
        try:
            yield value
        except BaseException as error:
            leave = partial(manager.__aexit__, type(error), error, error.__traceback__)
            try:
                hidden = caller.run(leave)
            finally:
                del leave
            if not hidden:
                raise
        else:
            caller.run(lambda: manager.__aexit__(None, None, None))
