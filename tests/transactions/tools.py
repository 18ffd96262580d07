"""What tests of transactions share: an error to leave by, and what is seen of a transaction."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event

from tests.shop import Item, db
from tests.verbs import Verb

RIVAL = "rival"
"""Execution option of an engine: its transactions are not ours."""


class Spoilt(Exception):
    """What leaves a block that is to be rolled back."""


@contextmanager
def spoilt() -> Iterator[pytest.ExceptionInfo[Spoilt]]:
    """What is within ends by `Spoilt`, which goes no further."""
    with pytest.raises(Spoilt) as caught:
        yield caught


@contextmanager
def ends() -> Iterator[list[str]]:
    """How the transactions of any engine but a rival's end meanwhile: "commit" or "rollback"."""
    noted: list[str] = []

    def note(connection: Connection, end: str) -> None:
        if RIVAL not in connection.get_execution_options():
            noted.append(end)

    def commit(connection: Connection) -> None:
        note(connection, "commit")

    def rollback(connection: Connection) -> None:
        note(connection, "rollback")

    event.listen(Engine, "commit", commit)
    event.listen(Engine, "rollback", rollback)
    try:
        yield noted
    finally:
        event.remove(Engine, "commit", commit)
        event.remove(Engine, "rollback", rollback)


def seen(verb: Verb) -> list[str]:
    """What this scope sees: the names of the items, in order."""
    return [item.name for item in verb(Item.query.order_by(Item.name), "all")]


def on_commit(verb: Verb, hook: Callable[[], Any]) -> None:
    """Register a hook where the verbs run."""
    verb.inside(lambda: db.on_commit(hook))


def execute(verb: Verb, statement: Any) -> Any:
    """Run a statement with the session, past the verbs."""
    return of_session(verb, "execute", statement)


def of_session(verb: Verb, name: str, *args: Any) -> Any:
    """Call a method of the session, or await that of the asyncio one."""
    if verb.blocking:
        return getattr(db.session, name)(*args)
    return verb.inside(lambda: getattr(db.async_session, name)(*args))
