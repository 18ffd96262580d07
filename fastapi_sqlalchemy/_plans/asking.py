"""From what a chain says to its plan, and what that finds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from sqlalchemy import BindParameter, Dialect, orm, select
from sqlalchemy.engine import Result
from typing_extensions import override

from fastapi_sqlalchemy._deletion import hiding, is_deleted
from fastapi_sqlalchemy._types import AnySelect

from . import mappings
from .beside import branches_of, key_of
from .loaders import Load, dict_loader, loader_of, processors_of, row_loader, value_loader
from .plain import BOUND
from .plans import Plan, Plans
from .refusing import Refused
from .statements import Statement
from .steps import Step

__all__ = ["DICTS", "RECORDS", "ROWS", "VALUE", "OfKey", "Shape", "compose"]

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


class Shape:
    """What a terminal asks, as far as that can be told without a statement.

    Args:
        model: What is asked about.
        steps: The calls of the chain.
        kind: What its rows are to become.
        terminal: Its name: each makes a statement of its own out of the chain's.
        make: Makes the statement, and tells where its values are.
        options: The loader options of the statement.
    """

    __slots__ = ("_kind", "_make", "_model", "_options", "_steps", "_terminal")

    def __init__(
        self,
        model: type[Any],
        steps: tuple[Step, ...],
        kind: Kind,
        terminal: str,
        make: Callable[[], tuple[AnySelect, Binds]],
        options: tuple[Any, ...] = (),
    ) -> None:
        self._model, self._steps, self._kind = model, steps, kind
        self._terminal, self._make, self._options = terminal, make, options

    def answer(self, session: orm.Session) -> list[Any] | None:
        """What a plan finds; None where SQLAlchemy has to look.

        Raises:
            sqlalchemy.exc.DBAPIError: The database refused the statement.
        """
        plans: Plans | None = getattr(session, "_plans", None)
        if plans is None or isinstance(found := self._plan(plans, session), str):
            return None
        known: Any = session.identity_map
        if known._dict and (record := self.known_to(session)) is not None:
            return None if _is_unsure(record) else [record]
        return plans.run(session, found, self._values)

    async def aanswer(self, session: orm.Session) -> list[Any] | None:
        """The same, of a lone read whose driver can be awaited; None where it is to be `answer`."""
        plans: Plans | None = getattr(session, "_plans", None)
        if plans is None or isinstance(found := self._plan(plans, session), str):
            return None
        if (record := self.known_to(session)) is not None:
            return None if _is_unsure(record) else [record]
        return await plans.arun(session, found, self._values)

    def known_to(self, session: orm.Session) -> Any:
        """The record that is asked for by its key, where a session has it."""
        return None

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

    def _plan(self, plans: Plans, session: orm.Session) -> Plan | str:
        """The plan that a session can use now, or why there is none."""
        if (key := self._key()) is None:
            if key_of(self._options) is None:
                return "the query has loader options other than `selectinload()`"
            return "an expression has no key in SQLAlchemy's cache of statements"
        if (plan := plans.known.get(key)) is None:
            plan = plans.add(key, partial(self._new_plan, plans.engine.dialect))
        if isinstance(plan, str):
            return plan
        return plans.obstacle(session, plan) or plan

    def _key(self) -> tuple[Any, ...] | None:
        """What all statements have in common that one plan serves; None is not known."""
        steps = self._steps
        if len(steps) == 1 and not self._options:
            key = steps[0].key
            return None if key is None else (self._model, self._terminal, key)
        # the last first: it looks at the others too, once for all
        keys = [step.key for step in reversed(steps)]
        if self._options:
            keys.append(key_of(self._options))
        return None if None in keys else (self._model, self._terminal, *keys)

    def _values(self) -> tuple[Any, ...]:
        if len(self._steps) == 1:
            return self._steps[0].values
        return tuple([value for step in self._steps for value in step.values])

    def _new_plan(self, dialect: Dialect) -> Plan:
        mapper: orm.Mapper[Any] = orm.class_mapper(self._model)
        statement, binds = self._make()
        if options := hiding(mapper):
            statement = statement.options(*options)
        values = tuple([value for step in self._steps for value in step.constants])
        return self._kind(mapper, Statement(statement, dialect, binds, values), dialect)


class OfKey(Shape):
    """What `get()` asks: for the record with a primary key, which the session may have.

    Args:
        mapper: The model's.
        ident: The values of the key.
    """

    __slots__ = ("_ident", "_mapper")

    _options = ()

    def __init__(self, mapper: orm.Mapper[Any], ident: tuple[Any, ...]) -> None:
        self._mapper, self._ident = mapper, ident

    @classmethod
    def of(cls, model: type[Any], ident: Any) -> OfKey | None:
        """The same, where it is known what SQLAlchemy makes of such a key."""
        mapper: orm.Mapper[Any] | None = getattr(model, "__mapper__", None)
        if mapper is None:
            return None
        if type(ident) is not tuple:
            plain = type(ident) in BOUND and len(mapper.primary_key) == 1
            return cls(mapper, (ident,)) if plain else None
        plain = len(ident) == len(mapper.primary_key) and all(type(each) in BOUND for each in ident)
        return cls(mapper, ident) if plain else None

    @override
    def known_to(self, session: orm.Session) -> Any:
        return session.identity_map.get((self._mapper._identity_class, self._ident, None))

    @override
    def _key(self) -> tuple[Any, ...]:
        ident = self._ident
        kinds = type(ident[0]) if len(ident) == 1 else (*map(type, ident),)
        return self._mapper, kinds

    @override
    def _values(self) -> tuple[Any, ...]:
        return self._ident

    @override
    def _new_plan(self, dialect: Dialect) -> Plan:
        # the criterion of `session.get()`
        criterion, parameters = self._mapper._get_clause
        statement = select(self._mapper.class_).where(criterion).options(*hiding(self._mapper))
        binds = [parameters[column] for column in self._mapper.primary_key]
        return RECORDS(self._mapper, Statement(statement, dialect, binds, self._ident), dialect)


def _is_unsure(record: Any) -> bool:
    """Whether SQLAlchemy asks the database although the session has the record."""
    return bool(record._sa_instance_state.expired) or is_deleted(record)


def _records(mapper: orm.Mapper[Any], statement: Statement, dialect: Dialect) -> Plan:
    if (obstacle := mappings.obstacle(mapper)) is not None:
        raise Refused(obstacle)

    options = statement.source._with_options

    def load(description: Sequence[Any]) -> Load:
        processors = processors_of(statement.compiled, dialect, description)
        return loader_of(mapper, statement.compiled, processors, options=options)

    branches = branches_of(mapper, options, dialect)
    return Plan(statement, load, mapper, records=True, branches=branches)


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
