"""A process that forks after it used a database shares no connection with its child."""

import pytest
from sqlalchemy import make_url

from tests.interpreter import Python

PROGRAM = """
import asyncio, os, sys
from sqlalchemy import func, select, text
from tests.shop import Item, db, names, open_shop

url, first, then = sys.argv[1:]
ID = {"postgresql": "pg_backend_pid()", "mysql": "connection_id()", "sqlite": "0"}

def blocking(name):
    with db():
        with db.transaction():
            Item.new(name=name)
            connection = db.session.scalar(text(f"SELECT {ID[db.engine.dialect.name]}"))
        assert Item.query.filter_by(name=name).one().name == name
        return connection

async def awaited(name):
    async with db():
        async with db.transaction():
            await Item.anew(name=name)
            statement = text(f"SELECT {ID[db.engine.dialect.name]}")
            connection = await db.async_session.scalar(statement)
        assert (await Item.query.filter_by(name=name).aone()).name == name
        return connection

def use(colour, name):
    return blocking(name) if colour == "def" else asyncio.run(awaited(name))

open_shop(url)
before = use(first, "parent, before")
children = []
for number in range(2):
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writable, str(use(then, f"child {number}")).encode())
            db.dispose()
            code = 0
        except BaseException as error:
            os.write(writable, repr(error).encode())
            code = 1
        os._exit(code)
    os.close(writable)
    children.append((child, readable))
while_they_work = use(first, "parent, meanwhile")
told = []
for child, readable in children:
    with os.fdopen(readable) as answer:
        told.append(answer.read())
    os.waitpid(child, 0)
after = use(first, "parent, after")
if db.engine.dialect.name != "sqlite":
    assert len({*map(int, told)} - {before, while_they_work, after}) == 2, told
print(names())
db.dispose()
"""

ROWS = "['child 0', 'child 1', 'parent, after', 'parent, before', 'parent, meanwhile']\n"

DRIVERS = {
    "psycopg": ("postgres_url", "postgresql+psycopg"),
    "asyncpg": ("postgres_url", "postgresql+asyncpg"),
    "mariadb": ("mysql_url", "mysql+pymysql"),
    "sqlite": ("sqlite_file_url", "sqlite"),
}


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(
    ("first", "then"), [("def", "def"), ("async", "async"), ("async", "def"), ("def", "async")]
)
def test_a_parent_and_its_children_work_at_once_on_connections_of_their_own(
    python: Python, request: pytest.FixtureRequest, driver: str, first: str, then: str
) -> None:
    fixture, name = DRIVERS[driver]
    url = make_url(str(request.getfixturevalue(fixture))).set(drivername=name)
    told = python(PROGRAM, url.render_as_string(hide_password=False), first, then)
    assert told.stdout == ROWS


IN_THE_MIDDLE = """
import os, sys
from tests.shop import Item, db, names, open_shop

open_shop(sys.argv[1])
with db():
    with db.transaction():
        Item.new(name="of the parent")
        child = os.fork()
        if child == 0:
            try:
                with db():
                    Item.new(name="of the child")
                db.dispose()
                os._exit(0)
            except BaseException as error:
                print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
        Item.new(name="of the parent, later")
print(names())
db.dispose()
"""


@pytest.mark.parametrize("driver", ["psycopg", "mariadb"])
def test_a_fork_within_a_transaction_leaves_the_transaction_to_the_parent(
    python: Python, request: pytest.FixtureRequest, driver: str
) -> None:
    url = str(request.getfixturevalue(DRIVERS[driver][0]))
    told = python(IN_THE_MIDDLE, url)
    assert told.stdout == "['of the child', 'of the parent', 'of the parent, later']\n"
