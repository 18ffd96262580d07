"""Saving one record by one statement: the same rows, records and errors as by the unit of work."""

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext, suppress
from datetime import date
from enum import Enum
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
from sqlalchemy import (
    JSON,
    CheckConstraint,
    Computed,
    ForeignKey,
    String,
    event,
    func,
    inspect,
    select,
    text,
)
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from fastapi_sqlalchemy import SQLAlchemy
from fastapi_sqlalchemy._plans import saving
from fastapi_sqlalchemy.exceptions import RolledBackError, StaleRecordError
from tests.plans.both import Seen, assert_same, seen_in


class Colour(Enum):
    RED = "r"
    BLUE = "b"


class Shop(NamedTuple):
    """A database, and its models."""

    db: SQLAlchemy
    item: Any
    line: Any
    part: Any
    begin: Callable[[], None]
    """Leaves it the first rows only."""


def shop_at(url: str, *, plans: bool) -> Shop:
    db = SQLAlchemy(url, plans=plans)
    made: list[int] = []

    def next_number() -> int:
        made.append(len(made))
        return len(made)

    class Item(db.Base):
        __tablename__ = "items"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(String(20), unique=True)
        price: Mapped[int | None] = mapped_column(CheckConstraint("price > 0"))
        colour: Mapped[Colour | None]
        state: Mapped[str] = mapped_column(String(20), default="new")
        number: Mapped[int] = mapped_column(default=next_number)
        since: Mapped[date | None]
        lines: Mapped[list["Line"]] = relationship(back_populates="item", passive_deletes="all")

    class Line(db.Base):
        __tablename__ = "lines"

        order: Mapped[int] = mapped_column(primary_key=True)
        place: Mapped[int] = mapped_column(primary_key=True)
        text: Mapped[str | None] = mapped_column("what", String(20))
        item_id: Mapped[int | None] = mapped_column(ForeignKey("items.id"))
        item: Mapped[Item | None] = relationship(back_populates="lines")

    class Part(db.Base):
        __tablename__ = "parts"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str | None] = mapped_column(String(20))
        kind: Mapped[str] = mapped_column(String(20), server_default="plain")
        edits: Mapped[int] = mapped_column(default=0, onupdate=text("edits + 1"))
        twice: Mapped[int | None] = mapped_column(Computed("edits * 2", persisted=True))
        document: Mapped[Any] = mapped_column(JSON)

    def begin() -> None:
        db.metadata.drop_all(db.engine)
        db.create_all()
        made.clear()
        with db():
            Item.new(name="known", number=100)
            Item.query.all()

    begin()
    return Shop(db, Item, Line, Part, begin)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def shops(request: pytest.FixtureRequest) -> Iterator[Callable[[], Iterator[Shop]]]:
    """Shops without plans and with them, one after the other."""

    def each() -> Iterator[Shop]:
        for plans in (False, True):
            server = request.param == "postgresql"
            url = request.getfixturevalue("postgres_url") if server else "sqlite://"
            shop = shop_at(url, plans=plans)
            yield shop
            shop.db.metadata.drop_all(shop.db.engine)
            shop.db.dispose()

    return each  # type: ignore[return-value]  # a fixture that yields nothing


Act = Callable[[Shop], Any]


def rows_of(shop: Shop) -> list[Any]:
    with shop.db.engine.connect() as connection:
        tables = shop.db.metadata.sorted_tables
        return [
            [tuple(r) for r in connection.execute(select(t).order_by(*t.primary_key))]
            for t in tables
        ]


def result_of(shop: Shop, act: Act, noted: Mapping[str, Any] = MappingProxyType({})) -> Seen:
    """What shows of an act, and of its session, once it is over.

    Args:
        shop: Where it happens.
        act: What happens.
        noted: What it notes by itself.
    """
    seen: Seen = {}
    with shop.db():
        try:
            found = act(shop)
        except Exception as error:
            seen["error"] = type(error).__name__, str(error).partition("\n")[0]
            found = None
        seen["records"] = [told(each) for each in all_of(found)]
        if {"error", "caught"} & (seen.keys() | noted.keys()):
            gc.collect()  # what an error's traceback holds is not held by the session
        held = list(shop.db.session.identity_map.keys())
        seen["held"] = sorted(str(key[1:]) for key in held)
        seen["waits"] = len(shop.db.session.new), len(shop.db.session.dirty)
        seen["usable"] = shop.item.query.count()
        seen["transaction"] = shop.db.session.in_transaction()
    seen["rows"] = rows_of(shop)
    return seen


