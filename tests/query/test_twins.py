"""Each verb that asks the database exists twice: `first` blocks, `afirst` is awaited."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from fastapi_sqlalchemy import (
    ModelBase,
    Query,
    Repository,
    Rows,
    SoftDeleteMixin,
    SQLAlchemy,
)
from fastapi_sqlalchemy._chain import Chain
from fastapi_sqlalchemy.dependencies import CursorParams, PageParams
from fastapi_sqlalchemy.exceptions import MissingSessionError
from tests.blog import User

Kind = type[Any]
KINDS: tuple[Kind, ...] = (
    *(Query, Rows, ModelBase, SoftDeleteMixin, Repository),
    *(PageParams, CursorParams),
)
KNOWN = {"column": User.id, "columns": User.id, "ident": 1, "values": {"name": "Ada"}}
"""Arguments of terminals that do not do without."""

ONLY_LOOKS = {"to_dict", "schema"}
"""What a record or a model does without the database."""


def methods(kind: Kind) -> dict[str, Callable[..., Any]]:
    """The public functions of a class, class methods included."""
    static = {name: inspect.getattr_static(kind, name) for name in dir(kind)}
    functions = {name: getattr(value, "__func__", value) for name, value in static.items()}
    return {
        name: function
        for name, function in functions.items()
        if inspect.isfunction(function) and not name.startswith("_")
    }


def is_awaited(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def is_chained(kind: Kind, function: Callable[..., Any]) -> bool:
    """A query that is refined is a query; `Self` of a record comes from the database."""
    returned = str(inspect.signature(function).return_annotation)
    return issubclass(kind, Chain) and ("Self" in returned or returned.startswith("Rows["))


def blocking(kind: Kind) -> list[str]:
    return [
        name
        for name, function in methods(kind).items()
        if not is_awaited(function) and not is_chained(kind, function) and name not in ONLY_LOOKS
    ]


def awaited(kind: Kind) -> list[str]:
    return [name for name, function in methods(kind).items() if is_awaited(function)]


def parameters(kind: Kind, name: str) -> list[inspect.Parameter]:
    return list(inspect.signature(methods(kind)[name]).parameters.values())


BLOCKING = [(kind, name) for kind in KINDS for name in blocking(kind)]
AWAITED = [(kind, name) for kind in KINDS for name in awaited(kind)]


@pytest.mark.parametrize(("kind", "name"), BLOCKING)
def test_a_verb_has_an_awaited_twin(kind: Kind, name: str) -> None:
    assert f"a{name}" in awaited(kind)


@pytest.mark.parametrize(("kind", "name"), AWAITED)
def test_an_awaited_verb_has_a_blocking_twin(kind: Kind, name: str) -> None:
    assert name.startswith("a")
    assert name[1:] in blocking(kind)


@pytest.mark.parametrize(("kind", "name"), AWAITED)
def test_twins_have_the_same_parameters(kind: Kind, name: str) -> None:
    assert parameters(kind, name) == parameters(kind, name[1:])


@pytest.mark.parametrize(("kind", "name"), AWAITED)
def test_the_docstring_of_a_twin_points_to_the_original(kind: Kind, name: str) -> None:
    documentation = inspect.getdoc(methods(kind)[name]) or ""
    assert documentation.startswith(f"Awaitable twin of `{name[1:]}`")


@pytest.mark.parametrize("name", blocking(Query))
def test_a_terminal_needs_a_session(db: SQLAlchemy, name: str) -> None:
    needed = [p.name for p in parameters(Query, name)[1:] if p.default is p.empty]
    needed += ["values"] if name == "update" else []
    known = [KNOWN[parameter] for parameter in needed if parameter in KNOWN]
    with pytest.raises(MissingSessionError):
        getattr(User.query.filter_by(id=1), name)(*known)


def test_a_query_is_iterated_in_both_ways() -> None:
    assert hasattr(Query, "__iter__")
    assert hasattr(Query, "__aiter__")
    assert hasattr(Query, "__await__")
