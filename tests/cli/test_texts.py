"""What a stub says of single things, read as text."""

import itertools
import linecache
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Protocol

import pytest

from fastapi_sqlalchemy.cli.modules import stub_of
from tests.documents import Modules

numbers = itertools.count()

USER = """
import os
from collections.abc import AsyncIterator
from fastapi_sqlalchemy import *
from sqlalchemy import *
from sqlalchemy.orm import *
database = SQLAlchemy("sqlite://")
class User(database.Base):
    __tablename__ = "users"
    id = mapped_column(Integer, primary_key=True)
"""


class StubOf(Protocol):
    def __call__(self, code: str) -> str: ...


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[StubOf]:
    modules = Modules(monkeypatch, tmp_path)

    def make(code: str) -> str:
        """The stub of a module with a model `User` and this code after it."""
        name = f"stubbed_{next(numbers)}"
        (tmp_path / f"{name}.py").write_text(USER + code)
        lines = (USER + code).splitlines(keepends=True)
        linecache.cache[f"<{name}>"] = (0, None, lines, f"<{name}>")  # for `inspect`
        module = modules.load(USER + code, name)
        module.__file__ = str(tmp_path / f"{name}.py")
        text = stub_of(module)
        assert text is not None
        compile(text, name, "exec")
        return text

    yield make
    modules.end()


def test_a_module_without_models_and_repositories_has_no_stub(tmp_path: Path) -> None:
    module = ModuleType("nothing")
    module.__file__ = str(tmp_path / "nothing.py")
    (tmp_path / "nothing.py").write_text("x = 1\n")
    assert stub_of(module) is None


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("def f(a: int = 1, *b: str, c, **d): return a", ["def f(a: int=1, *b: str, c, **d): ..."]),
        ("async def f():\n    '''Doc.'''\n    print()", ["async def f() -> None: ..."]),
        ("def f():\n    yield 1", ["def f(): ..."]),
        (
            "async def f() -> AsyncIterator[int]:\n    yield 1",
            ["def f() -> AsyncIterator[int]: ..."],
        ),
        ("async def f():\n    yield 1", ["def f(): ..."]),
        (
            "async def f() -> int:\n    async def g():\n        yield 1\n    return 1",
            ["async def f() -> int: ..."],
        ),
        ("LIMIT = 3", ["LIMIT: int = 3"]),
        ("LIMIT: float = 3", ["LIMIT: float = 3"]),
        ("BELOW = -1", ["BELOW: int = -1"]),
        ("A = B = 'x'", ["A: str", "B: str"]),
        ("A, B = 1, 'x'", ["A: int", "B: str"]),
        ("for i in range(3):\n    x = str(i)", ["i: int", "x: str"]),
        ("with open(os.devnull) as f:\n    text = f.read()", ["f: _Any", "text: str"]),
        ("__all__ = ['User']", ["__all__ = ['User']"]),
        ("__all__ = ('User',)", ["__all__ = ('User',)"]),
        ("import json", ["import json as json"]),
        ("from json import loads", ["from json import loads as loads"]),
        ("import os.path as p", ["import os.path as p"]),
        ("if True:\n    X = [1]\nelse:\n    Y = 2", ["if True:", "    X = [1]", "else:"]),
        ("try:\n    import zoneinfo\nexcept ImportError:\n    zoneinfo = None", ["try:"]),
        ("class A:\n    '''Doc.'''", ["class A:", "    pass"]),
        ("class A:\n    def f(self): self.x = 1", ["    x: _Any", "    def f(self) -> None: ..."]),
        ("class A:\n    def f(self, x: int): self.x = x", ["    x: int"]),
        ("class A:\n    x = None\n    def f(self): self.x = 1", ["    x = None"]),
        ("class A:\n    @property\n    def x(self) -> int: return 1", ["    @property"]),
    ],
)
def test_all_that_is_no_model_stays_without_its_code(
    code: str, lines: list[str], stub: StubOf
) -> None:
    found = stub(code).splitlines()
    assert [line for line in lines if line not in found] == [], "\n".join(found)


@pytest.mark.parametrize(
    "code",
    ["print()", "for _ in (): pass", "if __name__ == '__main__':\n    print()", "assert User"],
)
def test_code_that_declares_nothing_goes(code: str, stub: StubOf) -> None:
    assert code.partition("\n")[0] not in stub(code)


MODEL = """
class Post(database.Base):
    __tablename__ = "posts"
    id = mapped_column(Integer, primary_key=True)
    author_id = mapped_column(ForeignKey("users.id"))
    editor_id = mapped_column(ForeignKey("users.id"), nullable=False)
    """


