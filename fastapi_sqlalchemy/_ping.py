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

__all__ = ["ask_seldom", "is_trusted"]

TRUSTED: Final = 1.0
"""Seconds for which a connection that was in use is taken to live, if its socket is silent."""


_trusts: weakref.WeakKeyDictionary[Dialect, Callable[[Any], bool]] = weakref.WeakKeyDictionary()


def is_trusted(dialect: Dialect, driver: Any) -> bool:
    """Whether a driver's connection lives for all that can be told without asking the server."""
    trusts = _trusts.get(dialect)
    return trusts is not None and trusts(driver)


def ask_seldom(engine: Engine) -> None:
    """Have an engine over psycopg or asyncpg look at the socket before it asks the server."""
    if not hasattr(select, "poll"):  # Windows
        return
    dialect: Any = engine.dialect  # its hooks are public, and overridden on this one alone
    ask = dialect.do_ping
    asked: weakref.WeakKeyDictionary[Any, float] = weakref.WeakKeyDictionary()

    def trusts(driver: Any) -> bool:
        now = time.monotonic()
        before = asked.get(driver)
        if before is None or now - before >= TRUSTED or not _is_silent(driver):
            return False
        asked[driver] = now
        return True

    def ping(connection: Any) -> bool:
        driver = dialect.get_driver_connection(connection)
        if trusts(driver):
            return True
        answers: bool = ask(connection)
        if answers:
            asked[driver] = time.monotonic()
        return answers

    dialect.do_ping = ping
    _trusts[dialect] = trusts


def _is_silent(driver: Any) -> bool:
    socket = _socket_of(driver)
    if socket is None:
        return False
    poll = select.poll()
    poll.register(socket, select.POLLIN)
    return not poll.poll(0)


def _socket_of(driver: Any) -> Any:
    """That of an open connection of psycopg's, or of asyncpg's."""
    if hasattr(driver, "pgconn"):
        return None if driver.closed else driver.pgconn.socket
    return None if driver.is_closed() else driver._transport.get_extra_info("socket")
