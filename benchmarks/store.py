"""The databases of the contestants, made and looked at past every one of them.

Each contestant has a database of its own with the same tables and rows, made here.  The SQLite
files lie in memory where the machine has a folder there, and PostgreSQL does not wait for its disk:
what is compared is the work of libraries, and durability is the same for all of them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from sqlalchemy import URL, make_url
from typing_extensions import override

from benchmarks.tasks import AUTHORS, COLUMNS, POSTS_EACH, SPARE, USERS, title, values

SHARED_MEMORY = Path("/dev/shm")

NAMES = ", ".join(COLUMNS)
INSERT = f"INSERT INTO bench_users ({NAMES}) VALUES (?, ?, ?, ?, ?, ?)"

TABLES = """
    CREATE TABLE bench_users (
        id {key},
        name VARCHAR(100) NOT NULL,
        email VARCHAR(200) NOT NULL,
        age INTEGER NOT NULL,
        bio TEXT,
        team INTEGER NOT NULL
    );
    CREATE INDEX bench_users_email ON bench_users (email);
    CREATE INDEX bench_users_team ON bench_users (team);
    CREATE TABLE bench_posts (
        id {key},
        user_id INTEGER NOT NULL REFERENCES bench_users (id) ON DELETE CASCADE,
        title VARCHAR(200) NOT NULL
    );
    CREATE INDEX bench_posts_user_id ON bench_posts (user_id);
"""

SETTINGS = {
    "sqlite": {
        "PRAGMA journal_mode": "wal",
        "PRAGMA synchronous": "2",
        "PRAGMA foreign_keys": "1",
    },
    "postgresql": {"SHOW synchronous_commit": "off"},
}
"""What a contestant's own connection answers, the same for all of them."""


def seeded(number: int) -> tuple[Any, ...]:
    return (number, *values(number).values())


def posts() -> Iterator[tuple[int, str]]:
    for author in range(1, AUTHORS + 1):
        for number in range(POSTS_EACH):
            yield author, title(author, number)


class _Connection(Protocol):
    def execute(self, sql: Any, parameters: Sequence[Any] = ..., /) -> Any: ...

    def close(self) -> Any: ...


class Store:
    """One contestant's database, over a connection that no contestant uses."""

    url: str
    settings: dict[str, str]
    _connection: _Connection

    def users(self) -> list[tuple[Any, ...]]:
        sql = f"SELECT {NAMES} FROM bench_users ORDER BY id"
        return [tuple(row) for row in self._connection.execute(sql).fetchall()]

    def user(self, key: int) -> tuple[Any, ...] | None:
        sql = f"SELECT {NAMES} FROM bench_users WHERE id = {int(key)}"
        row = self._connection.execute(sql).fetchone()
        return None if row is None else tuple(row)

    def key_of(self, email: str) -> int:
        sql = self._sql("SELECT id FROM bench_users WHERE email = ?")
        return int(self._connection.execute(sql, (email,)).fetchone()[0])

    def count(self) -> int:
        return int(self._connection.execute("SELECT count(*) FROM bench_users").fetchone()[0])

    def servers(self) -> list[int]:
        """The processes of the server that the contestant's connections have."""
        return []

    def restore(self, spare: int = 0) -> None:
        """Have the first thousand users again as they were, and `spare` to be deleted."""
        self._connection.execute(f"DELETE FROM bench_users WHERE id > {USERS}")
        age = "18 + id % 60"  # as `values` has it
        self._connection.execute(f"UPDATE bench_users SET age = {age} WHERE age <> {age}")
        if spare:
            self._many(INSERT, [(SPARE + n, *values(n).values()) for n in range(spare)])
        self._clean()

    def close(self) -> None:
        self._connection.close()

    def _seed(self) -> None:
        self._many(INSERT, [seeded(number) for number in range(1, USERS + 1)])
        self._many("INSERT INTO bench_posts (user_id, title) VALUES (?, ?)", list(posts()))

    def _sql(self, sql: str) -> str:
        return sql

    def _many(self, sql: str, rows: list[tuple[Any, ...]]) -> None:
        raise NotImplementedError

    def _clean(self) -> None:
        raise NotImplementedError


