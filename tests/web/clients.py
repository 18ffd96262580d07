"""Starlette's own client, which talks to an application from another thread."""

import warnings

with warnings.catch_warnings():
    # It prefers the successor of httpx, and deprecates httpx when it is imported.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

__all__ = ["TestClient"]
