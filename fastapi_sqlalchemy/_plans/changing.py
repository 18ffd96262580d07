"""The UPDATE or DELETE of all that a chain finds, as a plan.

SQLAlchemy's own statement is compiled once for a shape: a chain, and the names that are set.  Where
the session holds no record of the model there is nobody to tell which rows were changed, and the
statement is all there is to do: alone outside a transaction, else as one of the transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import partial
from typing import Any, Final, NamedTuple

from sqlalchemy import BindParameter, Column, Dialect, Select, Table, Update, orm

from fastapi_sqlalchemy._deletion import hiding
from fastapi_sqlalchemy._loaded import loaded

from .loaders import Load
from .plain import PLAIN
from .plans import Plan, Plans
from .refusing import Refused
from .statements import Statement
from .steps import Clauses, Equal, Limit, Offset, Step, are_expressions

__all__ = ["Changing", "Setting", "is_of_one_table", "narrows"]

Binds = list["BindParameter[Any] | None"]


def is_of_one_table(mapper: orm.Mapper[Any]) -> bool:
    """Whether the model's rows are those of a table, and of no other model."""
    return (
        mapper.inherits is None
        and mapper.polymorphic_on is None
        and not mapper._inheriting_mappers
        and isinstance(mapper.local_table, Table)
        and mapper.persist_selectable is mapper.local_table
    )


def narrows(step: Step) -> bool:
    """Whether a call of a chain says which rows are meant."""
    if isinstance(step, Clauses):
        return step.verb is Select.where
    return isinstance(step, Equal | Limit | Offset)


class Setting:
    """`update(name="Ada", age=User.age + 1)`, of columns: values, and SQL.

    Args:
        names: What is set.
        sql: The SQL among it, as a step of the chain.
    """

    __slots__ = ("_names", "_plain", "_sql", "clauses")

    constants: tuple[Any, ...] = ()

    def __init__(self, names: Mapping[str, Any], plain: Sequence[str], sql: Clauses | None) -> None:
        self._names, self._plain, self._sql = names, plain, sql
        self.clauses = [names[name] for name in names if name not in plain] if sql else []
        """The SQL."""

    @classmethod
    def of(
        cls, mapper: orm.Mapper[Any], names: Mapping[str, Any], before: tuple[Step, ...]
    ) -> Setting | None:
        """The step, where it depends on the names alone what becomes of the values.

        Args:
            mapper: The model's.
            names: What is set, by attribute.
            before: The calls of the chain.
        """
        settable = _settable(mapper)
        plain, clauses = [], []
        for name, value in names.items():
            if name not in settable:
                return None
            if type(value) in PLAIN or isinstance(value, Enum | dict | list):
                plain.append(name)
            elif are_expressions((value,)):
                clauses.append(value)
            else:
                return None
        sql = Clauses(Update.values, tuple(clauses), before) if clauses else None
        return cls(names, plain, sql) if names else None

    @property
    def key(self) -> Any:
        if self._sql is None:
            return ("set", *self._names)
        return None if self._sql.key is None else ("set", *self._names, *self._plain, self._sql.key)

    @property
    def values(self) -> tuple[Any, ...]:
        plain = tuple([self._names[name] for name in self._plain])
        return plain if self._sql is None else (*plain, *self._sql.values)

    def binds(self, statement: Update) -> Binds:
        """Where the values are in the statement that was made with them."""
        made = dict(zip(self._names, statement._values.values(), strict=True))  # type: ignore[union-attr]  # they are set
        plain: list[Any] = [made[name] for name in self._plain]
        return plain if self._sql is None else [*plain, *self._sql.binds]

    def apply(self, statement: Any) -> tuple[Any, Binds]:
        """The same, for it is no part of the chain's statement."""
        return statement, []


_SETTABLE: Final = "_fastapi_sqlalchemy_settable"


def _settable(mapper: orm.Mapper[Any]) -> frozenset[str]:
    """The attributes that are a column and nothing more."""
    known: frozenset[str] | None = mapper.__dict__.get(_SETTABLE)
    if known is None:
        attributes = mapper.column_attrs
        known = frozenset(
            each.key
            for each in attributes
            if len(each.columns) == 1 and isinstance(each.columns[0], Column)
        )
        mapper.__dict__[_SETTABLE] = known
    return known


class Changing(NamedTuple):
    """What a terminal changes, as far as that can be told without a statement."""

    model: type[Any]
    """Whose rows are changed."""

    verb: str
    """The terminal."""

    steps: tuple[Step, ...]
    """The calls of the chain, and what is set."""

    compose: Callable[[], tuple[Any, Binds]]
    """The statement, and where the values of the steps are in it."""

    def alone(self, session: Any) -> int | None:
        """Change the rows by one statement that is a transaction; None where it takes more.

        Raises:
            sqlalchemy.exc.DBAPIError: The database refused the statement; nothing is changed.
        """
        if (plan := self._plan(session)) is None:
            return None
        plans: Plans = session._plans
        return plans.change_alone(session, plan, self._values)

    async def aalone(self, session: Any) -> int | None:
        """The same, awaited on the driver itself; None is not done at all."""
        if (plan := self._plan(session)) is None:
            return None
        plans: Plans = session._plans
        return await plans.achange_alone(session, plan, self._values)

    def within(self, session: Any) -> int | None:
        """Change them in the session's transaction; None where SQLAlchemy has to.

        Raises:
            sqlalchemy.exc.DBAPIError: The database refused the statement.
        """
        if (plan := self._plan(session)) is None:
            return None
        plans: Plans = session._plans
        return plans.change_within(session, plan, self._values)

    def _plan(self, session: Any) -> Plan | None:
        plans: Plans | None = getattr(session, "_plans", None)
        if plans is None or plans.keeps_from_changing(session) is not None:
            return None
        mapper: orm.Mapper[Any] = self.model.__mapper__
        if session.identity_map._dict and loaded(session, mapper):
            return None
        # the last first: it looks at the others too, once for all
        keys = [step.key for step in reversed(self.steps)]
        if None in keys:
            return None
        key = (self.model, self.verb, bool(hiding(mapper)), *keys)
        if (plan := plans.known.get(key)) is None:
            plan = plans.add(key, partial(self._new_plan, plans.engine.dialect))
        return None if isinstance(plan, str) else plan

    def _values(self) -> tuple[Any, ...]:
        return tuple([value for step in self.steps for value in step.values])

    def _new_plan(self, dialect: Dialect) -> Plan:
        mapper: orm.Mapper[Any] = orm.class_mapper(self.model)
        composed, binds = self.compose()
        if self.verb == "update" and (options := hiding(mapper)):
            composed = composed.options(*options)
        constants = [value for step in self.steps for value in _constants(step)]
        statement = Statement(composed, dialect, binds, tuple(constants))
        compiled = statement.compiled
        if compiled.effective_returning or compiled.update_prefetch:
            raise Refused("a column has a value that is made for each statement")
        return Plan(statement, _no_rows, mapper)


def _constants(step: Step) -> tuple[Any, ...]:
    return step.values if isinstance(step, Setting) else step.constants


def _no_rows(_: Sequence[Any]) -> Load:
    raise Refused("the statement has no rows")
