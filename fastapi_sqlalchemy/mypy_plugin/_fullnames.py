"""The names by which mypy knows what the plugin is about."""

from typing import Final

__all__ = [
    "ACTIVE_RECORD",
    "CHAIN",
    "DATABASE",
    "DECLARATIVE",
    "EXPRESSION",
    "LIBRARIES",
    "MAPPED",
    "METADATA",
    "QUERY",
    "REPOSITORY",
    "TYPE_ENGINE",
]

_OWN: Final = "fastapi_sqlalchemy"

ACTIVE_RECORD: Final = f"{_OWN}.model.ActiveRecord"
CHAIN: Final = f"{_OWN}._chain.Chain"
DATABASE: Final = f"{_OWN}.database.SQLAlchemy"
QUERY: Final = f"{_OWN}.query.Query"
REPOSITORY: Final = f"{_OWN}.repository.Repository"

DECLARATIVE: Final = (
    "sqlalchemy.orm.decl_api.DeclarativeBase",
    "sqlalchemy.orm.decl_api.DeclarativeBaseNoMeta",
)
MAPPED: Final = "sqlalchemy.orm.base.Mapped"
TYPE_ENGINE: Final = "sqlalchemy.sql.type_api.TypeEngine"
EXPRESSION: Final = "sqlalchemy.sql.roles.ExpressionElementRole"

LIBRARIES: Final = ("sqlalchemy.", f"{_OWN}.")
"""Where what is defined is no model of anybody's."""

METADATA: Final = _OWN
"""The key of what the plugin keeps with a class in mypy's cache."""
