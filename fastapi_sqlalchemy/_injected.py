"""Tells what stands in `Depends` how to run within a scope, once there is a FastAPI to ask.

Who uses Starlette alone does not wait for FastAPI to be imported.
"""

from __future__ import annotations

import sys
from inspect import Parameter

from ._injection import inject
from .scope import Scopes

__all__: list[str] = []


def _opened(scopes: Scopes) -> Parameter | None:
    if sys.modules.get("fastapi") is None:
        return None
    from .dependencies import opened

    return opened(scopes)


inject(_opened)
