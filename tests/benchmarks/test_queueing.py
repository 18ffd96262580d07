import os
import threading
import time

from benchmarks.queueing import Clock


def test_waiting_for_somebody_counts() -> None:
    clock = Clock()
    threading.Event().wait(0.05)
    assert clock.seconds() > 0.04


def test_computing_counts_however_long_it_queued() -> None:
    clock, start = Clock([os.getpid()]), time.process_time()
    sum(range(1_000_000))
    computed = time.process_time() - start
    assert clock.seconds() >= computed
