"""Generated programs of nested scopes and blocks leave what a plain model of them says.

A program is a list of actions, and a block is an action with a list of its own.  Each is played on
the database and on `Model`, which knows sets of names and nothing of SQL; whenever the program
reads, at the end of every block, and when all is over, both must have the same.
"""

import os
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError, InvalidRequestError

from fastapi_sqlalchemy.exceptions import RolledBackError
from tests.shop import Item, db, lent, names, open_shop
from tests.transactions.model import Model
from tests.transactions.tools import execute, of_session, on_commit
from tests.verbs import COLOURS, Colour, Verb


@dataclass(frozen=True)
class Act:
    """One action: `pick` chooses among the items there are, `levels` how far an error goes."""

    name: str
    pick: int = 0
    levels: int = 1


@dataclass(frozen=True)
class Within:
    """A block: "scope", "late" (a scope that commits), "join", "savepoint", "plain"."""

    kind: str
    body: "list[Action]"


Action = Act | Within


class Leave(Exception):
    """An error that leaves so many blocks."""

    def __init__(self, levels: int) -> None:
        self.levels = levels


class Player:
    """Plays a program on the database and on the model."""

    def __init__(self, verb: Verb) -> None:
        self.verb, self.model = verb, Model()
        self.ran: list[int] = []
        self.number = 0

    def play(self, program: list[Within]) -> None:
        for scope in program:
            with suppress(Leave):
                self.within(scope)
            assert names() == sorted(self.model.stored)
            assert self.ran == self.model.ran
            assert self.verb.inside(lent) == 0

    def within(self, block: Within) -> None:
        kind = block.kind
        if self.model.sessions and kind in ("scope", "late"):
            session = self.model.session
            if session.view is not None or session.blocks or session.pending:
                kind = "join"  # one that waits for a lock of the outer scope would wait for ever
        refused = False
        try:
            with self.manager(kind):
                self.model.enter(kind)
                try:
                    for action in block.body:
                        self.act(action)
                    if kind != "join":
                        self.look()
                except BaseException:
                    self.model.leave(kind, failed=True)
                    raise
                refused = self.model.leave(kind, failed=False)
            assert not refused, "what failed within was committed"
        except RolledBackError:
            assert refused, "nothing had failed within"
            event("refused to commit")
        except Leave as error:
            error.levels -= 1
            if error.levels:
                raise

    def manager(self, kind: str) -> AbstractContextManager[Any]:
        match kind:
            case "join":
                return self.verb.scope(db, join=True)
            case "scope" | "late":
                return self.verb.scope(db, commit_on_exit=kind == "late")
            case _:
                return self.verb.within(lambda: db.transaction(savepoint=kind == "savepoint"))

    def act(self, action: Action) -> None:
        if isinstance(action, Within):
            self.within(action)
        elif action.name == "leave":
            raise Leave(action.levels)
        else:
            getattr(self, action.name)(action.pick)

    def fresh(self, kind: str = "record") -> str:
        self.number += 1
        return f"{kind} {self.number}"

    def some(self, pick: int, kind: str = "record") -> str | None:
        """The name of an item that this scope sees, apart from those that wait."""
        there = sorted(name for name in self.model.session.visible if name.startswith(kind))
        return there[pick % len(there)] if there else None

    def look(self, _: int = 0) -> None:
        """Compare what the scope sees, as rows and as records."""
        session = self.model.session
        session.read()
        statement = select(Item.name).order_by(Item.name)
        assert execute(self.verb, statement).scalars().all() == sorted(session.visible)
        if session.alone:
            # of rows that come from statements the session knows nothing, nor of their end
            query = Item.query.filter(Item.name.startswith("record"))
            records = self.verb(query.order_by(Item.name), "all")
            found = self.verb.inside(lambda: [record.name for record in records])
            assert found == sorted(name for name in session.visible if name.startswith("record"))
            session.records += records

    def keep(self, record: Item) -> None:
        """Keep every other record: what nobody keeps is forgotten, and read anew."""
        if self.number % 2:
            self.model.session.records.append(record)

    def new(self, _: int) -> None:
        name = self.fresh()
        self.keep(self.verb(Item, "new", name=name))
        self.model.session.change(plus=name)

    def new_refused(self, pick: int) -> None:
        if (taken := self.some(pick, "")) is not None:
            with pytest.raises(IntegrityError):
                self.verb(Item, "new", name=taken)

    def add(self, _: int) -> None:
        name = self.fresh()
        record = Item(name=name)
        self.keep(record)
        self.verb.inside(lambda: db.session.add(record))
        self.model.session.pending.append(name)

    def flush(self, _: int) -> None:
        of_session(self.verb, "flush")
        self.model.session.flush()

    def statement(self, _: int) -> None:
        name = self.fresh("row")
        execute(self.verb, insert(Item).values(name=name))
        session = self.model.session
        session.flush()
        session.begin().add(name)

    def one(self, name: str) -> Item:
        self.model.session.read()
        item: Item = self.verb(Item.query.filter_by(name=name), "one")
        return item

    def update(self, pick: int) -> None:
        if (name := self.some(pick)) is not None:
            changed = self.fresh()
            self.keep(self.verb(self.one(name), "update", name=changed))
            self.model.session.change(minus=name, plus=changed)

    def update_refused(self, pick: int) -> None:
        name, taken = self.some(pick), self.some(pick + 1, "")
        if name is not None and taken is not None and name != taken:
            item = self.one(name)
            with pytest.raises(IntegrityError):
                self.verb(item, "update", name=taken)
            self.verb(item, "refresh")
            self.model.session.read()

    def delete(self, pick: int) -> None:
        if (name := self.some(pick)) is not None:
            self.verb(self.one(name), "delete")
            self.model.session.change(minus=name)

    def nested(self, _: int) -> None:
        name = self.fresh()
        self.nest(name)
        session = self.model.session
        session.flush()
        session.begin().add(name)

    def nested_refused(self, pick: int) -> None:
        if (taken := self.some(pick)) is not None:
            with pytest.raises(IntegrityError):
                self.nest(taken)
            self.model.session.flush()
            self.model.session.begin()

    def nest(self, name: str) -> None:
        def blocking() -> None:
            with db.session.begin_nested():
                db.session.add(Item(name=name))

        async def awaited() -> None:
            async with db.async_session.begin_nested():
                db.async_session.add(Item(name=name))

        self.verb.inside(blocking if self.verb.blocking else awaited)

    def commit(self, _: int) -> None:
        self.end("commit", self.model.session.commit)

    def rollback(self, _: int) -> None:
        self.end("rollback", self.model.session.rollback)

    def end(self, name: str, in_model: Any) -> None:
        session = self.model.session
        if session.blocks:
            with pytest.raises(InvalidRequestError, match="Leave the block"):
                of_session(self.verb, name)
        elif not session.late:
            of_session(self.verb, name)
            in_model()

    def hook(self, _: int) -> None:
        self.number += 1
        number = self.number
        on_commit(self.verb, lambda: self.ran.append(number))
        session = self.model.session
        if session.waits:
            session.here.hooks.append(number)
        else:
            self.model.ran.append(number)
        assert self.ran == self.model.ran