@pytest.mark.parametrize(
    ("column", "line", "comparable", "settable"),
    [
        ("x = Column(String)", "x: _Mapped[str | None]", True, True),
        ("x = Column(String, nullable=False)", "x: _Mapped[str]", True, True),
        ("x = mapped_column(Numeric)", "x: _Mapped[_Decimal | None]", True, True),
        ("x = mapped_column(JSON)", "x: _Mapped[_Any]", True, True),
        ("x = mapped_column(UTCDateTime)", "x: _Mapped[_datetime | None]", True, True),
        (
            "x = relationship('User', foreign_keys='Post.author_id')",
            "x: _Mapped[User | None]",
            True,
            True,
        ),
        ("x = relationship('User', foreign_keys='Post.editor_id')", "x: _Mapped[User]", True, True),
        (
            "x = relationship('User', foreign_keys=author_id, uselist=True)",
            "x: _Mapped[list[User]]",
            False,
            True,
        ),
        (
            "x = relationship(User, foreign_keys=author_id, viewonly=True)",
            "x: _Mapped[User | None]",
            True,
            False,
        ),
        ("x = synonym('id')", "x: _Mapped[int]", True, True),
        ("x = column_property(id + 1)", "x: _Mapped[int]", True, False),
        ("x = mapped_column(Integer, Computed('id'))", "x: _Mapped[int | None]", True, False),
        ("x: Mapped[int]", "x: Mapped[int]", True, True),
        ("x: Mapped['str | None']", "x: Mapped['str | None']", True, True),
    ],
)
def test_an_attribute_has_the_type_of_its_column_and_is_a_keyword_where_it_can_be_one(
    column: str, line: str, comparable: bool, settable: bool, stub: StubOf
) -> None:
    text = stub(MODEL + column)
    assert f"\n    {line}\n" in text
    equal = text.partition("class _PostEqual(")[2].partition("class _PostValues(")
    values = equal[2].partition("class _PostQuery(")
    assert ("\n    x: " in equal[0]) is comparable
    assert ("\n    x: " in values[0]) is settable


def test_the_base_is_written_as_the_class_that_it_is(stub: StubOf) -> None:
    text = stub(
        "class Own(ModelBase, DeclarativeBase): pass\n"
        "own = SQLAlchemy(model_class=Own)\n"
        "class Note(own.Base):\n"
        "    __tablename__ = 'notes'\n"
        "    id = mapped_column(Integer, primary_key=True)\n"
    )
    assert "from fastapi_sqlalchemy.base import Base as _Base\n" in text
    assert "\nclass User(_Base):\n" in text
    assert "\nclass Note(Own):\n" in text


def test_what_the_stub_imports_hides_nothing_of_the_module(stub: StubOf) -> None:
    text = stub("_Any = 1\n_Unpack = 2\n")
    assert "from typing import Any as _Any_\n" in text
    assert "_Unpack_[_UserEqual]" in text


def test_a_column_called_query_keeps_its_type(stub: StubOf) -> None:
    text = stub(MODEL + "query = mapped_column(String)")
    assert "    query: _Mapped[str | None]\n" in text
    assert "_PostQuery" not in text


def own_verbs(stub: StubOf, code: str) -> str:
    """What stands in the class of a model with these verbs."""
    text = stub(MODEL + textwrap.indent(textwrap.dedent(code), "    ").lstrip())
    return text.partition("class Post(")[2].partition("class _UserEqual(")[0]


def test_verbs_of_ones_own_stay(stub: StubOf) -> None:
    own = own_verbs(
        stub,
        """\
        @classmethod
        def new(cls, title: str) -> 'Post':
            return cls(title=title)
        """,
    )
    assert own.count(" new(") == 1
    assert "async def anew(cls, **values: _Unpack[_PostValues]) -> _Self: ..." in own


@pytest.mark.parametrize(
    ("code", "line"),
    [
        (
            (
                "@classmethod\ndef get(cls, **kwargs):\n"
                "    return cls.query.filter_by(**kwargs).first()"
            ),
            "def get(cls, **kwargs: _Unpack[_PostEqual]) -> _Self | None: ...",
        ),
        (
            (
                "@classmethod\ndef new(cls, **kwargs):\n    if not kwargs:\n        return None\n"
                "    return cls(**kwargs).save()"
            ),
            "def new(cls, **kwargs: _Unpack[_PostValues]) -> _Self: ...",
        ),
        (
            (
                "def update(self, **kwargs):\n    for name, value in kwargs.items():\n"
                "        setattr(self, name, value)\n    return self.save()"
            ),
            "def update(self, **kwargs: _Unpack[_PostValues]) -> _Self: ...",
        ),
        (
            (
                "@classmethod\n"
                "async def aget(cls, *criteria, page: int = 1, **eq: object) -> int | None:\n"
                "    return await super().aget(*criteria, **eq)"
            ),
            (
                "async def aget(cls, *criteria: _Any, page: int=..., **eq: _Unpack[_PostEqual])"
                " -> int | None: ..."
            ),
        ),
        (
            (
                "def update(self, a, /, b=1, *, c: str, **values):\n"
                "    return super().update(**values)"
            ),
            (
                "def update(self, a: _Any, /, b: _Any=..., *, c: str, "
                "**values: _Unpack[_PostValues]) -> _Any: ..."
            ),
        ),
    ],
)
def test_verbs_of_ones_own_that_hand_their_keywords_on_take_those_of_the_model(
    code: str, line: str, stub: StubOf
) -> None:
    assert line in own_verbs(stub, code)


