"""One request and its response, seen from outside the application.

Three parts of it are committed or rolled back on their own: what the route did, before the
response starts; what a streaming body did, before its last chunk; and what runs after it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from typing import Any

from starlette._utils import is_async_callable
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as Connection

from ._handled import watched
from ._late import warn_of_late_commits
from .scope import Scope

__all__ = ["Exchange", "close"]

_log = logging.getLogger(__name__)


class Exchange:
    """One request and its response."""

    __slots__ = (
        "_app",
        "_around",
        "_complete",
        "_connection",
        "_failure",
        "_handled",
        "_rollback_on",
        "_scopes",
        "_started",
        "_to_server",
    )

    def __init__(
        self, app: ASGIApp, scopes: list[Scope], rollback_on: Callable[[int], bool]
    ) -> None:
        self._app, self._scopes, self._rollback_on = app, scopes, rollback_on
        self._started = self._complete = self._handled = False
        self._failure: BaseException | None = None
        self._around = sys.exception()
        self._connection: Connection = {}
        self._to_server: Send

    async def run(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Run the application and end what it began."""
        if any(each.commits_late for each in self._scopes):
            scope = watched(scope, self._note_handled)
        self._connection, self._to_server = scope, send
        try:
            await self._app(scope, receive, self._send)
            # a client that left cuts a stream off, sometimes without an error here
            if self._touched():
                await self._finish(commit=self._complete)
        except BaseException:
            if self._failure is None:
                raise  # closing rolls back
            await self._answer_failure(scope, receive, send)

    def _note_handled(self) -> None:
        self._handled = True

    async def _send(self, message: Message) -> None:
        if self._failure is not None:
            raise self._failure
        kind = message["type"]
        if kind == "http.response.start" and not self._started:
            self._started = True
            if self._touched():
                await self._finish_first(message["status"])
        last = kind in ("http.response.body", "http.response.pathsend") and not message.get(
            "more_body", False
        )
        if last and self._touched():
            await self._finish(commit=True)  # what a streaming body wrote
        await self._to_server(message)
        if last:
            self._complete = True
            for scope in self._scopes:
                scope.afterwards = True
                if scope.session is not None:
                    await scope.begin_afterwards()

    def _touched(self) -> Sequence[Scope]:
        """The scopes there is something to do for; most requests have one, and many none."""
        for scope in self._scopes:
            if scope.session is not None or scope.hooks:
                return [each for each in self._scopes if each.session is not None or each.hooks]
        return ()

    async def _finish_first(self, status: int) -> None:
        """End the route's part: the response may not start before it is stored."""
        # an exception that a handler is turning into this very response is still around
        raised = self._handled or sys.exception() is not self._around
        commit = not raised and not self._rollback_on(status)
        try:
            for scope in self._touched():
                if not (commit and scope.commits_late):
                    warn_of_late_commits(scope, self._connection)
            await self._finish(commit=commit)
        except BaseException as failure:
            self._failure = failure
            raise

    async def _finish(self, *, commit: bool) -> None:
        """Commit one database after the other, in the order given."""
        done: list[Scope] = []
        for scope in self._touched():
            try:
                await scope.afinish(commit=commit)
            except Exception:
                if commit and done:
                    _log.error(
                        "A request failed to commit to %s after it had committed to %s",
                        scope.name,
                        ", ".join(each.name for each in done),
                    )
                raise
            done.append(scope)

    async def _answer_failure(self, scope: Connection, receive: Receive, send: Send) -> None:
        """The response was built but could not be committed: the application's word on that."""
        failure = self._failure
        assert failure is not None
        handlers: dict[Any, Any] = scope.get("starlette.exception_handlers", ({}, {}))[0]
        handler = next((handlers[t] for t in type(failure).__mro__ if t in handlers), None)
        if handler is None or not isinstance(failure, Exception):
            raise failure
        for each in self._touched():  # nothing of the others may be committed by what follows
            await each.afinish(commit=False)
        request = Request(scope, receive, send)
        if is_async_callable(handler):
            response = await handler(request, failure)
        else:
            response = await run_in_threadpool(handler, request, failure)
        await response(scope, receive, send)


async def close(scopes: list[Scope], error: BaseException | None) -> None:
    """Close every scope, whatever becomes of the others; the first error is the one raised."""
    first = error
    for scope in scopes:
        if scope.session is None and not scope.hooks:
            scope.closed = True
            continue
        try:
            await scope.aclose()
        except BaseException as failure:
            if first is None:
                first = failure
            else:
                first.add_note(f"Closing a session failed as well: {type(failure).__name__}.")
    if first is not None and first is not error:
        raise first
