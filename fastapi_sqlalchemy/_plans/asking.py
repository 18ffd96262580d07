"""From what a chain says to its plan, and what that finds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import BindParameter, Dialect, orm, select
from sqlalchemy.engine import Result

from fastapi_sqlalchemy._deletion import hiding, is_deleted
from fastapi_sqlalchemy._types import AnySelect

from . import mappings
from .loaders import Load, dict_loader, loader_of, processors_of, row_loader, value_loader
from .plans import Plan, Plans
from .statements import Refused, Statement
from .steps import Key, Step

__all__ = ["DICTS", "RECORDS", "ROWS", "VALUE", "Shape", "compose"]

Binds = list["BindParameter[Any] | None"]

Kind = Callable[["orm.Mapper[Any]", Statement, Dialect], Plan]
"""Makes the plan of a statement, by what its rows are to become."""


def compose(model: type[Any], steps: tuple[Step, ...]) -> tuple[AnySelect, Binds]:
    """The statement that the calls of a chain make, and where their values are in it."""
    statement: AnySelect = select(model)
    binds: Binds = []
    for step in steps:
        statement, own = step.apply(statement)
        binds += own
    return statement, binds


class Shape(NamedTuple):
    """What a terminal asks, as far as that can be told without a statement."""

    model: type[Any]
    """What is asked about."""

    steps: tuple[Step, ...]
    """The calls of the chain."""

    kind: Kind
    """What its rows are to become."""

    terminal: str
    """Its name, where it makes a statement of its own out of the chain's."""

    compose: Callable[[], tuple[AnySelect, Binds]]
    """The statement of the terminal."""

    ident: Key | None = None
    """What is looked for by the primary key alone: the session may have it."""

    @classmethod
    def of_key(cls, model: type[Any], key: Key) -> Shape:
        """That of `get()`."""
        steps = (key,)
        return cls(model, steps, RECORDS, "get", lambda: compose(model, steps), key)

    def key(self) -> tuple[Any, ...] | None:
        """What all statements have in common that one plan serves; None is not known."""
        # the last first: it looks at the others too, once for all
        keys = [step.key for step in reversed(self.steps)]
        if None in keys:
            return None
        mapper: orm.Mapper[Any] = self.model.__mapper__
        return self.model, self.terminal, bool(hiding(mapper)), *keys

    def answer(self, session: orm.Session) -> list[Any] | None:
        """What a plan finds; None where SQLAlchemy has to look.

        Raises:
            sqlalchemy.exc.DBAPIError: The database refused the statement.
        """
        plans: Plans | None = getattr(session, "_plans", None)
        if plans is None:
            return None
        found = self._plan(plans, session)
        if isinstance(found, str):
            return None
        if (record := self._known(session)) is not None:
            return None if _is_unsure(record) else [record]
        return plans.run(session, found, self._values)

    async def aanswer(self, session: orm.Session) -> list[Any] | None:
        """The same, of a lone read whose driver can be awaited; None where it is to be `answer`."""
        plans: Plans | None = getattr(session, "_plans", None)
        if plans is None:
            return None
        found = self._plan(plans, session)
        if isinstance(found, str):
            return None
        if (record := self._known(session)) is not None:
            return None if _is_unsure(record) else [record]
        return await plans.arun(session, found, self._values)

    def learn(self, session: orm.Session, found: Result[Any]) -> None:
        """What rows are like, from a result of SQLAlchemy's: a plan makes such rows."""
        plans: Plans | None = getattr(session, "_plans", None)
        if plans is not None and not isinstance(plan := self._plan(plans, session), str):
            plan.learn(found)

    def obstacle(self, session: orm.Session) -> str | None:
        """Why SQLAlchemy has to look."""
        plans: Plans | None = getattr(session, "_plans", None)
        if plans is None:
            return "plans are off for this session"
        found = self._plan(plans, session)
        return found if isinstance(found, str) else None

    def _known(self, session: orm.Session) -> Any:
        return None if self.ident is None else session.identity_map.get(self.ident.identity)

    def _plan(self, plans: Plans, session: orm.Session) -> Plan | str:
        if (key := self.key()) is None:
            return "an expression has no key in SQLAlchemy's cache of statements"
        plan = plans.find(key, lambda: self._new_plan(plans))
        if isinstance(plan, str):
            return plan
        return plans.obstacle(session, plan) or plan

    def _values(self) -> tuple[Any, ...]:
        if len(self.steps) == 1:
            return self.steps[0].values
        return tuple([value for step in self.steps for value in step.values])

    def _new_plan(self, plans: Plans) -> Plan:
        mapper: orm.Mapper[Any] = orm.class_mapper(self.model)
        composed, binds = self.compose()
        if options := hiding(mapper):
            composed = composed.options(*options)
        dialect = plans.engine.dialect
        values = tuple([value for step in self.steps for value in step.constants])
        return self.kind(mapper, Statement(composed, dialect, binds, values), dialect)


def _is_unsure(record: Any) -> bool:
    """Whether SQLAlchemy asks the database although the session has the record."""
    return bool(record._sa_instance_state.expired) or is_deleted(record)


def _records(mapper: orm.Mapper[Any], statement: Statement, dialect: Dialect) -> Plan:
    if (obstacle := mappings.obstacle(mapper)) is not None:
        raise Refused(obstacle)

    def load(description: Sequence[Any]) -> Load:
        processors = processors_of(statement.compiled, dialect, description)
        return loader_of(mapper, statement.compiled, processors)

    return Plan(statement, load, mapper, records=True)


def _value(mapper: orm.Mapper[Any], statement: Statement, dialect: Dialect) -> Plan:
    def load(description: Sequence[Any]) -> Load:
        return value_loader(processors_of(statement.compiled, dialect, description))

    return Plan(statement, load, mapper)


def _dicts(mapper: orm.Mapper[Any], statement: Statement, dialect: Dialect) -> Plan:
    names = _names(statement)

    def load(description: Sequence[Any]) -> Load:
        return dict_loader(names, processors_of(statement.compiled, dialect, description))

    return Plan(statement, load, mapper)


def _names(statement: Statement) -> list[str]:
    names = [each["name"] for each in statement.source.column_descriptions]
    if len(set(names)) < len(names):
        raise Refused("two columns have the same name")
    return names


def _rows(mapper: orm.Mapper[Any], statement: Statement, dialect: Dialect) -> Plan:
    _names(statement)
    plan: Plan

    def load(description: Sequence[Any]) -> Load:
        return row_loader(plan.row, processors_of(statement.compiled, dialect, description))

    plan = Plan(statement, load, mapper, learns=True)
    return plan


RECORDS: Final[Kind] = _records
VALUE: Final[Kind] = _value
DICTS: Final[Kind] = _dicts
ROWS: Final[Kind] = _rows
