"""The routes that the examples share, whatever their form and their database."""

import httpx
import pytest

from tests.examples.conftest import Client, Example

ADA = {"name": "Ada", "email": "ada@example.com"}
GRACE = {"name": "Grace", "email": "grace@example.com"}

UPDATING = ["single_db", "multi_db", "legacy", "async_db", "async_db on postgresql"]
LISTING = [*UPDATING, "background_job"]


@pytest.fixture
def api(request: pytest.FixtureRequest, example: Example, client: Client) -> httpx.Client:
    name, _, server = request.param.partition(" on ")
    env = {"DATABASE_URL": str(request.getfixturevalue("postgres_url"))} if server else {}
    return client(example(name, **env))


def listed(api: httpx.Client) -> list[dict[str, object]]:
    users: list[dict[str, object]] = api.get("/users").json()
    return sorted(users, key=lambda user: str(user["id"]))


@pytest.mark.parametrize("api", LISTING, indirect=True)
def test_a_fresh_database_lists_what_is_added_with_its_columns(api: httpx.Client) -> None:
    assert listed(api) == []
    for user in (ADA, GRACE):
        answer = api.post("/add_user", json=user)
        assert answer.status_code == 200
        assert answer.json() == {"message": "User created successfully"}
    assert listed(api) == [{"id": 1, **ADA}, {"id": 2, **GRACE}]


@pytest.mark.parametrize("api", UPDATING, indirect=True)
def test_an_update_changes_what_it_names_of_whom_it_names(api: httpx.Client) -> None:
    for user in (ADA, GRACE):
        api.post("/add_user", json=user)

    answer = api.post("/update_user", json={"id": 1, "name": "Ada Lovelace"})
    changed = {"id": 1, **ADA, "name": "Ada Lovelace"}
    assert (answer.status_code, answer.json()) == (200, changed)
    assert listed(api) == [changed, {"id": 2, **GRACE}]

    answer = api.post("/update_user", json={"id": 7, "name": "Nobody"})
    assert (answer.status_code, answer.json()) == (404, {"detail": "User not found"})
    assert listed(api) == [changed, {"id": 2, **GRACE}]
