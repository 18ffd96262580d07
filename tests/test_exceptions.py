"""The errors of the package: what a caller catches already, and what survives pickling."""

import copy
import inspect
import pickle
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import exc
from sqlalchemy.orm.exc import StaleDataError

from fastapi_sqlalchemy import exceptions
from fastapi_sqlalchemy.exceptions import FastAPISQLAlchemyError

KINDS = {
    name: kind
    for name, kind in vars(exceptions).items()
    if inspect.isclass(kind) and issubclass(kind, Exception) and not name.startswith("_")
}
ERRORS = {
    name: kind
    for name, kind in KINDS.items()
    if issubclass(kind, FastAPISQLAlchemyError) and kind is not FastAPISQLAlchemyError
}


def refused() -> exc.DBAPIError:
    values = {"email": "secret@x"}
    return exc.IntegrityError("INSERT INTO users ...", values, sqlite3.IntegrityError("secret@x"))


def arguments(kind: type[Exception]) -> dict[str, Any]:
    """An argument for each parameter that has no default, by its name."""
    known: dict[str, Any] = {
        "attribute": "posts",
        "code": "e3q8",
        "awaited": True,
        "columns": ["email"],
        "constraint": "users_email_key",
        "dialect": "oracle",
        "error": refused(),
        "expected": "mappings",
        "found": "a list",
        "held_at": "app.py:3 in create",
        "known": ["id", "name"],
        "message": "expected one connection, found two",
        "model": "User",
        "name": "get",
        "needed_by": "awaited access",
        "needs": "a server",
        "option": "selectinload(User.posts)",
        "package": "psycopg",
        "row": 3,
        "reason": "a damaged one",
        "statements": [("SELECT 1", "app.py:3 in show")],
        "repository": "Users",
        "statement": "SELECT users.id\nFROM users",
        "table": "users",
        "tables": ["cars", "vehicles"],
        "timeout": 5.0,
        "targets": [["id"], ["email"]],
        "unknown": "nmae",
        "verb": "filter_by",
        "way_out": "Take one table after the other.",
    }
    return {
        name: known[name]
        for name, parameter in inspect.signature(kind).parameters.items()
        if parameter.default is inspect.Parameter.empty
        and parameter.kind is not inspect.Parameter.VAR_POSITIONAL
    }


def facts(error: BaseException) -> dict[str, Any]:
    """What it was made with and what it keeps, as far as it can be compared."""
    return {
        name: repr(value) if isinstance(value, BaseException) else value
        for name, value in vars(error).items()
        if name != "__notes__"
    }


@pytest.fixture(params=sorted(ERRORS))
def error(request: pytest.FixtureRequest) -> Exception:
    kind: Callable[..., Exception] = ERRORS[request.param]
    return kind(**arguments(ERRORS[request.param]))


@pytest.mark.parametrize("kind", KINDS.values())
def test_every_error_and_warning_is_public(kind: type[Exception]) -> None:
    assert kind.__name__ in exceptions.__all__


@pytest.mark.parametrize(
    "duplicate",
    [
        *(
            pytest.param(
                lambda error, protocol=protocol: pickle.loads(pickle.dumps(error, protocol)),
                id=f"pickled {protocol}",
            )
            for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)
        ),
        pytest.param(copy.copy, id="copied"),
        pytest.param(copy.deepcopy, id="deeply copied"),
    ],
)
def test_an_error_survives(error: Exception, duplicate: Callable[[Exception], Exception]) -> None:
    again = duplicate(error)
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert facts(again) == facts(error)


def test_a_note_of_an_error_survives_pickling(error: Exception) -> None:
    error.add_note("while closing")
    assert pickle.loads(pickle.dumps(error)).__notes__ == ["while closing"]


def test_an_error_has_a_message(error: Exception) -> None:
    assert len(str(error)) > 20


def test_an_error_tells_no_value(error: Exception) -> None:
    assert "secret" not in str(error)
    assert "secret" not in repr(error)


def test_an_error_is_one_of_the_package(error: Exception) -> None:
    assert isinstance(error, FastAPISQLAlchemyError)


@pytest.mark.parametrize(
    ("name", "caught_by"),
    [
        ("MissingSessionError", RuntimeError),
        ("SessionClosedError", exceptions.MissingSessionError),
        ("SessionNotInitialisedError", RuntimeError),
        ("SyncInAsyncError", RuntimeError),
        ("ConcurrencyError", RuntimeError),
        ("MissingDriverError", ImportError),
        ("UnknownNameError", AttributeError),
        ("UnknownNameError", TypeError),
        ("UnknownNameError", exc.InvalidRequestError),
        ("ReservedNameError", TypeError),
        ("MissingModelError", TypeError),
        ("SessionKindError", TypeError),
        ("RowError", TypeError),
        ("RowError", ValueError),
        ("MissingCriterionError", exc.InvalidRequestError),
        ("SeveralTablesError", exc.InvalidRequestError),
        ("ValueOfAnotherTableError", exc.InvalidRequestError),
        ("ConflictTargetError", exc.InvalidRequestError),
        ("ConflictTargetError", ValueError),
        ("UpsertUnsupportedError", NotImplementedError),
        ("RecordNotFoundError", exc.NoResultFound),
        ("NotAColumnError", exc.ArgumentError),
        ("NotAColumnError", TypeError),
        ("NotARelationshipError", exc.ArgumentError),
        ("NotARelationshipError", TypeError),
        ("InvalidSliceError", IndexError),
        ("LazyLoadError", exc.InvalidRequestError),
        ("MultipleRecordsFoundError", exc.MultipleResultsFound),
        ("StaleRecordError", StaleDataError),
        ("NaiveDatetimeError", ValueError),
        ("InvalidPageError", ValueError),
        ("InvalidCursorError", ValueError),
        ("IntegrityError", exc.IntegrityError),
        ("UniqueViolation", exceptions.IntegrityError),
        ("ForeignKeyViolation", exceptions.IntegrityError),
        ("NotNullViolation", exceptions.IntegrityError),
        ("CheckViolation", exceptions.IntegrityError),
    ],
)
def test_an_error_is_what_its_caller_catches_already(name: str, caught_by: type[Exception]) -> None:
    assert issubclass(ERRORS[name], caught_by)


def test_a_missing_driver_names_the_package_and_the_extra() -> None:
    error = exceptions.MissingDriverError("postgresql", package="psycopg", extra="postgresql")
    assert (error.package, error.extra) == ("psycopg", "postgresql")
    assert "pip install psycopg" in str(error)
    assert "pip install 'fastapi-sqlalchemy[postgresql]'" in str(error)
