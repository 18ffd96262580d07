"""One request and its response, seen from outside the application.

Three parts of it are committed or rolled back on their own: what the route did, before the
response starts; what a streaming body did, before its last chunk; and what runs after it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from starlette._utils import is_async_callable
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import Message, Receive, Send
from starlette.types import Scope as Connection

from ._handled import watched
from ._late import warn_of_late_commits
from .scope import Scope

__all__ = ["Exchange", "close", "used"]

_log = logging.getLogger(__name__)

_BODY: Final = frozenset({"http.response.body", "http.response.pathsend"})


class Exchange:
    """One request and its response."""

    _started = False
    """Whether what the route did has ended, as it must before its response starts."""

    _handled = False
    """Whether an exception found its handler."""

    failure: BaseException | None = None
    """Why the response that the application built may not start."""

    def __init__(
        self,
        scopes: list[Scope],
        rollback_on: Callable[[int], bool],
        connection: Connection,
        send: Send,
    ) -> None:
        self._scopes, self._rollback_on = scopes, rollback_on
        self._to_server, self._around = send, sys.exception()
        for scope in scopes:
            if scope.commits_late:
                connection = watched(connection, self._note_handled)
                break
        self.connection = connection
        """What the application takes for the ASGI scope."""

    async def end(self) -> None:
        """End what the application began, once it has returned.

        A client that left cuts a stream off, sometimes without an error there.
        """
        complete = all(scope.afterwards for scope in self._scopes)
        await self._finish(commit=complete)

    def _note_handled(self) -> None:
        self._handled = True

    def send(self, message: Message) -> Awaitable[None]:
        """Take a message of the application's to the server, when what belongs to it is stored."""
        scopes = self._scopes
        for scope in scopes:
            if scope.session is not None or scope.hooks:
                return self._end_a_part(message)
        if self.failure is not None:
            return self._end_a_part(message)
        # most requests have nothing to end here, and need no coroutine of ours either
        if not message.get("more_body") and message["type"] in _BODY:
            for scope in scopes:
                scope.afterwards = True
        return self._to_server(message)

    async def _end_a_part(self, message: Message) -> None:
        if self.failure is not None:
            raise self.failure
        if message["type"] == "http.response.start" and not self._started:
            self._started = True
            await self._finish_first(message["status"])
        last = not message.get("more_body") and message["type"] in _BODY
        if last:
            await self._finish(commit=True)  # what a streaming body wrote
        await self._to_server(message)
        if last:
            for scope in self._scopes:
                scope.afterwards = True
                if scope.session is not None:
                    await scope.begin_afterwards()

    async def _finish_first(self, status: int) -> None:
        """End the route's part: the response may not start before it is stored."""
        # an exception that a handler is turning into this very response is still around
        raised = self._handled or sys.exception() is not self._around
        commit = not raised and not self._rollback_on(status)
        try:
            for scope in used(self._scopes):
                if not (commit and scope.commits_late):
                    warn_of_late_commits(scope, self.connection)
            await self._finish(commit=commit)
        except BaseException as failure:
            self.failure = failure
            raise

    async def _finish(self, *, commit: bool) -> None:
        """Commit one database after the other, in the order given."""
        done: list[Scope] = []
        for scope in used(self._scopes):
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

    async def answer_failure(self, receive: Receive) -> None:
        """The response was built but could not be committed: the application's word on that."""
        failure = self.failure
        assert failure is not None
        handlers: dict[Any, Any] = self.connection.get("starlette.exception_handlers", ({}, {}))[0]
        handler = next((handlers[t] for t in type(failure).__mro__ if t in handlers), None)
        if handler is None or not isinstance(failure, Exception):
            raise failure
        for each in used(self._scopes):  # nothing of the others may be committed by what follows
            await each.afinish(commit=False)
        request = Request(self.connection, receive, self._to_server)
        if is_async_callable(handler):
            response = await handler(request, failure)
        else:
            response = await run_in_threadpool(handler, request, failure)
        await response(self.connection, receive, self._to_server)


def used(scopes: Sequence[Scope]) -> Sequence[Scope]:
    """The scopes there is something to do for; most requests have one, and many none."""
    for scope in scopes:
        if scope.session is not None or scope.hooks:
            return [each for each in scopes if each.session is not None or each.hooks]
    return ()


async def close(scopes: Sequence[Scope], error: BaseException | None) -> None:
    """Close every scope, whatever becomes of the others; the first error is the one raised."""
    first = error
    for scope in scopes:
        try:
            await scope.aclose()
        except BaseException as failure:
            if first is None:
                first = failure
            else:
                first.add_note(f"Closing a session failed as well: {type(failure).__name__}.")
    if first is not None and first is not error:
        raise first