def all_of(found: Any) -> tuple[Any, ...]:
    """The one record that an act gives, or the several."""
    return found if isinstance(found, tuple) else (found,)


def told(record: Any) -> Any:
    seen = seen_in(record)
    if isinstance(seen, dict) and "model" in seen:
        seen["model"] = seen["model"].__name__
        seen["key"] = None if seen["key"] is None else seen["key"][1:]
        for name, (kind, shown) in seen["values"].items():  # SQL is shown by its address
            seen["values"][name] = kind, shown.partition(" at 0x")[0]
    return seen


def failing(act: Callable[[], Any]) -> None:
    with pytest.raises(Exception):  # noqa: B017, PT011 - which one is not the question here
        act()


def read(record: Any, name: str) -> Any:
    getattr(record, name)
    return record


def change(record: Any, **values: Any) -> Any:
    for name, value in values.items():
        setattr(record, name, value)
    return record


def fails_then_saves(shop: Shop) -> Any:
    item = shop.item(name="known", number=1)
    failing(item.save)
    return change(item, name="other").save()


def update_fails_then_saves(shop: Shop) -> Any:
    item = shop.item.new(name="one", number=1)
    failing(lambda: item.update(name="known"))
    return item, change(item, price=5).save()


def deleted_in_the_database(shop: Shop) -> Any:
    item = shop.item.new(name="gone", number=1)
    with shop.db():
        shop.item.get_one(item.id).delete()
    return change(item, name="still").save()


def saves_two(shop: Shop) -> Any:
    shop.db.session.add(shop.item(name="two"))
    return shop.item.new(name="one")


ACTS: dict[str, Act] = {
    "new": lambda s: s.item.new(name="one", price=3, colour=Colour.RED, since=date(2024, 1, 1)),
    "new with defaults": lambda s: s.item.new(name="one"),
    "new with NULLs": lambda s: s.item.new(name="one", price=None, state=None, number=None),
    "new with a key": lambda s: s.item.new(id=50, name="one"),
    "new with SQL": lambda s: s.item.new(name=func.lower("ONE"), number=1),
    "new by a composite key": lambda s: s.line.new(order=1, place=2, text="a"),
    "new beside another": lambda s: (s.line.new(order=1, place=1, item=s.item(name="two")),),
    "new with a reference": lambda s: s.line.new(order=1, place=1, item_id=1),
    "new with a wrong reference": lambda s: s.line.new(order=1, place=1, item_id=99),
    "new with what the database makes": lambda s: s.part.new(name="p", document={"a": 1}),
    "new without a document": lambda s: s.part.new(name="p", document=None),
    "a name that is taken": lambda s: s.item.new(name="known"),
    "a check that fails": lambda s: s.item.new(name="one", price=-1),
    "NOT NULL": lambda s: s.item.new(price=3),
    "a value of another type": lambda s: s.item.new(name="one", price="many"),
    "a value that no driver takes": lambda s: s.item.new(name=object()),
    "update": lambda s: s.item.new(name="one").update(price=7, colour=Colour.BLUE),
    "update to NULL": lambda s: s.item.new(name="one", price=3).update(price=None),
    "update to the same": lambda s: s.item.new(name="one", price=3).update(price=3),
    "update of nothing": lambda s: s.item.get_one(1).update(),
    "update from nothing": lambda s: s.item.get_one(1).update_from({}),
    "update by SQL": lambda s: s.item.new(name="one", price=3).update(price=s.item.price + 1),
    "update of a key": lambda s: s.line.new(order=1, place=1).update(place=2),
    "update of a column by another name": lambda s: s.line.new(order=1, place=1).update(text="b"),
    "update of a relationship": lambda s: s.line.new(order=1, place=1).update(item=s.item.get(1)),
    "update of what counts itself": lambda s: s.part.new(document=1).update(name="q"),
    "update of a loaded record": lambda s: s.item.get_one(1).update(price=9),
    "save of what was set": lambda s: change(s.item.get_one(1), price=2, name="set").save(),
    "save of nothing": lambda s: s.item.get_one(1).save(),
    "delete": lambda s: s.item.new(name="one").delete(),
    "delete of a loaded record": lambda s: s.item.get_one(1).delete(),
    "delete of what has loaded others": lambda s: read(s.item.get_one(1), "lines").delete(),
    "delete of a reference": lambda s: s.line.new(order=1, place=1, item_id=1).delete(),
    "delete of what is needed": lambda s: (
        s.line.new(order=1, place=1, item_id=1),
        s.item.get_one(1).delete(),
    ),
    "a failed save and then another": fails_then_saves,
    "a failed update and then a save": update_fails_then_saves,
    "a row that is gone": deleted_in_the_database,
    "save of two": saves_two,
    "without a commit": lambda s: s.item(name="one").save(commit=False),
}


