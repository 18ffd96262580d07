"""Whether a pooled connection still lives, asked of the server only when that is in doubt.

A server that ends a connection says so, and its word waits in the socket.  To look there needs no
round trip; only a connection that nobody has used for a while is asked, because a network can
forget one without a word.
"""

from __future__ import annotations

import select
import time
import weakref
from typing import Any, Final

from sqlalchemy import Engine

__all__ = ["ask_seldom"]

TRUSTED: Final = 1.0
"""Seconds for which a connection that was in use is taken to live, if its socket is silent."""


def ask_seldom(engine: Engine) -> None:
    """Have an engine over psycopg look at the socket before it asks the server."""
    if not hasattr(select, "poll"):  # Windows
        return
    dialect: Any = engine.dialect  # its hooks are public, and overridden on this one alone
    ask = dialect.do_ping
    asked: weakref.WeakKeyDictionary[Any, float] = weakref.WeakKeyDictionary()

    def ping(connection: Any) -> bool:
        driver = dialect.get_driver_connection(connection)
        now = time.monotonic()
        before = asked.get(driver)
        asked[driver] = now
        if before is not None and now - before < TRUSTED and _is_silent(driver):
            return True
        answers: bool = ask(connection)
        return answers

    dialect.do_ping = ping


def _is_silent(driver: Any) -> bool:
    if driver.closed:
        return False
    poll = select.poll()
    poll.register(driver.pgconn.socket, select.POLLIN)
    return not poll.poll(0)
