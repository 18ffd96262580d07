"""A client that speaks ASGI: it notes every message and may leave in the middle of a body."""

import asyncio
from collections.abc import Callable
from typing import Any, Literal, TypeVar

from starlette.applications import Starlette
from starlette.types import ASGIApp, Message

from fastapi_sqlalchemy import DBSessionMiddleware, SQLAlchemy

A = TypeVar("A", bound=Starlette)

SpecVersion = Literal["2.3", "2.4"]
"""A server of ASGI 2.3 says that the client left by a message, one of 2.4 by an error of `send`."""


class Answer:
    """What an application sent for one request, and the error it ended with."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.error: BaseException | None = None

    @property
    def kinds(self) -> list[str]:
        """The messages without what all have in common: "start", "body", ..."""
        return [message["type"].removeprefix("http.response.") for message in self.messages]

    @property
    def status(self) -> int:
        """The status of the only response."""
        (start,) = (m for m in self.messages if m["type"] == "http.response.start")
        status: int = start["status"]
        return status

    @property
    def body(self) -> bytes:
        return b"".join(m["body"] for m in self.messages if m["type"] == "http.response.body")


async def get(
    app: ASGIApp,
    path: str = "/",
    *,
    query: str = "",
    look: Callable[[Message], object] = lambda _: None,
    leave_after: int | None = None,
    left: asyncio.Event | None = None,
    spec_version: SpecVersion = "2.3",
) -> Answer:
    """Make one request; an error of the application is part of the answer.

    Args:
        app: the application.
        path: what is asked for.
        query: what stands after the question mark.
        look: is called with each message, before the client has it.
        leave_after: the number of non-empty body messages after which the client leaves.
        left: the client leaves when this is set.
        spec_version: of the server.
    """
    answer = Answer()
    left = left or asyncio.Event()
    asked, received = False, 0

    async def receive() -> Message:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        nonlocal received
        if left.is_set():
            if spec_version == "2.4":
                raise OSError("the client left")
            return
        look(message)
        answer.messages.append(message)
        received += bool(message.get("body"))
        if received == leave_after:
            left.set()
        await asyncio.sleep(0)  # a real server gives others their turn

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": spec_version},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(b"host", b"test")],
        "client": ("127.0.0.1", 1),
        "server": ("test", 80),
        "state": {},
    }
    try:
        await app(scope, receive, send)
    except Exception as error:
        answer.error = error
    return answer


def serving(
    app: A, *databases: SQLAlchemy, commit_on_exit: bool | None = None, **options: Any
) -> A:
    """Add the middleware for these databases to an application, and return the application."""
    app.add_middleware(DBSessionMiddleware, db=databases, commit_on_exit=commit_on_exit, **options)
    return app
