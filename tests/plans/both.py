"""The same question on both paths, a plan and SQLAlchemy's own, and all that shows of them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import inspect

from fastapi_sqlalchemy import SQLAlchemy

Seen = dict[str, Any]


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
        "changed": (state.modified, dict(state.committed_state)),
        "unloaded": state.unloaded,
        "loaded by": (state.load_options, str(state.load_path)),
        "own": sorted(state.__dict__.keys() - {"attrs", "mapper"}),
    }


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
        differences = {key: (planned.get(key), plain.get(key)) for key in planned | plain}
        assert planned == plain, {k: pair for k, pair in differences.items() if pair[0] != pair[1]}
    return plain
