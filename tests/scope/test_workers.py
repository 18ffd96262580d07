"""The threads of awaited calls that block: what a call sees and leaves, and how many there are."""

import asyncio
import contextvars
import gc
import queue
import random
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any

import anyio
import pytest
from sqlalchemy import text

from fastapi_sqlalchemy import _home, _workers
from fastapi_sqlalchemy._home import ThreadHome
from fastapi_sqlalchemy._workers import run_in_worker
from tests.faults.served import SLOW, until
from tests.interpreter import Python
from tests.shop import Item, db, lent, names, open_shop

NAME = "fastapi_sqlalchemy worker"


def workers() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == NAME}


def limiter() -> anyio.CapacityLimiter:
    return anyio.to_thread.current_default_thread_limiter()


@pytest.fixture
def home() -> ThreadHome:
    return ThreadHome("allow")


@pytest.fixture
def no_garbage_collection() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


variable = contextvars.ContextVar("variable", default="default")


async def test_a_call_sees_the_context_of_its_caller_and_changes_a_copy(home: ThreadHome) -> None:
    def call() -> str:
        seen = variable.get()
        variable.set("of the thread")
        return seen

    variable.set("of the task")
    assert await home.arun(call) == "of the task"
    assert variable.get() == "of the task"
    variable.set("later")
    assert await home.arun(call) == "later"


class Odd(BaseException):
    pass


@pytest.mark.parametrize("kind", [LookupError, Odd, StopAsyncIteration])
async def test_an_error_crosses_as_it_is(home: ThreadHome, kind: type[BaseException]) -> None:
    raised = kind()

    def fail() -> None:
        raise raised

    with pytest.raises(kind) as caught:
        await home.arun(fail)
    assert caught.value is raised


async def test_stop_iteration_does_not_end_the_coroutine_that_awaits(home: ThreadHome) -> None:
    with pytest.raises(RuntimeError) as caught:
        await home.arun(next, iter(()))
    assert isinstance(caught.value.__cause__, StopIteration)


class Thing:
    pass


async def test_an_error_keeps_nothing_of_its_call_alive(
    home: ThreadHome, no_garbage_collection: None
) -> None:
    things: list[weakref.ref[Thing]] = []

    def fail(thing: Thing) -> None:
        things.append(weakref.ref(thing))
        raise LookupError

    for _ in range(2):
        with suppress(LookupError):
            await home.arun(fail, Thing())
    await asyncio.sleep(0)  # the loop holds what woke the task until its turn is over
    assert [thing() for thing in things] == [None, None]


