"""What is measured: the data, the tasks on it, and how their results are checked.

A contestant has one method per task, which does the task once in a scope of its own, as one request
would: it takes one argument and opens and ends whatever session its library has.  What is prepared
before and put right afterwards is the store's and is not timed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from benchmarks.store import Store

Mode = Literal["sync", "async"]
Values = Mapping[str, Any]

COLUMNS = ("id", "name", "email", "age", "bio", "team")
USERS = 1000
TEAMS, TEAM = 50, 20
"""How many teams the users are in, and how many are in each."""
AUTHORS, POSTS_EACH = 100, 10
MANY, BULK = 1000, 10_000
PAGE = 20
SPAN = 10
"""How many rows an update by a range finds."""
SPARE = 1_000_001
"""The first key of users that are there to be deleted."""


class CannotDo(Exception):
    """A library has no way to do a task, and why."""


class User(Protocol):
    """A record, of whatever class; data descriptors differ, so it is not checked statically."""

    id: Any
    name: Any
    email: Any
    age: Any
    bio: Any
    team: Any


class Contestant(Protocol):
    """One library over a blocking driver."""

    def open(self, url: str) -> None: ...
    def close(self) -> None: ...
    def setting(self, sql: str) -> Any: ...

    def insert_one(self, values: Values) -> Any: ...
    def insert_many(self, rows: Sequence[Values]) -> Sequence[Any]: ...
    def bulk_insert(self, rows: Sequence[Values]) -> None: ...
    def get(self, key: int) -> Any: ...
    def first(self, email: str) -> Any: ...
    def some(self, team: int) -> Sequence[Any]: ...
    def some_range(self, after: int) -> Sequence[Any]: ...
    def many(self, after: int) -> Sequence[Any]: ...
    def read(self, after: int) -> int: ...
    def dicts(self, after: int) -> Sequence[Values]: ...
    def tuples(self, after: int) -> Sequence[Sequence[Any]]: ...
    def modify(self, change: tuple[int, int]) -> None: ...
    def update_where(self, change: tuple[int, int]) -> int | None: ...
    def update_range(self, change: tuple[int, int]) -> int | None: ...
    def delete(self, key: int) -> None: ...
    def eager(self, authors: int) -> int: ...
    def count(self, team: int) -> int: ...
    def count_range(self, after: int) -> int: ...
    def exists(self, email: str) -> bool: ...
    def page(self, number: int) -> tuple[Sequence[Any], int]: ...


class AsyncContestant(Protocol):
    """The same, awaited."""

    async def open(self, url: str) -> None: ...
    async def close(self) -> None: ...
    async def setting(self, sql: str) -> Any: ...

    async def insert_one(self, values: Values) -> Any: ...
    async def insert_many(self, rows: Sequence[Values]) -> Sequence[Any]: ...
    async def bulk_insert(self, rows: Sequence[Values]) -> None: ...
    async def get(self, key: int) -> Any: ...
    async def first(self, email: str) -> Any: ...
    async def some(self, team: int) -> Sequence[Any]: ...
    async def some_range(self, after: int) -> Sequence[Any]: ...
    async def many(self, after: int) -> Sequence[Any]: ...
    async def read(self, after: int) -> int: ...
    async def dicts(self, after: int) -> Sequence[Values]: ...
    async def tuples(self, after: int) -> Sequence[Sequence[Any]]: ...
    async def modify(self, change: tuple[int, int]) -> None: ...
    async def update_where(self, change: tuple[int, int]) -> int | None: ...
    async def update_range(self, change: tuple[int, int]) -> int | None: ...
    async def delete(self, key: int) -> None: ...
    async def eager(self, authors: int) -> int: ...
    async def count(self, team: int) -> int: ...
    async def count_range(self, after: int) -> int: ...
    async def exists(self, email: str) -> bool: ...
    async def page(self, number: int) -> tuple[Sequence[Any], int]: ...


def values(number: int) -> dict[str, Any]:
    """The user of a number, which is the key of the first thousand."""
    return {
        "name": f"User {number}",
        "email": f"user{number}@example.com",
        "age": 18 + number % 60,
        "bio": None if number % 4 == 0 else f"Writes about subject {number} and a few others.",
        "team": 1 + (number - 1) // TEAM % TEAMS,
    }


def title(author: int, number: int) -> str:
    return f"Post {number} of {author}"


def read_all(users: Iterable[Any]) -> int:
    """Read every attribute; the same loop for everybody."""
    total = 0
    for user in users:
        total += user.id + len(user.name) + len(user.email) + user.age + user.team
        if user.bio is not None:
            total += len(user.bio)
    return total


def read_posts(users: Iterable[Any]) -> int:
    """Read every post of every user, where the posts are iterable."""
    return sum(len(post.title) for user in users for post in user.posts)


def _expect(found: object, expected: object) -> None:
    if found != expected:
        raise AssertionError(f"expected {expected!r}, found {found!r}")


def _as_values(user: Any) -> dict[str, Any]:
    return {name: getattr(user, name) for name in COLUMNS}


def _seeded(number: int) -> dict[str, Any]:
    return {"id": number, **values(number)}


Check = Callable[[Any, Any, "Store"], None]


def _inserted(found: Any, argument: Any, store: Store) -> None:
    rows, users = ([argument], [found]) if isinstance(argument, Mapping) else (argument, found)
    _expect(len(users), len(rows))
    stored = {user[0]: user for user in store.users()}
    for user, row in zip(users, rows, strict=True):
        _expect(stored.get(user.id), (user.id, *row.values()))
    _expect(len(stored), USERS + len(rows))


def _bulk(_: Any, rows: Any, store: Store) -> None:
    _expect(store.count(), USERS + len(rows))
    key = store.key_of(rows[-1]["email"])
    _expect(store.user(key), (key, *rows[-1].values()))


def _one(found: Any, argument: Any, _: Store) -> None:
    number = argument if isinstance(argument, int) else int(argument[4 : argument.index("@")])
    _expect(_as_values(found), _seeded(number))


Keys = Callable[[int], Sequence[int]]


def _team(number: int) -> Sequence[int]:
    return range((number - 1) * TEAM + 1, number * TEAM + 1)


def _span(size: int) -> Keys:
    return lambda after: range(after + 1, after + 1 + size)


def _list(keys: Keys) -> Check:
    def check(found: Any, argument: int, _: Store) -> None:
        _expect([_as_values(user) for user in found], [_seeded(key) for key in keys(argument)])

    return check


def _read(found: Any, _: int, __: Store) -> None:
    class Plain:
        def __init__(self, number: int) -> None:
            self.__dict__.update(_seeded(number))

    _expect(found, read_all(Plain(number) for number in range(1, USERS + 1)))


def _dicts(found: Any, _: int, __: Store) -> None:
    _expect([dict(row) for row in found], [_seeded(number) for number in range(1, USERS + 1)])
    _expect({type(row) for row in found}, {dict})


def _tuples(found: Any, _: int, __: Store) -> None:
    users = map(_seeded, range(1, USERS + 1))
    expected = [(user["id"], user["name"], user["email"]) for user in users]
    _expect([tuple(row) for row in found], expected)


def _changed(found: Any, change: tuple[int, int], store: Store) -> None:
    _expect(found, None)
    _only(store, [change[0]], change[1])


def _changed_all(keys: Keys) -> Check:
    def check(found: Any, change: tuple[int, int], store: Store) -> None:
        changed = keys(change[0])
        if found is not None:  # not every library tells how many there were
            _expect(found, len(changed))
        _only(store, changed, change[1])

    return check


def _only(store: Store, keys: Sequence[int], age: int) -> None:
    for key in keys:
        _expect(store.user(key), tuple((_seeded(key) | {"age": age}).values()))
    ages = [user[3] for user in store.users() if user[0] not in keys]
    _expect(ages, [values(key)["age"] for key in range(1, USERS + 1) if key not in keys])


def _deleted(_: Any, key: int, store: Store) -> None:
    _expect(store.user(key), None)
    _expect(store.count() >= USERS, expected=True)


def _posts(found: Any, authors: int, _: Store) -> None:
    posts = (title(a, n) for a in range(1, authors + 1) for n in range(POSTS_EACH))
    _expect(found, sum(len(post) for post in posts))


def _same(expected: object) -> Check:
    return lambda found, _, __: _expect(found, expected)


def _paged(found: Any, number: int, store: Store) -> None:
    users, total = found
    _expect(total, USERS)
    _list(_span(PAGE))(list(users), (number - 1) * PAGE, store)


@dataclass(frozen=True)
class Task:
    """One line of the table."""

    name: str
    """The method of a contestant."""
    title: str
    calls: int
    """How often it is done in one round."""
    argument: Callable[[int], Any]
    """What the n-th call of a run is given."""
    check: Check
    restore: bool = False
    """Whether it leaves rows behind, or takes some away."""
    spare: bool = False
    """Whether it needs users to delete."""
    slow: bool = False
    """Whether few rounds have to do."""


def _key(call: int) -> int:
    return 1 + call * 37 % USERS  # no two calls in a row touch one page of the table


def _team_of(call: int) -> int:
    return 1 + call * 37 % TEAMS


def _new_rows(size: int) -> Callable[[int], list[dict[str, Any]]]:
    return lambda call: [values(10_000_000 + call * size + each) for each in range(size)]


def _everything(_: int) -> int:
    return 0


TASKS = (
    Task(
        "insert_one",
        "insert one and commit",
        50,
        lambda n: values(n + 10_000),
        _inserted,
        restore=True,
    ),
    Task(
        "insert_many", "insert 1000 in a transaction", 1, _new_rows(MANY), _inserted, restore=True
    ),
    Task("bulk_insert", "bulk insert 10 000", 1, _new_rows(BULK), _bulk, restore=True, slow=True),
    Task("get", "get by key", 100, _key, _one),
    Task("first", "first by an indexed column", 100, lambda n: values(_key(n))["email"], _one),
    Task("some", "20 records", 50, _team_of, _list(_team)),
    Task(
        "some_range",
        "20 records by a range",
        50,
        lambda n: _key(n) * 9 // 10,
        _list(_span(PAGE)),
    ),
    Task("many", "1000 records", 3, _everything, _list(_span(USERS))),
    Task("read", "1000 records, every attribute", 3, _everything, _read),
    Task("dicts", "1000 dicts", 3, _everything, _dicts),
    Task("tuples", "1000 tuples of 3", 3, _everything, _tuples),
    Task(
        "modify", "load, modify, commit", 50, lambda n: (_key(n), 100 + n), _changed, restore=True
    ),
    Task(
        "update_where",
        "update by filter",
        50,
        lambda n: (_team_of(n), 100 + n),
        _changed_all(_team),
        restore=True,
    ),
    Task(
        "update_range",
        "update by a range",
        50,
        lambda n: (_key(n) * 9 // 10, 100 + n),
        _changed_all(_span(SPAN)),
        restore=True,
    ),
    Task("delete", "load and delete", 50, lambda n: SPARE + n, _deleted, restore=True, spare=True),
    Task("eager", "100 records with 10 each, eager", 2, lambda _: AUTHORS, _posts),
    Task("count", "count", 100, _team_of, _same(TEAM)),
    Task("count_range", "count by a range", 100, _everything, _same(USERS)),
    Task("exists", "exists", 100, lambda n: values(_key(n))["email"], _same(expected=True)),
    Task("page", "page of 20 with total", 50, lambda n: 1 + n % (USERS // PAGE), _paged),
)
BY_NAME = {task.name: task for task in TASKS}
