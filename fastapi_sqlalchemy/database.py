"""The database object: `db = SQLAlchemy(url)`, and the global `db` of the legacy form.

It ties the rooms below together: engines, the declarative base, and the scopes in which its models
find their session.  Nothing is connected and nothing imported until it is used.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Self, get_args

from sqlalchemy import URL, Connection, Engine, MetaData, orm

from . import drivers
from ._ddl import Tables
from ._injection import Dependency
from ._isolated import Isolated
from ._sessions import SessionMaker, Sessions, session_class
from ._types import Blocking, Options, P, R
from .base import make_base
from .block import Block
from .engines import Engines
from .exceptions import IsolationError, SessionNotInitialisedError
from .hooks import Hook
from .query import Query
from .scope import Scope, Scopes
from .session import Session
from .transaction import Transaction

if TYPE_CHECKING:
    from sqlalchemy.ext import asyncio as asyncio_orm
    from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

    from .base import Base as DatabaseBase

__all__ = ["SQLAlchemy", "db", "sharing"]


class SQLAlchemy(Tables):
    """One database: its engines, its declarative base and its scopes.

    >>> db = SQLAlchemy("sqlite://")
    >>> class User(db.Base):
    ...     __tablename__ = "users"
    ...     id: Mapped[int] = mapped_column(primary_key=True)
    ...     name: Mapped[str]
    >>> db.create_all()
    >>> with db():
    ...     ada = User.new(name="Ada")
    ...     User.query.filter_by(name="Ada").count()
    1

    Args:
        url: Where it is; `postgresql+psycopg://`, `mysql+pymysql://` and `sqlite://` serve blocking
            and awaited calls alike. Without one, call `init()` later.
        async_url: The URL for awaited calls, where it cannot be told from `url`.
        engine: An engine of your own, used as it is.
        async_engine: An asyncio engine of your own, for the one event loop it is used on.
        custom_engine: The same as `engine`, by its older name.
        engine_args: Keyword arguments of `sqlalchemy.create_engine()`.
        session_args: Keyword arguments of `sqlalchemy.orm.Session`.
        commit_on_exit: Whether a scope is one transaction that its end commits. Otherwise
            `save()` commits at once.
        model_class: A declarative base to be `db.Base`, or a class for `db.Base` to build on.
        metadata: The MetaData for the tables; a new one by default.
        query_class: The class of `Model.query`, for models that name none themselves.
        blocking: What to do about a blocking verb on a running event loop: "warn", "raise" or
            "allow".
        hold_warning: Seconds after which a connection was held for too long: giving it back warns
            then. None, the default, never does.
        cursor_secret: What the cursors of `cursor_paginate()` are signed with, the same in every
            process that serves them. Without one a client can make up a place to read from.
        autocommit_reads: Whether a read outside a transaction is sent without one. With False each
            is a transaction of its own.
        plans: Whether ordinary queries may go past SQLAlchemy's execution, where that makes no
            difference but time.

    Raises:
        TypeError: An option is unknown or contradicts another one.
        ValueError: The secret is empty.
    """

    if TYPE_CHECKING:
        # only of a name that is final does ty know which class it is
        Base: Final = DatabaseBase
        """The declarative base of this database's models."""

    get_session: Dependency[orm.Session]
    """For FastAPI, `Annotated[Session, Depends(db.get_session)]`: what `db.session` is.

    Without the middleware it opens the scope, and ends it before the response starts.
    """

    get_async_session: Dependency[AsyncSession]
    """The same for `db.async_session`, `Annotated[AsyncSession, Depends(db.get_async_session)]`."""

    def __init__(
        self,
        url: str | URL | None = None,
        *,
        async_url: str | URL | None = None,
        engine: Engine | None = None,
        async_engine: AsyncEngine | None = None,
        custom_engine: Engine | None = None,
        engine_args: Options | None = None,
        session_args: Options | None = None,
        commit_on_exit: bool = False,
        model_class: type[Any] | None = None,
        metadata: MetaData | None = None,
        query_class: type[Query[Any]] | None = None,
        blocking: Blocking = "warn",
        hold_warning: float | None = None,
        cursor_secret: str | bytes | None = None,
        autocommit_reads: bool = True,
        plans: bool = True,
    ) -> None:
        self._scopes = Scopes(self._require_url, self.new_scope, self._open_session)
        self.get_session = Dependency("get_session", self._scopes, lambda: self.session)
        self.get_async_session = Dependency(
            "get_async_session", self._scopes, lambda: self.async_session
        )
        self._engines = Engines()
        self.init(
            url,
            async_url=async_url,
            engine=engine,
            async_engine=async_engine,
            custom_engine=custom_engine,
            engine_args=engine_args,
            session_args=session_args,
            commit_on_exit=commit_on_exit,
            blocking=blocking,
            hold_warning=hold_warning,
            cursor_secret=cursor_secret,
            autocommit_reads=autocommit_reads,
            plans=plans,
        )
        vars(self)["Base"] = make_base(
            self._scopes, metadata=metadata, model_class=model_class, query_class=query_class
        )
        _all.add(self)

    def init(
        self,
        url: str | URL | None = None,
        *,
        async_url: str | URL | None = None,
        engine: Engine | None = None,
        async_engine: AsyncEngine | None = None,
        custom_engine: Engine | None = None,
        engine_args: Options | None = None,
        session_args: Options | None = None,
        commit_on_exit: bool = False,
        blocking: Blocking = "warn",
        hold_warning: float | None = None,
        cursor_secret: str | bytes | None = None,
        autocommit_reads: bool = True,
        plans: bool = True,
    ) -> None:
        """Say where the database is, with the options of the constructor.

        Doing so again disposes the engine there was: its pooled connections are closed.
        """
        if engine is not None and custom_engine is not None:
            raise TypeError("expected one of `engine` and `custom_engine`, found both")
        for option, given, kinds in (
            ("url", url, (str, URL)),
            ("async_url", async_url, (str, URL)),
            ("engine", engine, Engine),
            ("custom_engine", custom_engine, Engine),
            ("engine_args", engine_args, Mapping),
            ("session_args", session_args, Mapping),
            ("cursor_secret", cursor_secret, (str, bytes)),
        ):
            _check_type(option, given, kinds)
        if async_engine is not None and not hasattr(async_engine, "sync_engine"):
            raise TypeError(f"async_engine expected an AsyncEngine, found {async_engine!r}")
        if blocking not in get_args(Blocking):
            raise TypeError(f'blocking expected "warn", "raise" or "allow", found {blocking!r}')
        if cursor_secret is not None and not cursor_secret:
            raise ValueError("cursor_secret expected some bytes, found none: cursors can be forged")
        engines = Engines(
            url,
            async_url=async_url,
            engine=engine if engine is not None else custom_engine,
            async_engine=async_engine,
            options=engine_args,
            autocommit_reads=autocommit_reads,
            plans=plans,
        )
        if self._engines.isolation is None:
            self._engines.dispose()
            self._engines = engines
        elif engines.url != self._engines.url:
            raise IsolationError(
                "expected the database of a `db.testing()` block to stay where it is, found "
                f"init() with another URL, {engines.url}\n\nCall it before the block."
            )
        self.commit_on_exit = commit_on_exit
        self._session_args: Options = dict(session_args or {})
        self._blocking: Blocking = blocking
        self._sessions = Sessions(self._engines, hold_warning=hold_warning)
        secret = cursor_secret.encode() if isinstance(cursor_secret, str) else cursor_secret
        self._scopes.cursor_secret = secret
        self._scopes.name = str(engines.url)  # hides the password

    def _require_url(self) -> None:
        if self._engines.url is None:
            raise SessionNotInitialisedError

    def __repr__(self) -> str:
        return f"<SQLAlchemy {self.url or 'without a URL'}>"  # a URL's str() hides the password

    @property
    def url(self) -> URL | None:
        """Where the database is, as it was given; None before `init()`."""
        return self._engines.url

    @property
    def metadata(self) -> MetaData:
        """The MetaData that collects the tables of `db.Base`."""
        return self.Base.metadata

    @property
    def engine(self) -> Engine:
        """The engine of blocking calls, made at first use.

        Raises:
            SessionNotInitialisedError: There is no URL yet.
            MissingDriverError: The driver is not installed.
        """
        return self._engines.engine

    @property
    def async_engine(self) -> AsyncEngine:
        """The asyncio engine of the running event loop, made at first use, disposed with the loop.

        Raises:
            InvalidRequestError: The database has no asyncio driver; threads serve awaited calls.
            MissingDriverError: The driver, or greenlet, is not installed.
        """
        return self._engines.of_running_loop()[0]

    def dispose(self) -> None:
        """Close the pooled connections of blocking calls; the database can be used again."""
        self._engines.dispose()

    async def adispose(self) -> None:
        """Awaitable twin of `dispose`, which closes those of the running event loop too."""
        await self._engines.adispose()

    @property
    def session(self) -> Session:
        """The session of this scope, opened at first use: a `sqlalchemy.orm.Session`.

        Raises:
            MissingSessionError: This code runs in no scope.
            SessionClosedError: Its scope has ended.
            SessionNotInitialisedError: The database has no URL yet.
        """
        return self._scopes.here.scope.open(awaited=False)

    @property
    def async_session(self) -> AsyncSession:
        """SQLAlchemy's `AsyncSession` over that same session.

        Raises:
            MissingDriverError: greenlet is not installed.
            MissingSessionError: This code runs in no scope.
            SessionClosedError: Its scope has ended.
        """
        return self._scopes.here.scope.open_async()

    def sessionmaker(self, **options: Any) -> orm.sessionmaker[orm.Session]:
        """A sessionmaker, for a library that opens, commits and closes sessions by itself.

        Its sessions hide deleted records and call the methods of a record's life, as those of a
        scope do, and their engine is looked up when each is made: after `init()`, and within
        `testing()`.

        >>> make_session = db.sessionmaker()
        >>> with make_session.begin() as session:
        ...     session.add(User(name="Charles"))
        >>> User.query.count()
        3

        Args:
            options: Keyword arguments of `sqlalchemy.orm.sessionmaker`, over the `session_args` of
                the database.

        Raises:
            SessionNotInitialisedError: The database has no URL yet (when a session is made).
        """
        return SessionMaker(self._make_session, {**self._session_args, **options})

    def async_sessionmaker(self, **options: Any) -> asyncio_orm.async_sessionmaker[AsyncSession]:
        """The same for SQLAlchemy's `AsyncSession`, on the engine of the loop that makes one.

        >>> async def main():
        ...     async with db.async_sessionmaker()() as session:
        ...         return await session.scalar(select(func.count(User.id)))
        >>> asyncio.run(main())
        2

        Raises:
            MissingDriverError: greenlet is not installed.
        """
        drivers.require_greenlet("db.async_sessionmaker")
        from ._async_session import AsyncSessionMaker

        return AsyncSessionMaker(self._make_session, {**self._session_args, **options})

    def __call__(
        self,
        session_args: Options | None = None,
        commit_on_exit: bool | None = None,  # noqa: FBT001 - positional in 0.2.1
        *,
        join: bool = False,
    ) -> Block[Self]:
        """Open a scope of its own: `with db():`, `async with db():`, or `@db()` on a function.

        >>> @db()
        ... def count_users():
        ...     return User.query.count()
        >>> count_users()
        2

        Args:
            session_args: Keyword arguments of `sqlalchemy.orm.Session`, over those of the database.
            commit_on_exit: Whether the end commits; the database's own setting by default. An
                exception rolls back.
            join: Use the surrounding scope where there is one, for helpers called from both sides.

        Raises:
            SessionNotInitialisedError: The database has no URL yet (when the block is entered).
        """
        if callable(session_args):
            raise TypeError(
                "session_args expected a Mapping, found a function: decorate it with `@db()`"
            )
        if session_args is not None:
            _check_type("session_args", session_args, Mapping)
        return Block(
            self,
            self._scopes,
            self._scope_with_url,
            commits=commit_on_exit,
            session_args=session_args,
            join=join,
        )

    def _scope_with_url(
        self, *, commit_on_exit: bool | None, session_args: Options | None, awaited: bool
    ) -> Scope:
        if self._engines.url is None:
            raise SessionNotInitialisedError
        commits = self.commit_on_exit if commit_on_exit is None else commit_on_exit
        return Scope(self._scopes, commits_late=commits, awaited=awaited, session_args=session_args)

    def transaction(
        self,
        *,
        retries: int = 0,
        isolation_level: str | None = None,
        read_only: bool = False,
        savepoint: bool = True,
        durable: bool = False,
    ) -> Transaction:
        """Make what is written in a block, or in a function, all or nothing.

        `with db.transaction():`, `async with db.transaction():`, `@db.transaction()`. The outermost
        block commits; a block within it is a savepoint.

        >>> try:
        ...     with db.transaction():
        ...         User.new(name="Charles")
        ...         raise LookupError
        ... except LookupError:
        ...     User.query.count()
        <User id=3>
        2

        Args:
            retries: How often a decorated function runs again when the database gave its
                transaction up for another one's sake (SQLSTATE 40001 and 40P01, MySQL 1205 and
                1213, SQLite busy). Each attempt has a scope of its own.
            isolation_level: SQLAlchemy's name of one, such as "SERIALIZABLE".
            read_only: Have the database refuse changes.
            savepoint: Whether a block within another one can be rolled back alone.
            durable: Refuse to be within another block: its end is the commit.

        Raises:
            ConcurrencyError: Another task of this scope has a block open.
            MissingSessionError: This code runs in no scope.
            TransactionOptionError: An option needs an outermost block, and this is none.
        """
        return Transaction(
            self._scopes,
            self,
            retries=retries,
            isolation_level=isolation_level,
            read_only=read_only,
            savepoint=savepoint,
            durable=durable,
        )

    def testing(self, *, timeout: float = 5.0) -> Isolated[Self]:
        """Isolate a test: `with db.testing():`, or `async with`.

        All that uses this database meanwhile, in requests, blocks, background tasks and threads,
        shares one connection that is rolled back at the end, also after commits. A block within
        another one is rolled back alone.

        >>> with db.testing(), db():
        ...     mary = User.new(name="Mary")
        ...     User.query.filter_by(name="Mary").exists()
        True
        >>> User.query.filter_by(name="Mary").exists()
        False

        Args:
            timeout: Seconds that a statement waits for a transaction of somebody else.

        Raises:
            IsolationError: A connection is in use, or the sessions have engines of their own (when
                the block is entered).
            MissingDriverError: The blocking driver, which tests need, is not installed.
            SessionNotInitialisedError: The database has no URL yet.
        """

        def begin() -> Callable[[], None]:
            self._require_url()
            if own := sorted({"bind", "binds"} & self._session_args.keys()):
                raise IsolationError(
                    "expected sessions on the engine of their database within `db.testing()`, "
                    f"found `{own[0]}` in `session_args`"
                )
            engines = self._engines
            engines.isolate(timeout)
            return engines.end_isolation

        return Isolated(self, begin)

    def on_commit(self, hook: Hook) -> None:
        """Run a function after the outermost commit, in the order of these calls.

        It is dropped when its block, or one around it, is rolled back. Outside a transaction it
        runs at once, or at the end of the scope if it is a coroutine function. One that fails is
        logged and does not stop the next.

        >>> with db.transaction():
        ...     charles = User.new(name="Charles")
        ...     db.on_commit(lambda: print("stored", charles.id))
        stored 3

        Args:
            hook: A function without parameters; a coroutine function where the commit is awaited.

        Raises:
            MissingSessionError: This code runs in no scope.
            TypeError: A coroutine function, where a `with` block commits.
        """
        self._scopes.on_commit(hook)

    def release(self) -> None:
        """Give the connection back before the scope ends, as before a slow call to a service.

        Records stay readable, and the next verb takes a connection again.

        Raises:
            InvalidRequestError: A transaction block is open, or changes are not committed.
            MissingSessionError: This code runs in no scope.
        """
        if (session := self._scopes.here.scope.session) is not None:
            session.home.run(session.hand_back)

    async def arelease(self) -> None:
        """Awaitable twin of `release`."""
        if (session := self._scopes.here.scope.session) is not None:
            await session.home.arun(session.hand_back)

    def new_scope(
        self,
        *,
        commit_on_exit: bool | None = None,
        session_args: Options | None = None,
        awaited: bool = True,
    ) -> Scope:
        """A scope that nothing stands in yet, for integrations such as a middleware."""
        commits = self.commit_on_exit if commit_on_exit is None else commit_on_exit
        return Scope(
            self._scopes,
            commits_late=commits,
            awaited=awaited,
            session_args=session_args,
        )

    @property
    def scopes(self) -> Scopes:
        """Which scope the running code stands in."""
        return self._scopes

    def _open_session(self, scope: Scope, *, awaited: bool) -> Session:
        options, kind = self._session_args, Session
        if scope.session_args:
            options = {**options, **scope.session_args}
        if "class_" in options:
            kind = session_class(options["class_"])
            options = {name: value for name, value in options.items() if name != "class_"}
        return self._sessions.make(kind, options, awaited=awaited, blocking=self._blocking)

    def _make_session(self, kind: type[Session], options: Options, *, awaited: bool) -> Session:
        # a library decides for itself where it blocks, as with any other session
        session = self._sessions.make(kind, options, awaited=awaited, blocking="allow")
        session.awaited, session.commits_late = awaited, True
        return session

    async def run(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a blocking function from async code: its verbs and lazy loads do not block the loop.

        >>> async def main():
        ...     async with db():
        ...         ada = await User.aget(1)
        ...         return await db.run(lambda: [post.title for post in ada.posts])
        >>> asyncio.run(main())
        ['Notes', 'Engines']

        Raises:
            MissingSessionError: This code runs in no scope.
        """
        session = self._scopes.here.scope.open(awaited=True)
        return await session.home.arun_given(function, *args, **kwargs)

    def sends_through(self, connection: Connection) -> bool:
        """Whether a connection is one of this database's engines."""
        return self._engines.have(connection)


def _check_type(option: str, given: object, kinds: type | tuple[type, ...]) -> None:
    if given is not None and not isinstance(given, kinds):
        names = [kind.__name__ for kind in (kinds if isinstance(kinds, tuple) else (kinds,))]
        raise TypeError(f"{option} expected {' or '.join(names)}, found {type(given).__name__}")


_all: weakref.WeakSet[SQLAlchemy] = weakref.WeakSet()


def sharing(database: SQLAlchemy) -> list[SQLAlchemy]:
    """This database object, and every other one with its URL: they are one database."""
    url = database.url
    if url is None or url.database in (None, "", ":memory:"):  # in memory each has its own
        return [database]
    return [database, *(other for other in _all if other is not database and other.url == url)]


db: SQLAlchemy = SQLAlchemy()
"""The global database of the legacy form: `DBSessionMiddleware(db_url=...)` gives it its URL."""

Scopes.default = db.scopes
