"""A connection that is taken out of a pool as it is, and put back."""

import threading
from typing import Any

import pytest
from sqlalchemy import QueuePool, create_engine

from fastapi_sqlalchemy._plans.idle import Idle
from fastapi_sqlalchemy.pool import LendingPool


def pool_of(**options: Any) -> Any:
    return create_engine("sqlite://", poolclass=QueuePool, **options).pool


def fill(pool: Any, number: int) -> list[Any]:
    """Have as many connections idle, and tell their records in the order they came back."""
    taken = [pool.connect() for _ in range(number)]
    records = [each._connection_record for each in taken]
    for each in taken:
        each.close()
    return records


def test_an_empty_pool_has_none() -> None:
    assert Idle(pool_of()).take() is None


@pytest.mark.parametrize("use_lifo", [False, True])
def test_connections_come_in_the_order_of_the_pool(*, use_lifo: bool) -> None:
    pool = pool_of(pool_use_lifo=use_lifo)
    records = fill(pool, 3)
    idle = Idle(pool)
    first = idle.take()
    assert first is records[-1 if use_lifo else 0]
    idle.put_back(first)
    assert pool.connect()._connection_record is (first if use_lifo else records[1])


def test_what_is_out_counts_as_checked_out() -> None:
    pool = pool_of()
    fill(pool, 2)
    idle = Idle(pool)
    record = idle.take()
    assert (pool.checkedout(), pool.checkedin()) == (1, 1)
    idle.put_back(record)
    assert (pool.checkedout(), pool.checkedin()) == (0, 2)


def test_a_full_pool_closes_what_is_too_much() -> None:
    pool = pool_of(pool_size=1, max_overflow=1)
    fill(pool, 1)
    idle = Idle(pool)
    record = idle.take()
    fill(pool, 1)
    idle.put_back(record)
    assert record.dbapi_connection is None
    assert (pool.checkedout(), pool.checkedin()) == (0, 1)


def test_a_pool_without_a_limit_keeps_all() -> None:
    pool = pool_of(pool_size=0)
    fill(pool, 3)
    idle = Idle(pool)
    idle.put_back(idle.take())
    assert pool.checkedin() == 3


def test_an_invalidated_connection_is_left_to_the_pool() -> None:
    pool = pool_of()
    (record,) = fill(pool, 1)
    record.invalidate(soft=True)
    assert Idle(pool).take() is None
    assert pool.checkedin() == 1


@pytest.mark.parametrize("kind", [QueuePool, LendingPool])
def test_who_waits_for_a_connection_gets_it(kind: type[QueuePool]) -> None:
    engine = create_engine("sqlite://", poolclass=kind, pool_size=1, max_overflow=0)
    pool: Any = engine.pool
    fill(pool, 1)
    idle = Idle(pool)
    record = idle.take()
    served = threading.Event()

    def wait() -> None:
        pool.connect().close()
        served.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    queue = pool._pool
    while not queue.not_empty._waiters:
        waiting.join(0.001)
    idle.put_back(record)
    assert served.wait(5)
    waiting.join()