@pytest.mark.parametrize("act", ACTS)
def test_the_outcome_is_the_same_on_both_paths(shops: Any, act: str) -> None:
    plain, planned = (result_of(shop, ACTS[act]) for shop in shops())
    assert_same(planned, plain)


Within = Callable[[Shop, Act, Seen], Any]


class GoBack(Exception):
    """Rolls a block back."""


def look(seen: Seen, when: str, shop: Shop, found: Any) -> None:
    """What shows at some moment of the records, and of the session."""
    seen[when] = (
        [told(each) for each in all_of(found)],
        sorted(str(key[1:]) for key in shop.db.session.identity_map.keys()),  # noqa: SIM118
        (len(shop.db.session.new), len(shop.db.session.dirty)),
    )


def caught(shop: Shop, act: Act, seen: Seen) -> Any:
    """What an act gives, or None where it fails; and what shows then."""
    try:
        found = act(shop)
    except Exception as error:
        seen["caught"] = type(error).__name__
        found = None
    look(seen, "within", shop, found)
    return found


def in_a_block(shop: Shop, act: Act, seen: Seen) -> Any:
    with shop.db.transaction():
        found = act(shop)
        look(seen, "within", shop, found)
    return found


def in_a_block_after_another(shop: Shop, act: Act, seen: Seen) -> Any:
    with shop.db.transaction():
        shop.item.new(name="first", number=7)
        found = caught(shop, act, seen)
        last = shop.item.new(name="last", number=8)
    return (*all_of(found), last)


def in_a_block_that_fails(shop: Shop, act: Act, seen: Seen) -> Any:
    held = shop.item.get_one(1)
    found: Any = None
    with suppress(GoBack), shop.db.transaction():
        found = caught(shop, act, seen)
        raise GoBack
    return (held, *all_of(found))


def in_a_savepoint_that_fails(shop: Shop, act: Act, seen: Seen) -> Any:
    with shop.db.transaction():
        held = shop.item.new(name="first", number=7)
        found = in_a_block_that_fails(shop, act, seen)
        look(seen, "between", shop, found)
        held.update(price=5)
    return (held, *found)


def in_a_savepoint(shop: Shop, act: Act, seen: Seen) -> Any:
    with shop.db.transaction():
        held = shop.item.new(name="first", number=7)
        with shop.db.transaction():
            found = act(shop)
        look(seen, "between", shop, found)
    return (held, *all_of(found))


def in_a_scope_that_commits_late(shop: Shop, act: Act, seen: Seen) -> Any:
    with shop.db(commit_on_exit=True):
        found = act(shop)
        look(seen, "within", shop, found)
    return found


def in_a_scope_that_commits_late_and_fails(shop: Shop, act: Act, seen: Seen) -> Any:
    found: Any = None
    with suppress(GoBack), shop.db(commit_on_exit=True):
        found = act(shop)
        raise GoBack
    return found


def in_a_scope_that_goes_on(shop: Shop, act: Act, seen: Seen) -> Any:
    with shop.db(commit_on_exit=True):
        found = caught(shop, act, seen)
        shop.item.new(name="last", number=8)
        return found


