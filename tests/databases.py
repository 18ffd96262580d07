"""The databases of the suite: one per process and server, empty whenever a test begins.

Emptying is measured, not guessed: on PostgreSQL dropping the schemas takes 3 ms where dropping and
creating the database takes 24 ms; on MariaDB dropping and creating it takes 4 ms.  Creating tables
takes up to a second there: those that many tests share are kept, and only lose their rows.
"""

import contextlib
import os
import socket
import time
from abc import ABC, abstractmethod
from typing import NamedTuple

from sqlalchemy import URL, Connection, Engine, MetaData, create_engine, inspect, make_url, text
from sqlalchemy.exc import SQLAlchemyError
from typing_extensions import override

MYSQL_ADDRESS = ("127.0.0.1", 3306)
SETTLE_TIMEOUT = 5.0


class Connections(NamedTuple):
    """How many connections of others one database has, and how many of them idle in a transaction.

    `idle_in_transaction` counts those that have begun a transaction, have not ended it, and wait
    for their client.
    """

    open: int
    idle_in_transaction: int


def _keeping_one_connection(url: URL) -> Engine:
    """An engine that answers at once: a new connection to MariaDB takes 20 ms, for TLS."""
    # A test may have ended the connection, by name or by forking.
    return create_engine(url, isolation_level="AUTOCOMMIT", pool_size=1, pool_pre_ping=True)


_by_url: dict[str, "ServerDatabase"] = {}
"""Those of this process."""


def with_tables(url: str, metadata: MetaData) -> str | None:
    """The address of a database like that at `url`, with these tables and no rows in them.

    None for a database that is no server's: there it takes no time to create them.
    """
    server = _by_url.get(url)
    return None if server is None else server.with_tables(metadata)


class ServerDatabase(ABC):
    """One database on a server, made for one test process and dropped at its end."""

    blocking_driver: str

    def __init__(self, server: URL, name: str) -> None:
        self.server = server.set(drivername=self.blocking_driver)
        self.name = name
        self.engine = _keeping_one_connection(self.server)
        self.used = False
        self._keeping: dict[MetaData, ServerDatabase] = {}
        with self.engine.connect() as admin:
            self._drop(admin)
            self._create(admin)
        _by_url[self.url] = self

    @property
    def url(self) -> str:
        """The address of this database, for SQLAlchemy's blocking driver."""
        return self.server.set(database=self.name).render_as_string(hide_password=False)

    def empty_url(self) -> str:
        """The same, after emptying what an earlier test left behind."""
        if self.used:
            self._empty()
        self.used = True
        return self.url

    def with_tables(self, metadata: MetaData) -> str:
        """The address of another database, which keeps these tables and has no rows in them."""
        kept = self._keeping.get(metadata)
        if kept is None:
            kept = self._keeping[metadata] = type(self)(
                self.server, f"{self.name}_{len(self._keeping)}"
            )
        kept._hold(metadata)
        return kept.url

    def _hold(self, metadata: MetaData) -> None:
        if self._tables() == {table.name for table in metadata.sorted_tables}:
            self._delete_rows(metadata)
            return
        engine = create_engine(self.empty_url())
        metadata.create_all(engine)
        engine.dispose()

    def connections(self) -> Connections:
        """The connections of others to this database, now."""
        with self.engine.connect() as admin:
            return self._count(admin)

    def drop(self) -> None:
        """Drop the database, ending the connections to it."""
        for kept in self._keeping.values():
            kept.drop()
        with self.engine.connect() as admin:
            self._drop(admin)
        self.engine.dispose()

    _count_connections: str

    def _count(self, connection: Connection) -> Connections:
        row = connection.execute(text(self._count_connections), {"name": self.name}).one()
        return Connections(int(row[0]), int(row[1] or 0))

    def _create(self, admin: Connection) -> None:
        admin.execute(text(f"CREATE DATABASE {self.name}"))

    @abstractmethod
    def _empty(self) -> None: ...

    @abstractmethod
    def _tables(self) -> set[str]: ...

    @abstractmethod
    def _delete_rows(self, metadata: MetaData) -> None: ...

    @abstractmethod
    def _drop(self, admin: Connection) -> None: ...


