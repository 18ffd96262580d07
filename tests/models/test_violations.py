"""A constraint that a save would break is told by name, with the table and columns it is about."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import CheckConstraint, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fastapi_sqlalchemy import ModelBase, SQLAlchemy
from fastapi_sqlalchemy.exceptions import (
    CheckViolation,
    ForeignKeyViolation,
    IntegrityError,
    NotNullViolation,
    UniqueViolation,
)
from tests.blog import created
from tests.verbs import Verb


class Base(ModelBase, DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class Town(Base):
    __tablename__ = "towns"
    __table_args__ = (
        UniqueConstraint("name", "country", name="one_of_a_name"),
        CheckConstraint("people >= 0", name="not_fewer_than_none"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    country: Mapped[str] = mapped_column(String(2), default="GB")
    people: Mapped[int] = mapped_column(default=0)
    part_of: Mapped[int | None] = mapped_column(ForeignKey("towns.id", name="part_of_a_town"))


@pytest.fixture(autouse=True)
def towns(url: str) -> Iterator[None]:
    with created(db, url):
        with db():
            Town.new(name="London")
        yield


@pytest.fixture
def dialect() -> str:
    return db.engine.dialect.name


VIOLATIONS: dict[str, tuple[dict[str, Any], type[IntegrityError]]] = {
    "unique": ({"name": "London"}, UniqueViolation),
    "foreign key": ({"name": "secret", "part_of": 404}, ForeignKeyViolation),
    "null": ({"name": None}, NotNullViolation),
    "check": ({"name": "secret", "people": -1}, CheckViolation),
}


def violated(verb: Verb, name: str) -> IntegrityError:
    values, kind = VIOLATIONS[name]
    with verb.scope(db), pytest.raises(kind) as caught:
        verb(Town, "new", **values)
    assert type(caught.value) is kind
    return caught.value


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_refused_new_tells_the_kind_of_constraint(verb: Verb, name: str) -> None:
    violated(verb, name)


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_refused_update_tells_the_kind_of_constraint(verb: Verb, name: str) -> None:
    values, kind = VIOLATIONS[name]
    with verb.scope(db):
        town = verb(Town, "new", name="Leeds")
        with pytest.raises(kind):
            verb(town, "update", **values)


def test_a_refused_delete_tells_the_kind_of_constraint(verb: Verb) -> None:
    with verb.scope(db):
        london = verb(Town.query, "one")
        verb(Town, "new", name="Soho", part_of=london.id)
        with pytest.raises(ForeignKeyViolation):
            verb(london, "delete")


@pytest.mark.parametrize(
    ("name", "constraint"),
    [
        ("unique", "one_of_a_name"),
        ("foreign key", "part_of_a_town"),
        ("check", "not_fewer_than_none"),
    ],
)
def test_the_constraint_is_named_where_the_driver_names_it(
    verb: Verb, dialect: str, name: str, constraint: str
) -> None:
    error = violated(verb, name)
    unnamed = dialect == "sqlite" and name != "check"
    assert error.constraint == (None if unnamed else constraint)


@pytest.mark.parametrize("name", VIOLATIONS)
def test_the_table_is_named_where_the_driver_names_it(verb: Verb, dialect: str, name: str) -> None:
    error = violated(verb, name)
    silent = {
        "sqlite": {"foreign key", "check"},
        "mysql": {"unique", "null"},
        "postgresql": set[str](),
    }
    assert error.table == (None if name in silent[dialect] else "towns")


@pytest.mark.parametrize(
    ("name", "columns"),
    [("unique", ("name", "country")), ("foreign key", ("part_of",)), ("null", ("name",))],
)
def test_the_columns_are_named_where_the_driver_names_them(
    verb: Verb, dialect: str, name: str, columns: tuple[str, ...]
) -> None:
    error = violated(verb, name)
    silent = {"sqlite": {"foreign key"}, "mysql": {"unique"}, "postgresql": set[str]()}
    assert error.columns == (() if name in silent[dialect] else columns)


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_violation_tells_the_statement_and_no_value(verb: Verb, name: str) -> None:
    error = violated(verb, name)
    assert "INSERT INTO towns" in str(error)
    for value in ("secret", "London", "404"):
        assert value not in str(error)


def test_the_error_of_the_driver_is_kept(verb: Verb) -> None:
    error = violated(verb, "unique")
    assert isinstance(error.orig, Exception)
    assert error.__cause__ is not None
