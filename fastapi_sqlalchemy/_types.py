"""Type variables and aliases that two floors or more share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeAlias, TypeVar, TypeVarTuple

from sqlalchemy import ColumnExpressionArgument, Select
from sqlalchemy.sql import roles
from sqlalchemy.sql.elements import SQLCoreOperations

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = [
    "AnySelect",
    "Blocking",
    "Column",
    "Criterion",
    "Options",
    "P",
    "R",
    "T",
    "Ts",
    "V",
    "Values",
]

T = TypeVar("T")
"""A model, or what an operation returns."""

R = TypeVar("R")
"""What a function returns."""

V = TypeVar("V")
"""What a column holds."""

Ts = TypeVarTuple("Ts")
"""What the columns of a row hold."""

P = ParamSpec("P")
"""What a function takes."""

Criterion: TypeAlias = ColumnExpressionArgument[bool]
"""What `filter()` and `where()` take: `User.age > 17`."""

Column: TypeAlias = roles.TypedColumnsClauseRole[V] | SQLCoreOperations[V] | type[V]
"""What a row is made of: `User.name`, `func.count()`, or a model."""

AnySelect: TypeAlias = Select[*tuple[Any, ...]]
"""A SELECT of whatever columns."""

Options: TypeAlias = Mapping[str, Any]
"""Keyword arguments for SQLAlchemy (`create_engine`, `Session`); their types are its own."""

Blocking: TypeAlias = Literal["warn", "raise", "allow"]
"""What becomes of a blocking verb that is called on a running event loop."""

Values: TypeAlias = "BaseModel | Mapping[str, Any]"
"""What comes from outside for the attributes of a record."""
