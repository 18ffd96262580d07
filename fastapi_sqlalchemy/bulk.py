"""What a query can do to all the rows it finds, in one statement.

The unit of work is not asked: neither its events nor the cascades of relationships happen, only
those of the database.  The session's loaded records are right afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from sqlalchemy import delete as make_delete
from sqlalchemy import orm
from sqlalchemy import update as make_update

from . import _changes
from ._chain import Chain
from ._deletion import SoftDeletable, deletion_of
from ._found import Found
from ._names import mapper_of
from ._operations import Send
from ._plans.asking import Binds, compose
from ._plans.changing import Changing, Setting, is_of_one_table, narrows
from ._plans.steps import Step
from ._types import T

__all__ = ["BulkWrites"]


class BulkWrites(Chain[T]):
    """The terminals of a query that change rows."""

    __slots__ = ()

    def update(
        self, values: Mapping[Any, Any] | None = None, /, *, all_rows: bool = False, **eq: Any
    ) -> int:
        """Set columns of every row that is found, in one UPDATE.

        Values may be SQL about the row, and keys may be attributes. Where the query has more than a
        WHERE, its rows are found by a subquery. Loaded records of these rows are loaded again.

        >>> with echo():
        ...     User.query.filter(User.age > 40).update(age=User.age + 1)
        UPDATE users SET age=(users.age + ?) WHERE users.age > ?
        1

        Args:
            values: What to set, by attribute or by its name.
            all_rows: True where the query has no criterion, to say that this is meant.
            eq: More of it, by name.

        Returns:
            How many rows were found, those that had the values already included.

        Raises:
            MissingCriterionError: The query has neither a criterion nor a limit.
            TypeError: Nothing is to be set.
            UnknownNameError: A name is no column of the model.
            ValueOfAnotherTableError: A value reads another table, and not by a subquery.
            SeveralTablesError: The columns are in several tables (joined-table inheritance).
            IntegrityError: The database refused the change (`sqlalchemy.exc`); nothing was changed.
        """
        return self._runner.run(self._update({**(values or {}), **eq}, all_rows))

    async def aupdate(
        self, values: Mapping[Any, Any] | None = None, /, *, all_rows: bool = False, **eq: Any
    ) -> int:
        """Awaitable twin of `update`."""
        return await self._runner.arun(self._update({**(values or {}), **eq}, all_rows))

    def delete(self, *, all_rows: bool = False, force: bool = False) -> int:
        """Delete every row that is found, in one DELETE.

        Relationships do not cascade: rows that refer to these go where the database says so
        (`ON DELETE CASCADE`), else it refuses. Rows of a model with `SoftDeleteMixin` are marked
        as deleted, by one UPDATE.

        >>> with echo():
        ...     User.query.filter_by(name="Grace").delete()
        DELETE FROM users WHERE users.name = ?
        1

        Args:
            all_rows: True where the query has no criterion, to say that this is meant.
            force: Delete rows that would be marked otherwise.

        Returns:
            How many rows were deleted or marked.

        Raises:
            MissingCriterionError: The query has neither a criterion nor a limit.
            SeveralTablesError: The rows are in several tables (joined-table inheritance).
            IntegrityError: The database refused it (`sqlalchemy.exc`); nothing was deleted.
        """
        return self._runner.run(self._delete(all_rows, force))

    async def adelete(self, *, all_rows: bool = False, force: bool = False) -> int:
        """Awaitable twin of `delete`."""
        return await self._runner.arun(self._delete(all_rows, force))

    def _update(self, values: Mapping[Any, Any], all_rows: bool) -> Send[int]:  # noqa: FBT001
        if (changing := self._changing("update", values, all_rows=all_rows)) is not None:
            return _planned(changing, lambda: self._plain_update(values, all_rows))
        return self._plain_update(values, all_rows)

    def _plain_update(self, values: Mapping[Any, Any], all_rows: bool) -> Send[int]:  # noqa: FBT001
        return _changes.update(self._found(), values, all_rows=all_rows)

    def _delete(self, all_rows: bool, force: bool) -> Send[int]:  # noqa: FBT001
        marks = None if force else deletion_of(self._model)
        if marks is not None:
            return _changes.update(self._found(), marks, all_rows=all_rows, verb="delete")
        if (changing := self._changing("delete", {}, all_rows=all_rows)) is not None:
            return _planned(changing, lambda: self._plain_delete(all_rows))
        return self._plain_delete(all_rows)

    def _plain_delete(self, all_rows: bool) -> Send[int]:  # noqa: FBT001
        return _changes.delete(self._alive()._found(), all_rows=all_rows)

    def _changing(self, verb: str, values: Mapping[Any, Any], *, all_rows: bool) -> Changing | None:
        """What tells the plan of a terminal, where there may be one and nothing to refuse."""
        steps, mapper = self._steps, mapper_of(self._model)
        if steps is None or self._options or issubclass(self._model, SoftDeletable):
            return None
        if not (all_rows or any(map(narrows, steps))) or not is_of_one_table(mapper):
            return None
        if verb == "delete":
            return Changing(self._model, verb, steps, partial(self._composed_delete, steps))
        names = {_changes.name_of(mapper, key): value for key, value in values.items()}
        if (setting := Setting.of(mapper, names, steps)) is None:
            return None
        if setting.clauses:
            _changes.require_own_values(mapper, names)
        compose = partial(self._composed_update, steps, names, setting)
        return Changing(self._model, verb, (*steps, setting), compose)

    def _composed_delete(self, steps: tuple[Step, ...]) -> tuple[Any, Binds]:
        self._made, binds = compose(self._model, steps)
        found = self._found()
        return found.select_for(make_delete(self._model), found.mapper), binds

    def _composed_update(
        self, steps: tuple[Step, ...], names: Mapping[str, Any], setting: Setting
    ) -> tuple[Any, Binds]:
        self._made, binds = compose(self._model, steps)
        found, statement = self._found(), make_update(self._model).values(dict(names))
        return found.select_for(statement, found.mapper), [*binds, *setting.binds(statement)]

    def _found(self) -> Found:
        return Found(
            self._model,
            self._statement,
            self._options,
            joined=self._joined,
            limited=self._sliced,
            distinct=self._distinct,
            own=self._is_of_one_table(),
        )


def _planned(changing: Changing, plain: Callable[[], Send[int]]) -> Send[int]:
    """A change by its plan; where there is none, as it is without plans."""

    def send(session: orm.Session) -> int:
        count = changing.within(session)
        return plain().send(session) if count is None else count

    return Send(send, changing)
