"""Runs mypy with the plugin, as its users do: a program of its own in a folder of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.interpreter import ROOT

CONFIG = """\
[mypy]
plugins = {plugins}
strict = {strict}
show_error_context = false
pretty = false
hide_error_codes = true
show_traceback = true
mypy_path = {stubs}
error_summary = false
"""
PLUGIN = "fastapi_sqlalchemy.mypy_plugin"

LIBRARIES = """\
import fastapi, pydantic
import fastapi_sqlalchemy
import sqlalchemy.ext.associationproxy, sqlalchemy.ext.hybrid, sqlalchemy.ext.asyncio
import sqlalchemy.dialects.postgresql
"""
"""What the programs import; a cache with these is made once and copied for each run."""


class Checker:
    """mypy in a folder.

    Args:
        folder: Where the programs are.
        seed: A folder that mypy has run in, whose cache to begin with.
        strict: Whether as with `mypy --strict`.
        plugins: The plugins, in their order.
    """

    def __init__(
        self,
        folder: Path,
        *,
        seed: Path | None = None,
        strict: bool = True,
        plugins: str = PLUGIN,
    ) -> None:
        self.folder = folder
        (folder / "mypy.ini").write_text(
            CONFIG.format(strict=strict, plugins=plugins, stubs=ROOT / "stubs")
        )
        if seed is not None:
            shutil.copytree(seed / ".mypy_cache", folder / ".mypy_cache")

    def run(self, *arguments: str) -> str:
        """What mypy prints.

        Raises:
            AssertionError: it failed, rather than found mistakes in a program.
        """
        return self._start("mypy", *arguments)

    def ask_daemon(self, *arguments: str) -> str:
        """What dmypy prints."""
        return self._start("mypy.dmypy", "--status-file", "daemon.json", *arguments)

    def _start(self, module: str, *arguments: str) -> str:
        run = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=self.folder,
            env={**os.environ, "MYPY_FORCE_COLOR": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        output = run.stdout + run.stderr
        assert run.returncode in (0, 1), output
        assert "INTERNAL ERROR" not in output, output
        return run.stdout