WITHIN: list[Within] = [
    *(in_a_block_after_another, in_a_block_that_fails),
    *(in_a_savepoint_that_fails, in_a_scope_that_goes_on),
]
ALSO_WITHIN: list[Within] = [
    *(in_a_block, in_a_savepoint),
    *(in_a_scope_that_commits_late, in_a_scope_that_commits_late_and_fails),
]


def outcome_within(shop: Shop, within: Within, act: Act) -> Seen:
    shop.begin()
    seen: Seen = {}
    return result_of(shop, lambda shop: within(shop, act, seen), seen) | seen


@pytest.mark.parametrize(
    "within",
    [*WITHIN, *[pytest.param(each, marks=pytest.mark.slow) for each in ALSO_WITHIN]],
    ids=lambda each: each.__name__,
)
def test_the_outcome_is_the_same_in_a_transaction(
    shops: Callable[[], Iterator[Shop]], within: Within
) -> None:
    plain, planned = (
        # another session would wait for the transaction
        {
            name: outcome_within(shop, within, act)
            for name, act in ACTS.items()
            if act is not deleted_in_the_database
        }
        for shop in shops()
    )
    for name, found in planned.items():
        assert_same({name: found}, {name: plain[name]})


ALONE = {
    "new": {"insert"},
    "new with defaults": {"insert"},
    "new by a composite key": {"insert"},
    "new with a reference": {"insert"},
    "new with SQL": set(),
    "new beside another": set(),
    "new with what the database makes": set(),
    "update": {"insert", "update"},
    "update by SQL": {"insert"},
    "update of a key": {"insert"},
    "update of a relationship": {"insert"},
    "update of what counts itself": set(),
    "save of what was set": {"update"},
    "delete": {"insert", "delete"},
    "delete of what has loaded others": set(),
    "delete of a reference": {"insert", "delete"},
    "save of two": set(),
    "without a commit": {"insert"},
}


