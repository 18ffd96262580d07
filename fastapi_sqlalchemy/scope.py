"""The span in which `db.session` is one session.

A ContextVar shows each piece of code where it stands: in which scope, and in which transaction
block of it.  It holds an immutable place, never a value that code elsewhere could change under it,
and has no default: outside every scope there is no session, and a thread started by hand is
outside.  The session itself is opened at first use, so that a scope without SQL costs nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import ContextVar, Token
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

from sqlalchemy import orm
from typing_extensions import override

from ._operations import Operation
from ._shield import uninterrupted
from ._types import Options, R
from .exceptions import (
    ConcurrencyError,
    MissingDriverError,
    MissingSessionError,
    RolledBackError,
    SessionClosedError,
)
from .hooks import Hook, Hooks
from .session import Session

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

__all__ = ["Place", "Scope", "Scopes", "leave", "scopes_of"]


class Place:
    """Where a piece of code stands: a scope, or a transaction block within one."""

    awaited: bool
    """Whether what commits here can be awaited."""

    hooks: Hooks
    """What is to run after that commit."""

    outer: Place | None = None
    """The block around this block; None around the outermost, and around a scope."""

    over: bool = False
    """Whether a block was rolled back with the one it was in, although its code goes on."""

    doomed: bool = False
    """Whether a block within failed that had no savepoint, so that nothing may be committed."""

    within: Place | None = None
    """The block in which all stand that stand here: a worker thread entered it for them."""

    @property
    def scope(self) -> Scope:
        """The scope itself, or the one a block is in."""
        raise NotImplementedError

    def check(self, session: Session) -> None:
        """Refuse what another task's transaction would swallow.

        Raises:
            ConcurrencyError: A block that does not surround this code is open on the session.
        """
        if self.over:
            raise ConcurrencyError("This block is over: the one it was in ended before it.")
        if session.block is not None and session.block is not self:
            raise ConcurrencyError


class OpenSession(Protocol):
    """Makes the session of a scope."""

    def __call__(self, scope: Scope, *, awaited: bool) -> Session: ...


class Scope(Place):
    """One request, websocket, job or `with db():` block.

    Args:
        scopes: Those of its database, which tell its name and open its session.
        commits_late: Whether the end of the scope commits what was written in it.
        awaited: Whether its end can be awaited. A `with` block's cannot, so that its session
            never lives on the event loop.
        session_args: Keyword arguments of `sqlalchemy.orm.Session`, over those of the database.
    """

    session: Session | None = None
    """Opened at first use."""

    closed: bool = False
    """Whether the scope has ended."""

    afterwards: bool = False
    """Whether the response is out, so that there is nothing left to commit before."""

    _async_session: AsyncSession | None = None

    commits_late: bool
    session_args: Options
    awaited: bool
    hooks: Hooks

    def __init__(
        self,
        scopes: Scopes,
        *,
        commits_late: bool = False,
        awaited: bool = True,
        session_args: Options | None = None,
    ) -> None:
        # every request makes one, so it holds no more than it must
        self._scopes = scopes
        self.commits_late, self.awaited = commits_late, awaited
        self.session_args = session_args or _NO_OPTIONS
        self.hooks = Hooks()

    @property
    def name(self) -> str:
        """That of the database, for messages."""
        return self._scopes.name

    @property
    @override
    def scope(self) -> Scope:
        return self  # kept as an attribute, it would leave every request to the garbage collector

    @property
    def saves_late(self) -> bool:
        """Whether `save()` leaves the commit to the end of the scope."""
        return self.commits_late and not self.afterwards

    def open(self, *, awaited: bool) -> Session:
        """The session, opened now if nothing has used it yet.

        Args:
            awaited: Whether the caller awaits: the first caller decides where the session lives.

        Raises:
            SessionClosedError: The scope has ended.
        """
        if (session := self.session) is not None:
            return session
        session = self._scopes.open_session(self, awaited=awaited and self.awaited)
        session.awaited, session.waiting = self.awaited, self.hooks
        session.commits_late = self.commits_late and not self.afterwards
        with _assigning:  # of threads that open it together, one does
            if self.closed:
                raise SessionClosedError
            if self.session is None:
                self.session = session
            return self.session

    def open_async(self) -> AsyncSession:
        """SQLAlchemy's `AsyncSession` over this scope's session.

        Raises:
            MissingDriverError: greenlet, which it needs, is not installed.
        """
        session = self.open(awaited=True)
        if self._async_session is None or self._async_session.sync_session is not session:
            try:
                from ._async_session import over
            except ImportError as error:
                raise MissingDriverError(
                    "db.async_session", package="greenlet", extra="asyncio"
                ) from error
            self._async_session = over(session)
        return self._async_session

    def is_idle(self) -> bool:
        """Whether its end commits nothing, runs no hook, and asks the database nothing."""
        session = self.session
        if session is None or self.hooks or session.committed or session.in_transaction():
            return session is None and not self.hooks
        return not self.commits_late or self._unfinished() is None

    def finish(self, *, commit: bool) -> None:
        """Commit or roll back what was written, where the scope does that, and run the hooks.

        Raises:
            RolledBackError: What was written cannot be committed.
        """
        if not commit and self.commits_late:
            self.hooks.clear()
        session = self.session
        if not (self.commits_late or self.hooks or (session is not None and session.committed)):
            return
        while True:  # a hook may write, and leave hooks of its own
            if (session := self._unfinished()) is not None:
                session.home.run(self._finish, session, commit=commit)
            if not (hooks := self._ready()):
                return
            hooks.run()

    async def afinish(self, *, commit: bool) -> None:
        """Awaitable twin of `finish`; a cancellation waits for it."""
        if not commit and self.commits_late:
            self.hooks.clear()
        committed = self.session is not None and self.session.committed
        if committed or self.hooks or self._unfinished() is not None:
            await uninterrupted(self._afinish(commit=commit))

    async def _afinish(self, *, commit: bool) -> None:
        while True:
            if (session := self._unfinished()) is not None:
                await session.home.arun(self._finish, session, commit=commit)
            if not (hooks := self._ready()):
                return
            await hooks.arun()

    def _ready(self) -> Hooks:
        """Those that can run now: of the records first, which are stored already."""
        ready = Hooks()
        for hooks in (self.session.committed if self.session else Hooks(), self.hooks):
            ready.extend(hooks)
            hooks.clear()
        return ready

    def _finish(self, session: Session, *, commit: bool) -> None:
        if not commit:
            session.discard()
            return
        if session.block is not None:
            raise RolledBackError(
                "expected every `db.transaction()` block to be over when the scope commits, found "
                "one open: of a task, or of a dependency that ends after the response\n\n"
                'Give such a dependency `scope="function"`, and await the task.'
            )
        if self.doomed:
            session.discard()
            raise RolledBackError
        session.complete()

    def _unfinished(self) -> Session | None:
        session = self.session
        if session is None or not self.commits_late:
            return None
        return None if session.idle() and session.block is None and not self.doomed else session

    def close(self) -> None:
        """End the scope; what was not committed is rolled back."""
        if self.session is not None and self.session.committed:
            self.session.committed.run_plain()
        if self.hooks and not self.commits_late:
            self.hooks.run()  # they wait for no commit, only for somebody who can await them
        if (session := self._detach()) is not None:
            session.end()

    def close_unused(self) -> bool:
        """End the scope if that takes no more than saying so, and tell whether it did."""
        with _assigning:
            self.closed = unused = self.session is None and not self.hooks
        return unused

    async def aclose(self) -> None:
        """Awaitable twin of `close`; a cancellation waits for it."""
        if self.session is not None and self.session.committed:
            await uninterrupted(self.session.committed.arun())
        if self.hooks and not self.commits_late:
            await self.hooks.arun()
        if (session := self._detach()) is not None:
            await session.aend()

    def _detach(self) -> Session | None:
        with _assigning:
            self.closed = True
            session, self.session, self._async_session = self.session, None, None
        return session

    async def begin_afterwards(self) -> None:
        """The response is out: what follows has a session of its own, and saves at once.

        One background task must not undo, nor hold locked, what the one before it saved.

        A session that holds uncommitted changes stays, for a dependency that commits them late.
        """
        session = self.session
        if session is None or not session.idle() or session.block is not None:
            return
        if session.committed:
            await uninterrupted(session.committed.arun())
        self.session = self._async_session = None
        await session.aend()


_assigning: Final = threading.Lock()
"""Held while a scope's session changes and for nothing that takes time, so that one serves all."""

