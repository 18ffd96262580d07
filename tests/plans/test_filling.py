"""Constructors: a record that was given its values at once is as if each had been set."""

from collections.abc import Callable, Iterator
from inspect import signature
from typing import Any

import pytest
from sqlalchemy import ForeignKey, event, inspect, orm
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.ext.mutable import MutableDict
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import JSON

from fastapi_sqlalchemy import SQLAlchemy
from fastapi_sqlalchemy._plans import filling
from fastapi_sqlalchemy.exceptions import UnknownNameError
from tests.plans.both import seen_in


@pytest.fixture
def database(sqlite_file_url: str) -> Iterator[SQLAlchemy]:
    db = SQLAlchemy(sqlite_file_url)
    yield db
    db.dispose()


@pytest.fixture
def thing(database: SQLAlchemy) -> Any:
    class Thing(database.Base):
        __tablename__ = "things"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str | None]
        size: Mapped[int] = mapped_column(default=3)
        notes: Mapped[str | None] = mapped_column(deferred=True)
        data: Mapped[dict[str, Any] | None] = mapped_column(MutableDict.as_mutable(JSON()))
        checked: Mapped[str | None]
        parent_id: Mapped[int | None] = mapped_column(ForeignKey("things.id"))
        parent: Mapped[Any] = orm.relationship("Thing", remote_side=id, back_populates="parts")
        parts: Mapped[list[Any]] = orm.relationship("Thing", back_populates="parent")
        alias: Mapped[str | None] = orm.synonym("name")

        @orm.validates("checked")
        def check(self, _: str, value: str) -> str:
            return value.strip()

        @hybrid_property
        def loud(self) -> str:
            return str(self.name).upper()

        @loud.inplace.setter
        def _set_loud(self, value: str) -> None:
            self.name = value.lower()

    orm.configure_mappers()
    return Thing


VALUES: dict[str, Callable[[Any], dict[str, Any]]] = {
    "nothing": lambda _: {},
    "a value": lambda _: {"name": "a"},
    "values in an order of their own": lambda _: {"size": 1, "name": None, "id": 7},
    "a validated one": lambda _: {"name": "a", "checked": " b "},
    "a mutable one": lambda _: {"data": {"a": 1}, "name": "a"},
    "a deferred one": lambda _: {"notes": "long"},
    "a synonym": lambda _: {"alias": "a"},
    "a hybrid": lambda _: {"size": 1, "loud": "A"},
    "records": lambda thing: {"name": "a", "parent": thing(), "parts": [thing()]},
}


def _set_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastapi_sqlalchemy.model.filled", lambda *_: False)


def _seen(record: Any) -> Any:
    """All that shows of a record, with others that it refers to by their class."""
    seen = seen_in(record)
    seen["values"] = {
        key: (kind, type(vars(record)[key])) for key, (kind, _) in seen["values"].items()
    }
    seen["changed"] = {key: type(old) for key, old in inspect(record).committed_state.items()}
    histories = {each.key: each.history.added for each in inspect(record).attrs}
    return seen, list(vars(record)), {key: len(new or ()) for key, new in histories.items()}


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_a_new_record_is_the_same(
    thing: Any, monkeypatch: pytest.MonkeyPatch, values: Callable[[Any], dict[str, Any]]
) -> None:
    thing()
    made = thing(**values(thing))
    longer = _longer(thing)
    filled = thing.__new__(thing)
    longer(filled, **values(thing))
    _set_one_by_one(monkeypatch)
    one_by_one = thing.__new__(thing)
    longer(one_by_one, **values(thing))
    assert _seen(made) == _seen(filled) == _seen(one_by_one)


def _longer(model: Any) -> Any:
    """SQLAlchemy's constructor."""
    return inspect(model).class_manager.new_init


def _goes_the_long_way(monkeypatch: pytest.MonkeyPatch, make: Callable[[], Any]) -> bool:
    """Whether a record is made by SQLAlchemy."""
    calls: list[Any] = []
    initialize: Any = orm.InstanceState._initialize_instance

    def noting(*args: Any, **values: Any) -> None:
        calls.append(args)
        initialize(*args, **values)

    with monkeypatch.context() as patched:
        patched.setattr(orm.InstanceState, "_initialize_instance", noting)
        make()
    return bool(calls)


