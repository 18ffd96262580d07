"""Names that are written as text: the keys of `defaults={"name": "Ada"}`, and those of rows.

Only what stands in the call itself is read, as a display with literal keys; a mapping or an
iterable in a variable may come from anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from mypy.checker import TypeChecker
from mypy.nodes import (
    ARG_NAMED,
    ARG_POS,
    CallExpr,
    DictExpr,
    Expression,
    GeneratorExpr,
    ListComprehension,
    ListExpr,
    SetExpr,
    StrExpr,
    TupleExpr,
)
from mypy.types import Instance

from ._fullnames import ACTIVE_RECORD, LIBRARIES, QUERY, REPOSITORY
from ._keywords import Keywords, compared, refuse, set_values

__all__ = ["WRITING", "check_displays"]

KeywordsOf = Callable[[Instance], Keywords | None]
Reader = Callable[[Expression], Iterator[StrExpr]]


def _keys(value: Expression) -> Iterator[StrExpr]:
    """The keys of a mapping."""
    if isinstance(value, DictExpr):
        yield from (key for key, _ in value.items if isinstance(key, StrExpr))


def _keys_of_rows(value: Expression) -> Iterator[StrExpr]:
    """The keys of the mappings in an iterable."""
    if isinstance(value, ListComprehension):
        value = value.generator
    if isinstance(value, GeneratorExpr):
        yield from _keys(value.left_expr)
    elif isinstance(value, ListExpr | TupleExpr):
        for item in value.items:
            yield from _keys(item)


def _names(value: Expression) -> Iterator[StrExpr]:
    """A name, or several."""
    items = value.items if isinstance(value, ListExpr | TupleExpr | SetExpr) else [value]
    yield from (item for item in items if isinstance(item, StrExpr))


class _Parameter(NamedTuple):
    """A parameter of a verb that takes names as text.

    Args:
        name: What it is called.
        read: Finds the names in what is given.
        known: The names that a model has for it.
        is_first: Whether it may be given by position.
    """

    name: str
    read: Reader
    known: KeywordsOf
    is_first: bool = True


_DEFAULTS: Final = [_Parameter("defaults", _keys, set_values)]
_ROWS: Final = [_Parameter("rows", _keys_of_rows, compared)]
_CONFLICT: Final = [
    _Parameter("on", _names, compared, is_first=False),
    _Parameter("update", _names, compared, is_first=False),
]
_OF_RECORDS: Final = {
    "get_or_create": _DEFAULTS,
    "update_or_create": _DEFAULTS,
    "insert_many": _ROWS,
    "upsert": [*_ROWS, *_CONFLICT],
}
_OF_QUERIES: Final = {"update": [_Parameter("values", _keys, compared)]}
_OF: Final = {ACTIVE_RECORD: _OF_RECORDS, REPOSITORY: _OF_RECORDS, QUERY: _OF_QUERIES}

WRITING: Final = frozenset({"insert_many", "upsert", "ainsert_many", "aupsert"})
"""Verbs that take no names by keyword, but as text."""


def check_displays(
    checker: TypeChecker, call: CallExpr, verb: str, kind: str, owner: Instance, model: Instance
) -> None:
    """Check the names that a call writes as text, if the verb is ours.

    Args:
        checker: mypy's.
        call: The call.
        verb: What is called.
        kind: Which of ours the class derives from.
        owner: The class that has the verb.
        model: The model that it is about.
    """
    definer = owner.type.get_containing_type_info(verb)
    if definer is None or not definer.fullname.startswith(LIBRARIES):
        return
    for parameter in _OF[kind].get(verb, _OF[kind].get(verb.removeprefix("a"), [])):
        value = _given(call, parameter)
        known = None if value is None else parameter.known(model)
        if value is None or known is None:
            continue
        for name in parameter.read(value):
            if name.value not in known:
                place = f' in "{parameter.name}" for "{verb}" of "{owner.type.name}"'
                refuse(checker, f'Unexpected key "{name.value}"{place}', name.value, name, known)


def _given(call: CallExpr, parameter: _Parameter) -> Expression | None:
    for index, (value, kind, name) in enumerate(
        zip(call.args, call.arg_kinds, call.arg_names, strict=True)
    ):
        if kind == ARG_NAMED and name == parameter.name:
            return value
        if kind == ARG_POS and index == 0 and parameter.is_first:
            return value
    return None