class PostgresDatabase(ServerDatabase):
    blocking_driver = "postgresql+psycopg"

    _count_connections = """
        SELECT count(*), count(*) FILTER (WHERE state LIKE 'idle in transaction%')
        FROM pg_stat_activity
        WHERE datname = :name AND backend_type = 'client backend' AND pid <> pg_backend_pid()
    """

    _end_connections = """
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()
    """

    def __init__(self, server: URL, name: str) -> None:
        super().__init__(server, name)
        # What it counts and empties it does from inside, so that it has no second connection
        # there that would have to be told from those of the tests.
        self._inside = _keeping_one_connection(make_url(self.url))

    @override
    def connections(self) -> Connections:
        with self._inside.connect() as inside:
            return self._count(inside)

    @override
    def drop(self) -> None:
        self._inside.dispose()
        super().drop()

    @override
    def _empty(self) -> None:
        with self._inside.connect() as inside:
            # A connection left in a transaction would make DROP SCHEMA wait for its locks.
            ended = inside.scalars(text(self._end_connections)).all()
            # Not the function's own time-out, which looks once in a tenth of a second.
            deadline = time.monotonic() + SETTLE_TIMEOUT
            while ended and time.monotonic() < deadline:
                time.sleep(0.002)
                ended = inside.scalars(text(self._end_connections)).all()
            schemas = inside.scalars(
                text(
                    "SELECT quote_ident(nspname) FROM pg_namespace"
                    " WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'"
                )
            ).all()
            inside.execute(text(f"DROP SCHEMA {', '.join(schemas)} CASCADE"))
            inside.execute(text("CREATE SCHEMA public"))

    @override
    def _tables(self) -> set[str]:
        with self._inside.connect() as inside:
            return set(inspect(inside).get_table_names())

    @override
    def _delete_rows(self, metadata: MetaData) -> None:
        tables = ", ".join(table.name for table in metadata.sorted_tables)
        with self._inside.connect() as inside:
            inside.scalars(text(self._end_connections)).all()
            inside.execute(text(f"TRUNCATE {tables} RESTART IDENTITY CASCADE"))

    @override
    def _drop(self, admin: Connection) -> None:
        admin.execute(text(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)"))


class MariaDatabase(ServerDatabase):
    blocking_driver = "mysql+pymysql"

    _count_connections = """
        SELECT count(*), sum(p.command = 'Sleep' AND t.trx_id IS NOT NULL)
        FROM information_schema.processlist AS p
        LEFT JOIN information_schema.innodb_trx AS t ON t.trx_mysql_thread_id = p.id
        WHERE p.db = :name AND p.id <> connection_id()
    """

    @override
    def _empty(self) -> None:
        with self.engine.connect() as admin:
            self._drop(admin)
            self._create(admin)

    @override
    def _tables(self) -> set[str]:
        with self.engine.connect() as admin:
            return set(inspect(admin).get_table_names(self.name))

    @override
    def _delete_rows(self, metadata: MetaData) -> None:
        with self.engine.connect() as admin:
            self._end_connections(admin)
            admin.execute(text("SET FOREIGN_KEY_CHECKS = 0"))
            for table in metadata.sorted_tables:
                admin.execute(text(f"DELETE FROM {self.name}.{table.name}"))
            admin.execute(text("SET FOREIGN_KEY_CHECKS = 1"))
            counted = text(
                "SELECT table_name FROM information_schema.tables"
                " WHERE table_schema = :name AND auto_increment > 1"
            )
            for name in admin.scalars(counted, {"name": self.name}).all():
                admin.execute(text(f"ALTER TABLE {self.name}.{name} AUTO_INCREMENT = 1"))

    @override
    def _drop(self, admin: Connection) -> None:
        # DROP DATABASE waits for the locks of every transaction that has read from it.
        self._end_connections(admin)
        admin.execute(text(f"DROP DATABASE IF EXISTS {self.name}"))

    def _end_connections(self, admin: Connection) -> None:
        others = admin.scalars(
            text("SELECT id FROM information_schema.processlist WHERE db = :name"),
            {"name": self.name},
        ).all()
        for process in others:
            # It may have ended by itself in the meantime.
            with contextlib.suppress(SQLAlchemyError):
                admin.execute(text(f"KILL CONNECTION {int(process)}"))


class Databases:
    """The server databases that this process has made, for questions about their connections."""

    def __init__(self) -> None:
        self._by_url: dict[str, ServerDatabase] = {}

    def add(self, database: ServerDatabase) -> None:
        self._by_url[database.url] = database

    def __call__(self, url: str) -> Connections:
        """The connections of others to the database at `url`, now."""
        return self._by_url[url].connections()

    def settle(self, url: str, *, open: int = 0, idle_in_transaction: int = 0) -> Connections:
        """The same, as soon as it is what is expected, or after five seconds.

        A server counts a connection for some milliseconds after its client has closed it.
        """
        expected = Connections(open, idle_in_transaction)
        deadline = time.monotonic() + SETTLE_TIMEOUT
        while (found := self(url)) != expected and time.monotonic() < deadline:
            # MariaDB answers from a cache until nobody has asked for a tenth of a second:
            # https://mariadb.com/kb/en/information-schema-innodb_trx-table/
            time.sleep(0.11 if url.startswith("mysql") else 0.005)
        return found


def mysql_server() -> URL | str:
    """The MariaDB or MySQL server to test on, or the reason why there is none."""
    given = os.environ.get("TEST_MYSQL_URL")
    if given:
        return make_url(given)
    host, port = MYSQL_ADDRESS
    try:
        socket.create_connection(MYSQL_ADDRESS, timeout=1).close()
    except OSError as error:
        return f"mariadb: nothing answers at {host}:{port} ({error}) and TEST_MYSQL_URL is not set"
    return URL.create("mysql+pymysql", "root", host=host, port=port, database="test")


def postgres_server_url(socket_folder: str) -> URL:
    """The address of a server that listens on the unix socket in a folder."""
    return URL.create(
        "postgresql+psycopg", "postgres", database="postgres", query={"host": socket_folder}
    )
