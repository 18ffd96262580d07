"""Active Record and repositories over SQLAlchemy for FastAPI and Starlette.

https://pypi.org/project/fastapi-sqlalchemy/
"""

from . import exceptions
from .database import SQLAlchemy, db
from .middleware import DBSessionMiddleware
from .model import ModelBase
from .pagination import CursorPage, Page
from .query import Query

__all__ = [
    "CursorPage",
    "DBSessionMiddleware",
    "ModelBase",
    "Page",
    "Query",
    "SQLAlchemy",
    "db",
    "exceptions",
]

__version__ = "1.0.0.dev0"
