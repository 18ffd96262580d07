"""Active Record and repositories over SQLAlchemy for FastAPI and Starlette.

https://pypi.org/project/fastapi-sqlalchemy/
"""

from . import exceptions
from .database import SQLAlchemy, db
from .middleware import DBSessionMiddleware
from .model import ModelBase
from .query import Query
from .rows import Rows

__all__ = [
    "DBSessionMiddleware",
    "ModelBase",
    "Query",
    "Rows",
    "SQLAlchemy",
    "db",
    "exceptions",
]

__version__ = "1.0.0.dev0"
