"""The results as a picture: a dot per library and task, on a logarithmic scale."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from html import escape

from benchmarks.contestants import RAW
from benchmarks.run import Result, Table

LEFT, PANEL, GAP, TOP, ROW, RIGHT = 200, 300, 24, 62, 19, 14
OURS = {"active-record": "#d9480f", "repository": "#f59f00"}
OTHERS = (
    "#1c7ed6",
    "#74c0fc",
    "#0b7285",
    "#2b8a3e",
    "#82c91e",
    "#7048e8",
    "#ae3ec9",
    "#868e96",
)
TICKS = (1, 2, 5, 10, 20, 50, 100)
LEAST = 0.7
"""Where the scale begins: a library that inserts faster than the limit is seen."""
NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


def svg(tables: Sequence[Table]) -> str:
    """One panel for each table, with the tasks of the first."""
    tasks = tables[0].tasks
    height = TOP + ROW * len(tasks) + 44
    width = LEFT + len(tables) * PANEL + (len(tables) - 1) * GAP + RIGHT
    most = max((ratio for table in tables for ratio in _ratios(table)), default=10)
    size = f'width="{width}" height="{height}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" {size}',
        '  font-family="sans-serif" font-size="11">',
        f'<rect {size} fill="#ffffff"/>',
        *_legend(tables),
    ]
    for row, task in enumerate(tasks):
        lines.append(_text(LEFT - 10, _y(row) + 4, task.title, "end"))
    for number, table in enumerate(tables):
        left = LEFT + number * (PANEL + GAP)
        lines.extend(_panel(table, left, max(most, 10) * 1.15, _colours(tables)))
    return "\n".join([*lines, "</svg>", ""])


def _ratios(table: Table) -> Iterator[float]:
    for result in table.results:
        for task in table.tasks:
            ratio = table.ratio(result, task)
            if ratio is not None and result.entry.name != RAW:
                yield ratio


def _y(row: int) -> float:
    return TOP + ROW * (row + 0.5)


def _colours(tables: Sequence[Table]) -> dict[str, tuple[str, str]]:
    """Title and colour of everybody who has a result in any panel, ours first."""
    here = {
        result.entry.name: result.entry
        for table in tables
        for result in table.results
        if result.absent is None and result.entry.name != RAW
    }
    others = iter(OTHERS * 2)
    return {
        name: (entry.title, OURS[name] if name in OURS else next(others))
        for name, entry in here.items()
    }


def _legend(tables: Sequence[Table]) -> Iterator[str]:
    x, y = 14.0, 16.0
    limit = LEFT + len(tables) * PANEL
    for name, (title, colour) in _colours(tables).items():
        room = 24 + 6.7 * len(title)
        if x + room > limit:
            x, y = 14.0, y + 17
        yield _dot(x, y - 4, colour, ours=name in OURS)
        yield _text(x + 9, y, title)
        x += room


Colours = dict[str, tuple[str, str]]


def _panel(table: Table, left: float, most: float, colours: Colours) -> Iterator[str]:
    bottom = TOP + ROW * len(table.tasks)

    def x(ratio: float) -> float:
        return left + PANEL * math.log(max(ratio, LEAST) / LEAST) / math.log(most / LEAST)

    title = f"{NAMES[table.kind]}, time relative to the raw driver"
    yield _text(left + PANEL / 2, bottom + 32, title, "middle")
    for tick in TICKS:
        if tick <= most:
            colour = "#495057" if tick == 1 else "#dee2e6"
            yield (
                f'<line x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{TOP}" y2="{bottom}" '
                f'stroke="{colour}"/>'
            )
            yield _text(x(tick), bottom + 15, str(tick), "middle")
    shown = [result for result in table.results if result.entry.name in colours]
    for result in sorted(shown, key=lambda each: each.entry.ours):  # ours lie on top
        yield from _dots(table, result, x, colours[result.entry.name][1])


def _dots(table: Table, result: Result, x: Callable[[float], float], colour: str) -> Iterator[str]:
    for row, task in enumerate(table.tasks):
        ratio = table.ratio(result, task)
        if ratio is not None:
            title = f"{result.entry.title}, {task.title}: {ratio:.1f}"
            yield _dot(x(ratio), _y(row), colour, ours=result.entry.ours, title=title)


def _dot(x: float, y: float, colour: str, *, ours: bool, title: str = "") -> str:
    shape = 'r="5.5" stroke="#000000"' if ours else 'r="3.8" fill-opacity="0.75"'
    inside = f"<title>{escape(title)}</title>" if title else ""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" {shape} fill="{colour}">{inside}</circle>'


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
