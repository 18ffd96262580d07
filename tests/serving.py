"""Real servers for tests: uvicorn in a thread of this process, and programs of their own.

Nothing here waits by sleeping: a server in a thread says when it accepts connections, and a
program is ready when it prints its address.
"""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Protocol

import uvicorn

READY_TIMEOUT = 30.0
STOP_TIMEOUT = 10.0
ADDRESS = re.compile(r"http://(?:127\.0\.0\.1|localhost):\d+")
TRACEBACK = "Traceback (most recent call last)"


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.accepts = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        finally:
            self.accepts.set()


class ThreadServer:
    """An ASGI application in uvicorn, in a thread with an event loop of its own."""

    def __init__(self, app: Any, **options: Any) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        defaults: dict[str, Any] = {
            "access_log": False,
            "log_level": "error",
            "lifespan": "on",
            # A client of a test that is still connected must not hold up the end of the test.
            "timeout_graceful_shutdown": 5,
            # The default uses an API that websockets has deprecated.
            "ws": "websockets-sansio",
        }
        self._server = _Server(uvicorn.Config(app, **(defaults | options)))
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"uvicorn {self.url}", daemon=True)

    def start(self) -> None:
        """Return when connections are accepted.

        Raises:
            RuntimeError: the application's lifespan failed, or took over 30 seconds.
        """
        self._thread.start()
        if not self._server.accepts.wait(READY_TIMEOUT) or not self._server.started:
            self.stop()
            raise RuntimeError(
                "the application did not start; uvicorn's log says why"
            ) from self._error

    def stop(self) -> None:
        """Let requests finish, run the application's shutdown and return when the thread ended.

        Raises:
            RuntimeError: the server did not stop in ten seconds, or stopped with an error.
        """
        self._server.should_exit = True
        self._thread.join(STOP_TIMEOUT)
        self._socket.close()
        if self._thread.is_alive():
            self._server.force_exit = True
            raise RuntimeError(f"the server at {self.url} did not stop in {STOP_TIMEOUT:.0f} s")
        if self._error is not None and self._server.started:
            raise RuntimeError(f"the server at {self.url} failed") from self._error

    def _run(self) -> None:
        # `Server.run` may install uvloop; plain asyncio is the same loop on every machine.
        try:
            with asyncio.Runner() as runner:
                runner.run(self._server.serve(sockets=[self._socket]))
        # uvicorn ends a failed start with SystemExit.
        except BaseException as error:
            self._error = error
        finally:
            self._server.accepts.set()


class Program:
    """A Python program in a process of its own, which prints its address once it accepts."""

    def __init__(
        self, *argv: str | Path, env: dict[str, str] | None = None, cwd: Path | str | None = None
    ) -> None:
        self.argv = [sys.executable, *map(str, argv)]
        self._lines: list[str] = []
        self._announced = threading.Event()
        self._url: str | None = None
        self.process = subprocess.Popen(
            self.argv,
            cwd=cwd,
            # Unbuffered, or the address would stay in the program's buffer.
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def output(self) -> str:
        """What the program has printed so far, errors included."""
        return "".join(self._lines)

    @property
    def url(self) -> str:
        """The address the program printed, without a slash at its end."""
        assert self._url is not None, "the program is not ready"
        return self._url

    def wait_ready(self) -> None:
        """Return when the program has printed its address.

        Raises:
            RuntimeError: it ended, or printed none in 30 seconds; the message holds its output.
        """
        self._announced.wait(READY_TIMEOUT)
        if self._url is None:
            raise RuntimeError(f"{self.argv} printed no address:\n{self.output}")

    def stop(self) -> None:
        """Interrupt the program as Ctrl-C does, and return when it has ended.

        Raises:
            RuntimeError: it had to be killed, or left a traceback.
        """
        killed = not any(map(self._ends_after, (signal.SIGINT, signal.SIGTERM)))
        if killed:
            self.process.kill()
            self.process.wait()
        # Children of the program may still hold the pipe.
        self._reader.join(STOP_TIMEOUT)
        if not self._reader.is_alive() and self.process.stdout is not None:
            self.process.stdout.close()
        if killed:
            raise RuntimeError(f"{self.argv} did not stop by itself:\n{self.output}")
        if TRACEBACK in self.output:
            raise RuntimeError(f"{self.argv} left a traceback:\n{self.output}")

    def _ends_after(self, number: signal.Signals) -> bool:
        # Does nothing where the program has ended already.
        self.process.send_signal(number)
        try:
            self.process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.append(line)
            if self._url is None and (address := ADDRESS.search(line)):
                self._url = address[0]
                self._announced.set()
        self._announced.set()


class Serve(Protocol):
    def __call__(self, app: Any, **options: Any) -> str: ...


class RunProgram(Protocol):
    def __call__(
        self,
        *argv: str | Path,
        env: dict[str, str] | None = None,
        cwd: Path | str | None = None,
    ) -> Program: ...
