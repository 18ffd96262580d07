"""The results as a page of the documentation."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.contestants import ENTRIES, RAW
from benchmarks.run import Result, Table, as_json, from_json
from benchmarks.tasks import Task

HEAD = """\
# Benchmarks

What common tasks take here and in other libraries, on the same tables and rows, as time relative to
the raw driver that does the same and builds plain slotted objects: 1 is the limit, and lower is
better. `python -m benchmarks --write` makes this page anew (`pip install -e ".[bench]"`); `--help`
says how to run a part of it.

Each library has a process, a database and a connection of its own; rounds take turns, so that
whatever else the machine does meets all of them, and a figure is the median of its rounds. A
library shares a processor with its threads and its processes of the server, so that nobody waits
for an idle one to wake up; where it works alone, time in which no processor was free is taken off
(Linux tells it). Before anything is timed, the results of each library are compared with what they
must be. Every call is a scope of its own, as a request has one. Foreign keys, journal and
durability are the same for all; SQLite's file is in memory, and PostgreSQL does not wait for its
disk. What is read, updated and counted by filter is a team of 20 users, by equality with an indexed
column; "by a range" compares the key. How each one is used, and why so, stands at the top of its
module in `benchmarks/contestants/`.
"""
NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
MODES = {"sync": "blocking", "async": "awaited"}


@dataclass
class Results:
    """All that a run found; a part that was not run is as the run before left it."""

    environment: dict[str, Any] = field(default_factory=dict)
    tables: list[Table] = field(default_factory=list)
    memory: dict[str, dict[str, float]] = field(default_factory=dict)
    imports: dict[str, float] = field(default_factory=dict)
    requests: list[dict[str, Any]] = field(default_factory=list)

    def add(self, table: Table) -> None:
        """Put a table in the place of that of the same database and mode."""
        place = (table.kind, table.mode)
        self.tables = [each for each in self.tables if (each.kind, each.mode) != place]
        self.tables.append(table)
        self.tables.sort(key=lambda each: (each.mode != "sync", each.kind != "sqlite"))

    def as_json(self) -> dict[str, Any]:
        return {**vars(self), "tables": [as_json(table) for table in self.tables]}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Results:
        return cls(**{**saved, "tables": [from_json(table) for table in saved["tables"]]})


def environment() -> dict[str, Any]:
    """What the figures depend on."""
    versions: dict[str, str] = {}
    names = [entry.distribution for entry in ENTRIES] + ["aiosqlite", "asyncpg", "psycopg2-binary"]
    for name in names:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "cpus": os.cpu_count(),
        "versions": versions,
    }


def page(results: Results) -> str:
    parts = [HEAD, _environment(results.environment)]
    parts.extend("\n".join(_section(table)) for table in results.tables)
    if results.memory:
        parts.append(memory_part(results.memory))
    if results.imports:
        parts.append(imports_part(results.imports))
    if results.requests:
        parts.append(requests_part(results.requests))
    return "\n".join(parts)


def _environment(found: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    return (
        f"These figures: Python {found['python']}, SQLite {found['sqlite']}, {found['cpus']} CPUs; "
        f"{versions}.\n"
    )


def plot_name(table: Table) -> str:
    return f"performance-{table.mode}.svg"


def _section(table: Table) -> Iterator[str]:
    yield f"## {NAMES[table.kind]}, {MODES[table.mode]}"
    yield ""
    if table.kind == "sqlite":
        yield f"![Time relative to the raw driver, {MODES[table.mode]}]({plot_name(table)})"
        yield ""
    shown = [result for result in table.results if result.absent is None]
    yield "| task | " + " | ".join(_title(result) for result in shown) + " |"
    yield "|---|" + "--:|" * len(shown)
    for task in table.tasks:
        yield f"| {task.title} | " + " | ".join(_cells(table, task, shown)) + " |"
    yield ""
    yield f"Medians of {table.rounds} rounds; a bulk insert has fewer."
    yield ""
    yield from _notes(table)


def _title(result: Result) -> str:
    return result.entry.title.removeprefix("ours: ") + (" (ours)" if result.entry.ours else "")


def _cells(table: Table, task: Task, shown: Sequence[Result]) -> Iterator[str]:
    ratios = {r.entry.name: table.ratio(r, task) for r in shown if r.entry.name != RAW}
    best = min((ratio for ratio in ratios.values() if ratio is not None), default=None)
    for result in shown:
        if result.entry.name == RAW:
            yield time(result.seconds[task.name]) if task.name in result.seconds else "-"
            continue
        ratio = ratios[result.entry.name]
        if ratio is None:
            yield "-"
        else:
            yield f"**{ratio:.1f}**" if ratio == best else f"{ratio:.1f}"


def time(seconds: float) -> str:
    return f"{1e6 * seconds:.0f} µs" if seconds < 0.001 else f"{1e3 * seconds:.1f} ms"


def _notes(table: Table) -> Iterator[str]:
    """Nobody is left out in silence."""
    for result in table.results:
        if result.absent is not None:
            yield f"- {result.entry.title} {result.absent}"
        for name, note in result.notes.items():
            title = next(task.title for task in table.tasks if task.name == name)
            yield f"- {result.entry.title}, {title}: {note}"
    if any(result.absent or result.notes for result in table.results):
        yield ""


def memory_part(found: Mapping[str, Mapping[str, float]]) -> str:
    rows = int(next(iter(found.values()))["rows"])
    lines = [
        "## Memory",
        "",
        f"A walk over {rows} records of an SQLite file, each in a process of its own: how much the",
        "process grew, the peak of what Python allocated (tracemalloc), and seconds.",
        "",
        "| walk | resident | allocated | seconds |",
        "|---|--:|--:|--:|",
    ]
    for walk, taken in found.items():
        grown, peak = taken["grown"] / 1e6, taken["peak"] / 1e6
        lines.append(f"| {walk} | {grown:.1f} MB | {peak:.1f} MB | {taken['seconds']:.2f} |")
    return "\n".join([*lines, ""])


def imports_part(found: Mapping[str, float]) -> str:
    lines = [
        "## Import time",
        "",
        "In an interpreter of its own, less what an empty one takes; time of the processor.",
        "",
        "| import | milliseconds |",
        "|---|--:|",
        *(f"| {name} | {1e3 * seconds:.0f} |" for name, seconds in found.items()),
    ]
    return "\n".join([*lines, ""])


def requests_part(found: Sequence[Mapping[str, Any]]) -> str:
    lines = [
        "## Requests",
        "",
        "What the middleware adds to a request, and what a route takes that uses it, as raw ASGI",
        "calls of a FastAPI application; the session inline is SQLAlchemy's own.",
        "",
        "| ours / the other | ratio | difference |",
        "|---|--:|--:|",
        *(f"| {each['question']} | {each['ratio']:.2f} | {each['detail']} |" for each in found),
    ]
    return "\n".join([*lines, ""])


def text(table: Table) -> str:
    """The same table for a terminal."""
    shown = [result for result in table.results if result.absent is None]
    lines = [f"{NAMES[table.kind]}, {MODES[table.mode]}", ""]
    lines.append(f"{'':34}" + "".join(f"{result.entry.name[:13]:>14}" for result in shown))
    for task in table.tasks:
        cells = [cell.strip("*") for cell in _cells(table, task, shown)]
        lines.append(f"{task.title:34}" + "".join(f"{cell:>14}" for cell in cells))
    return "\n".join([*lines, "", *_notes(table)])
