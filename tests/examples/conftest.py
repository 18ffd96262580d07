"""The examples as their readers start them: programs of their own, in an empty folder."""

import ast
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import httpx
import pytest

from tests.documents import Command
from tests.interpreter import ROOT
from tests.serving import Program, RunProgram


class Example(Protocol):
    def __call__(self, name: str, **env: str) -> Program: ...


class Client(Protocol):
    def __call__(self, program: Program) -> httpx.Client: ...


def commands(name: str) -> list[Command]:
    """The commands that the docstring of an example shows."""
    source = (ROOT / "examples" / name / "__init__.py").read_text()
    docstring = ast.get_docstring(ast.parse(source)) or ""
    return [Command.parse(line) for line in docstring.splitlines() if line.startswith("    ")]


def starting_command(name: str) -> Command:
    """The first of them, which starts it."""
    command = commands(name)[0]
    assert command.argv == ["python", "-m", f"examples.{name}"]
    return command


@pytest.fixture
def example(run_program: RunProgram, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Example:
    """`example("single_db")`: one of the examples, started by the command of its docstring."""
    # the one of whoever runs the tests
    monkeypatch.delenv("DATABASE_URL", raising=False)
    # found from another folder than its own, strict, and on a port of its own
    common = {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error", "PORT": "0"}

    def start(name: str, **env: str) -> Program:
        command = starting_command(name)
        return run_program(*command.argv[1:], env=common | command.env | env, cwd=tmp_path)

    return start


@pytest.fixture
def client() -> Iterator[Client]:
    """`client(program)`: an HTTP client of a program."""
    with ExitStack() as clients:

        def connect(program: Program) -> httpx.Client:
            # the address is on this machine: no proxy of the environment can reach it
            return clients.enter_context(httpx.Client(base_url=program.url, trust_env=False))

        yield connect
