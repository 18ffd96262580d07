"""A scope for every request and websocket.  Pure ASGI: it costs a ContextVar and an object.

What a request wrote is committed before its response starts, so that a commit that fails is an
error the client sees.  A streaming body and what runs after the response (background tasks,
dependencies that clean up) each have a part of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import Token
from typing import Any, Final

from sqlalchemy import URL, Engine
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as Connection

from . import _answers, _injected  # noqa: F401 - what floors below leave to this one
from ._exchange import Exchange, close
from ._tables import MissingTables
from ._types import Options
from .database import SQLAlchemy, db, sharing
from .scope import Place, Scope, leave

__all__ = ["SERVED", "DBSessionMiddleware", "db"]

SERVED: Final = "fastapi_sqlalchemy"
"""Key of the ASGI scope: the databases whose scope is open in this request already."""


def _is_error(status: int) -> bool:
    return status >= 400


class DBSessionMiddleware:
    """Opens a scope of each database around every request and websocket.

    `app.add_middleware(DBSessionMiddleware, db=db)`; the legacy form, with a URL or an engine in
    place of `db`, gives it to the global `db`.  At start-up it creates the tables that are
    missing, unless the database is under migration control.

    Args:
        app: The application.
        db_url: The URL of the global `db`. A database object, or several, may stand here too.
        custom_engine: An engine for the global `db`.
        engine_args: Keyword arguments of `sqlalchemy.create_engine()` for the global `db`.
        session_args: Keyword arguments of `sqlalchemy.orm.Session`.
        commit_on_exit: Whether a request is one transaction that is committed before its response
            starts; the setting of the database by default.
        db: A database object, or several: any iterable.
        create_all: Whether missing tables are created at start-up.
        rollback_on: Whether a response of this status rolls back; from 400 on by default.

    Raises:
        TypeError: An option is unknown, contradicts another one or is of the wrong type.
        ValueError: There is neither a database nor a URL nor an engine.
    """

    app: ASGIApp
    commit_on_exit: bool | None
    rollback_on: Callable[[int], bool]
    session_args: dict[str, Any]
    databases: list[SQLAlchemy]

    def __init__(
        self,
        app: ASGIApp,
        db_url: str | URL | SQLAlchemy | Iterable[SQLAlchemy] | None = None,
        custom_engine: Engine | None = None,
        engine_args: Options | None = None,
        session_args: Options | None = None,
        commit_on_exit: bool | None = None,  # noqa: FBT001 - positional in 0.2.1
        *,
        db: SQLAlchemy | Iterable[SQLAlchemy] | None = None,
        create_all: bool = True,
        rollback_on: Callable[[int], bool] = _is_error,
    ) -> None:
        self.app = app
        if type(self).dispatch is not DBSessionMiddleware.dispatch:
            self.app = BaseHTTPMiddleware(app, dispatch=self.dispatch)
        self.commit_on_exit, self.rollback_on = commit_on_exit, rollback_on
        self.session_args = dict(session_args or {})
        url: str | URL | None = None
        if isinstance(db_url, str | URL):
            url = db_url
        elif db is None:
            db = db_url
        elif db_url is not None:
            raise TypeError("expected one `db`, found a positional one and a named one")
        if db is not None:
            if url is not None or custom_engine is not None or engine_args is not None:
                raise TypeError(
                    "expected either `db`, or `db_url` or `custom_engine` with `engine_args` for "
                    "the global db; found both"
                )
            self.databases = _databases(db)
        else:
            # the models may belong to a database object of their own that has the same URL
            self.databases = sharing(_legacy(url, custom_engine, engine_args, session_args))
        self._missing = MissingTables(self.databases if create_all else ())

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Serve one request or websocket, or the application's lifespan."""
        kind = scope["type"]
        if kind == "lifespan":
            await self._lifespan(scope, receive, send)
            return
        if kind not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        if self._missing.left:
            await self._missing.create_before_a_request()
        served = scope.get(SERVED, ())
        opened, tokens = self._open(scope, served)
        error: BaseException | None = None
        try:
            if kind == "http":
                exchange = Exchange(opened, self.rollback_on, scope, send)
                try:
                    await self.app(exchange.connection, receive, exchange.send)
                    for each in opened:
                        if each.session is not None or each.hooks:
                            await exchange.end()
                            break
                except BaseException:
                    if exchange.failure is None:
                        raise  # closing rolls back
                    await exchange.answer_failure(receive)
            else:
                await self._websocket(opened, scope, receive, send)
        except BaseException as failure:
            error = failure
            raise
        finally:
            scope[SERVED] = served
            for token in tokens:
                leave(token)
            for each in opened:
                if not each.close_unused():
                    await close(opened, error)
                    break

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Not called, unless a subclass overrides it: in 0.2.1 requests came through here.

        An override runs within the scope of its request.
        """
        return await call_next(request)

    def _open(
        self, scope: Connection, served: tuple[SQLAlchemy, ...]
    ) -> tuple[list[Scope], list[Token[Place]]]:
        databases = self.databases
        if served:  # by this middleware around an application that mounts this one
            databases = [database for database in databases if database not in served]
        scope[SERVED] = (*served, *databases)
        commits = self.commit_on_exit if scope["type"] == "http" else False
        opened, tokens = [], []
        for database in databases:
            new = database.new_scope(commit_on_exit=commits, session_args=self.session_args)
            opened.append(new)
            tokens.append(database.scopes.enter(new))
        return opened, tokens

    async def _websocket(
        self, scopes: list[Scope], scope: Connection, receive: Receive, send: Send
    ) -> None:
        async def release_first() -> Message:  # hold no connection while the client thinks
            for each in scopes:
                session = each.session
                if session is not None and session.in_transaction() and session.idle():
                    await session.home.arun(session.release)
            return await receive()

        await self.app(scope, release_first, send)

    async def _lifespan(self, scope: Connection, receive: Receive, send: Send) -> None:
        async def create_first() -> Message:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self._missing.create()
            return message

        async def dispose_first(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown."):  # the loop may end after it
                for database in self.databases:
                    await database.adispose()
            await send(message)

        await self.app(scope, create_first, dispose_first)


def _databases(given: object) -> list[SQLAlchemy]:
    if isinstance(given, SQLAlchemy):
        return [given]
    found: list[Any] = [given]
    if isinstance(given, Iterable) and not isinstance(given, str | bytes):
        found = list(given)
    wrong = [each for each in found if not isinstance(each, SQLAlchemy)]
    if found and not wrong:
        return list(dict.fromkeys(found))
    raise TypeError(
        "db expected a SQLAlchemy object or an iterable of them, such as `db=[users_db, posts_db]`;"
        f" found {type(wrong[0]).__name__ if wrong else 'none in it'}"
    )


def _legacy(
    db_url: str | URL | None,
    custom_engine: Engine | None,
    engine_args: Options | None,
    session_args: Options | None,
) -> SQLAlchemy:
    if db_url is None and custom_engine is None:
        raise ValueError("You need to pass a db_url or a custom_engine parameter, or db=...")
    # commit_on_exit is the middleware's alone: `with db():` has an argument of its own
    db.init(db_url, custom_engine=custom_engine, engine_args=engine_args, session_args=session_args)
    return db
