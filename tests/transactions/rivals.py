"""Another client of the same database, whose transactions get into the way of ours."""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from sqlalchemy import Connection, create_engine, insert, select, text, update
from typing_extensions import override

from tests.shop import Item, db
from tests.transactions.tools import RIVAL

PATIENCE = 10.0
"""Seconds until a test gives up on a rival."""

_WAITING = {
    "postgresql": (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    ),
    "mysql": (
        "SELECT count(*) FROM information_schema.processlist"
        " WHERE info LIKE 'UPDATE items%' AND db = DATABASE()"
    ),
}


class Rival:
    """Has a connection of its own, and a thread to wait in."""

    def __init__(self, connection: Connection, observer: Connection) -> None:
        self.connection, self._observer = connection, observer
        self._thread: threading.Thread | None = None

    @property
    def _dialect(self) -> str:
        return self.connection.dialect.name

    def hold(self, name: str) -> None:
        """Change an item and keep its row."""
        self.connection.execute(update(Item).where(Item.name == name).values(id=Item.id))

    def cross(self, *, held: str, wanted: str) -> None:
        """Keep one item, and wait for another one that somebody else keeps.

        Who closes the circle is to be the one that the server gives up: the rival waits longer
        before it looks for a deadlock, or has written more.
        """
        if self._dialect == "postgresql":
            self.connection.execute(text("SET deadlock_timeout = '60s'"))
        else:
            weights = [{"name": f"weight {number}"} for number in range(20)]
            self.connection.execute(insert(Item), weights)
        self.hold(held)
        self._thread = threading.Thread(target=self.hold, args=(wanted,))
        self._thread.start()
        self.until_waiting(1)

    def until_waiting(self, count: int) -> None:
        """Return when so many statements wait for a lock."""
        deadline = time.monotonic() + PATIENCE
        while self.waiting() != count:
            assert time.monotonic() < deadline, f"{self.waiting()} statements wait, not {count}"

    def waiting(self) -> int:
        """How many statements wait for a lock."""
        found = self._observer.scalar(text(_WAITING[self._dialect]))
        self._observer.rollback()
        return int(found or 0)

    def leave(self) -> None:
        """Give up everything."""
        if self._thread is not None:
            self._thread.join(PATIENCE)
            self._thread = None
        self.connection.rollback()


@contextmanager
def rival(url: str, **options: Any) -> Iterator[Rival]:
    """A rival at this address, gone at the end."""
    engine = create_engine(url, execution_options={RIVAL: True, **options})
    try:
        with engine.connect() as connection, engine.connect() as observer:
            one = Rival(connection, observer)
            yield one
            one.leave()
    finally:
        engine.dispose()


class Conflict(ABC):
    """What makes the database give up the first transactions of a function.

    The function reads all items, changes `one`, and changes `two` unless `skews`.

    Args:
        rival: the other client.
        times: how many attempts are to fail.
    """

    codes: ClassVar[tuple[object, ...]]
    """What the driver's error has as SQLSTATE, number or name, one of them."""

    options: ClassVar[dict[str, Any]] = {}
    """For the database."""

    transaction: ClassVar[dict[str, Any]] = {}
    """For `db.transaction()`."""

    skews: ClassVar[bool] = False
    """Whether the two transactions never touch the same row, so that COMMIT is what fails."""

    def __init__(self, rival: Rival, times: int) -> None:
        self.rival, self.times = rival, times
        self.attempts = 0

    def before(self) -> None:
        """An attempt begins."""
        self.rival.leave()
        self.attempts += 1
        if self.attempts <= self.times:
            self.first()

    def between(self) -> None:
        """It has read all and changed `one`."""
        if self.attempts <= self.times:
            self.interfere()

    def first(self) -> None:  # noqa: B027 - few have something to do then
        """Interfere at the beginning of an attempt."""

    @abstractmethod
    def interfere(self) -> None:
        """Interfere in its middle."""

    def code(self, error: Any) -> object:
        """What tells the driver's errors apart."""
        return error.args[0] if isinstance(error.args[0], int) else error.sqlstate


class Skew(Conflict):
    """Both read both items, each changes another one: COMMIT fails."""

    codes = ("40001",)
    transaction: ClassVar[dict[str, Any]] = {"isolation_level": "SERIALIZABLE"}
    skews = True

    @override
    def interfere(self) -> None:
        connection = self.rival.connection
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"))
        connection.execute(select(Item)).all()
        self.rival.hold("two")
        connection.commit()


class LateUpdate(Conflict):
    """The rival has changed and committed what we change next: UPDATE fails."""

    codes = ("40001",)
    transaction: ClassVar[dict[str, Any]] = {"isolation_level": "REPEATABLE READ"}

    @override
    def interfere(self) -> None:
        self.rival.hold("two")
        self.rival.connection.commit()


class Deadlock(Conflict):
    """Each waits for what the other one holds."""

    @override
    def interfere(self) -> None:
        self.rival.cross(held="two", wanted="one")


class PostgresDeadlock(Deadlock):
    codes = ("40P01",)
    options: ClassVar[dict[str, Any]] = {
        "engine_args": {"connect_args": {"options": "-c deadlock_timeout=10"}}
    }


class MariaDeadlock(Deadlock):
    codes = (1213,)


class LockTimeout(Conflict):
    """The rival holds what we change next for longer than we wait: a second, the least there is."""

    codes = (1205,)
    options: ClassVar[dict[str, Any]] = {
        "engine_args": {"connect_args": {"init_command": "SET innodb_lock_wait_timeout = 1"}}
    }

    @override
    def interfere(self) -> None:
        self.rival.hold("two")


class Busy(Conflict):
    """The rival has SQLite's only lock for writing."""

    codes = ("SQLITE_BUSY", "SQLITE_LOCKED")
    options: ClassVar[dict[str, Any]] = {"engine_args": {"connect_args": {"timeout": 0.01}}}

    @override
    def first(self) -> None:
        self.rival.connection.exec_driver_sql("BEGIN IMMEDIATE")

    @override
    def interfere(self) -> None:
        raise AssertionError("the attempt has begun")

    @override
    def code(self, error: Any) -> object:
        return error.sqlite_errorname


@contextmanager
def sqlite_rival() -> Iterator[Rival]:
    """One at the database that is open, which may be in memory."""
    engine = db.engine.execution_options(**{RIVAL: True})
    with engine.connect() as connection:
        connection.detach()  # not one that the pool misses
        yield Rival(connection, connection)
        connection.rollback()
