"""What tells a chain's plan, and the value that a plan or SQLAlchemy finds."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from sqlalchemy import orm

from ._chain import Chain
from ._operations import Read
from ._plans.asking import RECORDS, VALUE, Kind, Shape, compose
from ._types import AnySelect, R, T

__all__ = ["Planned"]


@cache
def _has_statement_of_its_own(kind: type[Any]) -> bool:
    """Whether a class of the user's makes another statement than its calls tell."""
    here = __name__.partition(".")[0]
    theirs = [each for each in kind.__mro__ if each.__module__.partition(".")[0] != here]
    return any("statement" in vars(each) for each in theirs)


class Planned(Chain[T]):
    """A chain whose terminals may have plans."""

    __slots__ = ()

    def _shape(self, kind: Kind, terminal: str, make: Callable[[], AnySelect]) -> Shape | None:
        """What tells the plan of a terminal of this chain, where there may be one.

        Args:
            kind: What its rows become.
            terminal: Its name.
            make: Makes the statement of the terminal, once that of the calls is there.
        """
        steps = self._steps
        kind_of_query: Any = type(self)
        if steps is None or _has_statement_of_its_own(kind_of_query):
            return None
        options = self._options
        if options and kind is not RECORDS:
            return None

        def composed() -> Any:
            self._made, binds = compose(self._model, steps)
            return make(), binds

        return Shape(self._model, steps, kind, terminal, composed, options)

    def _count(self) -> Read[int]:
        return self._value("count", self._counted, int)

    def _value(
        self, terminal: str, make: Callable[[], AnySelect], kind: Callable[[Any], R]
    ) -> Read[R]:
        """The value that a statement finds, which has one row.

        Args:
            terminal: The name of the terminal.
            make: Makes the statement.
            kind: What the value becomes.
        """

        def plainly(session: orm.Session) -> R:
            return kind(session.scalars(make()).one())

        return Read(plainly, self._shape(VALUE, terminal, make), lambda found: kind(found[0]))
