"""The plugin knows every verb: what it lists is what the classes have."""

import inspect
from importlib import import_module

import pytest

from fastapi_sqlalchemy import Query
from fastapi_sqlalchemy.mypy_plugin._chains import KEEPING
from fastapi_sqlalchemy.mypy_plugin._taken import OF

OF_SQLALCHEMY = {"execution_options"}
"""Verbs whose keywords are no attributes of a model."""

FROM_ELSEWHERE = {"join", "outerjoin", "select_from", "when"}
"""Methods after which keywords may be about another model."""


def class_named(fullname: str) -> type:
    module, _, name = fullname.rpartition(".")
    found: type = getattr(import_module(module), name)
    return found


def is_method(member: object) -> bool:
    return inspect.isfunction(member) or inspect.ismethod(member)


@pytest.mark.parametrize("fullname", OF)
def test_every_verb_that_takes_any_keyword_is_checked(fullname: str) -> None:
    takes_any = {
        name
        for name, method in inspect.getmembers(class_named(fullname), is_method)
        if not name.startswith("_")
        and any(p.kind is p.VAR_KEYWORD for p in inspect.signature(method).parameters.values())
    }
    assert takes_any - OF_SQLALCHEMY == OF[fullname].keys()


def test_of_each_method_that_returns_a_query_it_is_known_what_keywords_are_about_then() -> None:
    chain = {
        name
        for name, method in inspect.getmembers(Query, inspect.isfunction)
        if not name.startswith("_") and inspect.signature(method).return_annotation == "Self"
    }
    assert chain == KEEPING | FROM_ELSEWHERE
