"""What a plan has found, read as SQLAlchemy's results are."""

from __future__ import annotations

from typing import Generic

from sqlalchemy import exc

from fastapi_sqlalchemy._types import T

__all__ = ["Known"]


class Known(Generic[T]):
    """A result that is complete.

    Args:
        found: What it has.
    """

    __slots__ = ("_found",)

    def __init__(self, found: list[T]) -> None:
        self._found = found

    def all(self) -> list[T]:
        """Everything."""
        return self._found

    def first(self) -> T | None:
        """The first, or None."""
        return self._found[0] if self._found else None

    def one(self) -> T:
        """The only one.

        Raises:
            sqlalchemy.exc.NoResultFound: There is none.
            sqlalchemy.exc.MultipleResultsFound: There are several.
        """
        if not self._found:
            raise exc.NoResultFound("No row was found when one was required")
        return self._only()

    def one_or_none(self) -> T | None:
        """The only one, or None.

        Raises:
            sqlalchemy.exc.MultipleResultsFound: There are several.
        """
        return self._only() if self._found else None

    def _only(self) -> T:
        if len(self._found) > 1:
            raise exc.MultipleResultsFound("Multiple rows were found when exactly one was required")
        return self._found[0]
