"""Active Record and repositories over SQLAlchemy for FastAPI and Starlette.

https://pypi.org/project/fastapi-sqlalchemy/
"""

from . import exceptions
from .columns import UTCDateTime, utcnow
from .database import SQLAlchemy, db
from .handlers import problem_responses, register_exception_handlers
from .keys import uuid7
from .middleware import DBSessionMiddleware
from .mixins import SoftDeleteMixin, TimestampMixin, UUIDMixin, VersionedMixin
from .model import ModelBase
from .pagination import CursorPage, Page
from .query import Query
from .repository import Repository
from .rows import Rows
from .schemas import Changes

__all__ = [
    "Changes",
    "CursorPage",
    "DBSessionMiddleware",
    "ModelBase",
    "Page",
    "Query",
    "Repository",
    "Rows",
    "SQLAlchemy",
    "SoftDeleteMixin",
    "TimestampMixin",
    "UTCDateTime",
    "UUIDMixin",
    "VersionedMixin",
    "db",
    "exceptions",
    "problem_responses",
    "register_exception_handlers",
    "utcnow",
    "uuid7",
]

__version__ = "1.0.0.dev0"
