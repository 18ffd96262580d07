"""Which driver serves a URL: the blocking one, the asyncio one beside it, and what to install."""

from __future__ import annotations

import importlib.util
from typing import Any, Final

from sqlalchemy import URL, Dialect, Engine, event, exc

from .exceptions import MissingDriverError

__all__ = [
    "awaitable",
    "blocking",
    "has_driver",
    "installed",
    "name_connect_errors",
    "require",
    "require_greenlet",
    "translate",
]

_ASYNC: Final = {
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
    "mysql+pymysql": "mysql+aiomysql",
    "mariadb+pymysql": "mariadb+aiomysql",
    "oracle+oracledb": "oracle+oracledb",
}
"""The asyncio driver beside a blocking one. SQLite has no true one: threads serve it better."""

_BLOCKING: Final = {
    "postgresql+asyncpg": "postgresql+psycopg",
    "postgresql+psycopg_async": "postgresql+psycopg",
    "mysql+aiomysql": "mysql+pymysql",
    "mysql+asyncmy": "mysql+pymysql",
    "mariadb+aiomysql": "mariadb+pymysql",
    "mariadb+asyncmy": "mariadb+pymysql",
    "oracle+oracledb_async": "oracle+oracledb",
    "sqlite+aiosqlite": "sqlite",
}
"""The blocking driver beside an asyncio one."""

_PACKAGES: Final[dict[str, tuple[str, str | None]]] = {
    "psycopg": ("psycopg", "postgresql"),
    "psycopg_async": ("psycopg", "postgresql"),
    "psycopg2": ("psycopg2", None),
    "asyncpg": ("asyncpg", None),
    "pymysql": ("pymysql", "mysql"),
    "aiomysql": ("aiomysql", "mysql"),
    "asyncmy": ("asyncmy", None),
    "mysqldb": ("mysqlclient", None),
    "aiosqlite": ("aiosqlite", None),
    "oracledb": ("oracledb", None),
    "oracledb_async": ("oracledb", None),
}
"""SQLAlchemy's name of a driver: the package on the index, and our extra that brings it."""


def awaitable(url: URL) -> URL | None:
    """The URL for awaited access to the same database; None where threads have to serve it."""
    if url.get_backend_name() == "sqlite":
        return None
    if url.get_dialect().is_async:
        return url
    name = _ASYNC.get(url.drivername)
    return url.set(drivername=name) if name is not None else None


def blocking(url: URL) -> URL:
    """The URL for blocking access to the same database."""
    name = _BLOCKING.get(url.drivername)
    return translate(url.set(drivername=name)) if name is not None else url


def translate(url: URL) -> URL:
    """The same URL with the TLS parameter by the name its driver knows: asyncpg has its own."""
    wrong, right = ("sslmode", "ssl") if url.drivername.endswith("asyncpg") else ("ssl", "sslmode")
    if url.get_backend_name() != "postgresql" or wrong not in url.query:
        return url
    query = dict(url.query)
    query[right] = query.pop(wrong)
    return url.set(query=query)


def name_connect_errors(engine: Engine) -> None:
    """Make SQLAlchemy's of the operating system's errors, which asyncpg lets through."""

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Dialect, _: object, args: list[Any], options: dict[str, Any]) -> Any:
        try:
            return dialect.connect(*args, **options)
        except OSError as error:
            raise exc.OperationalError(None, None, error) from error


def require(url: URL) -> None:
    """Check that the driver of a URL is installed.

    Raises:
        MissingDriverError: It is not.
    """
    if not has_driver(url):
        dialect = url.get_dialect()
        package, extra = _PACKAGES.get(dialect.driver, (dialect.driver, None))
        raise MissingDriverError(url.drivername, package=package, extra=extra)


def has_driver(url: URL) -> bool:
    """Whether the driver of a URL is installed."""
    try:
        url.get_dialect().import_dbapi()
    except ModuleNotFoundError:
        return False
    return True


def require_greenlet(needed_by: str) -> None:
    """Check that greenlet is installed, over which SQLAlchemy awaits.

    Raises:
        MissingDriverError: It is not.
    """
    if not installed("greenlet"):
        raise MissingDriverError(needed_by, package="greenlet", extra="asyncio")


def installed(module: str) -> bool:
    """Whether a module can be imported."""
    return importlib.util.find_spec(module) is not None
