"""`CheckedConstructorMixin` is there for type checkers, and changes nothing at run time."""

import pytest
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fastapi_sqlalchemy import CheckedConstructorMixin, ModelBase, SQLAlchemy
from fastapi_sqlalchemy.exceptions import UnknownNameError
from tests.verbs import Verb


def test_records_are_made_found_and_compared_as_those_of_other_models(verb: Verb) -> None:
    class Base(ModelBase, DeclarativeBase):
        pass

    class Writer(CheckedConstructorMixin, Base):
        __tablename__ = "writers"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]

    db = SQLAlchemy("sqlite://", model_class=Base)
    db.create_all()
    with verb.scope(db):
        ada = verb(Writer, "new", name="Ada")
        again = verb(Writer, "get", name="Ada")
        assert again is ada
        assert {ada: 1}[again] == 1
        assert Writer(name="Ada") != ada
        with pytest.raises(UnknownNameError):
            Writer(nmae="Ada")  # type: ignore[call-arg]
    db.dispose()
