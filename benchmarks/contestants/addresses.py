"""How those libraries that take no URL are told where a server is."""

from __future__ import annotations

from typing import Any

from sqlalchemy import make_url


def server(url: str) -> dict[str, Any]:
    """Host, port, user and password, those that the URL has."""
    at = make_url(url)
    found = {"host": at.host, "port": at.port, "user": at.username, "password": at.password}
    return {name: value for name, value in found.items() if value is not None}
