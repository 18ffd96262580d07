"""What a client cannot set by any road: another name, a mapping, a schema written by hand."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel
from sqlalchemy.orm import DeclarativeBase, Mapped, composite, mapped_column, synonym

from fastapi_sqlalchemy import ModelBase, SQLAlchemy
from tests.verbs import Verb


class Own(ModelBase, DeclarativeBase):
    pass


@dataclass
class Powers:
    admin: bool
    editor: bool


class Account(Own):
    __tablename__ = "accounts"
    __guarded__ = frozenset({"is_admin", "key"})

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(default="account")
    name: Mapped[str | None]
    is_admin: Mapped[bool] = mapped_column(default=False)
    is_editor: Mapped[bool] = mapped_column(default=False)
    token: Mapped[str | None]
    edition: Mapped[int] = mapped_column()
    _hash: Mapped[str | None] = mapped_column("hash")
    is_root: Mapped[bool] = synonym("is_admin")
    is_chief: Mapped[bool] = synonym("is_root")
    key: Mapped[str | None] = synonym("token")
    powers: Mapped[Powers] = composite("is_admin", "is_editor")

    __mapper_args__ = {  # noqa: RUF012 - as SQLAlchemy wants it
        "polymorphic_on": "kind",
        "polymorphic_identity": "account",
        "version_id_col": edition,
    }


class Company(Account):
    __mapper_args__ = {"polymorphic_identity": "company"}  # noqa: RUF012 - as SQLAlchemy wants it


ROADS = {
    "is_admin": True,
    "is_root": True,
    "is_chief": True,
    "powers": Powers(admin=True, editor=True),
    "key": "stolen",
    "token": "stolen",
    "_hash": "stolen",
    "kind": "company",
    "edition": 7,
}


@pytest.fixture
def own_db() -> Iterator[SQLAlchemy]:
    database = SQLAlchemy("sqlite://", model_class=Own)
    database.create_all()
    yield database
    database.dispose()


def held(verb: Verb, account: Account) -> tuple[Any, ...]:
    verb(account, "refresh")
    powers = (account.is_admin, account.is_editor)
    return (*powers, account.token, account._hash, account.kind, account.name)


@pytest.mark.parametrize("road", ROADS)
def test_a_new_record_is_not_given_what_is_kept_back_by_any_name(
    own_db: SQLAlchemy, verb: Verb, road: str
) -> None:
    with verb.scope(own_db):
        account = verb(Account, "new_from", {"name": "Eve", road: ROADS[road]})
        assert held(verb, account) == (False, False, None, None, "account", "Eve")
        assert account.edition == 1


@pytest.mark.parametrize("road", ROADS)
def test_a_record_does_not_change_in_what_is_kept_back_by_any_name(
    own_db: SQLAlchemy, verb: Verb, road: str
) -> None:
    with verb.scope(own_db):
        account = verb(Account, "new", name="Ada")
        verb(account, "update_from", {"name": "Eve", road: ROADS[road]})
        assert held(verb, account) == (False, False, None, None, "account", "Eve")
        assert account.edition == 2


def test_a_schema_of_hand_that_has_it_does_not_set_it(own_db: SQLAlchemy, verb: Verb) -> None:
    class Told(BaseModel):
        name: str
        is_root: bool = True
        kind: str = "company"

    with verb.scope(own_db):
        account = verb(Account, "new_from", Told(name="Eve"))
        assert held(verb, account) == (False, False, None, None, "account", "Eve")
        assert verb(verb(Company, "new_from", Told(name="Inc")), "refresh").kind == "company"


def test_a_column_that_is_guarded_by_another_name_is_in_no_body() -> None:
    assert list(Account.schema(body=True).model_fields) == ["name", "is_editor"]
    assert list(Account.schema(partial=True).model_fields) == ["name", "is_editor"]
