"""The plans of one engine, and what has to hold for each use of one.

What could make a difference is asked for every time: whoever begins to listen, or switches `echo`
on, sees the next statement.  The answers are words for `explain_plan()`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from logging import INFO
from threading import Lock
from typing import Any, Final, TypeVar
from weakref import WeakSet

from sqlalchemy import Connection, Engine, Row, event, orm
from sqlalchemy.engine import Result

from . import awaiting, running
from .beside import Branch, follow
from .inserting import Insertion
from .keeping import keep
from .listeners import OfPool, OfRecords, OfSessions, OfStatements, Silence
from .loaders import Load
from .private import is_tested
from .refusing import Refused
from .rows import RowInsertion
from .saving import Change, Storing, ToSend, change_of
from .statements import Statement

__all__ = ["Plan", "Plans"]

Made = TypeVar("Made", "Plan", Change, Insertion, RowInsertion)
"""What is made once for an engine."""

Values = Callable[[], tuple[Any, ...]]
"""Gives the values of a statement, when it is sent."""

MOST: Final = 1000
"""Plans that an engine keeps; then the oldest ones go."""

_DRIVERS: Final = frozenset({"pysqlite", "psycopg", "asyncpg"})

_all: Final[WeakSet[Plans]] = WeakSet()
_adding: Final = Lock()


class Plan:
    """What is known of all statements of one shape.

    Args:
        statement: The SQL.
        load: Makes what reads the rows, once the driver has described them.
        mapper: That of the model it is about.
        records: Whether its rows become records.
        learns: Whether it has to see a result of SQLAlchemy's before it is used.
        branches: What is loaded beside its records.
    """

    __slots__ = (
        *("_make_load", "branches", "load", "mapper", "row"),
        *("silence", "statement", "waits", "watchers"),
    )

    branches: Sequence[Branch]
    mapper: orm.Mapper[Any]
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
        branches: Sequence[Branch] = (),
    ) -> None:
        self.statement, self._make_load = statement, load
        self.mapper = mapper
        self.watchers: OfRecords | None = None
        if records:
            beside = [each for branch in branches for each in branch.mappers()]
            self.watchers = OfRecords.loading(mapper, *beside)
        self.silence: Silence | None = None
        """That nobody listens who would hear nothing of its use, once that was looked at."""
        self.load: Load | None = None
        self.row: Callable[[Any], Any] | None = None
        """Makes a row of SQLAlchemy's, once that is known."""
        self.waits, self.branches = learns, branches

    def learn(self, found: Result[Any]) -> None:
        """Make rows as this result does."""
        metadata: Any = found._metadata
        self.row = partial(Row, metadata, None, metadata._key_to_index)
        self.waits = False

    def read(self, answer: running.Answer, session: Any) -> list[Any] | None:
        """What the rows are; None where they are not those that the statement should have."""
        rows, description = answer
        if (load := self.load) is None:
            try:
                load = self.load = self._make_load(description or ())
            except Refused:
                return None
        found = load(rows, session)
        if not self.branches:
            return found
        try:
            follow(session, self.branches, found)
        except Refused:
            return None
        return found


