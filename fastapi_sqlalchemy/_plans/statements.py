"""A statement as SQLAlchemy compiles it, and what makes the parameters that a driver takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import BindParameter, Dialect
from sqlalchemy.engine.interfaces import BindTyping
from sqlalchemy.sql.compiler import WARN_LINTING, SQLCompiler

from .expanding import Lists
from .refusing import Refused

__all__ = ["Statement", "make_of"]

Make = Callable[[tuple[Any, ...]], Any]
"""From the values of a chain to the parameters of a cursor."""


class Statement:
    """SQL with the places of its values.

    Args:
        statement: What to send.
        dialect: For which database.
        binds: Where the values are, in their order; None for one that stands in the SQL.
        values: Those that the statement was made with.

    Raises:
        Refused: It is not SQL alone that its values decide.
    """

    __slots__ = ("compiled", "lists", "ready", "source", "sql")

    compiled: SQLCompiler
    lists: Lists | None
    source: Any
    sql: str

    ready: Callable[[tuple[Any, ...]], tuple[str, Any]]
    """From the values of a chain to the SQL and its parameters, as a cursor takes them."""

    def __init__(
        self,
        statement: Any,
        dialect: Dialect,
        binds: Iterable[BindParameter[Any] | None],
        values: tuple[Any, ...],
    ) -> None:
        linting = dialect.compiler_linting | WARN_LINTING  # of FROMs that nothing joins
        compiled = statement.compile(dialect=dialect, linting=linting)
        if not isinstance(compiled, SQLCompiler):
            raise Refused("the statement is no SQL")
        if compiled.literal_execute_params:
            raise Refused("values become part of the SQL")
        if dialect.bind_typing is BindTyping.SETINPUTSIZES:
            raise Refused("the driver is told the types of values apart")
        self.source, self.compiled = statement, compiled
        sql: str = compiled.string
        places = _places(compiled, list(binds), values)
        self.sql = sql
        self.lists = Lists(compiled, places) if compiled.post_compile_params else None
        if self.lists is not None:
            self.ready = self.lists.ready
        elif (make := make_of(compiled, places, len(values))) is _same:
            self.ready = lambda values: (sql, values)
        else:
            self.ready = lambda values: (sql, make(values))


def _places(
    compiled: SQLCompiler, binds: list[BindParameter[Any] | None], values: tuple[Any, ...]
) -> dict[str, int]:
    """The values by the names that the compiler gave them."""
    numbers: dict[Any, int] = {}
    for number, (bind, value) in enumerate(zip(binds, values, strict=True)):
        if bind is not None:
            numbers[bind] = number
        elif not (value is None or value is True or value is False):
            raise Refused("a value is compared as another type than that of its column")
    places: dict[str, int] = {}
    for bind, name in compiled.bind_names.items():
        found = [numbers[each] for each in bind._cloned_set if each in numbers]
        if found:
            places[name] = found[0]
        elif bind.callable is not None or bind.required:
            raise Refused("a parameter has no value yet")
    return places


def make_of(compiled: SQLCompiler, places: dict[str, int], number: int) -> Make:
    """A function written for these places: the fewest steps between a value and the driver."""
    process: Any = compiled._bind_processors
    binds = {name: bind for bind, name in compiled.bind_names.items()}
    names: dict[str, Any] = {}

    def written(name: str) -> str:
        if name not in places:
            value = binds[name].effective_value
            names[f"constant_{len(names)}"] = process[name](value) if name in process else value
            return f"constant_{len(names) - 1}"
        value = f"values[{places[name]}]"
        if name not in process:
            return value
        names[f"process_{len(names)}"] = process[name]
        return f"process_{len(names) - 1}({value})"

    if compiled.positional:
        order = compiled.positiontup or ()
        if not process and [places.get(name) for name in order] == [*range(number)]:
            return _same
        body = "(" + "".join(f"{written(name)}," for name in order) + ")"
    else:
        escaped = compiled.escaped_bind_names
        pairs = [(escaped.get(name, name), name) for name in compiled.bind_names.values()]
        body = "{" + ", ".join(f"{key!r}: {written(name)}" for key, name in pairs) + "}"
    exec(f"def make(values): return {body}", names)  # noqa: S102 - names of parameters, no values
    make: Make = names["make"]
    return make


def _same(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return values
