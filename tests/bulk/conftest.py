"""The stock in an empty database of each kind, and what may be around a verb."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from fastapi_sqlalchemy import SQLAlchemy
from tests.blog import created
from tests.bulk.stock import db
from tests.verbs import Verb

Around = Callable[[], AbstractContextManager[None]]


@pytest.fixture
def stock(url: str) -> Iterator[SQLAlchemy]:
    """The stock, empty, once for each kind of database."""
    with created(db, url) as database:
        yield database


@pytest.fixture(params=["scope", "block", "commit_on_exit"])
def around(request: pytest.FixtureRequest, verb: Verb) -> Around:
    """Opens a scope, one with a block in it, or one that commits on exit."""

    @contextmanager
    def opened() -> Iterator[None]:
        with verb.scope(db, commit_on_exit=request.param == "commit_on_exit"):
            if request.param != "block":
                yield
                return
            with verb.within(db.transaction):
                yield

    return opened
