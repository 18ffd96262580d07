"""What documents show and tests execute: fenced blocks, tables of code, and shell commands."""

import json
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

import fastapi_sqlalchemy
from fastapi_sqlalchemy import SQLAlchemy


@dataclass(frozen=True)
class Block:
    """A fenced block.

    `section` is the headings above it, as in "Examples / Models definition"; `line` the number of
    its fence.
    """

    language: str
    code: str
    section: str
    line: int


def blocks(document: Path) -> list[Block]:
    """The fenced blocks of a Markdown document, in order."""
    found: list[Block] = []
    headings: list[str] = []
    language: str | None = None
    code: list[str] = []
    start = 0
    for number, line in enumerate(document.read_text(encoding="utf-8").splitlines(), start=1):
        if language is None and line.startswith("```"):
            language, code, start = line[3:].strip(), [], number
        elif language is not None and line.startswith("```"):
            found.append(Block(language, "\n".join(code) + "\n", " / ".join(headings), start))
            language = None
        elif language is not None:
            code.append(line)
        elif heading := re.match(r"(#+) +(.+)", line):
            headings[len(heading[1]) - 1 :] = [heading[2]]
    assert language is None, f"{document.name}:{start}: this block has no end"
    return found


def code_rows(document: Path) -> Iterator[list[str]]:
    """The table rows that hold nothing but code, as the code of their cells."""
    for line in document.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if line.startswith("|") and all(re.fullmatch(r"`[^`]+`", cell) for cell in cells):
            yield [cell.strip("`") for cell in cells]


def shell_lines(document: Path) -> list[str]:
    """The lines of the blocks that are for a shell."""
    found = [block.code for block in blocks(document) if block.language == "sh"]
    return [line for code in found for line in code.splitlines()]


@dataclass(frozen=True)
class Command:
    """A command line: `NAME=value program argument ...`."""

    argv: list[str]
    env: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, line: str) -> "Command":
        words = shlex.split(line)
        env: dict[str, str] = {}
        while words and (assignment := re.fullmatch(r"([A-Z_]+)=(.*)", words[0])):
            env[assignment[1]] = assignment[2]
            del words[0]
        return cls(words, env)


def send(client: httpx.Client, command: Command) -> httpx.Response:
    """Send what a `curl URL [--json BODY | -H HEADER -d BODY]` sends, to the server of `client`."""
    assert command.argv[0] == "curl", command.argv
    address, *options = command.argv[1:]
    url = urlsplit(address)
    target = f"{url.path}?{url.query}" if url.query else url.path
    if not options:
        return client.get(target)
    if options[0] == "--json":
        body: Any = json.loads(options[1])
        return client.post(target, json=body)
    assert options[::2] == ["-H", "-d"], options
    name, _, value = options[1].partition(": ")
    return client.post(target, content=options[3], headers={name: value})


class Modules:
    """Python code of documents as modules, which code that comes later can import.

    The working directory, where `sqlite:///example.db` is, is `folder` for as long as they live.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        monkeypatch.chdir(folder)
        self._monkeypatch = monkeypatch
        self._made: list[ModuleType] = []

    def load(self, code: str, name: str, *, then: str = "", **definitions: Any) -> ModuleType:
        """Execute code as the module `name`, with `definitions` before and more code after it."""
        module = ModuleType(name)
        vars(module).update(definitions)
        self._made.append(module)
        self._monkeypatch.setitem(sys.modules, name, module)
        exec(compile(code, f"<{name}>", "exec"), vars(module))
        exec(compile(then, f"<after {name}>", "exec"), vars(module))
        return module

    def end(self) -> None:
        """Dispose their databases, and leave the global one as it was."""
        values = [value for module in self._made for value in vars(module).values()]
        for database in [fastapi_sqlalchemy.db, *values]:
            if isinstance(database, SQLAlchemy):
                database.dispose()
        fastapi_sqlalchemy.db.init()