@pytest.mark.parametrize("block", [False, True], ids=["alone", "in a block"])
@pytest.mark.parametrize("act", ALONE)
def test_one_statement_does_it_where_that_is_all(
    monkeypatch: pytest.MonkeyPatch, act: str, *, block: bool
) -> None:
    shop = shop_at("sqlite://", plans=True)
    done: set[str] = set()

    def noting(verb: str, store: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        def stores(session: Any, state: Any) -> Any:
            alone = yield from store(session, state)
            if alone:
                done.add(verb)
            return alone

        return stores

    for verb, name in (("insert", "_inserted"), ("update", "_updated"), ("delete", "_deleted")):
        monkeypatch.setattr(saving, name, noting(verb, getattr(saving, name)))
    with shop.db(), shop.db.transaction() if block else nullcontext():
        ACTS[act](shop)
    assert done == ALONE[act]


@pytest.mark.parametrize(
    "name",
    ["before_flush", "after_flush", "before_commit", "after_commit", "pending_to_persistent"],
)
def test_a_listener_hears_of_what_a_session_writes(name: str) -> None:
    shop = shop_at("sqlite://", plans=True)
    heard: list[Any] = []

    def listener(*args: Any) -> None:
        heard.append(args)

    event.listen(Session, name, listener)
    try:
        with shop.db():
            shop.item.new(name="one")
    finally:
        event.remove(Session, name, listener)
    assert len(heard) == 1


@pytest.mark.parametrize("block", [False, True], ids=["alone", "in a block"])
@pytest.mark.parametrize("name", ["after_rollback", "pending_to_transient"])
def test_a_listener_hears_of_what_a_session_could_not_write(name: str, *, block: bool) -> None:
    shop = shop_at("sqlite://", plans=True)
    heard: list[Any] = []
    with shop.db(), shop.db.transaction() if block else nullcontext():
        event.listen(shop.db.session, name, lambda *args: heard.append(args))
        failing(lambda: shop.item.new(name="known"))
        assert len(heard) == 1


def test_a_listener_hears_of_the_next_save_of_a_transaction() -> None:
    shop = shop_at("sqlite://", plans=True)
    heard: list[Any] = []
    with shop.db(), shop.db.transaction():
        item = shop.item.new(name="one")
        event.listen(shop.db.session, "after_flush", lambda *args: heard.append(args))
        item.update(price=3)
    assert len(heard) == 1


def heard_in_a_block(shop: Shop) -> list[str]:
    """What a session tells of its transactions, and the engine of savepoints."""
    heard: list[str] = []
    with shop.db(), shop.db.transaction():
        shop.item.new(name="one")
        session, engine = shop.db.session, shop.db.engine
        event.listen(session, "after_transaction_create", lambda *_: heard.append("begun"))
        event.listen(engine, "savepoint", lambda *_: heard.append("savepoint"))
        item = shop.item.new(name="two", price=2)
        item.update(price=shop.item.price + 1)
        item.save()
        item.delete()
    return heard


def test_what_is_no_single_statement_has_one_savepoint(postgres_url: str) -> None:
    plain, planned = (shop_at(postgres_url, plans=plans) for plans in (False, True))
    expected = heard_in_a_block(plain)
    planned.begin()
    assert heard_in_a_block(planned) == expected
    for shop in (plain, planned):
        shop.db.dispose()


def test_a_default_is_called_once_where_somebody_listens_to_the_connection() -> None:
    shop = shop_at("sqlite://", plans=True)
    with shop.db(), shop.db.transaction():
        first = shop.item.new(name="one")
        event.listen(shop.db.session.connection(), "before_cursor_execute", lambda *_: None)
        assert shop.item.new(name="two").number == first.number + 1


@pytest.mark.parametrize("block", [False, True], ids=["alone", "in a block"])
def test_a_saved_record_is_known_although_only_another_one_had_changed(*, block: bool) -> None:
    shop = shop_at("sqlite://", plans=True)
    with shop.db(), shop.db.transaction() if block else nullcontext():
        item = shop.item.get_one(1)
        shop.db.session.expire(item)
        shop.db.session.add(shop.item(name="two"))
        assert "name" not in inspect(item.save()).unloaded


def refused_after_a_loss(shop: Shop) -> list[str]:
    """What each save of a block raises, the first of which loses all of it."""
    with shop.db.engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER lost BEFORE INSERT ON items WHEN new.name = 'bad' BEGIN "
            "SELECT RAISE(ROLLBACK, 'lost'); END"
        )
    errors: list[str] = []
    with suppress(RolledBackError), shop.db(), shop.db.transaction():
        held = shop.item.new(name="one")
        for act in (
            lambda: shop.item.new(name="bad"),
            lambda: shop.item.new(name="two"),
            lambda: held.update(price=3),
            held.delete,
        ):
            try:
                act()
            except Exception as error:
                errors.append(type(error).__name__)
            else:
                errors.append("none")
    assert len(rows_of(shop)[0]) == 1
    return errors


def test_nothing_is_stored_after_all_was_lost() -> None:
    plain, planned = (refused_after_a_loss(shop_at("sqlite://", plans=p)) for p in (False, True))
    assert planned == plain


@pytest.mark.parametrize("plans", [False, True])
def test_a_rollback_takes_back_the_key_that_stood_for_none(*, plans: bool) -> None:
    shop = shop_at("sqlite://", plans=plans)
    with shop.db():
        item = shop.item(id=None, name="one")
        with suppress(GoBack), shop.db.transaction():
            item.save()
            raise GoBack
        assert (item.id, item.number) == (None, None)


COUNTED = """
CREATE SEQUENCE sent MINVALUE 0 START 0;
CREATE FUNCTION count_sent() RETURNS trigger AS
    $$ BEGIN PERFORM nextval('sent'); RETURN NULL; END $$ LANGUAGE plpgsql;
CREATE TRIGGER counted AFTER UPDATE OR DELETE ON items
    FOR EACH STATEMENT EXECUTE FUNCTION count_sent();
SELECT nextval('sent')
"""
"""A sequence counts also what is rolled back."""

MISSES: dict[str, Callable[[Any], Any]] = {
    "update": lambda item: item.update(name="two"),
    "save": lambda item: change(item, name="two").save(),
    "delete": lambda item: item.delete(),
}


