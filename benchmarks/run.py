"""The runner: a process for every contestant, rounds that take turns, medians.

Within a round every contestant does the same task, one after the other, in an order drawn anew; so
whatever else the machine does meets all of them.  Nobody is timed before its results were checked.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import IO, Any

from benchmarks.contestants import BY_NAME as ENTRY
from benchmarks.contestants import RAW, Entry
from benchmarks.store import Databases
from benchmarks.tasks import BY_NAME as TASK
from benchmarks.tasks import Mode, Task

ROUNDS, SLOW_ROUNDS = 11, 3
QUICK_ROUNDS, QUICK_SLOW_ROUNDS = 3, 1


class WorkerError(RuntimeError):
    """A worker ended without an answer; the message holds what it wrote."""


@dataclass
class Result:
    """What one contestant did in one table."""

    entry: Entry
    seconds: dict[str, float] = field(default_factory=dict)
    """Median per call, by task."""
    notes: dict[str, str] = field(default_factory=dict)
    """Why there is no time for a task."""
    absent: str | None = None
    """Why there is none for any."""


@dataclass
class Table:
    """The results of one kind of database in one mode."""

    kind: str
    mode: Mode
    tasks: Sequence[Task]
    results: list[Result]
    rounds: int

    def ratio(self, result: Result, task: Task) -> float | None:
        """Time relative to the raw driver's."""
        limit = next((r.seconds for r in self.results if r.entry.name == RAW), {}).get(task.name)
        seconds = result.seconds.get(task.name)
        return None if limit is None or seconds is None else seconds / limit


def as_json(table: Table) -> dict[str, Any]:
    return {
        "kind": table.kind,
        "mode": table.mode,
        "rounds": table.rounds,
        "tasks": [task.name for task in table.tasks],
        "results": [
            {
                "name": result.entry.name,
                "seconds": result.seconds,
                "notes": result.notes,
                "absent": result.absent,
            }
            for result in table.results
        ],
    }


def from_json(saved: dict[str, Any]) -> Table:
    results = [
        Result(ENTRY[each["name"]], each["seconds"], each["notes"], each["absent"])
        for each in saved["results"]
    ]
    tasks = [TASK[name] for name in saved["tasks"]]
    return Table(saved["kind"], saved["mode"], tasks, results, saved["rounds"])


class WorkerProcess:
    """The other end of `benchmarks.worker`."""

    def __init__(self, target: str, url: str, errors: IO[str]) -> None:
        self._errors = errors
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", target, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        self._started: dict[str, Any] | None = None

    @property
    def started(self) -> dict[str, Any]:
        """What it said first."""
        if self._started is None:
            self._started = self._read()
        return self._started

    def ask(self, **order: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            raise WorkerError(f"a worker ended: {self._errors.read()[-2000:]}")
        found: dict[str, Any] = json.loads(line)
        return found

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def workers(
    entries: Sequence[Entry], kind: str, mode: Mode, databases: Databases
) -> Iterator[tuple[list[Result], dict[str, WorkerProcess]]]:
    """A process for each contestant that can take part; of the others, why not."""
    results = [Result(entry) for entry in entries]
    running: dict[str, WorkerProcess] = {}
    with ExitStack() as stack:
        for result in results:
            entry = result.entry
            target = entry.target(mode, kind)
            if target is None:
                result.absent = entry.lacking.get(mode, f"takes no part in {mode} {kind}")
                continue
            url = databases.make(kind, f"{entry.name}_{mode}")
            errors = stack.enter_context(tempfile.TemporaryFile("w+"))
            running[entry.name] = worker = WorkerProcess(target, url, errors)
            stack.callback(worker.close)
        # they import their libraries at the same time
        for result in results:
            started = running.get(result.entry.name)
            if started is not None:
                result.absent = _reason(started.started or started.ask(do="settings"))
                if result.absent is not None:
                    del running[result.entry.name]
        yield results, running


def _reason(found: dict[str, Any]) -> str | None:
    if "missing" in found:
        return f"not installed: {found['missing']}"
    reason: str | None = found.get("cannot") or found.get("error")
    return reason


def check(
    result: Result, worker: WorkerProcess, tasks: Sequence[Task], progress: Callable[[str], None]
) -> None:
    """See that a contestant does what the tasks say; what it does not is not timed."""
    for task in tasks:
        reason = _reason(worker.ask(do="check", task=task.name))
        if reason is not None:
            result.notes[task.name] = reason
            progress(f"{result.entry.name}: {task.name}: {reason}")


def measure(
    entries: Sequence[Entry],
    tasks: Sequence[Task],
    kind: str,
    mode: Mode,
    databases: Databases,
    *,
    quick: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> Table:
    """One table: check everybody, then time the tasks one after the other."""
    with workers(entries, kind, mode, databases) as (results, running):
        for result in results:
            if result.absent is not None:
                progress(f"{result.entry.name}: {result.absent}")
        # nothing is timed yet, so they may be at work together
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            checks = [
                pool.submit(check, result, running[result.entry.name], tasks, progress)
                for result in results
                if result.entry.name in running
            ]
            for each in checks:
                each.result()
        for task in tasks:
            ready = {r.entry.name: r for r in results if r.entry.name in running}
            able = {name: running[name] for name, r in ready.items() if task.name not in r.notes}
            progress(f"{kind} {mode}: {task.title}")
            for name, seconds in _rounds(task, able, quick=quick).items():
                ready[name].seconds[task.name] = seconds
    return Table(kind, mode, tasks, results, QUICK_ROUNDS if quick else ROUNDS)


def _rounds(task: Task, able: dict[str, WorkerProcess], *, quick: bool) -> dict[str, float]:
    rounds = ROUNDS if not quick else QUICK_ROUNDS
    if task.slow:
        rounds = SLOW_ROUNDS if not quick else QUICK_SLOW_ROUNDS
    calls = max(1, task.calls // 5) if quick else task.calls
    warm = 0 if task.slow or quick else 1  # the check was one
    times: dict[str, list[float]] = {name: [] for name in able}
    names = list(able)
    order = random.Random(task.name)
    for number in range(-warm, rounds):
        order.shuffle(names)
        for name in names:
            first = (number + warm) * calls
            found = able[name].ask(
                do="time", task=task.name, calls=calls, first=first, clean=number < 1 or not quick
            )
            if "seconds" not in found:
                raise WorkerError(f"{name}: {task.name}: {_reason(found)}")
            if number >= 0:
                times[name].append(found["seconds"])
    return {name: statistics.median(taken) for name, taken in times.items()}