ACTS = [
    "new",
    "new",
    "new_refused",
    "add",
    "flush",
    "statement",
    "update",
    "update_refused",
    "delete",
    "nested",
    "nested_refused",
    "commit",
    "rollback",
    "hook",
    "look",
]

KINDS = ["savepoint", "savepoint", "plain", "scope", "late", "join"]


@st.composite
def bodies(draw: st.DrawFn, depth: int) -> list[Action]:
    """Some actions; one in five is a block, one in twenty an error."""
    body: list[Action] = []
    for _ in range(draw(st.integers(1, 7))):
        if depth and draw(st.integers(0, 4)) == 0:
            body.append(draw(blocks(depth - 1, KINDS)))
        elif draw(st.integers(0, 19)) == 0:
            body.append(Act("leave", levels=draw(st.integers(1, 3))))
        else:
            body.append(Act(draw(st.sampled_from(ACTS)), draw(st.integers(0, 3))))
    return body


def blocks(depth: int, kinds: list[str]) -> st.SearchStrategy[Within]:
    return st.builds(Within, st.sampled_from(kinds), bodies(depth))


programs = st.lists(blocks(3, ["scope", "late"]), min_size=1, max_size=3)


def bounded(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize="CI" in os.environ,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


def every_program_agrees(colour: Colour, examples: int) -> None:
    with Verb(colour) as verb:

        @bounded(examples)
        @given(programs)
        def agrees(program: list[Within]) -> None:
            with db.engine.begin() as connection:
                connection.execute(delete(Item))
            Player(verb).play(program)

        agrees()


@pytest.mark.parametrize("colour", COLOURS)
def test_every_program_agrees_with_the_model_on_sqlite(colour: Colour) -> None:
    open_shop("sqlite://")
    every_program_agrees(colour, 150)


@pytest.mark.parametrize("colour", COLOURS)
def test_every_program_agrees_with_the_model_on_postgresql(
    postgres_url: str, colour: Colour
) -> None:
    open_shop(postgres_url)
    every_program_agrees(colour, 50)
