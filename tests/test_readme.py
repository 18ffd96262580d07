"""The README is executed: its programs, its table, its links and the commands it shows."""

import ast
import asyncio
import inspect
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from fastapi_sqlalchemy import ModelBase
from tests.documents import Modules, blocks, code_rows, shell_lines
from tests.interpreter import ROOT, Python
from tests.serving import RunProgram, Serve

README = ROOT / "README.md"

PROGRAMS = {
    block.code.partition("\n")[0].removeprefix("# "): block.code
    for block in blocks(README)
    if block.language == "python"
}
ROWS = list(code_rows(README))
EXECUTED = [
    "main.py",
    "crud.py",
    "jobs.py",
    "team.py",
    "transfer.py",
    "services.py",
    "test_main.py",
]

TRY = (
    'python3 -m venv .venv && .venv/bin/pip install -e ".[examples]"'
    " && .venv/bin/python -m examples.single_db"
)
TEST = 'python3 -m venv .venv && .venv/bin/pip install -e ".[dev]" && .venv/bin/pytest -n auto'
NOT_EXECUTED = {
    'pip install ".[fastapi]"': "it installs into the environment of the tests",
    TRY: "it makes an environment; its last command is what the tests of the examples execute",
    TEST: "it runs this very suite",
}

ADA = {"name": "Ada", "email": None}


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Modules]:
    modules = Modules(monkeypatch, tmp_path)
    yield modules
    modules.end()


@pytest.fixture
def main(modules: Modules) -> ModuleType:
    """The complete program as a module, with its table."""
    main = modules.load(PROGRAMS["main.py"], "main")
    main.db.create_all()
    return main


def names(main: ModuleType) -> list[str]:
    with main.db():
        return [user.name for user in main.User.query.order_by(main.User.id)]


def connect(url: str) -> httpx.Client:
    # a proxy of the environment could not reach an address on this machine
    return httpx.Client(base_url=url, trust_env=False)


def test_every_block_is_executed_or_named_as_not_executed() -> None:
    assert len(ROWS) == 10
    assert list(PROGRAMS) == EXECUTED
    assert {block.language for block in blocks(README)} == {"python", "sh"}
    lines = [line for line in shell_lines(README) if not line.startswith("curl ")]
    assert lines == [*NOT_EXECUTED], "the tests of the example execute the requests alone"


@pytest.mark.parametrize("command", [TRY, TEST])
def test_each_of_the_two_commands_is_a_line_in_a_block_of_its_own(command: str) -> None:
    assert f"\n```sh\n{command}\n```\n" in README.read_text()


def test_the_test_command_is_the_one_that_ci_runs() -> None:
    printed = subprocess.run(
        ["bash", ROOT / ".ci" / "run", "test-command"], capture_output=True, text=True, check=True
    )
    assert printed.stdout == f"{TEST}\n"


def test_what_it_links_to_is_there() -> None:
    targets = re.findall(r"\]\(([^)]+)\)", README.read_text())
    local = [target for target in targets if not target.startswith("https://")]
    assert local
    assert [target for target in local if not (ROOT / target).exists()] == []


def test_the_complete_program_is_one_that_uvicorn_serves(
    run_program: RunProgram, tmp_path: Path
) -> None:
    (tmp_path / "main.py").write_text(PROGRAMS["main.py"])
    program = run_program(
        *("-m", "uvicorn", "main:app", "--port", "0"),
        env={"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"},
        cwd=tmp_path,
    )
    with connect(program.url) as api:
        assert api.get("/users").json() == []
        created = api.post("/users", json={"name": "Grace"})
        assert (created.status_code, created.json()) == (
            201,
            {"id": 1, "name": "Grace", "email": None},
        )
        api.post("/users", json=ADA)
        assert [user["name"] for user in api.get("/users").json()] == ["Ada", "Grace"]

        changed = api.put("/users/1", json={"name": "Mary", "email": "mary@example.com"})
        mary = {"id": 1, "name": "Mary", "email": "mary@example.com"}
        assert (changed.status_code, changed.json()) == (200, mary)
        assert mary in api.get("/users").json()
        missing = api.put("/users/7", json=ADA)
        assert (missing.status_code, missing.json()) == (404, {"detail": "no such user"})
    assert (tmp_path / "example.db").exists()


