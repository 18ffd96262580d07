"""A contestant that answers wrongly, and one whose library there is not."""

from collections.abc import Sequence
from typing import Any

from typing_extensions import override

from benchmarks.contestants import raw
from benchmarks.tasks import CannotDo


class Wrong(raw.SQLite):
    @override
    def count(self, team: int) -> int:
        return super().count(team) + 1

    @override
    def some(self, team: int) -> list[raw.User]:
        return self.some_range(20 * (team - 1) + 1)

    @override
    def update_where(self, change: tuple[int, int]) -> int:
        super().update_where((change[0] + 1, change[1]))
        return super().update_where(change)

    @override
    def exists(self, email: str) -> bool:
        raise CannotDo("does not know what exists")

    @override
    def tuples(self, after: int) -> list[tuple[Any, ...]]:
        raise KeyError("age")


class Careless(raw.SQLite):
    """Keeps its foreign keys off, which would make it quicker."""

    @override
    def open(self, url: str) -> None:
        super().open(url)
        self._execute("PRAGMA foreign_keys = OFF")


class Lazy(raw.SQLite):
    """Says that it has inserted."""

    @override
    def bulk_insert(self, rows: Sequence[Any]) -> None:
        return
