"""What plans know of SQLAlchemy beyond its public face: each name, and the releases."""

import asyncio
import importlib
from typing import Any

import pytest
from sqlalchemy import QueuePool, create_engine
from sqlalchemy.orm import session

from fastapi_sqlalchemy import SQLAlchemy
from fastapi_sqlalchemy._plans import private


def owner_at(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


OWNERS = private.NAMES | {owner_at(place): names for place, names in private.OF_DRIVERS.items()}
NAMES = [(owner, name) for owner, names in OWNERS.items() for name in names]


@pytest.mark.parametrize(
    ("owner", "name"), NAMES, ids=[f"{owner.__name__}.{name}" for owner, name in NAMES]
)
def test_sqlalchemy_still_has_the_private_name(owner: Any, name: str) -> None:
    ancestors = getattr(owner, "__mro__", ())
    annotated = {key for each in ancestors for key in vars(each).get("__annotations__", ())}
    assert hasattr(owner, name) or name in annotated


def instances() -> list[tuple[Any, tuple[str, ...]]]:
    """What has attributes of which its class says nothing."""
    pool: Any = create_engine("sqlite://", poolclass=QueuePool).pool
    return [
        (pool, ("_dialect", "_invalidate_time", "_pool", "_pre_ping", "_recycle")),
        (pool._pool, ("mutex", "not_empty", "queue", "use_lifo")),
        (asyncio.Queue(), ("_getters", "_maxsize", "_queue")),
        (session._sessions, ("_remove", "data")),
    ]


@pytest.mark.parametrize("number", range(4))
def test_what_is_private_to_instances_is_still_there(number: int) -> None:
    instance, names = instances()[number]
    assert [name for name in names if not hasattr(instance, name)] == []


@pytest.mark.parametrize(
    ("version", "tested"),
    [("2.1.0", True), ("2.1.99", True), ("2.1.0b2", True), ("2.2.0", False), ("3.1.0", False)],
)
def test_plans_are_for_tested_minor_releases(version: str, *, tested: bool) -> None:
    assert private.is_tested(version) is tested


def test_on_an_untested_release_nothing_is_planned(
    monkeypatch: pytest.MonkeyPatch, sqlite_file_url: str
) -> None:
    monkeypatch.setattr(private, "TESTED", frozenset())
    db = SQLAlchemy(sqlite_file_url)
    with db():
        assert db.session._plans is None