def test_the_crud_api_is_short() -> None:
    assert len([line for line in PROGRAMS["crud.py"].splitlines() if line.strip()]) < 40


def test_the_crud_api_lists_shows_makes_changes_and_deletes(modules: Modules, serve: Serve) -> None:
    crud = modules.load(PROGRAMS["crud.py"], "crud")
    with connect(serve(crud.app)) as api:
        for number, name in enumerate(("Grace", "Ada", "Mary"), start=1):
            made = api.post("/users", json={"name": name, "is_admin": True, "id": 70})
            assert made.status_code == 201
            assert made.json() == {"id": number, "name": name, "is_admin": False}
        page = api.get("/users", params={"text": "a", "per_page": 2}).json()
        assert [user["name"] for user in page["items"]] == ["Ada", "Grace"]
        assert (page["total"], page["pages"]) == (3, 2)

        changed = api.patch("/users/3", json={"name": "Maria", "is_admin": True})
        assert changed.json() == {"id": 3, "name": "Maria", "is_admin": False}
        assert api.get("/users/3").json() == changed.json()
        for refused in (
            api.patch("/users/3", json={"name": None}),
            api.post("/users", json={"name": "x" * 51}),
            api.post("/users", json={}),
        ):
            assert refused.status_code == 422
        assert api.patch("/users/3", json={"name": "Ada"}).status_code == 409
        assert api.post("/users", json={"name": "Ada"}).json()["code"] == "unique_violation"
        assert api.delete("/users/3").status_code == 204
        assert api.get("/users/3").json()["detail"] == "User not found"

        shown = api.get("/openapi.json").json()
        components = shown["components"]["schemas"]
        assert components["User"]["required"] == ["id", "name", "is_admin"]
        assert list(components["UserCreate"]["properties"]) == ["name"]
        assert components["UserCreate"]["properties"]["name"]["maxLength"] == 50
        assert "required" not in components["UserUpdate"]
        listed = shown["paths"]["/users"]["get"]["responses"]["200"]["content"]
        assert listed["application/json"]["schema"] == {"$ref": "#/components/schemas/Page_User_"}


def plain(value: Any) -> Any:
    """What can be compared between two databases."""
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value.to_dict() if isinstance(value, ModelBase) else value


def fill(main: ModuleType) -> None:
    main.db.init("sqlite://")
    main.db.create_all()
    with main.db():
        main.User.new(name="Ada")
        main.User.new(name="Grace")


def rows(main: ModuleType) -> Any:
    with main.db():
        return plain(main.User.query.all())


def blocking(main: ModuleType, code: str) -> Any:
    with main.db():
        user = main.User.get(2)
        user.email = "grace@example.com"
        return plain(eval(code, {**vars(main), "user": user}))


