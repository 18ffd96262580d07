"""The mypy plugin: what only a plugin can say of models, queries and repositories.

In mypy's configuration, `plugins = fastapi_sqlalchemy.mypy_plugin`.  With it `class User(db.Base)`
is a model to mypy, a column without an annotation has its Python type, and names and types of
keywords are checked (`docs/typing.md`).  The rest of the package knows nothing of it.
"""

from hashlib import sha256
from pathlib import Path

from ._hooks import FastAPISQLAlchemyPlugin

__all__ = ["plugin"]


def _digest() -> str:
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()


__version__ = _digest()
"""mypy drops its cache when this changes; of the plugin's files it reads this one alone."""


def plugin(version: str) -> type[FastAPISQLAlchemyPlugin]:
    """What mypy calls, with its own version, to get the plugin."""
    return FastAPISQLAlchemyPlugin