@pytest.mark.parametrize("verb", MISSES)
def test_a_row_that_is_gone_is_looked_for_once(postgres_url: str, verb: str) -> None:
    shop = shop_at(postgres_url, plans=True)
    with shop.db(), shop.db.engine.begin() as connection:
        connection.exec_driver_sql(COUNTED)
    with shop.db():
        item = shop.item.new(name="one")
        with shop.db.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE items DISABLE TRIGGER counted")
            connection.exec_driver_sql("DELETE FROM items WHERE name = 'one'")
            connection.exec_driver_sql("ALTER TABLE items ENABLE TRIGGER counted")
        if verb == "delete":
            MISSES[verb](item)
        else:
            with pytest.raises(StaleRecordError):
                MISSES[verb](item)
    with shop.db.engine.begin() as connection:
        assert connection.exec_driver_sql("SELECT last_value FROM sent").scalar() == 1
    shop.db.dispose()


def test_a_listener_hears_of_values_that_an_update_sets() -> None:
    shop = shop_at("sqlite://", plans=True)
    with shop.db():
        item = shop.item.new(name="one", price=1)
        item.update(price=2)
        heard: list[Any] = []
        event.listen(shop.item.price, "set", lambda *args: heard.append(args[1:3]))
        item.update(price=3)
        item.update(price=4, name="two")
        assert heard == [(3, 2), (4, 3)]
        assert rows_of(shop)[0][-1][1:3] == ("two", 4)


def test_a_listener_decides_what_an_update_sets() -> None:
    shop = shop_at("sqlite://", plans=True)
    with shop.db():
        item = shop.item.new(name="one", price=1)
        event.listen(shop.item.name, "set", lambda _, new, *__: new.upper(), retval=True)
        assert item.update(name="two").name == "TWO"
        assert rows_of(shop)[0][-1][1] == "TWO"


def test_an_update_by_one_statement_begins_no_transaction() -> None:
    shop = shop_at("sqlite://", plans=True)
    with shop.db():
        item = shop.item.get_one(1)
        item.update(price=2)
        assert "dispatch" not in vars(shop.db.session)  # which every transaction makes
        assert not inspect(item).modified


def test_what_an_update_could_not_store_is_not_set() -> None:
    shop = shop_at("sqlite://", plans=True)
    with shop.db():
        item = shop.item.new(name="one", price=1)
        failing(lambda: item.update(price=-1, name="two"))
        assert (item.price, item.name) == (1, "one")
        assert not inspect(item).modified
        assert item.update(price=5).price == 5


@pytest.mark.parametrize("name", ["before_insert", "after_insert"])
def test_a_listener_hears_of_the_records_that_are_written(name: str) -> None:
    shop = shop_at("sqlite://", plans=True)
    heard: list[Any] = []
    event.listen(shop.item, name, lambda *args: heard.append(args))
    with shop.db():
        shop.item.new(name="one")
    assert len(heard) == 1


def test_what_a_trigger_changes_is_found_by_a_refresh() -> None:
    shop = shop_at("sqlite://", plans=True)
    with shop.db.engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER louder AFTER INSERT ON items BEGIN "
            "UPDATE items SET name = upper(name) WHERE id = new.id; END"
        )
    with shop.db():
        item = shop.item.new(name="one")
        assert item.name == "one"  # as with the unit of work
        assert item.refresh().name == "ONE"


def test_a_record_that_was_saved_alone_is_persistent() -> None:
    shop = shop_at("sqlite://", plans=True)
    with shop.db():
        item = shop.item.new(name="one")
        assert inspect(item).persistent
        found: Any = shop.db.session.get(shop.item, item.id)
        assert found is item
        found.delete()
        assert inspect(item).deleted  # as by the unit of work, where a commit expires nothing


@pytest.mark.parametrize("plans", [False, True])
def test_a_record_that_was_deleted_alone_is_what_the_unit_of_work_makes_of_it(plans: bool) -> None:
    shop = shop_at("sqlite://", plans=plans)
    with shop.db():
        item = shop.item.new(name="one")
        item.delete()
        state = inspect(item)
        assert (state.deleted, state.detached, state.was_deleted) == (True, False, True)