async def awaited(main: ModuleType, code: str) -> Any:
    compiled = compile(code, "<row>", "eval", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    assert compiled.co_flags & inspect.CO_COROUTINE, f"nothing is awaited: {code}"
    async with main.db():
        user = await main.User.aget(2)
        user.email = "grace@example.com"
        return plain(await eval(compiled, {**vars(main), "user": user}))


@pytest.mark.parametrize(("left", "right"), ROWS)
def test_both_sides_of_a_row_of_the_table_do_the_same(
    left: str, right: str, main: ModuleType
) -> None:
    fill(main)
    blocked = (blocking(main, left), rows(main))
    fill(main)
    assert (asyncio.run(awaited(main, right)), rows(main)) == blocked


def test_the_query_and_the_models_have_the_verbs_it_names(main: ModuleType) -> None:
    paragraph = README.read_text().partition("A query has ")[2].partition("`db.session`")[0]
    verbs = re.findall(r"`(\w+)`", paragraph)
    assert len(verbs) == 13
    assert [verb for verb in verbs if not hasattr(main.User.query, verb)] == []


def test_the_jobs_have_a_session_of_their_own(modules: Modules, main: ModuleType) -> None:
    jobs = modules.load(PROGRAMS["jobs.py"], "jobs")
    assert jobs.count_users() == 0
    asyncio.run(jobs.add_user("Ada"))
    assert jobs.count_users() == 1
    with main.db():
        main.db.session.add(main.User(name="not committed"))
        main.db.session.flush()
        main.db.session.rollback()
        assert jobs.count_users() == 1
    assert names(main) == ["Ada"]


def test_the_team_is_added_as_a_whole_or_not_at_all(
    modules: Modules, main: ModuleType, serve: Serve
) -> None:
    team = modules.load(PROGRAMS["team.py"], "team")
    with connect(serve(team.app)) as api:
        assert api.post("/team", json=["Ada", "Grace"]).status_code == 200
        assert names(main) == ["Ada", "Grace"]
        refused = api.post("/team", json=["Mary", "Ada"])
        assert refused.status_code == 409
        assert refused.json() == {"detail": "Ada is there already: nobody was added"}
    assert names(main) == ["Ada", "Grace"]


def test_the_services_list_make_show_and_delete_users(
    modules: Modules, main: ModuleType, serve: Serve
) -> None:
    services = modules.load(PROGRAMS["services.py"], "services")
    with connect(serve(services.app)) as api:
        for name in ("Ada", "Grace", "Mary"):
            assert api.post("/users", json={"name": name}).status_code == 201
        page = api.get("/users", params={"text": "a", "per_page": 2}).json()
        assert [user["name"] for user in page["items"]] == ["Ada", "Grace"]
        assert (page["total"], page["pages"]) == (3, 2)
        assert api.get("/users", params={"per_page": 1000}).status_code == 422
        assert api.get("/users/3").json()["name"] == "Mary"
        assert api.delete("/users/3").status_code == 204
        for missing in (api.get("/users/3"), api.delete("/users/3")):
            assert missing.status_code == 404
            assert missing.headers["content-type"] == "application/problem+json"
            assert missing.json()["detail"] == "User not found"
        shown = api.get("/openapi.json").json()["paths"]["/users"]["get"]
        assert [each["name"] for each in shown["parameters"]] == ["text", "page", "per_page"]
        assert sorted(shown["responses"]) == ["200", "404", "409", "422"]
    assert names(main) == ["Ada", "Grace"]


def test_a_name_that_is_taken_is_made_unique_in_one_transaction(
    modules: Modules, main: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    transfer = modules.load(PROGRAMS["transfer.py"], "transfer")
    with main.db():
        main.db.session.execute(text("CREATE UNIQUE INDEX one_name ON users (name)"))
        main.db.session.commit()
        main.User.new(name="Ada")
        main.User.new(name="Grace")
    asyncio.run(transfer.rename(2, "Ada"))
    assert names(main) == ["Ada", "Ada (2)"]
    assert capsys.readouterr().out == "renamed 2\n"


def test_a_block_that_commits_on_exit_is_one_transaction(main: ModuleType) -> None:
    def add(*names: str | None) -> None:
        with main.db(commit_on_exit=True):
            for name in names:
                main.User.new(name=name)

    with pytest.raises(IntegrityError):
        add("Ada", None)
    assert names(main) == []
    add("Ada", "Grace")
    assert names(main) == ["Ada", "Grace"]


def test_the_test_passes_and_leaves_the_file_alone(python: Python, tmp_path: Path) -> None:
    for name in ("main.py", "test_main.py"):
        (tmp_path / name).write_text(PROGRAMS[name])
    ran = python(
        "import pytest, sys\n"
        "sys.exit(pytest.main(['-p', 'no:cacheprovider', '-W', 'error',"
        # Starlette wants httpx2, the document does not say which client to install.
        " '-W', 'ignore:Using `httpx`', 'test_main.py']))"
    )
    assert "3 passed" in ran.stdout
    assert not (tmp_path / "example.db").exists()
