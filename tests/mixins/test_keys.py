"""`uuid7()`: keys that sort by the time they were made, and never collide."""

import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import inspect

from fastapi_sqlalchemy import SQLAlchemy, keys
from fastapi_sqlalchemy.keys import uuid7
from tests.interpreter import Python
from tests.mixins.documents import Event
from tests.verbs import Verb

MILLISECOND = 1_000_000


class Clock:
    """A clock that goes only when it is told to."""

    def __init__(self) -> None:
        self.nanoseconds = 1_700_000_000_000 * MILLISECOND

    def time_ns(self) -> int:
        return self.nanoseconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A generator of its own, on a clock that stands still."""
    clock = Clock()
    monkeypatch.setattr(keys, "time", clock)
    monkeypatch.setattr(keys, "_clock", keys._Clock())
    return clock


def milliseconds(key: uuid.UUID) -> int:
    return key.int >> 80


def test_a_key_is_a_uuid_of_version_7_and_the_variant_of_rfc_9562() -> None:
    for key in [uuid7() for _ in range(1000)]:
        assert key.version == 7
        assert key.variant == uuid.RFC_4122
        assert str(key)[14] == "7"
        assert str(key)[19] in "89ab"


def test_a_key_begins_with_the_milliseconds_since_1970() -> None:
    before = time.time_ns() // MILLISECOND
    key = uuid7()
    assert before <= milliseconds(key) <= time.time_ns() // MILLISECOND


def test_keys_of_one_millisecond_are_in_order(clock: Clock) -> None:
    made = [uuid7() for _ in range(10_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert {milliseconds(key) for key in made} == {clock.nanoseconds // MILLISECOND}


def test_keys_as_text_are_in_the_same_order(clock: Clock) -> None:
    made = [uuid7() for _ in range(1000)]
    assert sorted(made, key=str) == made == sorted(made, key=lambda key: key.bytes)


def test_keys_stay_in_order_when_the_clock_is_set_back(clock: Clock) -> None:
    made = [uuid7()]
    clock.nanoseconds -= 3600 * 1000 * MILLISECOND
    made += [uuid7() for _ in range(100)]
    clock.nanoseconds += 3601 * 1000 * MILLISECOND
    made.append(uuid7())
    assert made == sorted(made)
    assert milliseconds(made[-1]) == clock.nanoseconds // MILLISECOND


def test_a_counter_that_overflows_goes_on_in_the_next_millisecond(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "_start", lambda: (1 << 42) - 2)
    made = [uuid7() for _ in range(4)]
    assert made == sorted(made)
    assert [milliseconds(key) - milliseconds(made[0]) for key in made] == [0, 0, 1, 1]
    assert {key.version for key in made} == {7}


def test_threads_never_make_the_same_key_and_each_makes_them_in_order() -> None:
    together = threading.Barrier(8)

    def make() -> list[uuid.UUID]:
        together.wait()
        return [uuid7() for _ in range(2000)]

    with ThreadPoolExecutor(8) as pool:
        made = [future.result() for future in [pool.submit(make) for _ in range(8)]]
    assert all(each == sorted(each) for each in made)
    assert len(set().union(*made)) == 8 * 2000


def test_what_follows_the_order_is_random() -> None:
    made = [uuid7() for _ in range(200)]
    assert len({key.int & 0xFFFF_FFFF for key in made}) > 190


def test_a_model_has_keys_in_the_order_of_its_records(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        made = [verb(Event, "new", name=name) for name in "cab"]
        assert all(isinstance(event.id, uuid.UUID) for event in made)
        assert verb(Event.query.order_by(Event.id), "all") == made
    with verb.scope(db):
        found = verb(Event, "get", made[1].id)
        assert (found.id, found.name) == (made[1].id, "a")


def test_a_key_that_was_chosen_is_kept(verb: Verb, db: SQLAlchemy) -> None:
    key = uuid7()
    with verb.scope(db):
        assert verb(Event, "new", id=key, name="a").id == key


def test_the_column_is_the_databases_own_type(postgres_url: str) -> None:
    database = SQLAlchemy(postgres_url, metadata=None)
    Event.__table__.create(database.engine)  # type: ignore[attr-defined] # a FromClause to SQLAlchemy
    columns = inspect(database.engine).get_columns("events")
    assert [str(column["type"]) for column in columns if column["name"] == "id"] == ["UUID"]
    database.dispose()


FORKED = """
import os, signal, warnings
from fastapi_sqlalchemy import keys

# newer Pythons warn of a fork where there are threads, which is what this is about
warnings.simplefilter("ignore", DeprecationWarning)
with keys._clock._lock:
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        os._exit(0 if keys.uuid7().version == 7 else 1)
print(os.waitpid(child, 0)[1])
"""


def test_a_forked_process_does_not_wait_for_a_lock_of_its_parent(python: Python) -> None:
    assert python(FORKED).stdout.strip() == "0"