class Plans:
    """Those of one engine.

    Args:
        engine: The engine.
        alone: Whether its connections are in the driver's autocommit until a transaction begins.
    """

    engine: Engine

    def __init__(self, engine: Engine, *, alone: bool) -> None:
        self.engine, self._alone = engine, alone
        self.known: dict[Any, Plan | str] = {}
        """By the keys of their shapes; where there is no plan, why not."""
        self._forgotten = 0
        self._statements = OfStatements(engine)
        self._changes: dict[Any, Change | str] = {}
        self._insertions: dict[Any, Insertion | str] = {}
        self._row_insertions: dict[Any, RowInsertion | str] = {}
        self._reading: OfSessions | None = None
        self._writing: OfSessions | None = None
        self._changing: OfSessions | None = None
        self._unchanging: Silence | None = None
        """That nobody listens who would hear of rows that are changed."""
        self._executing: OfSessions | None = None
        self._options: Any = None
        self._pool: Any = None
        self._connections: OfPool | None = None
        self._usual: running.Lone | awaiting.Lone | None = None
        """What sends statements alone, where they can be."""
        self._lone: running.Lone | awaiting.Lone | None = None
        """The same, unless somebody listens to the connections of the pool."""
        with _adding:
            _all.add(self)

    @classmethod
    def of(cls, engine: Engine, *, alone: bool) -> Plans | None:
        """Those of an engine, where there can be any."""
        known = is_tested() and engine.dialect.driver in _DRIVERS
        return cls(engine, alone=alone) if known else None

    def forget(self) -> None:
        """Forget what is known of models."""
        self._forgotten += 1
        self.known.clear()
        self._changes.clear()
        self._insertions.clear()
        self._row_insertions.clear()

    def add(self, key: Any, make: Callable[[], Plan]) -> Plan | str:
        """Keep the plan of a shape, or why there is none."""
        return self._kept(self.known, key, make)

    def _kept(self, kept: dict[Any, Made | str], key: Any, make: Callable[[], Made]) -> Made | str:
        """What is made, or why it is refused; both are kept for the next time."""
        made: Made | str
        before = self._forgotten
        try:
            made = make()
        except Refused as refusal:
            made = str(refusal)
        if self._forgotten == before:  # else it may know less than there is to know by now
            keep(kept, key, made, most=MOST)
        return made

    def obstacle(self, session: Any, plan: Plan) -> str | None:
        """What keeps a session from using a plan now."""
        hidden = session.sees_deleted or session.follows_deleted
        if not hidden and self._is_quiet(session, plan.silence):
            return None
        return self._obstacle(session, plan)

    def _is_quiet(self, session: Any, silence: Silence | None) -> bool:
        """Whether all is as it nearly always is: one look at everything, before one at each."""
        engine: Any = self.engine
        return (
            silence is not None
            and not silence.is_broken()
            and "dispatch" not in session.__dict__
            and not (engine._has_events or Connection._has_events)
            and not engine.logger.isEnabledFor(INFO)
            and engine._execution_options is self._options
            and engine.pool is self._pool
            and self._lone is self._usual
        )

    def _obstacle(self, session: Any, plan: Plan) -> str | None:
        if self._reading is None:
            self._reading = OfSessions.reading(type(session))
        if self._reading.any(session):
            return "somebody listens to the transactions or loads of sessions"
        if plan.watchers is not None and plan.watchers.any():
            return "somebody listens to the loading of records"
        if session.sees_deleted or session.follows_deleted:
            return "deleted records are loaded too"
        if (obstacle := self._of_engine()) is not None:
            return obstacle
        if plan.silence is None:
            plan.silence = self._silence(self._reading, plan.watchers)
        return None

    def _silence(self, *watched: OfRecords | OfSessions | None) -> Silence:
        return Silence.of(self._statements, self._connections, *watched)

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
            self._pool = pool = engine.pool
            self._connections = OfPool(pool)
            self._listen_anew()
            kind = awaiting.Lone if engine.dialect.is_async else running.Lone
            self._usual = kind(pool) if self._alone and pool._recycle == -1 else None
        heard = self._connections is None or self._connections.silence.is_broken()
        self._lone = None if heard else self._usual
        return None

    def _listen_anew(self) -> None:
        """Forget who did not listen, which is known of another pool."""
        self._unchanging = None
        for each in (*self.known.values(), *self._changes.values()):
            if not isinstance(each, str):
                each.silence = None

    def change(
        self, session: Any, verb: str, mapper: orm.Mapper[Any], names: tuple[str, ...]
    ) -> Change | None:
        """The statement for one record, where one is all that it takes."""
        key = (verb, mapper.class_, *names)
        if (change := self._changes.get(key)) is None:
            make = partial(change_of, verb, mapper, names, self.engine.dialect)
            change = self._kept(self._changes, key, make)
        if isinstance(change, str) or change.watchers.any():
            return None
        if self._is_quiet(session, change.silence):
            return change
        if self._writing is None:
            self._writing = OfSessions.writing(type(session))
        if self._writing.any(session) or self._of_engine() is not None:
            return None
        if change.silence is None:
            change.silence = self._silence(self._writing)
        return change

    def keeps_from_changing(self, session: Any) -> str | None:
        """What keeps a session from using any plan that changes rows now."""
        hidden = session.sees_deleted or session.follows_deleted
        if not hidden and self._is_quiet(session, self._unchanging):
            return None
        if self._changing is None:
            self._changing = OfSessions.changing(type(session))
        if self._changing.any(session):
            return "somebody listens to the statements or transactions of sessions"
        if hidden:
            return "deleted records are changed too"
        obstacle = self._of_engine()
        if obstacle is None and self._unchanging is None:
            self._unchanging = self._silence(self._changing)
        return obstacle

    def change_alone(self, session: Any, plan: Plan, values: Values) -> int | None:
        """Send a plan's statement alone, and count its rows; None where SQLAlchemy has to.

        Raises:
            sqlalchemy.exc.DBAPIError: The database refused the statement.
        """
        if self._lone is None or (ready := _ready(plan.statement, values)) is None:
            return None
        sql, parameters = ready
        sent = self._lone.send(session, sql, lambda: parameters, returns=False)
        return None if sent is None else sent[0]

    async def achange_alone(self, session: Any, plan: Plan, values: Values) -> int | None:
        """What `change_alone` does, awaited on the driver itself; None is not done at all."""
        if not isinstance(self._lone, awaiting.Lone):
            return None
        if (ready := _ready(plan.statement, values)) is None:
            return None
        sql, parameters = ready
        sent = await self._lone.asend(session, sql, lambda: parameters, returns=False)
        return None if sent is None else sent[0]

    def change_within(self, session: Any, plan: Plan, values: Values) -> int | None:
        """The same in the session's transaction.

        Raises:
            sqlalchemy.exc.DBAPIError: The database refused the statement.
        """
        if (ready := _ready(plan.statement, values)) is None:
            return None
        changed: int | None = session.change_within(*ready)
        return changed

    def insertion(self, session: Any, mapper: orm.Mapper[Any]) -> Insertion | None:
        """The INSERT of many records of a model, where that is all that it takes."""
        if (found := self._insertions.get(mapper.class_)) is None:
            make = partial(Insertion, mapper, self.engine.dialect)
            found = self._kept(self._insertions, mapper.class_, make)
        if self._writing is None:
            self._writing = OfSessions.writing(type(session))
        if isinstance(found, str) or self._writing.any(session) or found.watchers.any():
            return None
        return found if self._of_engine() is None else None

    def row_insertion(
        self, session: Any, mapper: orm.Mapper[Any], names: tuple[str, ...]
    ) -> RowInsertion | None:
        """The INSERT of rows of a model with these attributes, where that is all that it takes."""
        key = (mapper.class_, *names)
        if (found := self._row_insertions.get(key)) is None:
            make = partial(RowInsertion, mapper, names, self.engine.dialect)
            found = self._kept(self._row_insertions, key, make)
        if self._executing is None:
            self._executing = OfSessions.executing(type(session))
        if isinstance(found, str) or self._executing.any(session):
            return None
        return found if self._of_engine() is None else None

    async def arun(self, session: Any, plan: Plan, values: Values) -> list[Any] | None:
        """What `run` gives, of a lone read that is awaited; None where it has to be `run`."""
        if plan.waits or plan.branches or not isinstance(self._lone, awaiting.Lone):
            return None
        if (ready := _ready(plan.statement, values)) is None:
            return None
        sql, parameters = ready
        describe = plan.load is None
        answer = await self._lone.arun(session, sql, parameters, describe=describe)
        return None if answer is None else plan.read(answer, session)

    def store(self, session: Any, storing: Storing) -> bool:
        """Send what stores a record alone, and give whether that did.

        Raises:
            sqlalchemy.exc.DBAPIError: The database refused it; nothing is stored.
        """
        if (asked := next(storing, None)) is None:
            return False
        change, values = asked
        sent, lone = None, self._lone
        if lone is not None:
            sent = lone.send(session, change.sql, _made(change, values), returns=change.returns)
        return _is_stored(storing, sent)

    def store_within(self, session: Any, storing: Storing, asked: ToSend) -> bool:
        """The same in the session's transaction, which it may begin.

        Args:
            session: The session.
            storing: What stores the record.
            asked: What it said to send.

        Raises:
            sqlalchemy.exc.DBAPIError: The database refused it.
        """
        change, values = asked
        sent = session.store_within(change.sql, _made(change, values), returns=change.returns)
        return _is_stored(storing, sent)

    async def astore(self, session: Any, storing: Storing) -> bool:
        """What `store` does, awaited on the driver itself; False where it has to be `store`."""
        if (asked := next(storing, None)) is None:
            return False
        change, values = asked
        sent, lone = None, self._lone
        if isinstance(lone, awaiting.Lone):
            make = _made(change, values)
            sent = await lone.asend(session, change.sql, make, returns=change.returns)
        return _is_stored(storing, sent)

    def run(self, session: Any, plan: Plan, values: Values) -> list[Any] | None:
        """Read what the plan's statement finds; None where SQLAlchemy has to.

        Raises:
            sqlalchemy.exc.DBAPIError: The database refused the statement.
        """
        if plan.waits:
            return None
        load = plan.load
        answer = self.ask(session, plan.statement, values, describe=load is None)
        if answer is None:
            return None
        if load is None or plan.branches:
            return plan.read(answer, session)
        return load(answer[0], session)

    def ask(
        self, session: Any, statement: Statement, values: Values, *, describe: bool
    ) -> running.Answer | None:
        """Ask with a statement that reads; None where SQLAlchemy has to.

        Raises:
            sqlalchemy.exc.DBAPIError: The database refused it.
        """
        lone = self._lone if session.reads_alone else None
        if lone is None and not session.is_clean():
            session._autoflush()  # a value may be the key of a record that is stored by that
        if (ready := _ready(statement, values)) is None:
            return None
        sql, parameters = ready
        if lone is not None:
            answer = lone.run(session, sql, parameters, describe=describe)
            if answer is not None:
                return answer
        within: running.Answer | None = session.ask_within(sql, parameters, describe=describe)
        return within


def _ready(statement: Statement, values: Values) -> tuple[str, Any] | None:
    try:
        return statement.ready(values())
    except Exception:  # the processor of a type: SQLAlchemy raises it as an error of its own
        return None


def _made(change: Change, values: Values) -> Callable[[], Any]:
    """Makes the parameters, of values which may be defaults: not before they are surely sent."""
    return lambda: change.make(values())


def _is_stored(storing: Storing, sent: running.Sent | None) -> bool:
    """Tell what stores a record what became of it, and ask whether that did."""
    try:
        storing.send(sent)
    except StopIteration as end:
        return bool(end.value)
    raise AssertionError("expected one statement, found two")


@event.listens_for(orm.Mapper, "after_mapper_constructed")
@event.listens_for(object, "attribute_instrument", propagate=True)
def _forget_all(*_: object) -> None:
    """Where a model is defined, which may add to others by a `backref`, or is added to."""
    with _adding:
        everyone = [*_all]
    for each in everyone:
        each.forget()
