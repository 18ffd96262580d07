"""Whether a pooled connection still lives, asked of the server only when that is in doubt.

A server that ends a connection says so, and its word waits in the socket.  To look there needs no
round trip; only a connection that nobody has used for a while is asked, because a network can
forget one without a word.
"""

from __future__ import annotations

import select
import time
import weakref
from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import Dialect, Engine

__all__ = ["Trusts", "ask_seldom", "trust_of"]

TRUSTED: Final = 1.0
"""Seconds for which a connection that was in use is taken to live, if its socket is silent."""


Trusts = Callable[[Any], bool]
"""Whether a driver's connection lives for all that can be told without asking the server."""

_trusts: weakref.WeakKeyDictionary[Dialect, Trusts] = weakref.WeakKeyDictionary()


def trust_of(dialect: Dialect) -> Trusts | None:
    """What tells it of the connections of a dialect, where there is a way."""
    return _trusts.get(dialect)


def ask_seldom(engine: Engine) -> None:
    """Have an engine over psycopg or asyncpg look at the socket before it asks the server."""
    if not hasattr(select, "poll"):  # Windows
        return
    dialect: Any = engine.dialect  # its hooks are public, and overridden on this one alone
    ask = dialect.do_ping
    watches: weakref.WeakKeyDictionary[Any, _Watch] = weakref.WeakKeyDictionary()

    def trusts(driver: Any) -> bool:
        watch = watches.get(driver)
        return watch is not None and watch.is_silent(driver)

    def ping(connection: Any) -> bool:
        driver = dialect.get_driver_connection(connection)
        if trusts(driver):
            return True
        answers: bool = ask(connection)
        if answers:
            watches[driver] = _Watch(driver)
        return answers

    dialect.do_ping = ping
    _trusts[dialect] = trusts


class _Watch:
    """Since when a connection is known to live, and what tells whether its server spoke since.

    Args:
        driver: The driver's connection, which is open: psycopg's, or asyncpg's.
    """

    __slots__ = ("_poll", "_since")

    def __init__(self, driver: Any) -> None:
        libpq = hasattr(driver, "pgconn")
        socket = driver.pgconn.socket if libpq else driver._transport.get_extra_info("socket")
        self._poll: Any = select.poll()
        self._poll.register(socket, select.POLLIN)
        self._since = time.monotonic()

    def is_silent(self, driver: Any) -> bool:
        """Whether it is, of a connection that was in use a moment ago."""
        now = time.monotonic()
        closed = driver.closed if hasattr(driver, "pgconn") else driver.is_closed()
        if closed or now - self._since >= TRUSTED or self._poll.poll(0):
            return False
        self._since = now
        return True
