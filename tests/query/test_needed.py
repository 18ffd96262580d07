"""What must be there: `get_one` raises, the `_or_404` terminals answer over HTTP."""

import pickle
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import exc
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from fastapi_sqlalchemy import DBSessionMiddleware, SQLAlchemy
from fastapi_sqlalchemy.exceptions import MultipleRecordsFoundError, RecordNotFoundError
from tests.blog import User
from tests.verbs import Verb
from tests.web.clients import TestClient


@pytest.fixture(autouse=True)
def ada_and_bob(db: SQLAlchemy) -> None:
    with db(commit_on_exit=True):
        for name in ("Ada", "Bob"):
            User.new(email=f"{name}@x", name=name)


nobody = User.query.filter_by(email="secret@x")

FOUND: dict[str, tuple[Any, str, tuple[Any, ...]]] = {
    "first": (User.query.order_by(User.id), "first_or_404", ()),
    "one": (User.query.filter_by(name="Ada"), "one_or_404", ()),
    "get": (User.query, "get_or_404", (1,)),
    "get_one": (User.query, "get_one", (1,)),
    "get_one with criteria": (User.query.filter_by(name="Ada"), "get_one", (1,)),
    "Model.get_one": (User, "get_one", (1,)),
    "Model.get_one with criteria": (User, "get_one", (User.name == "Ada",)),
    "Model.get_or_404": (User, "get_or_404", (1,)),
    "Model.get_or_404 with criteria": (User, "get_or_404", (User.name == "Ada",)),
    "rows": (User.query.with_entities(User.id).filter_by(name="Ada"), "one_or_404", ()),
}
MISSING: dict[str, tuple[Any, str, tuple[Any, ...]]] = {
    "first": (nobody, "first_or_404", ()),
    "one": (nobody, "one_or_404", ()),
    "get": (User.query, "get_or_404", (9,)),
    "get None": (User.query, "get_or_404", (None,)),
    "get with criteria": (nobody, "get_or_404", (1,)),
    "rows": (nobody.with_entities(User.id), "first_or_404", ()),
    "Model.get_or_404": (User, "get_or_404", (9,)),
    "Model.get_or_404 with criteria": (User, "get_or_404", (User.email == "secret@x",)),
}


@pytest.mark.parametrize("kind", FOUND)
def test_what_is_there_is_given(verb: Verb, db: SQLAlchemy, kind: str) -> None:
    target, terminal, arguments = FOUND[kind]
    with verb.scope(db):
        found = verb(target, terminal, *arguments)
    assert (found.id if kind != "rows" else found[0]) == 1


@pytest.mark.parametrize("kind", MISSING)
def test_what_is_missing_is_an_http_answer(verb: Verb, db: SQLAlchemy, kind: str) -> None:
    target, terminal, arguments = MISSING[kind]
    with verb.scope(db), pytest.raises(HTTPException) as caught:
        verb(target, terminal, *arguments)
    error = caught.value
    assert (error.status_code, error.detail, error.headers) == (404, "User not found", None)
    assert isinstance(error, RecordNotFoundError)
    assert isinstance(error, exc.NoResultFound)
    assert "FROM users" in str(error)
    assert "secret" not in str(error) + repr(error) + error.detail


@pytest.mark.parametrize(
    ("terminal", "arguments"), [("first_or_404", ()), ("one_or_404", ()), ("get_or_404", (9,))]
)
def test_what_a_client_is_told_may_be_said(
    verb: Verb, db: SQLAlchemy, terminal: str, arguments: tuple[Any, ...]
) -> None:
    with verb.scope(db), pytest.raises(HTTPException) as caught:
        verb(nobody, terminal, *arguments, description="no such user")
    assert caught.value.detail == "no such user"


def test_several_are_no_absence(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db), pytest.raises(MultipleRecordsFoundError) as caught:
        verb(User.query, "one_or_404")
    assert not isinstance(caught.value, HTTPException)


@pytest.mark.parametrize(
    ("ask", "criterion"),
    [
        (lambda verb: verb(User.query, "get_one", 9), "users.id = :id_1"),
        (lambda verb: verb(User, "get_one", 9), "users.id = :id_1"),
        (lambda verb: verb(User, "get_one", name="secret"), "users.name = :name_1"),
    ],
    ids=["query", "model", "criteria"],
)
def test_get_one_says_what_was_asked_and_the_way_out(
    verb: Verb, db: SQLAlchemy, ask: Callable[[Verb], Any], criterion: str
) -> None:
    with verb.scope(db), pytest.raises(RecordNotFoundError) as caught:
        ask(verb)
    assert str(caught.value) == (
        "expected one User, found none\n\n"
        f"SELECT users.id, users.email, users.name\nFROM users\nWHERE {criterion}\n\n"
        "Use `get()` where absence is a normal outcome."
    )
    assert not isinstance(caught.value, HTTPException)


@pytest.mark.parametrize("verb_of_model", ["get_one", "get_or_404"])
def test_a_model_must_be_asked_for_something(
    verb: Verb, db: SQLAlchemy, verb_of_model: str
) -> None:
    with verb.scope(db):
        with pytest.raises(TypeError, match=rf"User\.{verb_of_model}\(\) expected a primary key"):
            verb(User, verb_of_model)
        with pytest.raises(TypeError, match="found both"):
            verb(User, verb_of_model, 1, name="Ada")


def test_a_model_counts_and_looks(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        assert verb(User, "count") == 2
        assert verb(User, "count", User.id > 1, name="Bob") == 1
        assert verb(User, "exists") is True
        assert verb(User, "exists", User.id > 1, name="Ada") is False


def test_an_http_answer_survives_pickling(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db), pytest.raises(HTTPException) as caught:
        verb(nobody, "first_or_404", "gone")
    again: Any = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is type(caught.value)
    assert str(again) == str(caught.value)
    assert (again.status_code, again.detail, again.headers) == (404, "gone", None)
    assert isinstance(again, RecordNotFoundError)
    assert (again.model, again.statement) == ("User", str(nobody))


def test_fastapi_answers_404_without_a_handler(db: SQLAlchemy) -> None:
    app = FastAPI()
    app.add_middleware(DBSessionMiddleware, db=db, create_all=False)

    @app.get("/users/{user_id}")
    async def show(user_id: int) -> str:
        return (await User.aget_or_404(user_id)).email

    with TestClient(app) as api:
        assert api.get("/users/1").json() == "Ada@x"
        missing = api.get("/users/9")
    assert (missing.status_code, missing.json()) == (404, {"detail": "User not found"})


def test_starlette_answers_404_without_a_handler(db: SQLAlchemy) -> None:
    def show(request: Request) -> PlainTextResponse:
        return PlainTextResponse(nobody.first_or_404().email)

    app = Starlette(routes=[Route("/", show)])
    app.add_middleware(DBSessionMiddleware, db=db, create_all=False)
    with TestClient(app) as api:
        missing = api.get("/")
    assert (missing.status_code, missing.text) == (404, "User not found")