@pytest.mark.parametrize(
    "code",
    [
        "def update(self, **kwargs):\n    kwargs.pop('quiet')\n    return super().update(**kwargs)",
        "def update(self, **kwargs):\n    return other(**kwargs)",
        "def update(self, **kwargs: str):\n    return super().update(**kwargs)",
        "def update(self, author_id, **kwargs):\n    return super().update(**kwargs)",
        "@keep\ndef update(self, **kwargs):\n    return super().update(**kwargs)",
        (
            "def update(self, **kwargs):\n    for name, value in kwargs.items():\n"
            "        if hasattr(self, name):\n            setattr(self, name, value)"
        ),
        "def update(self, **kwargs): ...",
        "def update(*args): ...",
        "update = lambda self, **kwargs: self.save()",
    ],
)
def test_verbs_of_ones_own_that_do_anything_else_with_their_keywords_stay(
    code: str, stub: StubOf
) -> None:
    before = "from typing import Any\ndef keep(f): return f\n"
    text = stub(before + MODEL + textwrap.indent(code, "    ").lstrip())
    own = text.partition("class Post(")[2].partition("class _UserEqual(")[0]
    assert not re.search(r"def update\(.*_Unpack", own)


def test_a_model_of_a_function_has_no_stub_and_keeps_no_other_from_it(stub: StubOf) -> None:
    text = stub(
        "def make():\n    class Local(database.Base):\n        __tablename__ = 'locals'\n"
        "        id = mapped_column(Integer, primary_key=True)\n    return Local\n"
        "Local = make()\nclass Locals(Repository[Local]): pass\n"
    )
    assert "Local = make()" in text
    assert "class User(" in text
    assert "_LocalEqual" not in text


def test_a_method_of_a_query_that_returns_it_says_so(stub: StubOf) -> None:
    text = stub(
        "from fastapi_sqlalchemy import Query\n"
        "class Recent(Query[User]):\n"
        "    def recent(self): return self.limit(3).order_by()\n"
        "    def last(self): return self.first()\n"
        "    def never(self): print()\n"
    )
    assert "def recent(self) -> _Self: ..." in text
    assert "def last(self): ..." in text
    assert "def never(self) -> None: ..." in text


def test_a_repository_of_a_model_of_another_package_has_its_keywords_beside_it(
    stub: StubOf,
) -> None:
    text = stub(
        "from tests.blog import Post as Article\nclass Articles(Repository[Article]): pass\n"
    )
    assert "def create(self, **values: _Unpack[_PostValues]) -> _Post: ..." in text
    assert "class _PostValues(" in text
    assert "from tests.blog import Post as _Post\n" in text
    assert "def query(" not in text


def test_a_constructor_of_ones_own_stays_the_only_one_for_subclasses_too(stub: StubOf) -> None:
    text = stub(
        MODEL
        + "def __init__(self, title: str) -> None: super().__init__()\n"
        + "class Essay(Post): pass\n"
    )
    own = text.partition("class Post(")[2].partition("class _UserEqual(")[0]
    assert own.count("def __init__(") == 1
    assert "def __init__(self, title: str) -> None: ..." in own
    assert "def __init__(self, **values: _Unpack[_UserValues]) -> None: ..." in text


def test_what_a_method_sets_of_a_mixin_keeps_the_type_that_it_has_there(stub: StubOf) -> None:
    text = stub(
        "class Named:\n    name: Mapped[str]\n"
        "class Pen(Named, database.Base):\n"
        "    __tablename__ = 'pens'\n"
        "    id: Mapped[int] = mapped_column(primary_key=True)\n"
        "    def rename(self, value: str) -> None: self.name = value\n"
    )
    assert "    name: str\n" not in text


def test_the_queries_of_a_generic_query_class_are_about_the_model(stub: StubOf) -> None:
    text = stub(
        "from typing import TypeVar\nfrom fastapi_sqlalchemy import Query as Chain\n"
        "T = TypeVar('T')\n"
        "class Recent(Chain[T]): pass\n" + MODEL + "query_class = Recent\n"
    )
    assert "\nclass _PostQuery(Recent[Post]):\n" in text


def test_the_modules_that_were_stubbed_are_gone() -> None:
    assert not [name for name in sys.modules if name.startswith("stubbed_")]
