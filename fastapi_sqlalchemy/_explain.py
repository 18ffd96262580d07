"""`explain()`: the database's own account of how it would run a statement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ClauseElement, Executable, orm
from sqlalchemy.ext.compiler import compiles

from ._operations import Read
from ._types import AnySelect

__all__ = ["explained"]


class _Explain(Executable, ClauseElement):
    """EXPLAIN before a statement, which keeps its parameters."""

    inherit_cache = False
    is_select = True  # it sends nothing that would have to be committed

    def __init__(self, statement: AnySelect) -> None:
        self.statement = statement


@compiles(_Explain)
def _compile(element: _Explain, compiler: Any, **options: Any) -> str:
    words = "EXPLAIN QUERY PLAN " if compiler.dialect.name == "sqlite" else "EXPLAIN "
    explained = str(compiler.process(element.statement, **options))
    # else the plan would be read by the types of the query's columns; there is no public way
    compiler._result_columns = []
    return words + explained


def explained(statement: AnySelect) -> Read[str]:
    """The plan as text, in the words of the database."""

    def ask(session: orm.Session) -> str:
        options = statement.get_execution_options()
        found = session.execute(_Explain(statement), execution_options=options)
        names, rows = list(found.keys()), found.all()
        if session.get_bind().dialect.name == "sqlite":
            return _tree(rows)
        return _table(names, rows)

    return Read(ask)


def _tree(rows: Iterable[Sequence[Any]]) -> str:
    """SQLite tells each step's own number and that of the step it is part of."""
    depths: dict[int, int] = {}
    lines = []
    for number, parent, _, detail in rows:
        depths[number] = depths.get(parent, -1) + 1
        lines.append("  " * depths[number] + detail)
    return "\n".join(lines)


def _table(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """One column is text already (PostgreSQL); several get a heading (MariaDB, MySQL)."""
    if len(names) == 1:
        return "\n".join(str(row[0]) for row in rows)
    cells = [names, *(["NULL" if v is None else str(v) for v in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    )
