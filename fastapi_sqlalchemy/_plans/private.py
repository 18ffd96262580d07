"""What plans know of SQLAlchemy that is not its public face, and the releases where it is so.

A name that goes away fails a test by its name; a minor release that was never tested turns plans
off, and everything takes SQLAlchemy's own path.
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy
from sqlalchemy import Connection, Engine, orm
from sqlalchemy.engine import default
from sqlalchemy.orm import identity, instrumentation, loading, state
from sqlalchemy.pool import QueuePool, base
from sqlalchemy.sql import cache_key, compiler
from sqlalchemy.types import TypeEngine

__all__ = ["NAMES", "TESTED", "is_tested"]

TESTED = frozenset({(2, 1)})
"""The minor releases of SQLAlchemy that the suite has passed on."""

NAMES: Final[dict[Any, tuple[str, ...]]] = {
    state.InstanceState: (
        *("_cleanup", "class_", "committed_state", "expired_attributes", "load_path", "manager"),
        *("obj", "runid", "session_id", "_commit", "_strong_obj", "identity_token"),
    ),
    identity._WeakInstanceDict: ("_add_unpresent", "_fast_discard", "check_modified"),
    instrumentation.ClassManager: ("_state_setter", "dispatch", "new_instance"),
    orm.Mapper: (
        "_get_clause",
        "_identity_class",
        "_identity_key_from_state",
        "_path_registry",
        "allow_partial_pks",
    ),
    loading: ("_new_runid",),
    orm.Session: (
        *("_autoflush", "_connection_for_bind", "_register_persistent"),
        "_remove_newly_deleted",
    ),
    compiler.SQLCompiler: ("_bind_processors", "escaped_bind_names"),
    cache_key.HasCacheKey: ("_gen_cache_key",),
    cache_key.CacheConst: ("NO_CACHE", "PARAMS"),
    orm.SessionTransaction: ("_connections", "parent"),
    TypeEngine: ("_cached_result_processor",),
    Connection: ("_execution_options", "_has_events", "_handle_dbapi_exception"),
    Engine: ("_execution_options", "_has_events", "_should_log_info"),
    default.DefaultExecutionContext: ("get_result_processor",),
    QueuePool: ("_do_get", "_do_return_conn", "_should_log_debug"),
    base._ConnectionRecord: ("_is_hard_or_soft_invalidated", "get_connection"),
    base._ConnectionFairy: ("_checkin", "_counter"),
}
"""What has to be there, by who has it."""


def is_tested(version: str = sqlalchemy.__version__) -> bool:
    """Whether plans may be used with a release of SQLAlchemy."""
    major, minor, *_ = version.split(".")
    return (int(major), int("".join(filter(str.isdigit, minor)))) in TESTED
