"""Type variables and aliases that two floors or more share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, ParamSpec, TypeAlias, TypeVar

from sqlalchemy import ColumnExpressionArgument

__all__ = ["Blocking", "Criterion", "Options", "P", "R", "T"]

T = TypeVar("T")
"""A model, or what an operation returns."""

R = TypeVar("R")
"""What a function returns."""

P = ParamSpec("P")
"""What a function takes."""

Criterion: TypeAlias = ColumnExpressionArgument[bool]
"""What `filter()` and `where()` take: `User.age > 17`."""

Options: TypeAlias = Mapping[str, Any]
"""Keyword arguments for SQLAlchemy (`create_engine`, `Session`); their types are its own."""

Blocking: TypeAlias = Literal["warn", "raise", "allow"]
"""What becomes of a blocking verb that is called on a running event loop."""
