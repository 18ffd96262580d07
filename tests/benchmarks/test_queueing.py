import os
import subprocess
import sys
import threading
import time

import pytest

from benchmarks.queueing import Clock


def test_waiting_for_somebody_counts() -> None:
    clock = Clock()
    threading.Event().wait(0.05)
    assert clock.seconds() > 0.04


@pytest.mark.parametrize("servers", [[], [os.getpid()]])
def test_computing_counts_however_long_it_queued(servers: list[int]) -> None:
    clock, start = Clock(servers), time.process_time()
    sum(range(1_000_000))
    computed = time.process_time() - start
    assert clock.seconds() >= computed


SHARING = """
import os, threading
from benchmarks.queueing import share_a_processor

over = threading.Event()
thread = threading.Thread(target=over.wait)
thread.start()
share_a_processor([os.getppid()])
print(len(os.sched_getaffinity(0)), len(os.sched_getaffinity(thread.native_id)))
over.set()
"""


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system tells no affinity")
def test_threads_share_a_processor_and_a_process_that_is_no_server_stays_where_it_is() -> None:
    before = os.sched_getaffinity(0)
    done = subprocess.run(
        [sys.executable, "-c", SHARING], capture_output=True, text=True, check=True
    )
    assert done.stdout == "1 1\n"
    assert os.sched_getaffinity(0) == before


def test_a_process_that_has_ended_is_left_out() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from benchmarks.queueing import *; share_a_processor([2**22 + 1])"],
        check=False,
    )
    assert done.returncode == 0
