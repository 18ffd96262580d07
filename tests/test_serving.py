"""Servers of the suite serve, announce themselves and leave nothing running."""

import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.sync.client import connect

from tests.serving import Program, RunProgram, Serve, ThreadServer


async def hello(_request: Request) -> PlainTextResponse:
    return PlainTextResponse(threading.current_thread().name)


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(await websocket.receive_text())
    await websocket.close()


ROUTES = [Route("/", hello), WebSocketRoute("/echo", echo)]

PROGRAM = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello from a program")
    def log_message(self, *args):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
try:
    print(f"serving on http://127.0.0.1:{server.server_address[1]}/ now")
    server.serve_forever()
except KeyboardInterrupt:
    server.server_close()
    {at_exit}
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    return write(tmp_path, at_exit="print('bye')")


def write(folder: Path, *, at_exit: str) -> Path:
    path = folder / "program.py"
    path.write_text(PROGRAM.replace("{at_exit}", at_exit))
    return path


def test_an_application_is_served_over_http_and_websocket(serve: Serve) -> None:
    url = serve(Starlette(routes=ROUTES))
    assert httpx.get(url).text == f"uvicorn {url}"
    with connect(url.replace("http", "ws", 1) + "/echo") as websocket:
        websocket.send("back")
        assert websocket.recv() == "back"


def test_two_applications_have_two_addresses(serve: Serve) -> None:
    first, second = serve(Starlette(routes=ROUTES)), serve(Starlette(routes=ROUTES))
    assert first != second
    assert httpx.get(first).status_code == httpx.get(second).status_code == 200


def test_the_lifespan_runs_and_the_thread_ends() -> None:
    events: list[str] = []

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        events.append("start")
        yield
        events.append("stop")

    server = ThreadServer(Starlette(lifespan=lifespan))
    server.start()
    assert events == ["start"]
    server.stop()
    assert events == ["start", "stop"]
    assert server.url not in " ".join(thread.name for thread in threading.enumerate())
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url)


def test_an_application_that_fails_to_start_says_so() -> None:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        raise LookupError("no database")
        yield

    with pytest.raises(RuntimeError, match="did not start"):
        ThreadServer(Starlette(lifespan=lifespan), log_level="critical").start()


def test_a_program_is_ready_when_it_printed_its_address(
    run_program: RunProgram, program: Path
) -> None:
    running = run_program(program)
    assert httpx.get(running.url).text == "hello from a program"
    assert "serving on" in running.output


def test_a_program_ends_by_an_interrupt() -> None:
    running = Program("-c", PROGRAM.replace("{at_exit}", "print('bye')"))
    running.wait_ready()
    running.stop()
    assert running.process.returncode == 0
    assert running.output.endswith("bye\n")


def test_an_application_of_uvicorn_is_a_program(run_program: RunProgram, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import os\n"
        "async def app(scope, receive, send):\n"
        "    await send({'type': 'http.response.start', 'status': 200, 'headers': []})\n"
        "    await send({'type': 'http.response.body', 'body': os.environ['WORD'].encode()})\n"
    )
    argv = ("-m", "uvicorn", "--port", "0", "--lifespan", "off", "app:app")
    running = run_program(*argv, env={"WORD": "given"}, cwd=tmp_path)
    assert httpx.get(running.url).text == "given"


def test_a_traceback_at_the_end_of_a_program_is_an_error(tmp_path: Path) -> None:
    running = Program(write(tmp_path, at_exit="raise LookupError('lost')"))
    running.wait_ready()
    with pytest.raises(RuntimeError, match=r"left a traceback[\s\S]*LookupError: lost"):
        running.stop()


def test_a_program_that_ends_early_shows_its_output() -> None:
    running = Program("-c", "raise SystemExit('no port')")
    with pytest.raises(RuntimeError, match=r"printed no address:\nno port"):
        running.wait_ready()
    running.stop()
    assert running.argv[0] == sys.executable
