"""Methods of a record's life in a request: called once its commit is made, awaited if they can."""

from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI

from fastapi_sqlalchemy import DBSessionMiddleware, SQLAlchemy
from tests.blog import created
from tests.mixins import lives
from tests.mixins.lives import Item, Letter, calls, doing


@pytest.fixture
def db(url: str) -> Iterator[SQLAlchemy]:
    with created(lives.db, url) as database:
        yield database


@pytest.mark.parametrize("commit_on_exit", [False, True])
@pytest.mark.parametrize("path", ["/blocking", "/awaited"])
async def test_after_commit_of_a_request_is_called_before_it_ends(
    db: SQLAlchemy, path: str, *, commit_on_exit: bool
) -> None:
    app = FastAPI()
    app.add_middleware(DBSessionMiddleware, db=db, commit_on_exit=commit_on_exit)
    noted: list[list[str]] = []

    @app.post("/blocking")
    def blocking() -> None:
        Item.new(name="pen")
        Letter.new(name="post")
        noted.append([*calls])

    @app.post("/awaited")
    async def awaited() -> None:
        await Item.anew(name="pen")
        await Letter.anew(name="post")
        noted.append([*calls])

    transport = httpx.ASGITransport(app)
    with doing():
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            assert (await client.post(path)).status_code == 200
        committed = [call for call in calls if "commit" in call]
    assert committed == ["after_commit pen", "after_commit post"]
    within = [call for call in noted[0] if "commit" in call]
    if commit_on_exit:
        assert within == []
    else:
        assert within == (committed if path == "/awaited" else committed[:1])
