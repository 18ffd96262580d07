"""An example says where it serves, answers what its docstring asks, and ends cleanly."""

import signal
import socket
from pathlib import Path

import httpx
import pytest

from tests.documents import send
from tests.examples.conftest import Client, Example, commands
from tests.interpreter import ROOT
from tests.serving import STOP_TIMEOUT

EXAMPLES = sorted(path.parent.name for path in (ROOT / "examples").glob("*/__main__.py"))
ADA = {"name": "Ada", "email": "ada@example.com"}


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_answers_the_requests_of_its_docstring_and_ends_at_an_interrupt(
    name: str, example: Example, client: Client, tmp_path: Path
) -> None:
    program = example(name)
    requests = [command for command in commands(name) if command.argv[0] == "curl"]
    assert requests
    api = client(program)
    for command in requests:
        answer = send(api, command)
        assert answer.is_success, (command, answer.text)

    program.process.send_signal(signal.SIGINT)
    assert program.process.wait(STOP_TIMEOUT) == 0
    program.stop()
    assert program.output.count("\n") == 1, "nothing but the address: no warning, no traceback"
    # SQLite removes its other files when the last connection is closed
    assert {path.suffix for path in tmp_path.iterdir()} == {".db"}


def test_a_termination_ends_it_as_an_interrupt_does(
    example: Example, client: Client, tmp_path: Path
) -> None:
    program = example("single_db")
    assert client(program).post("/add_user", json=ADA).status_code == 200
    program.process.terminate()
    # uvicorn shuts down, then lets the signal have its way: that is what a supervisor expects
    assert program.process.wait(STOP_TIMEOUT) == -signal.SIGTERM
    program.stop()
    assert program.output.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["example.db"]


def test_the_port_comes_from_the_environment(example: Example) -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    program = example("single_db", PORT=str(port))
    assert program.url == f"http://127.0.0.1:{port}"
    assert httpx.get(f"{program.url}/users", trust_env=False).json() == []


def test_a_port_in_use_is_said_and_ends_it(example: Example) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            RuntimeError, match=rf"'127\.0\.0\.1', {port}\): address already in use"
        ):
            example("single_db", PORT=str(port))
