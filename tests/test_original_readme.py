"""Every Python block of the README that users of the earlier releases know, executed as it stands.

`data/original_readme.md` is that document, unchanged.  Some of its blocks use names that they do
not define; the tests define those, by `definitions`, and nothing else.
"""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import httpx
import pytest

from fastapi_sqlalchemy import DBSessionMiddleware
from fastapi_sqlalchemy.exceptions import MissingSessionError
from tests.documents import Modules, blocks
from tests.serving import Serve

DOCUMENT = Path(__file__).parent / "data" / "original_readme.md"
UNCHANGED = "f3b8c33cbf8ef9ce69074da331439c969aa83d52c5782d75d25205539921bc36"

MODELS = "Examples / Models definition"
ROUTE = "Examples / Usage inside of a route"
JOB = "Examples / Usage outside of a route"
BASE = "Examples / Custom Model Base"
LEGACY_MODELS = "Legacy Examples / Models definition"
LEGACY_ROUTE = "Legacy Examples / Usage inside of a route"
LEGACY_JOB = "Legacy Examples / Usage outside of a route"
EXECUTED = [MODELS, ROUTE, JOB, BASE, LEGACY_MODELS, LEGACY_ROUTE, LEGACY_JOB]
NOT_EXECUTED = {"Installing": "a command of the shell"}

# Both jobs make one by position.
USER_COUNT = """
class UserCount(db.Base):
    __tablename__ = "user_counts"

    id = Column(Integer, primary_key=True)
    number = Column(Integer)

    def __init__(self, number):
        super().__init__(number=number)
"""

ADA = {"name": "Ada", "email": "ada@example.com"}
GRACE = {"name": "Grace", "email": "grace@example.com"}

# The document predates lifespan handlers, and what FastAPI says of `on_event` is right.
uses_on_event = pytest.mark.filterwarnings(r"ignore:\s*on_event is deprecated:DeprecationWarning")


class Load(Protocol):
    def __call__(
        self, section: str, module: str, *, then: str = "", **definitions: Any
    ) -> ModuleType: ...


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Load]:
    """`load(MODELS, "models")`: a block as a module, with `definitions` before and `then` after."""
    codes = {block.section: block.code for block in blocks(DOCUMENT)}
    modules = Modules(monkeypatch, tmp_path)

    def execute(section: str, module: str, *, then: str = "", **definitions: Any) -> ModuleType:
        return modules.load(codes[section], module, then=then, **definitions)

    yield execute
    modules.end()


@pytest.fixture
def legacy_models(load: Load) -> ModuleType:
    """The module `app.models`, which the other legacy blocks import."""
    return load(LEGACY_MODELS, "app.models", then=USER_COUNT)


def connect(url: str) -> httpx.Client:
    # a proxy of the environment could not reach an address on this machine
    return httpx.Client(base_url=url, trust_env=False)


def test_the_document_is_as_its_users_know_it() -> None:
    digest = hashlib.sha256(DOCUMENT.read_bytes()).hexdigest()
    assert digest == UNCHANGED, "a formatter may have rewritten its Python blocks"


def test_every_block_is_executed_or_named_as_not_executed() -> None:
    found = blocks(DOCUMENT)
    assert [block.section for block in found if block.language == "python"] == EXECUTED
    assert [block.section for block in found if block.language != "python"] == [*NOT_EXECUTED]


def test_the_models_block_makes_a_model_with_its_own_repr(load: Load) -> None:
    models = load(MODELS, "models")
    user = models.User(id=1, **ADA)
    assert repr(user) == "User(id=1, name='Ada',email='ada@example.com')"
    assert models.User.metadata is models.db.metadata
    assert list(models.db.metadata.tables) == ["items"]


def test_the_routes_list_what_they_have_added(
    load: Load, serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    load(MODELS, "models")
    with connect(serve(load(ROUTE, "main").app)) as api:
        answer = api.get("/users")
        assert (answer.status_code, answer.json()) == (200, [])

        answer = api.post("/add_user", json=ADA)
        assert answer.status_code == 200
        assert answer.json() == {"message": "User created successfully"}
        assert "name='Ada',email='ada@example.com'" in capsys.readouterr().out

        api.post("/add_user", json=GRACE)
        assert api.get("/users").json() == [{"id": 1, **ADA}, {"id": 2, **GRACE}]
        assert api.post("/add_user", json={"name": "Nobody"}).status_code == 422


@uses_on_event
def test_the_job_counts_in_a_scope_of_its_own(load: Load, serve: Serve) -> None:
    models = load(MODELS, "models", then=USER_COUNT)
    users = object()
    main = load(JOB, "main", UserCount=models.UserCount, users=users)
    serve(main.app)
    with models.db():
        models.User(**ADA).save()
        models.User(**GRACE).save()

    assert main.count_users_task() is users
    with models.db():
        assert [count.number for count in models.UserCount.query.all()] == [2]
    with pytest.raises(MissingSessionError):
        models.UserCount.query.all()


def test_the_custom_base_overrides_the_verbs_of_its_models(load: Load) -> None:
    base = load(BASE, "base")
    models = load(
        MODELS,
        "models",
        BaseModel=base.BaseModel,
        then="""
class Member(BaseModel, db.Base):
    __tablename__ = "members"

    id = Column(Integer, primary_key=True)
    name = Column(String)
    email = Column(String)
""",
    )
    member = models.Member
    assert member.new.__func__ is base.BaseModel.new.__func__
    models.db.create_all()
    with models.db():
        ada, grace = member.new(**ADA), member.new(**GRACE)
        assert (ada.id, grace.id) == (1, 2)
        assert member.get(name="Grace") is grace
        assert member.get(name="Nobody") is None
        assert member.get_all() == [ada, grace]
        assert member.get_all(email="ada@example.com") == [ada]
        assert ada.update(name="Ada Lovelace", email="lovelace@example.com") is ada
    with models.db():
        assert dict(member.get(id=1)) == {
            "id": 1,
            "name": "Ada Lovelace",
            "email": "lovelace@example.com",
        }


def test_the_legacy_models_block_makes_a_model_with_the_verbs(legacy_models: ModuleType) -> None:
    models = legacy_models
    assert repr(models.User(id=1, **ADA)) == "User(id=1, name='Ada',email='ada@example.com')"
    models.db.create_all()
    with models.db():
        ada = models.User.new(**ADA)
        assert models.User.query.filter_by(name="Ada").one() is ada


def test_the_legacy_route_lists_through_the_global_db(
    load: Load, serve: Serve, legacy_models: ModuleType
) -> None:
    main = load(LEGACY_ROUTE, "main")
    with connect(serve(main.app)) as api:
        answer = api.get("/users")
        assert (answer.status_code, answer.json()) == (200, [])

        with main.db():
            main.db.session.add(legacy_models.User(**ADA))
            main.db.session.commit()
        assert api.get("/users").json() == [{"id": 1, **ADA}]


@uses_on_event
def test_the_legacy_job_counts_in_a_scope_of_its_own(
    load: Load, serve: Serve, legacy_models: ModuleType, tmp_path: Path
) -> None:
    users = object()
    main = load(LEGACY_JOB, "main", DBSessionMiddleware=DBSessionMiddleware, users=users)
    serve(main.app)
    with main.db():
        main.db.session.add(legacy_models.User(**ADA))
        main.db.session.commit()

    assert main.count_users_task() is users
    with closing(sqlite3.connect(tmp_path / "example.db")) as file:
        assert file.execute("SELECT number FROM user_counts").fetchall() == [(1,)]
    with pytest.raises(MissingSessionError):
        _ = main.db.session
