"""Who takes part: one module per library, imported only in the process that measures it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.tasks import Mode

PACKAGE = "benchmarks.contestants"
RAW = "raw"
KINDS = ("sqlite", "postgresql")
MODES: tuple[Mode, ...] = ("sync", "async")


@dataclass(frozen=True)
class Entry:
    """One library, and which of its classes takes part where."""

    name: str
    title: str
    distribution: str
    """Whose version is shown."""
    classes: Mapping[tuple[Mode, str], str]
    """`module:Class`, by mode and kind of database."""
    lacking: Mapping[Mode, str] = field(default_factory=dict)
    """Why it is not in a table."""
    ours: bool = False

    def target(self, mode: Mode, kind: str) -> str | None:
        return self.classes.get((mode, kind))


def _everywhere(blocking: str | None, awaited: str | None) -> dict[tuple[Mode, str], str]:
    found: dict[tuple[Mode, str], str] = {}
    for kind in KINDS:
        if blocking is not None:
            found["sync", kind] = f"{PACKAGE}.{blocking}"
        if awaited is not None:
            found["async", kind] = f"{PACKAGE}.{awaited}"
    return found


ENTRIES = (
    Entry(
        RAW,
        "raw driver",
        "psycopg",
        {
            ("sync", "sqlite"): f"{PACKAGE}.raw:SQLite",
            ("sync", "postgresql"): f"{PACKAGE}.raw:Psycopg",
            ("async", "sqlite"): f"{PACKAGE}.raw_async:SQLite",
            ("async", "postgresql"): f"{PACKAGE}.raw_async:Psycopg",
        },
    ),
    Entry(
        "active-record",
        "ours: Active Record",
        "fastapi-sqlalchemy",
        _everywhere("active_record:Blocking", "active_record:Awaited"),
        ours=True,
    ),
    Entry(
        "repository",
        "ours: Repository",
        "fastapi-sqlalchemy",
        _everywhere("repository:Blocking", "repository:Awaited"),
        ours=True,
    ),
    Entry(
        "sqlalchemy",
        "SQLAlchemy ORM",
        "sqlalchemy",
        _everywhere("sqlalchemy_orm:Blocking", "sqlalchemy_orm:Awaited"),
    ),
    Entry(
        "sqlmodel",
        "SQLModel",
        "sqlmodel",
        _everywhere("sqlmodel_orm:Blocking", "sqlmodel_orm:Awaited"),
    ),
    Entry(
        "advanced-alchemy",
        "advanced-alchemy",
        "advanced-alchemy",
        _everywhere("advanced_alchemy_orm:Blocking", "advanced_alchemy_orm:Awaited"),
    ),
    Entry(
        "django",
        "Django",
        "django",
        _everywhere("django_orm:Blocking", "django_orm:Awaited"),
    ),
    Entry(
        "peewee",
        "Peewee",
        "peewee",
        _everywhere("peewee_orm:Blocking", "peewee_orm:Awaited"),
    ),
    Entry(
        "pony",
        "Pony",
        "pony",
        _everywhere("pony_orm:Blocking", None),
        {"async": "has no asyncio interface"},
    ),
    Entry(
        "tortoise",
        "Tortoise",
        "tortoise-orm",
        _everywhere(None, "tortoise_orm:Awaited"),
        {"sync": "has an asyncio interface only"},
    ),
    Entry(
        "piccolo",
        "Piccolo",
        "piccolo",
        _everywhere(None, "piccolo_orm:Awaited"),
        {"sync": "is an asyncio library; its `run_sync()` starts an event loop for every call"},
    ),
)
BY_NAME = {entry.name: entry for entry in ENTRIES}
