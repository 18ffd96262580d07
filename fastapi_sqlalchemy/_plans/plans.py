"""The plans of one engine, and what has to hold for each use of one.

What could make a difference is asked for every time: whoever begins to listen, or switches `echo`
on, sees the next statement.  The answers are words for `explain_plan()`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from sqlalchemy import Engine, Row, orm
from sqlalchemy.engine import Result

from fastapi_sqlalchemy._deletion import hiding

from . import mappings, running
from .listeners import OfSessions, OfStatements
from .loaders import Load
from .private import is_tested
from .saving import Change, change_of, is_watched
from .statements import Refused, Statement

__all__ = ["Plan", "Plans"]

Values = Callable[[], tuple[Any, ...]]
"""Gives the values of a statement, when it is sent."""

MOST: Final = 1000
"""Plans that an engine keeps; then the oldest ones go."""

_DRIVERS: Final = frozenset({"pysqlite", "psycopg", "asyncpg"})


class Plan:
    """What is known of all statements of one shape.

    Args:
        statement: The SQL.
        load: Makes what reads the rows, once the driver has described them.
        mapper: That of the model it is about.
        records: Whether its rows become records.
        learns: Whether it has to see a result of SQLAlchemy's before it is used.
    """

    __slots__ = ("_make_load", "load", "mapper", "records", "row", "statement", "waits")

    mapper: orm.Mapper[Any]
    records: bool
    statement: Statement
    waits: bool

    def __init__(
        self,
        statement: Statement,
        load: Callable[[Sequence[Any]], Load],
        mapper: orm.Mapper[Any],
        *,
        records: bool = False,
        learns: bool = False,
    ) -> None:
        self.statement, self._make_load = statement, load
        self.mapper, self.records = mapper, records
        self.load: Load | None = None
        self.row: Callable[[Any], Any] | None = None
        """Makes a row of SQLAlchemy's, once that is known."""
        self.waits = learns

    def learn(self, found: Result[Any]) -> None:
        """Make rows as this result does."""
        metadata: Any = found._metadata
        self.row = partial(Row, metadata, None, metadata._key_to_index)
        self.waits = False

    def read(self, answer: running.Answer, session: Any) -> list[Any]:
        """What the rows are.

        Raises:
            Refused: They are not those that the statement should have.
        """
        if (load := self.load) is None:
            load = self.load = self._make_load(answer.description or ())
        return load(answer.rows, session)


class Plans:
    """Those of one engine.

    Args:
        engine: The engine.
        alone: Whether its connections are in the driver's autocommit until a transaction begins.
    """

    engine: Engine

    def __init__(self, engine: Engine, *, alone: bool) -> None:
        self.engine, self._alone = engine, alone
        self._plans: dict[Any, Plan | str] = {}
        self._statements = OfStatements(engine)
        self._changes: dict[Any, Change | str] = {}
        self._reading: OfSessions | None = None
        self._writing: OfSessions | None = None
        self._options: Any = None
        self._pool: Any = None
        self._lone: running.Lone | None = None

    @classmethod
    def of(cls, engine: Engine, *, alone: bool) -> Plans | None:
        """Those of an engine, where there can be any."""
        known = is_tested() and engine.dialect.driver in _DRIVERS
        return cls(engine, alone=alone) if known else None

    def find(self, key: Any, make: Callable[[], Plan]) -> Plan | str:
        """The plan of a shape, or why there is none."""
        plan = self._plans.get(key)
        if plan is None:
            try:
                plan = make()
            except Refused as refusal:
                plan = str(refusal)
            _keep(self._plans, key, plan)
        return plan

    def obstacle(self, session: Any, plan: Plan) -> str | None:
        """What keeps a session from using a plan now."""
        if self._reading is None:
            self._reading = OfSessions.reading(type(session))
        if self._reading.any(session):
            return "somebody listens to the transactions or loads of sessions"
        if plan.records and mappings.watched(plan.mapper):
            return "somebody listens to the loading of records"
        if session.sees_deleted or session.follows_deleted:
            return "deleted records are loaded too"
        return self._of_engine()

    def _of_engine(self) -> str | None:
        if self._statements.any():
            return "somebody listens to the statements of the engine"
        engine = self.engine
        if engine._execution_options is not self._options:
            if not engine._execution_options.keys() <= running.OPTIONS:
                return "the engine has execution options of its own"
            self._options = engine._execution_options
        if engine.pool is not self._pool:
            if not running.is_known(engine.pool):
                return "the engine has a pool of another kind"
            self._pool = engine.pool
            self._lone = running.Lone(engine.pool) if self._alone else None
        return None

    def change(
        self, session: Any, verb: str, mapper: orm.Mapper[Any], names: tuple[str, ...]
    ) -> Change | None:
        """The statement for one record, where one is all that it takes."""
        key = (verb, mapper.class_, bool(hiding(mapper)), *names)
        change = self._changes.get(key)
        if change is None:
            try:
                change = change_of(verb, mapper, names, self.engine.dialect)
            except Refused as refusal:
                change = str(refusal)
            _keep(self._changes, key, change)
        if self._writing is None:
            self._writing = OfSessions.writing(type(session))
        if isinstance(change, str) or self._writing.any(session) or is_watched(mapper):
            return None
        return change if self._of_engine() is None else None

    async def arun(self, session: Any, plan: Plan, values: Values) -> list[Any] | None:
        """What `run` gives, of a lone read over psycopg; None where it has to be `run`."""
        statement = plan.statement
        if self._lone is None or plan.waits or self.engine.dialect.driver != "psycopg":
            return None
        try:
            parameters = statement.make(values())
        except Exception:  # the processor of a type: SQLAlchemy raises it as an error of its own
            return None
        describe = plan.load is None
        answer = await self._lone.arun(session, statement.sql, parameters, describe=describe)
        return None if answer is None else _read(plan, answer, session)

    def send(self, session: Any, change: Change, values: Values) -> running.Sent | None:
        """Send a statement alone; None where SQLAlchemy has to.

        Args:
            session: Whose statement it is.
            change: The statement.
            values: Makes its values, which may be those of a default: not before it is sure that
                the statement is sent.

        Raises:
            sqlalchemy.exc.DBAPIError: The database refused the statement.
        """
        if self._lone is None:
            return None

        def make() -> Any:
            return change.make(values())

        return self._lone.send(session, change.sql, make, returns=change.returns)

    def run(self, session: Any, plan: Plan, values: Values) -> list[Any] | None:
        """Read what the plan's statement finds; None where SQLAlchemy has to.

        Raises:
            sqlalchemy.exc.DBAPIError: The database refused the statement.
        """
        statement = plan.statement
        if plan.waits:
            return None
        session._autoflush()  # a value may be the key of a record that is stored by that
        try:
            parameters = statement.make(values())
        except Exception:  # the processor of a type: SQLAlchemy raises it as an error of its own
            return None
        answer, describe = None, plan.load is None
        if self._lone is not None and session.reads_alone:
            answer = self._lone.run(session, statement.sql, parameters, describe=describe)
        if answer is None:
            answer = session.ask_within(statement.sql, parameters, describe=describe)
        return None if answer is None else _read(plan, answer, session)


def _read(plan: Plan, answer: running.Answer, session: Any) -> list[Any] | None:
    try:
        return plan.read(answer, session)
    except Refused:
        return None


def _keep(plans: dict[Any, Any], key: Any, plan: Any) -> None:
    while len(plans) >= MOST:
        plans.pop(next(iter(list(plans))), None)  # other threads change it meanwhile
    plans[key] = plan
