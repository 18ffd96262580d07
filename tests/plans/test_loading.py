"""How a plan makes records: whatever their model is like, they are what SQLAlchemy makes."""

import copy
import gc
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Column, Integer, String, TypeDecorator, inspect
from sqlalchemy.orm import Mapped, mapped_column
from typing_extensions import override

from fastapi_sqlalchemy import SQLAlchemy
from tests.blog import User

from .both import seen_in, without_plans


class Slotted:
    __slots__ = ("own",)


class Layered:
    """A dict and weak references, by classes of their own."""

    __slots__ = ("__dict__",)


class Ending:
    ended = 0

    def __del__(self) -> None:
        Ending.ended += 1
        assert vars(self), "it was never filled"


def of_bases(*bases: type) -> Callable[[SQLAlchemy], Any]:
    def define(db: SQLAlchemy) -> Any:
        names = {
            "__tablename__": "things",
            "id": mapped_column(Integer, primary_key=True),
            "name": mapped_column(String(9)),
        }
        return type("Thing", (*bases, db.Base), names)

    return define


def of_names(*names: str) -> Callable[[SQLAlchemy], Any]:
    def define(db: SQLAlchemy) -> Any:
        columns = {name: Column(f"c{n}", Integer) for n, name in enumerate(names)}
        members = {"__tablename__": "things", "id": Column(Integer, primary_key=True)}
        return type("Thing", (db.Base,), members | columns)

    return define


MODELS = {
    "of slots": of_bases(Slotted),
    "of layers": of_bases(Layered),
    "that end": of_bases(Ending),
    "with names that no source has": of_names("class", "é", "two words", "\ufb01"),
    "of many columns": of_names(*(f"n{number}" for number in range(40))),
    "of as many columns as share keys": of_names(*(f"n{number}" for number in range(28))),
    "of one column": of_names(),
}


@pytest.mark.parametrize("define", MODELS.values(), ids=MODELS)
def test_records_of_a_model(define: Callable[[SQLAlchemy], Any], sqlite_file_url: str) -> None:
    db = SQLAlchemy(sqlite_file_url)
    model = define(db)
    db.create_all()
    names = [name for name in model.__mapper__.columns.keys() if name != "id"]  # noqa: SIM118
    with db():
        model.insert_many([dict.fromkeys(names, number) for number in range(3)])
    with db():
        loaded = model.query.order_by(model.id).all()
        seen, order = [seen_in(each) for each in loaded], [list(vars(each)) for each in loaded]
    with without_plans(db):
        by_sqlalchemy = model.query.order_by(model.id).all()
        assert seen == [seen_in(each) for each in by_sqlalchemy]
        assert sorted(order[0]) == sorted(vars(by_sqlalchemy[0]))
    assert {type(each) for each in loaded} == {model}


def test_records_are_changed_each_for_itself(db: SQLAlchemy) -> None:
    with db():
        ada, grace = User.query.order_by(User.id).limit(2).all()
        ada.name = "Lovelace"
        vars(ada)["remark"] = "of her own"
        del vars(grace)["email"]
        assert (ada.name, grace.name) == ("Lovelace", "Grace")
        assert vars(ada).keys() - vars(grace).keys() == {"email", "remark"}
        assert list(db.session.dirty) == [ada]


def test_copies_of_a_record_are_their_own(db: SQLAlchemy) -> None:
    with db():
        ada = User.get_one(1)
    twin = copy.copy(ada)
    twin.__dict__["name"] = "Lovelace"
    assert (ada.name, type(twin)) == ("Ada", User)
    read = pickle.loads(pickle.dumps([ada, ada]))
    assert read[0] is read[1]
    assert read[0].to_dict() == ada.to_dict()


class Even(TypeDecorator[int]):
    impl = Integer
    cache_ok = True

    @override
    def process_result_value(self, value: int | None, dialect: Any) -> int | None:
        if value is not None and value % 2:
            raise ValueError(value)
        return value


@pytest.mark.parametrize("plans", [False, True])
def test_a_record_whose_value_cannot_be_read_leaves_nothing(
    plans: bool, sqlite_file_url: str
) -> None:
    db = SQLAlchemy(sqlite_file_url, plans=plans)

    class Thing(db.Base):
        __tablename__ = "things"

        id: Mapped[int] = mapped_column(primary_key=True)
        number: Mapped[int] = mapped_column(Even)

    db.create_all()
    with db():
        Thing.insert_many([{"number": number} for number in (2, 3, 4)])
    with db():
        assert len(Thing.query.filter_by(number=2).all()) == 1
        with pytest.raises(ValueError, match="3"):
            Thing.query.all()
        gc.collect()
        assert list(db.session.identity_map.keys()) == []
        last = Thing.query.filter_by(number=4).one()
        assert (inspect(last).persistent, db.session.identity_map.values()) == (True, [last])