def test_plain_values_are_given_by_a_shorter_constructor(
    thing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    thing(name="the first one sees what there is to see")
    assert not _goes_the_long_way(monkeypatch, lambda: thing(name="a", size=1))
    assert not _goes_the_long_way(monkeypatch, lambda: thing())
    assert _goes_the_long_way(monkeypatch, lambda: thing(name="a", checked="b"))
    assert _goes_the_long_way(monkeypatch, lambda: type("Unmapped", (thing,), {})(name="a"))


def test_a_constructor_shows_what_it_takes(thing: Any) -> None:
    assert str(signature(thing)) == str(signature(_longer(thing)))[1:].replace("self, ", "(")
    with pytest.raises(UnknownNameError, match="nmae"):
        thing(nmae="a")


def test_a_record_that_was_made_can_be_given_values_once_more(thing: Any) -> None:
    thing()
    record = thing(name="a")
    state = inspect(record)
    record.__init__(name="b")
    assert (record.name, inspect(record)) == ("b", state)


def test_who_listens_to_new_records_hears_of_them_from_that_moment(thing: Any) -> None:
    heard: list[Any] = []

    def listen(record: Any, _: Any, values: dict[str, Any]) -> None:
        heard.append((type(record), values))

    thing(name="before")
    event.listen(thing, "init", listen)
    thing(name="while")
    event.remove(thing, "init", listen)
    thing(name="after")
    assert heard == [(thing, {"name": "while"})]


def test_a_model_is_configured_by_its_first_record_after_another_was_defined(
    thing: Any, database: SQLAlchemy
) -> None:
    thing()

    class Other(database.Base):
        __tablename__ = "others"
        id: Mapped[int] = mapped_column(primary_key=True)
        thing_id: Mapped[int] = mapped_column(ForeignKey("things.id"))
        whose: Mapped[Any] = orm.relationship(thing, backref="others")

    other = Other()
    assert thing(others=[other]).others == [other]
    assert other.whose.others == [other]


def test_an_heir_has_a_shorter_constructor_too(
    database: SQLAlchemy, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Parent(database.Base):
        __tablename__ = "parents"
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str]
        name: Mapped[str]

    class Child(Parent):
        __tablename__ = "children"
        id: Mapped[int] = mapped_column(ForeignKey("parents.id"), primary_key=True)
        size: Mapped[int]

    class Typed(database.Base):
        __tablename__ = "typed"
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str]
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "typed"}  # noqa: RUF012

    assert [Typed().kind, Typed().kind] == ["typed"] * 2
    ids: list[int | None] = [Child().id, Parent().id]
    assert ids == [None, None]
    assert not _goes_the_long_way(monkeypatch, lambda: Child(name="a", size=1))
    assert vars(Child(name="a", size=1)).keys() >= {"name", "size"}
    assert inspect(Child(name="a")).mapper.class_ is Child


def test_plain_values_are_given_at_once(thing: Any) -> None:
    heard = inspect(thing).class_manager["name"].impl
    blank = thing()
    assert filling.filled(blank, {"name": "a", "size": 1})
    assert (blank.name, blank.size, heard.get_history(*_state(blank)).added) == ("a", 1, ["a"])
    assert not filling.filled(blank, {"name": "b"})
    assert not filling.filled(thing(), {"name": "a", "checked": "b"})
    assert not filling.filled(thing(), {"nmae": "a"})


def _state(record: Any) -> tuple[Any, Any]:
    return inspect(record), vars(record)


def test_a_listener_hears_of_values_from_the_moment_it_listens(thing: Any) -> None:
    heard: list[Any] = []

    def listen(record: Any, value: Any, *_: Any) -> None:
        heard.append(value)

    thing(name="before")
    event.listen(thing.name, "set", listen)
    thing(name="while", size=1)
    event.remove(thing.name, "set", listen)
    thing(name="after")
    assert heard == ["while"]


def test_what_a_listener_of_new_records_sets_comes_first(thing: Any) -> None:
    @event.listens_for(thing, "init")
    def set_size(record: Any, _: Any, values: dict[str, Any]) -> None:
        record.size = 9
        values["name"] = "from a listener"

    record = thing()
    assert (record.size, record.name, list(vars(record))[1:]) == (
        9,
        "from a listener",
        ["size", "name"],
    )


def test_a_constructor_of_ones_own_may_set_before_and_after(database: SQLAlchemy) -> None:
    class Own(database.Base):
        __tablename__ = "own"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]
        size: Mapped[int]

        def __init__(self, **values: Any) -> None:
            self.size = 1
            super().__init__(**values)
            self.name = self.name * 2

    record = Own(name="a")
    assert (record.name, record.size) == ("aa", 1)
    assert set(inspect(record).committed_state) == {"name", "size"}


def test_a_setattr_of_ones_own_is_called(database: SQLAlchemy) -> None:
    heard: list[str] = []

    class Own(database.Base):
        __tablename__ = "own"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]

        def __setattr__(self, name: str, value: Any) -> None:
            heard.append(name)
            super().__setattr__(name, value)

    Own(name="a")
    assert "name" in heard


def test_an_unknown_name_is_refused_and_nothing_is_set(thing: Any) -> None:
    with pytest.raises(UnknownNameError):
        thing(name="a", nmae="b")


def test_it_is_stored_with_its_defaults(database: SQLAlchemy, thing: Any) -> None:
    database.create_all()
    with database():
        stored = thing.new(name="a", data={"x": 1})
        assert (stored.id, stored.size, stored.data) == (1, 3, {"x": 1})
        assert not inspect(stored).modified
