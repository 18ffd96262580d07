"""What engines send, noted where SQLAlchemy hands it to the driver.

Transactions begin and end in the driver, out of sight here: only statements are noted.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event


@contextmanager
def sent() -> Iterator[list[str]]:
    """The statements that any engine of this process sends meanwhile, each on one line."""
    statements: list[str] = []

    def note(connection: Connection, cursor: Any, statement: str, *_: Any) -> None:
        statements.append(" ".join(statement.split()))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def verbs_of(statements: list[str]) -> list[str]:
    """The first word of each: `["INSERT", "SELECT"]`."""
    return [statement.partition(" ")[0] for statement in statements]
