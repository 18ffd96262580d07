"""One contestant in a process of its own, which does what the runner says, a line at a time.

Libraries keep state for a whole process (Django's settings, Tortoise's connections); and a round of
one is over before that of another begins, because the runner waits for the answer.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import inspect
import json
import os
import sys
from typing import Any

from benchmarks.queueing import Clock, share_a_processor
from benchmarks.store import store_at
from benchmarks.tasks import BY_NAME, CannotDo, Task


class Worker:
    """Does tasks with one contestant.

    Args:
        target: Where its class is, `module:Class`.
        url: Its database.
    """

    def __init__(self, target: str, url: str) -> None:
        module, _, name = target.partition(":")
        self._contestant: Any = getattr(importlib.import_module(module), name)()
        self._runner = asyncio.Runner()
        self._store = store_at(url)
        self._call("open", url)

    def check(self, task: Task) -> None:
        """Do a task, twice unless that takes long, and look at what came of it."""
        for call in range(1 if task.slow else 2):
            self._store.restore(spare=2 if task.spare else 0)
            argument = task.argument(call)
            task.check(self._call(task.name, argument), argument, self._store)
        self._store.restore()

    def settings(self) -> None:
        """See that its connection is like that of everybody else."""
        for sql, expected in self._store.settings.items():
            found = str(self._call("setting", sql))
            if found != expected:
                raise AssertionError(f"{sql}: expected {expected}, found {found}")

    def time(self, task: Task, calls: int, first: int, *, clean: bool) -> float:
        """Seconds per call.

        Args:
            clean: Whether to look for garbage everywhere, which takes longer than many a task.
        """
        if task.spare:
            first = 0  # spare users have keys of their own in every round
            self._store.restore(spare=calls)
        arguments = [task.argument(first + call) for call in range(calls)]
        method = getattr(self._contestant, task.name)
        gc.collect(2 if clean else 1)
        servers = self._store.servers()
        share_a_processor(servers)
        if inspect.iscoroutinefunction(method):
            seconds = self._runner.run(_awaited(method, arguments, servers))
        else:
            clock = Clock(servers)
            for argument in arguments:
                method(argument)
            seconds = clock.seconds()
        if task.restore:
            self._store.restore()
        return seconds / calls

    def close(self) -> None:
        self._call("close")
        self._store.close()
        self._runner.close()

    def _call(self, name: str, *arguments: Any) -> Any:
        method = getattr(self._contestant, name)
        if inspect.iscoroutinefunction(method):
            return self._runner.run(method(*arguments))
        return method(*arguments)


async def _awaited(method: Any, arguments: list[Any], servers: list[int]) -> float:
    clock = Clock(servers)
    for argument in arguments:
        await method(argument)
    return clock.seconds()


def answer(worker: Worker, order: dict[str, Any]) -> dict[str, Any]:
    """What the runner is told: a time, a reason, or what went wrong."""
    try:
        if order["do"] == "settings":
            worker.settings()
            return {}
        task = BY_NAME[order["task"]]
        if order["do"] == "check":
            worker.check(task)
            return {}
        seconds = worker.time(task, order["calls"], order["first"], clean=order["clean"])
        return {"seconds": seconds}
    except CannotDo as reason:
        return {"cannot": str(reason)}
    # whatever a library raises, the others go on without it
    except Exception as error:
        return {"error": _in_one_line(error)}


def _in_one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}"


def main() -> None:
    # what a library prints is not an answer
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    try:
        worker = Worker(sys.argv[1], sys.argv[2])
    except ImportError as error:
        answers.write(json.dumps({"missing": _in_one_line(error)}) + "\n")
        return
    except CannotDo as reason:
        answers.write(json.dumps({"missing": str(reason)}) + "\n")
        return
    except Exception as error:
        answers.write(json.dumps({"error": _in_one_line(error)}) + "\n")
        return
    answers.write("{}\n")
    for line in sys.stdin:
        answers.write(json.dumps(answer(worker, json.loads(line))) + "\n")
    worker.close()


if __name__ == "__main__":
    main()
