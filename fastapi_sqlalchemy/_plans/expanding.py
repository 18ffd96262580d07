"""Statements whose SQL depends on how many values a list has: those of `in_()`.

SQLAlchemy writes a parameter for each value into such a statement when it is sent.  What it writes
depends on the number of values alone, so that it is asked once for each number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy.sql.compiler import SQLCompiler

from .keeping import keep
from .refusing import Refused

__all__ = ["Lists"]

MOST: Final = 16
"""Numbers of values for which a statement keeps its SQL."""

_LONGEST: Final = 1000
"""Values with which SQL is worth keeping."""

Process = Callable[[Any], Any] | None


class _Piece(NamedTuple):
    """Parameters that follow each other: a value, or the values of a list."""

    names: Sequence[str]
    """Those of the parameters, for a driver that wants names."""

    place: int | None
    """Where the value is; None for a constant."""

    process: Process
    constant: Any = None
    is_list: bool = False


class _Form(NamedTuple):
    """The statement for one number of values."""

    sql: str
    pieces: Sequence[_Piece]

    def positional(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        made: list[Any] = []
        for _, place, process, constant, is_list in self.pieces:
            if place is None:
                made.append(constant)
            elif is_list:
                made += values[place] if process is None else map(process, values[place])
            else:
                made.append(values[place] if process is None else process(values[place]))
        return tuple(made)

    def named(self, values: tuple[Any, ...]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for names, place, process, constant, is_list in self.pieces:
            if place is None:
                made[names[0]] = constant
            elif is_list:
                some = values[place] if process is None else map(process, values[place])
                made.update(zip(names, some, strict=True))
            else:
                made[names[0]] = values[place] if process is None else process(values[place])
        return made


class Lists:
    """The forms of one statement.

    Args:
        compiled: The statement.
        places: Where the values are, by the names that the compiler gave them.

    Raises:
        Refused: It is not their number alone that decides.
    """

    __slots__ = ("_compiled", "_forms", "_lists", "_places")

    def __init__(self, compiled: SQLCompiler, places: dict[str, int]) -> None:
        self._lists: dict[str, int] = {}
        for bind in compiled.post_compile_params:
            kind = bind.type._unwrapped_dialect_impl(compiled.dialect)
            name = compiled.bind_names[bind]
            # a row's parts are written one by one
            if bind.literal_execute or kind._is_tuple_type or kind._isnull or kind._is_array:
                raise Refused("values become part of the SQL, as those of `tuple_().in_()` do")
            if name not in places:
                raise Refused("a list of values is part of the SQL")
            self._lists[name] = places[name]
        self._compiled, self._places = compiled, places
        self._forms: dict[tuple[int, ...], _Form] = {}

    def ready(self, values: tuple[Any, ...]) -> tuple[str, Any]:
        """The SQL, and the parameters of a cursor.

        Raises:
            TypeError: What should be a list is none.
        """
        for place in self._lists.values():
            if type(values[place]) not in (list, tuple):
                raise TypeError(f"expected a list, found a {type(values[place]).__name__}")
        lengths = tuple([len(values[place]) for place in self._lists.values()])
        form = self._forms.get(lengths) or self._form(lengths, values)
        made = form.positional if self._compiled.positional else form.named
        return form.sql, made(values)

    def _form(self, lengths: tuple[int, ...], values: tuple[Any, ...]) -> _Form:
        lists = {name: values[place] for name, place in self._lists.items()}
        state = self._compiled._process_parameters_for_postcompile(lists)
        order = state.positiontup
        if order is None:
            order = [*self._compiled.bind_names.values()]
            order = [each for name in order for each in state.parameter_expansion.get(name, [name])]
        form = _Form(state.statement, self._pieces(order, state.parameter_expansion))
        if sum(lengths) <= _LONGEST:
            keep(self._forms, lengths, form, most=MOST)
        return form

    def _pieces(self, order: Sequence[str], expansion: Any) -> list[_Piece]:
        """What stands in the order of the parameters."""
        process: Any = self._compiled._bind_processors
        escaped = self._compiled.escaped_bind_names
        binds = {name: bind for bind, name in self._compiled.bind_names.items()}
        first = {names[0]: name for name, names in expansion.items() if names}
        others = {each for names in expansion.values() for each in names[1:]}
        pieces: list[_Piece] = []
        for each in order:
            if each in first:
                name = first[each]
                names = expansion[name]
                pieces.append(_Piece(names, self._lists[name], process.get(name), is_list=True))
            elif each in self._places:
                name = [escaped.get(each, each)]
                pieces.append(_Piece(name, self._places[each], process.get(each)))
            elif each not in others:
                value = binds[each].effective_value
                constant = process[each](value) if each in process else value
                pieces.append(_Piece([escaped.get(each, each)], None, None, constant))
        return pieces
