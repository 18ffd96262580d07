"""What engines send, noted where SQLAlchemy hands it to the driver.

Transactions begin and end in the driver, out of sight here: only statements are noted.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event


@contextmanager
def told(tell: Callable[[str], object]) -> Iterator[None]:
    """Tell each statement that any engine of this process sends meanwhile, on one line."""

    def note(connection: Connection, cursor: Any, statement: str, *_: Any) -> None:
        tell(" ".join(statement.split()))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", note)


@contextmanager
def sent() -> Iterator[list[str]]:
    """The statements that any engine of this process sends meanwhile, each on one line."""
    statements: list[str] = []
    with told(statements.append):
        yield statements


def echo() -> AbstractContextManager[None]:
    """Print the statements that are sent meanwhile, without their values."""
    return told(print)


def verbs_of(statements: list[str]) -> list[str]:
    """The first word of each: `["INSERT", "SELECT"]`."""
    return [statement.partition(" ")[0] for statement in statements]
