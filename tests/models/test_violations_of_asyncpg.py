"""asyncpg tells of a violated constraint by other means, and the error is the same."""

from collections.abc import Iterator

import pytest

from fastapi_sqlalchemy.exceptions import ForeignKeyViolation, IntegrityError
from tests import blog
from tests.models.test_violations import VIOLATIONS, Town, db
from tests.shop import NOWHERE, Entry, close, ledger, open_ledger


@pytest.fixture
def asyncpg_url(postgres_url: str) -> str:
    return postgres_url.replace("+psycopg", "+asyncpg")


@pytest.fixture
def towns(asyncpg_url: str) -> Iterator[None]:
    """A town, saved by the blocking driver."""
    with blog.created(db, asyncpg_url):
        with db():
            Town.new(name="London")
        yield


FACTS = {
    "unique": ("one_of_a_name", ("name", "country")),
    "foreign key": ("part_of_a_town", ("part_of",)),
    "null": (None, ("name",)),
    "check": ("not_fewer_than_none", ()),
}


@pytest.mark.parametrize("name", VIOLATIONS)
@pytest.mark.usefixtures("towns")
async def test_a_violation_has_its_kind_and_its_facts(name: str) -> None:
    values, kind = VIOLATIONS[name]
    async with db():
        with pytest.raises(IntegrityError) as caught:
            await Town.anew(**values)
        assert await Town.query.acount() == 1
    error = caught.value
    assert type(error) is kind
    assert (error.constraint, error.columns) == FACTS[name]
    assert error.table == "towns"


@pytest.mark.parametrize("name", VIOLATIONS)
@pytest.mark.usefixtures("towns")
async def test_a_violation_tells_the_statement_and_no_value(name: str) -> None:
    values, kind = VIOLATIONS[name]
    async with db():
        with pytest.raises(kind) as caught:
            await Town.anew(**values)
    assert "INSERT INTO towns" in str(caught.value)
    for value in ("secret", "London", "404"):
        assert value not in str(caught.value)


async def test_what_commit_refuses_has_its_kind(asyncpg_url: str) -> None:
    open_ledger(asyncpg_url)
    try:
        async with ledger():
            with pytest.raises(ForeignKeyViolation):
                await Entry.anew(follows=NOWHERE)
            await Entry.anew()
            assert await Entry.query.acount() == 1
    finally:
        close()