async def test_a_thread_keeps_nothing_of_a_call_alive_once_it_has_answered(
    home: ThreadHome, no_garbage_collection: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    report, go_on = loop.call_soon_threadsafe, threading.Event()

    def reporting(*args: Any) -> asyncio.Handle:
        handle = report(*args)
        assert go_on.wait(5)
        return handle

    monkeypatch.setattr(loop, "call_soon_threadsafe", reporting)
    given = Thing()
    taken = await home.arun(lambda thing: (thing, Thing()), given)
    dead = [weakref.ref(taken[0]), weakref.ref(taken[1])]
    del given, taken
    await asyncio.sleep(0)
    left = [thing() for thing in dead]
    go_on.set()
    assert left == [None, None]


def test_an_idle_thread_keeps_no_loop_alive(home: ThreadHome) -> None:
    async def main() -> weakref.ref[asyncio.AbstractEventLoop]:
        await home.arun(int)
        return weakref.ref(asyncio.get_running_loop())

    loop = asyncio.run(main())
    deadline = time.monotonic() + 5
    while loop() is not None and time.monotonic() < deadline:  # the thread may still be reporting
        gc.collect()
    assert loop() is None


async def by_itself(ask: Callable[[], Awaitable[object]]) -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    try:
        await ask()
    finally:
        task.uncancel()


async def by_scope(ask: Callable[[], Awaitable[object]]) -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        await ask()
    raise asyncio.CancelledError


@pytest.mark.parametrize("cancelled", [by_itself, by_scope])
async def test_a_call_of_a_cancelled_task_never_runs(
    home: ThreadHome, cancelled: Callable[..., Awaitable[None]]
) -> None:
    calls: list[str] = []
    with pytest.raises(asyncio.CancelledError):
        await cancelled(lambda: home.arun(calls.append, "ran"))
    await home.arun(calls.append, "next")
    assert calls == ["next"]


async def test_a_task_that_went_on_after_a_cancellation_can_call(home: ThreadHome) -> None:
    async def ask() -> int:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return await home.arun(lambda: 1)
        raise AssertionError

    task = asyncio.create_task(ask())
    await asyncio.sleep(0)
    task.cancel()
    assert await task == 1


async def cancel_task(asking: Awaitable[object], begin: Callable[[], Awaitable[object]]) -> None:
    task = asyncio.ensure_future(asking)
    await begin()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def leave_timeout(asking: Awaitable[object], begin: Callable[[], Awaitable[object]]) -> None:
    limit = asyncio.timeout(None)

    async def ask() -> None:
        async with limit:
            await asking

    async def end() -> None:
        await begin()
        limit.reschedule(0)

    ending = asyncio.create_task(end())
    with pytest.raises(TimeoutError):
        await ask()
    await ending


async def leave_scope(asking: Awaitable[object], begin: Callable[[], Awaitable[object]]) -> None:
    scope = anyio.CancelScope()

    async def end() -> None:
        await begin()
        scope.cancel()

    ending = asyncio.create_task(end())
    with scope:
        await asking
    await ending
    assert scope.cancelled_caught


CANCELLING = pytest.mark.parametrize("cancelling", [cancel_task, leave_timeout, leave_scope])
Cancelling = Callable[[Awaitable[object], Callable[[], Awaitable[object]]], Awaitable[None]]


@CANCELLING
async def test_a_call_that_is_cancelled_before_its_turn_never_runs(
    home: ThreadHome, cancelling: Cancelling
) -> None:
    calls: list[str] = []
    begun, go_on = threading.Event(), threading.Event()

    def first() -> None:
        begun.set()
        assert go_on.wait(5)
        calls.append("first")

    async def turns() -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    running = asyncio.create_task(home.arun(first))
    assert await asyncio.to_thread(begun.wait, 5)
    await cancelling(home.arun(calls.append, "second"), turns)
    go_on.set()
    await running
    await home.arun(calls.append, "third")
    assert calls == ["first", "third"]
    assert limiter().borrowed_tokens == 0


@CANCELLING
async def test_a_call_that_is_cancelled_in_its_midst_is_waited_for(
    home: ThreadHome, cancelling: Cancelling
) -> None:
    calls: list[str] = []
    begun, go_on = threading.Event(), threading.Event()

    def call() -> None:
        begun.set()
        assert go_on.wait(5)
        calls.append("ended")

    async def midst() -> None:
        assert await asyncio.to_thread(begun.wait, 5)
        asyncio.get_running_loop().call_later(0.05, go_on.set)

    await cancelling(home.arun(call), midst)
    assert calls == ["ended"]
    assert limiter().borrowed_tokens == 0


@CANCELLING
async def test_the_statement_of_a_cancelled_call_is_interrupted(
    sqlite_file_url: str, cancelling: Cancelling
) -> None:
    open_shop(sqlite_file_url, "pen")

    async def ask() -> None:
        async with db():
            await Item.query.filter(text(SLOW["sqlite"])).aall()

    async def begin() -> None:
        await asyncio.to_thread(until, lent, bool)

    async with asyncio.timeout(5):
        await cancelling(ask(), begin)
    assert (lent(), limiter().borrowed_tokens) == (0, 0)


class Crowd:
    """Calls that all wait for the end, and how many there were at once."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.inside = self.peak = 0
        self._lock = threading.Lock()

    def call(self) -> None:
        with self._lock:
            self.inside += 1
            self.peak = max(self.peak, self.inside)
        assert self.go_on.wait(5)
        with self._lock:
            self.inside -= 1

    async def until_inside(self, number: int) -> None:
        await asyncio.to_thread(until, lambda: self.inside, lambda inside: inside >= number)


async def nothing() -> None:
    pass


async def read() -> None:
    assert await Item.aget(1) is not None


async def write() -> None:
    await Item.anew(name="cap")


async def read_twice() -> None:
    await read()
    await Item.query.acount()


async def transact() -> None:
    async with db.transaction():
        await write()


@pytest.mark.parametrize(
    ("work", "calls"), [(nothing, 0), (read, 1), (write, 1), (read_twice, 2), (transact, 2)]
)
async def test_only_what_asks_the_database_takes_a_thread(
    sqlite_file_url: str,
    monkeypatch: pytest.MonkeyPatch,
    work: Callable[[], Awaitable[None]],
    calls: int,
) -> None:
    open_shop(sqlite_file_url, "pen")
    taken: list[object] = []

    async def counting(call: Callable[[], Any], **options: Any) -> Any:
        taken.append(call)
        return await run_in_worker(call, **options)

    monkeypatch.setattr(_home, "run_in_worker", counting)
    async with db():
        await work()
    assert len(taken) == calls


async def test_so_many_calls_run_at_once_as_anyio_lends_threads() -> None:
    crowd = Crowd()
    calls = [asyncio.create_task(ThreadHome("allow").arun(crowd.call)) for _ in range(100)]
    await crowd.until_inside(40)
    other = asyncio.create_task(anyio.to_thread.run_sync(crowd.call))
    await asyncio.sleep(0.05)
    assert limiter().statistics().tasks_waiting == 61
    crowd.go_on.set()
    await asyncio.gather(*calls, other)
    assert (crowd.peak, limiter().borrowed_tokens) == (40, 0)


async def test_who_is_cancelled_in_line_leaves_the_line() -> None:
    limiter().total_tokens = 1
    crowd = Crowd()
    first = asyncio.create_task(ThreadHome("allow").arun(crowd.call))
    await crowd.until_inside(1)
    second, third = (asyncio.create_task(ThreadHome("allow").arun(crowd.call)) for _ in range(2))
    await asyncio.sleep(0)
    second.cancel()
    crowd.go_on.set()
    await asyncio.wait([first, second, third])
    assert (second.cancelled(), crowd.peak, limiter().borrowed_tokens) == (True, 1, 0)


async def test_who_holds_a_connection_does_not_stand_in_line(sqlite_file_url: str) -> None:
    open_shop(sqlite_file_url)
    limiter().total_tokens = 1
    crowd = Crowd()
    async with db(), db.transaction():
        await Item.anew(name="pen")
        first, second = (
            asyncio.create_task(ThreadHome("allow").arun(crowd.call)) for _ in range(2)
        )
        await crowd.until_inside(1)
        async with asyncio.timeout(5):
            await Item.anew(name="cap")
    assert names() == ["cap", "pen"]
    crowd.go_on.set()
    await asyncio.gather(first, second)


async def test_who_waits_for_a_connection_lends_its_place(sqlite_file_url: str) -> None:
    open_shop(sqlite_file_url, "pen", engine_args={"pool_size": 1, "max_overflow": 0})
    limiter().total_tokens = 1

    async def ask() -> int:
        async with db():
            return await Item.query.acount()

    async with db(), db.transaction():
        await Item.query.acount()
        waiting = [asyncio.create_task(ask()) for _ in range(3)]
        places = limiter()
        await asyncio.to_thread(until, lambda: places.total_tokens, lambda total: total == 4)
        async with asyncio.timeout(5):
            await ThreadHome("allow").arun(int)
    assert await asyncio.gather(*waiting) == [1, 1, 1]
    assert (limiter().total_tokens, limiter().borrowed_tokens) == (1, 0)


async def test_a_call_after_another_takes_the_same_thread(home: ThreadHome) -> None:
    await home.arun(int)
    before = workers()
    found = {await home.arun(threading.current_thread) for _ in range(20)}
    assert len(found) == 1
    assert workers() == before
    assert all(thread.daemon for thread in found)


def test_one_loop_after_another_takes_the_same_thread(home: ThreadHome) -> None:
    found = {asyncio.run(home.arun(threading.current_thread)) for _ in range(10)}
    assert len(found) == 1


def test_two_loops_at_once_are_served(home: ThreadHome) -> None:
    together = threading.Barrier(2, timeout=5)
    counts: list[int] = []

    async def main() -> None:
        await ThreadHome("allow").arun(together.wait)
        counts.append(sum([await ThreadHome("allow").arun(lambda: 1) for _ in range(200)]))

    threads = [threading.Thread(target=asyncio.run, args=(main(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [200, 200]


def test_a_thread_outlives_a_loop_that_was_closed_during_its_call() -> None:
    begun, go_on = threading.Event(), threading.Event()
    serving: list[threading.Thread] = []

    def call() -> None:
        serving.append(threading.current_thread())
        begun.set()
        assert go_on.wait(5)

    loop = asyncio.new_event_loop()
    task = loop.create_task(run_in_worker(call, counted=True))
    while not begun.is_set():
        loop.run_until_complete(asyncio.sleep(0.001))
    task._log_destroy_pending = False  # type: ignore[attr-defined]  # it is what is tested
    loop.close()
    go_on.set()
    serving[0].join(0.1)
    assert serving[0].is_alive()


def test_an_idle_thread_ends(home: ThreadHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_workers, "IDLE", 0.01)
    thread = asyncio.run(home.arun(threading.current_thread))
    thread.join(5)
    assert not thread.is_alive()
    assert asyncio.run(home.arun(lambda: 1)) == 1


def test_a_thread_that_is_taken_when_it_wants_to_end_goes_on() -> None:
    done: list[str] = []

    class Late:
        """Where a thread waits in vain, with somebody who has taken it bringing a call."""

        def __init__(self, *found: Any) -> None:
            self._found = iter(found)

        def get(self, timeout: float) -> Any:
            found = next(self._found)
            if found is None:
                raise queue.Empty
            return found

    class Call:
        def do(self) -> None:
            done.append("done")

        def report(self) -> None:
            done.append("reported")

    jobs: Any = Late(None, Call(), None)
    _workers._serve(jobs)
    assert done == ["done", "reported"]


EXITS = """
import asyncio, sys, threading
from tests.shop import Item, db, open_shop

begun = threading.Event()

def forever():
    begun.set()
    threading.Event().wait()

async def main(how):
    asyncio.get_running_loop().slow_callback_duration = 60
    async with db():
        await Item.anew(name="pen")
        assert await Item.query.acount() == 1
        if how == "within a call":
            from fastapi_sqlalchemy._workers import run_in_worker
            task = asyncio.create_task(run_in_worker(forever, counted=True))
            while not begun.is_set():
                await asyncio.sleep(0)

open_shop(sys.argv[1])
asyncio.run(main(sys.argv[2]))
db.dispose()
"""


@pytest.mark.parametrize("how", ["idle", "within a call"])
def test_a_process_ends_without_waiting_and_without_a_word(
    python: Python, sqlite_file_url: str, how: str
) -> None:
    told = python(EXITS, sqlite_file_url, how, env={"PYTHONDEVMODE": "1"})
    assert (told.stdout, told.stderr) == ("", "")


FORKS = """
import asyncio, os, threading
from fastapi_sqlalchemy._workers import run_in_worker

def serve():
    return asyncio.run(run_in_worker(threading.get_ident, counted=True))

serve()
child = os.fork()
if child == 0:
    serve()
    os._exit(3)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
serve()
"""


def test_a_child_uses_no_thread_of_its_parent(python: Python) -> None:
    python(FORKS)


async def test_a_function_of_the_application_may_call_back_through_anyio() -> None:
    open_shop("sqlite://")

    async def on_the_loop() -> str:
        return "on the loop"

    def function() -> str:
        anyio.from_thread.check_cancelled()
        Item.new(name="pen")
        return anyio.from_thread.run(on_the_loop)

    async with db():
        assert await db.run(function) == "on the loop"
    assert names() == ["pen"]


async def test_a_hook_may_call_back_through_anyio() -> None:
    open_shop("sqlite://")
    told: list[str] = []

    def hook() -> None:
        anyio.from_thread.run_sync(told.append, "stored")

    async with db(), db.transaction():
        await Item.anew(name="pen")
        db.on_commit(hook)
    assert told == ["stored"]


def test_verbs_can_be_awaited_on_a_loop_of_trio(sqlite_file_url: str) -> None:
    open_shop(sqlite_file_url, "pen")

    async def main() -> int:
        async with db():
            await Item.anew(name="cap")
            return await Item.query.acount()

    assert anyio.run(main, backend="trio") == 2


async def test_a_crowd_that_is_cancelled_at_random_leaves_nothing_behind(
    sqlite_file_url: str,
) -> None:
    open_shop(sqlite_file_url, "pen", engine_args={"pool_size": 3, "max_overflow": 0})
    choose = random.Random(7)
    stored: list[str] = []

    async def work(name: str) -> None:
        async with db():
            await Item.query.aall()
            await Item.anew(name=name)
            stored.append(name)
            async with db.transaction():
                await Item.anew(name=f"{name} too")
                await Item.query.acount()
            await Item.query.filter_by(name=name).aone()

    async def cancelled(task: asyncio.Task[None], after: float) -> None:
        await asyncio.sleep(after)
        task.cancel()

    async def within(scope: anyio.CancelScope, name: str) -> None:
        with scope:
            await work(name)

    working: list[asyncio.Task[Any]] = []
    cancelling: list[asyncio.Task[None]] = []
    for number in range(200):
        name, after = f"{number:03}", choose.random() * 0.5
        kind = choose.choice(["task", "anyio", "none"])
        if kind == "anyio":
            scope = anyio.CancelScope(deadline=anyio.current_time() + after)
            working.append(asyncio.create_task(within(scope, name)))
        else:
            working.append(asyncio.create_task(work(name)))
        if kind == "task":
            cancelling.append(asyncio.create_task(cancelled(working[-1], after)))
    async with asyncio.timeout(50):
        await asyncio.gather(*cancelling)
        outcomes = await asyncio.gather(*working, return_exceptions=True)
    unexpected = [
        outcome
        for outcome in outcomes
        if isinstance(outcome, BaseException) and not isinstance(outcome, asyncio.CancelledError)
    ]
    assert unexpected == []
    assert set(stored) <= set(names())
    borrowed = limiter().borrowed_tokens
    assert (lent(), borrowed, limiter().total_tokens) == (0, 0, 40)
    # those that were abandoned come home
    await asyncio.to_thread(
        until, lambda: len(workers()) - len(_workers._idle), lambda out: not out
    )
    assert len(_workers._idle) == len(workers())
