"""The same question on both paths, a plan and SQLAlchemy's own, and all that shows of them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import HealthCheck, settings
from sqlalchemy import inspect
from sqlalchemy.orm import Load

from fastapi_sqlalchemy import SQLAlchemy

Seen = dict[str, Any]

SOME_EXAMPLES = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
"""Of random questions, each asked on both paths: many would take long."""

_IN_SLOTS_OR_NOT = (
    *("_strong_obj", "identity_token", "load_options", "load_path", "runid", "session_id"),
)
"""What a state has from its class, in a slot or of its own, and nobody sees which."""


@contextmanager
def without_plans(db: SQLAlchemy) -> Iterator[SQLAlchemy]:
    """A scope whose session has none."""
    with db():
        db.session._plans = None
        yield db


def seen_in(record: Any) -> Any:
    """A record as its state shows it; anything else as it is."""
    state = inspect(record, raiseerr=False)
    if not hasattr(state, "committed_state"):
        return record
    present = {key: value for key, value in state.dict.items() if key != "_sa_instance_state"}
    return {
        "model": type(record),
        "values": {key: (type(value).__qualname__, repr(value)) for key, value in present.items()},
        "identity": state.identity,
        "key": state.key,
        "lives": (state.persistent, state.pending, state.detached, state.transient),
        "expired": (state.expired, set(state.expired_attributes)),
        "changed": (state.modified, {k: repr(v) for k, v in state.committed_state.items()}),
        "unloaded": state.unloaded,
        "loaded by": (tuple(map(told_of, state.load_options)), str(state.load_path)),
        "has": {name: getattr(state, name, None) is not None for name in _IN_SLOTS_OR_NOT},
        "own": sorted(state.__dict__.keys() - {"attrs", "expired", "mapper", *_IN_SLOTS_OR_NOT}),
    }


def told_of(option: Any) -> Any:
    """A loader option as SQLAlchemy compares them; of any other the kind."""
    if not isinstance(option, Load):
        return type(option)
    known = option._generate_cache_key()
    return None if known is None or known.bindparams else known.key


def all_that_is_seen(db: SQLAlchemy, ask: Callable[[], Any]) -> Seen:
    """What a question answers, or the error it raises, and what the session holds then."""
    seen: Seen = {}
    try:
        found = ask()
    except Exception as error:
        found = None
        seen["error"] = (type(error), str(error))
    records = found if isinstance(found, list) else [found]
    seen["found"] = [seen_in(each) for each in records]
    seen["same"] = [[a is b for a in records] for b in records]
    seen["held"] = sorted(map(str, db.session.identity_map.keys()))
    seen["session"] = (db.session.in_transaction(), db.session._is_clean())
    seen["connections"] = db.engine.pool.checkedout()  # type: ignore[attr-defined]  # a queue's
    return seen


def assert_equal_on_both_paths(db: SQLAlchemy, ask: Callable[[], Any]) -> Seen:
    """Ask in a scope of each kind, twice: a plan is made at first, and used again then."""
    with without_plans(db):
        plain = all_that_is_seen(db, ask)
    for _ in range(2):
        with db():
            planned = all_that_is_seen(db, ask)
        assert_same(planned, plain)
    return plain


def assert_same(planned: Seen, plain: Seen) -> None:
    """Compare what shows of both paths, and tell no more than what differs."""
    pairs = {key: (planned.get(key), plain.get(key)) for key in planned | plain}
    assert planned == plain, {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}
