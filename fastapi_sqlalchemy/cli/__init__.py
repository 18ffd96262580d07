"""The command `fastapi-sqlalchemy`, for which the extra `cli` is needed."""

from __future__ import annotations

import sys

from fastapi_sqlalchemy.exceptions import MissingDriverError

__all__ = ["main"]


def main() -> None:
    """Run the command with the arguments of this process, and end the process.

    Without typer it says which package to install.
    """
    try:
        from .commands import app
    except ModuleNotFoundError as error:
        if error.name != "typer":
            raise
        sys.exit(str(MissingDriverError("fastapi-sqlalchemy", package="typer", extra="cli")))
    app()
