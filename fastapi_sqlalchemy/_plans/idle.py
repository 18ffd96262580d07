"""The idle connections of a pool, taken out and put back as they are.

SQLAlchemy's pool asks its queue to wait, watches each connection that is out, and resets it when it
comes back.  A connection in the driver's autocommit that is out for one statement needs none of
that; whatever is more than taking it is left to the pool: making one, waiting for one, listeners.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from sqlalchemy.util.queue import Queue

from fastapi_sqlalchemy._ping import trust_of

__all__ = ["UNMADE", "Idle"]

UNMADE: Final = object()
"""Stands for parameters that could not be made: SQLAlchemy is to say why."""


class Idle:
    """Those of one pool.

    Args:
        pool: A `QueuePool`.
    """

    __slots__ = ("_pool", "_queue", "_trusts")

    def __init__(self, pool: Any) -> None:
        self._pool, self._trusts = pool, trust_of(pool._dialect)
        self._queue: Any = pool._pool if type(pool._pool) is Queue else None

    def take(self, *, awaited: bool = False) -> Any:
        """One that can be used as it is; None where the pool has to see to it.

        Args:
            awaited: Whether nothing may wait here for the server.
        """
        pool = self._pool
        if (queue := self._queue) is not None:  # past `get()`, for a third of its time
            with queue.mutex:
                if not queue.queue:
                    return None
                record = queue.queue.pop() if queue.use_lifo else queue.queue.popleft()
        else:
            queue = pool._pool._queue  # asyncio's, which nothing changes meanwhile
            if not queue._queue:
                return None
            record = queue._get()
        if (
            record.dbapi_connection is None
            or max(pool._invalidate_time, record._soft_invalidate_time) > record.starttime
            or (pool._pre_ping and not self._answers(record, awaited=awaited))
        ):
            pool._do_return_conn(record)
            return None
        return record

    def made_for(self, record: Any, make: Callable[[], Any]) -> Any:
        """The parameters of a statement on one that was taken.

        Where they cannot be made: UNMADE, and the connection is back.
        """
        parameters = UNMADE
        try:
            parameters = make()
        except Exception:
            return UNMADE
        finally:
            if parameters is UNMADE:
                self.put_back(record)
        return parameters

    def put_back(self, record: Any) -> None:
        """Let others have it."""
        if not self.keep(record):
            self._pool._do_return_conn(record)

    def keep(self, record: Any) -> bool:
        """The same where the pool has room; False where it is to close one more than it keeps."""
        if (queue := self._queue) is not None:
            with queue.mutex:
                if 0 < queue.maxsize <= len(queue.queue):
                    return False
                queue.queue.append(record)
                if queue.not_empty._waiters:  # to tell nobody takes longer than to look
                    queue.not_empty.notify()
                return True
        queue = self._pool._pool._queue
        if 0 < queue._maxsize <= len(queue._queue):
            return False
        if queue._getters:
            queue.put_nowait(record)
        else:
            queue._put(record)
        return True

    def _answers(self, record: Any, *, awaited: bool) -> bool:
        pool, connection, trusts = self._pool, record.dbapi_connection, self._trusts
        if trusts is not None and trusts(pool._dialect.get_driver_connection(connection)):
            return True
        if awaited:
            return False
        try:
            return bool(pool._dialect._do_ping_w_event(connection))
        except pool._dialect.loaded_dbapi.Error:
            return False
        except BaseException as error:  # cancelled: the answer would come for somebody else
            try:
                record.invalidate(error)
            finally:
                pool._do_return_conn(record)
            raise