_NO_OPTIONS: Final[Options] = {}


class NewScope(Protocol):
    """Makes a scope of a database."""

    def __call__(
        self,
        *,
        commit_on_exit: bool | None = None,
        session_args: Options | None = None,
        awaited: bool = True,
    ) -> Scope: ...


class Scopes:
    """The scopes of one database: which of them this piece of code stands in."""

    __slots__ = (
        *("_here", "_require_url", "cursor_secret", "enter", "name", "new_scope", "open_session"),
    )

    enter: Callable[[Place], Token[Place]]
    """Lets the code that follows stand at a place, until `leave(token)`."""

    new_scope: NewScope
    open_session: OpenSession

    name: str
    """Of the database, for messages."""

    default: ClassVar[Scopes]
    """Those of the global `db`, for models that belong to no database."""

    def __init__(
        self, require_url: Callable[[], None], new_scope: NewScope, open_session: OpenSession
    ) -> None:
        self._here: ContextVar[Place] = ContextVar("fastapi_sqlalchemy_place")
        self.enter = self._here.set
        self._require_url = require_url
        self.new_scope = new_scope
        """Makes one that nothing stands in yet."""
        self.open_session = open_session
        """Makes the session of one when its first verb asks for it, told whether that awaits."""
        self.cursor_secret: bytes | None = None
        """What the cursors of pages are signed with."""

    @property
    def here(self) -> Place:
        """The innermost place around this code.

        Raises:
            MissingSessionError: There is none.
            SessionNotInitialisedError: There is none, and the database has no URL either.
            SessionClosedError: Its scope has ended, and this code outlived it.
        """
        place = self._here.get(None)
        if place is not None and place.within is not None:
            place = self._innermost()
        if place is None:
            self._require_url()
            raise MissingSessionError
        if place.scope.closed:
            raise SessionClosedError
        return place

    def _innermost(self) -> Place | None:
        place = self._here.get(None)
        while place is not None and place.within is not None:
            place = place.within
        return place

    def require_session(self) -> None:
        """Raise what `here` raises where this code stands in no scope."""
        _ = self.here

    def surrounding(self) -> Place | None:
        """The same, or None."""
        if self._here.get(None) is None:
            return None
        place = self._innermost()
        return place if place is not None and not place.scope.closed else None

    def on_commit(self, hook: Hook) -> None:
        """Run a hook once what surrounds this code is committed.

        Raises:
            TypeError: The hook is a coroutine function, and nothing here can await it.
        """
        place = self.here
        session = place.scope.session
        inside = session is not None and session.block is not None
        if iscoroutinefunction(hook) and not place.awaited:
            raise TypeError(
                "on_commit() expected a plain function where a `with` block commits, found the "
                f"coroutine function {getattr(hook, '__qualname__', hook)}: use `async with`"
            )
        if inside or place.scope.saves_late or iscoroutinefunction(hook):
            place.hooks.append(hook)
        else:
            now = Hooks()
            now.append(hook)
            now.run()

    def run(self, operation: Operation[R]) -> R:
        """Have an operation done by the session of this scope."""
        place = self.here
        scope = place.scope
        session = scope.session or scope.open(awaited=False)
        return session.perform(operation, place)

    async def arun(self, operation: Operation[R]) -> R:
        """Awaitable twin of `run`."""
        place = self.here
        scope = place.scope
        session = scope.session or scope.open(awaited=True)
        return await session.aperform(operation, place)


def leave(token: Token[Place]) -> None:
    """Stand again where `Scopes.enter` was called.

    A generator dependency leaves in another context than it entered in: a copy, which ends with
    its thread.
    """
    try:
        token.var.reset(token)
    except ValueError:  # `suppress` would cost every request as much as all the rest here
        return


_SCOPES: Final = "_fastapi_sqlalchemy_scopes"


def belong(registry: orm.registry, scopes: Scopes) -> None:
    """Let the models of a registry live in these scopes, however each is declared."""
    setattr(registry, _SCOPES, scopes)  # there, for both to live and to go together


def scopes_of(model: type) -> Scopes:
    """The scopes a model lives in: those of its database, else of the global `db`."""
    mapper: orm.Mapper[Any] | None = getattr(model, "__mapper__", None)
    own: Scopes | None = None if mapper is None else getattr(mapper.registry, _SCOPES, None)
    return own if own is not None else Scopes.default
