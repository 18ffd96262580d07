"""What plans know of SQLAlchemy that is not its public face, and the releases where it is so.

A name that goes away fails a test by its name; a minor release that was never tested turns plans
off, and everything takes SQLAlchemy's own path.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import sqlalchemy
from sqlalchemy import Connection, Engine, orm
from sqlalchemy.engine import default
from sqlalchemy.event import attr as event_attr
from sqlalchemy.event import base as event_base
from sqlalchemy.orm import (
    attributes,
    identity,
    instrumentation,
    session,
    state,
    strategies,
    strategy_options,
)
from sqlalchemy.pool import QueuePool, base
from sqlalchemy.sql import base as base_of_sql
from sqlalchemy.sql import cache_key, compiler, dml, elements
from sqlalchemy.types import TypeEngine
from sqlalchemy.util import queue

__all__ = ["NAMES", "OF_DRIVERS", "TESTED", "is_tested"]

TESTED = frozenset({(2, 1)})
"""The minor releases of SQLAlchemy that the suite has passed on."""

NAMES: Final[dict[Any, tuple[str, ...]]] = {
    state.InstanceState: (
        *("_cleanup", "class_", "committed_state", "expired_attributes", "load_path", "manager"),
        *("obj", "runid", "session_id", "_commit", "_commit_all", "_deleted", "_strong_obj"),
        *("identity_token", "_instance_dict", "_orphaned_outside_of_session"),
        "_pending_mutations",
    ),
    attributes._ScalarAttributeImpl: (
        *("callable_", "dispatch", "send_modified_events", "supports_population"),
    ),
    identity._WeakInstanceDict: (
        *("_add_unpresent", "_dict", "_fast_discard", "_modified", "check_modified"),
    ),
    instrumentation.ClassManager: (
        *("_state_constructor", "_state_setter", "dispatch", "new_instance"),
    ),
    orm.Mapper: (
        "_get_clause",
        "_identity_class",
        "_identity_key_from_state",
        "_path_registry",
        "_prop_set",
        "allow_partial_pks",
    ),
    attributes: ("_ScalarAttributeImpl",),
    orm.registry: ("_new_mappers",),
    attributes._CollectionAttributeImpl: ("_initialize_collection",),
    orm.RelationshipProperty: ("_get_strategy",),
    strategies._SelectInLoader: ("_query_info",),
    strategy_options._AttributeStrategyLoad: (
        *("_extra_criteria", "_of_type", "_path_with_polymorphic_path", "local_opts", "path"),
        "strategy",
    ),
    orm.Load: ("additional_source_entities", "context"),
    base_of_sql.Executable: ("_with_options",),
    orm.Session: (
        *("_autoflush", "_connection_for_bind", "_deleted", "_is_clean", "_new"),
        *("_register_persistent", "_remove_newly_deleted", "_transaction"),
    ),
    compiler.SQLCompiler: (
        *("_bind_processors", "_process_parameters_for_postcompile", "escaped_bind_names"),
        *("_deliver_insertmanyvalues_batches", "_insertmanyvalues", "insert_prefetch"),
    ),
    dml.ValuesBase: ("_values",),
    cache_key.HasCacheKey: ("_gen_cache_key",),
    cache_key.CacheConst: ("NO_CACHE", "PARAMS"),
    elements: ("_anonymous_label",),
    orm.ColumnProperty.Comparator: ("_adapt_to_entity", "_parententity"),
    orm.SessionTransaction: ("_connections", "_new", "parent"),
    TypeEngine: (
        *("_cached_result_processor", "_is_array", "_is_tuple_type", "_isnull"),
        "_unwrapped_dialect_impl",
    ),
    Connection: ("_execution_options", "_has_events", "_handle_dbapi_exception"),
    Engine: ("_execution_options", "_has_events", "_should_log_info"),
    default.DefaultExecutionContext: ("get_result_processor",),
    QueuePool: ("_do_get", "_do_return_conn", "_should_log_debug"),
    queue.AsyncAdaptedQueue: ("_queue",),
    asyncio.Queue: ("_get", "_put"),
    event_attr._EmptyListener: ("for_modify", "listeners", "parent_listeners"),
    event_attr._ListenerCollection: ("for_modify", "listeners", "parent_listeners"),
    event_base._Dispatch: ("_for_class",),
    session: ("_sessions",),
    base._ConnectionRecord: ("_soft_invalidate_time", "get_connection", "starttime"),
    base._ConnectionFairy: ("_checkin", "_counter"),
}
"""What has to be there, by who has it."""

_ASYNCPG: Final = "sqlalchemy.dialects.postgresql.asyncpg"
OF_DRIVERS: Final[dict[str, tuple[str, ...]]] = {
    f"{_ASYNCPG}:AsyncAdapt_asyncpg_connection": (
        *("_handle_exception", "_prepare", "_prepared_statement_cache", "_transaction"),
    ),
    f"{_ASYNCPG}:AsyncAdapt_asyncpg_cursor": ("_invalidate_schema_cache_asof",),
    f"{_ASYNCPG}:PGDialect_asyncpg": ("_invalidate_schema_cache_asof",),
    "sqlalchemy.connectors.asyncio:AsyncAdapt_dbapi_connection": ("_handle_exception",),
    "asyncpg.connection:Connection": ("_transport",),
}
"""The same of modules that only those import who use the driver."""


def is_tested(version: str = sqlalchemy.__version__) -> bool:
    """Whether plans may be used with a release of SQLAlchemy."""
    major, minor, *_ = version.split(".")
    return (int(major), int("".join(filter(str.isdigit, minor)))) in TESTED