class SQLiteStore(Store):
    settings = SETTINGS["sqlite"]

    def __init__(self, url: str) -> None:
        self.url = url
        path = make_url(url).database
        assert path is not None
        self._connection: sqlite3.Connection = sqlite3.connect(
            path, isolation_level=None, timeout=30
        )

    def create(self) -> None:
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.executescript(TABLES.format(key="INTEGER NOT NULL PRIMARY KEY"))
        self._seed()
        self._connection.execute("ANALYZE")

    @override
    def _many(self, sql: str, rows: list[tuple[Any, ...]]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(sql, rows)
        self._connection.execute("COMMIT")

    @override
    def _clean(self) -> None:
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


class PostgresStore(Store):
    settings = SETTINGS["postgresql"]

    def __init__(self, url: str) -> None:
        import psycopg

        self.url = url
        self._connection: psycopg.Connection[Any] = psycopg.connect(url, autocommit=True)

    def create(self) -> None:
        key = "INTEGER GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY"
        self._connection.execute(TABLES.format(key=key).encode())
        for table in ("bench_users", "bench_posts"):  # `_clean` does it, between the rounds
            self._connection.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)".encode())
        self._seed()
        sequence = "SELECT setval(pg_get_serial_sequence('bench_users', 'id'), 1000)"
        self._connection.execute(sequence.encode())
        self._connection.execute(b"VACUUM ANALYZE")

    @override
    def servers(self) -> list[int]:
        sql = (
            b"SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            b" AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        return [int(row[0]) for row in self._connection.execute(sql).fetchall()]

    @override
    def _sql(self, sql: str) -> str:
        return sql.replace("?", "%s")

    @override
    def _many(self, sql: str, rows: list[tuple[Any, ...]]) -> None:
        with self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.executemany(self._sql(sql).encode(), rows)

    @override
    def _clean(self) -> None:
        self._connection.execute(b"VACUUM bench_users")


def store_at(url: str) -> SQLiteStore | PostgresStore:
    return SQLiteStore(url) if url.startswith("sqlite") else PostgresStore(url)


class Databases:
    """Makes a database per contestant, and takes them away together."""

    def __init__(self, folder: Path, postgres: URL | None, run: str) -> None:
        self._folder, self._postgres, self._run = folder, postgres, run
        self._made: list[str] = []

    def make(self, kind: str, name: str) -> str:
        """The address of a new database with the tables and rows of all."""
        if kind == "sqlite":
            url = f"sqlite:///{self._folder / name}.db"
        else:
            url = self._make_on_server(f"bench_{self._run}_{name}".replace("-", "_"))
        store = store_at(url)
        store.create()
        store.close()
        return url

    def _make_on_server(self, name: str) -> str:
        assert self._postgres is not None
        self._admin(
            f"DROP DATABASE IF EXISTS {name} WITH (FORCE)",
            f"CREATE DATABASE {name}",
            f"ALTER DATABASE {name} SET synchronous_commit = off",
        )
        self._made.append(name)
        return self._postgres.set(database=name).render_as_string(hide_password=False)

    def _admin(self, *statements: str) -> None:
        import psycopg

        assert self._postgres is not None
        url = self._postgres.render_as_string(hide_password=False)
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def drop(self) -> None:
        if self._made:
            self._admin(*(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)" for name in self._made))


@contextmanager
def databases(postgres: URL | None, run: str) -> Iterator[Databases]:
    """Databases that end with the block.

    Args:
        postgres: The server, as `postgresql://user@host/database`.
        run: A word that no other run on this server uses.
    """
    memory = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
    with TemporaryDirectory(prefix="bench-", dir=memory) as folder:
        made = Databases(Path(folder), postgres, run)
        try:
            yield made
        finally:
            made.drop()
