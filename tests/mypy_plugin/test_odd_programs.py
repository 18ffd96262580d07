"""Programs that nobody means to keep: half-written, wrong, or full of names that are not there.

mypy may say of them what it likes; the plugin must not make it fail.
"""

import itertools
from pathlib import Path

from tests.mypy_plugin.checking import Checker

IMPORTS = """\
from __future__ import annotations
from typing import Self, overload
import re
import sqlalchemy as sa
from sqlalchemy.orm import declared_attr
from sqlalchemy import Column, Enum, ForeignKey, Integer, Numeric, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, synonym
from fastapi_sqlalchemy import ModelBase, Query, Repository, SQLAlchemy
"""

BASES = [
    "db.Base",
    "db.Base.Base",
    "db",
    "db.Nothing",
    "nothing.Base",
    "db.Base, db.Base",
    "ModelBase, db.Base, ModelBase",
    "db.Base, DeclarativeBase",
    "db.Base, object",
    "object, db.Base",
    "db.Base, int",
    "db.Base, Later",
    "Model",
    "db.Base, metaclass=type",
    "db.Base, metaclass=nothing",
    "db().Base",
    "SQLAlchemy('').Base",
    "db['Base']",
    "*db.Base",
    "SQLAlchemy.Base",
    "loop.Base",
    "self.db.Base",
    "Query[int]",
    "Repository[Model]",
    "Repository[Nothing]",
    "Repository[db.Base]",
]
DATABASES = [
    "db = SQLAlchemy('sqlite://')",
    "db: SQLAlchemy",
    "db: Nothing = SQLAlchemy()",
    "db = SQLAlchemy(model_class=Nothing)",
    "db = SQLAlchemy(model_class=Model)",
    "db = SQLAlchemy(model_class=int, query_class=str)",
    "db = SQLAlchemy(model_class=[], query_class=Query[int])",
    "db = other = SQLAlchemy(model_class=ModelBase)",
    "db, other = SQLAlchemy(), SQLAlchemy()",
    "db = db",
    "loop = again\nagain = loop\ndb = loop",
    "db = SQLAlchemy().Base",
    "db = SQLAlchemy().nothing()",
    "from nowhere import db",
    "from .empty import db",
    "from . import db",
    "from .stars import *",
    "import db",
    "db = None",
    "del db",
    "db = SQLAlchemy()\ndb = 1",
    "db = SQLAlchemy()\nclass db: ...",
    "if db: db = SQLAlchemy()\nelse: db = 1",
    "for db in [SQLAlchemy()]: pass",
    "with SQLAlchemy() as db: pass",
    "global db\ndb = SQLAlchemy()",
    "class db(SQLAlchemy): ...",
    "def db() -> SQLAlchemy: ...",
    "db = (lambda: SQLAlchemy())()",
]
BODIES = [
    "...",
    "id = Column",
    "id = Column()",
    "id = Column(Nothing, primary_key=nothing, nullable=not True)",
    "id = Column(*anything, **anything)",
    "id = Column(Enum(Nothing)); kind = Column(Enum()); other = Column(Enum)",
    "id = Column(Numeric(asdecimal=nothing)); x = Column(sa.Uuid(1)); y = Column(sa.ARRAY())",
    "id = Column(ForeignKey()); x = Column(ForeignKey(Model.id)); y = Column(ForeignKey(1))",
    "id = Column(Integer)\n    id = Column(String)\n    id: int",
    "id, name = Column(Integer), Column(String)",
    "id = name = Column(Integer)",
    "id: Mapped[Nothing] = Column(Integer)",
    "id: Mapped = mapped_column()",
    "id: Mapped[int, str]",
    "posts = relationship()\n    more = relationship(1)\n    x = relationship('1 + 1')",
    "posts = relationship('Nothing')\n    more = relationship('a.b.C')",
    "posts = relationship(lambda: (yield))",
    "posts = relationship('Model', uselist=nothing, lazy=nothing, collection_class=nothing)",
    "posts = relationship('db')\n    x = relationship(argument='Model', lazy='dynamic')",
    "posts = relationship(Model, backref=1)\n    x = relationship(Model, backref=backref())",
    "name = synonym()\n    x = synonym('nothing')\n    y = synonym('y')",
    "__tablename__ = nothing\n    __abstract__ = nothing\n    __table__ = nothing",
    "__tablename__: str\n    __mapper_args__ = nothing",
    "query_class = nothing\n    query = Column(String)",
    "query_class = Query\n    get = Column(String)\n    filter_by = 1",
    "def __init__(self): ...\n    def get(self, *, nothing=1): ...",
    "class Model(db.Base): id = Column(Integer)",
    "if nothing:\n        id = Column(Integer)\n    else:\n        id = Column(String)",
    "match id:\n        case _: id = Column(Integer)",
    "def __get__(self): ...\n    query = property(nothing)",
    "def get(**kwargs): return nothing(**kwargs)\n    def new(): ...\n    def update(*, a): ...",
    "def update(self, **kwargs): super().update(**kwargs, **kwargs); super.update(**kwargs)",
    "def update(*self, **k): self.update(**k)\n    def new(**cls): return cls(**cls)",
    "def get(cls, **k):\n        for a, b in k.items(): x()\n        for a in k: {'a': k, **k}",
    "@classmethod\n    def new(cls, **k): return type(cls)(**k)(**k)\n    new = new",
    "@nothing\n    def get(cls, **k): ...\n    @overload\n    def get(cls, **k): ...",
    "if nothing:\n        def get(c, **k): c.query(**k)\n    def get(c, **k): c.get(**k)",
    "def update(self, **k: Nothing): return self.update(**k)\n    get = update\n    del update",
    "def __init__(self, **k): self.__init__(**k)\n    def get(cls, **k): return cls(**k)",
    "def __init__(self, **k): super(Nothing, self).__init__(**k)",
    "async def aget(cls, **k):\n        async with k: yield await cls.aget(**k)",
    "def __tablename__(): return\n    @declared_attr\n    def __tablename__(cls): return nothing",
    "@declared_attr\n    def __tablename__(c): return re.sub('(', c, c.__name__)",
    "@declared_attr\n    def __tablename__(c): return 1\n    posts = relationship('Model')",
    "@nothing\n    def __tablename__(*c): return f'{c.__name__!r:>{1}}'.lower(1) + 1",
    "query_class = 'Nothing'\n    def get(cls, **k): return cls.query.filter_by(**k)",
    "query_class: Nothing = nothing\n    def get(cls, **k): return cls.query[1:].filter_by(**k)",
]
USES = """\
Model(); Model(1); Model(id=1, nothing=2); Model(*x, **y)
Model.query.filter_by(id=1, nothing=2).first(); Model.query.filter_by(**y)
Model.get(nothing=1); Model.new(nothing=1); Model().update(nothing=1); Model.nothing()
Repository(Model).create(nothing=1); Repository().get_by(nothing=1); Repository(Model, 1)
query = Model.query
for query in query: query.filter_by(nothing=1)
query.filter_by(nothing=1); Query.filter_by(nothing=1); Query().filter_by(nothing=1)
db.Base.query.filter_by(nothing=1); db.Base(nothing=1); type(Model()).get(nothing=1)
[each.filter_by(nothing=1) for each in (query, Model.query, nothing)]
Model.get_or_create({1: 2, "nothing": 3, **x}, 1, *y, defaults={"nothing": 1}); Model.upsert()
Model.insert_many([{"nothing": 1}, *x, {}], rows=[{}], on=x); Model.upsert([[]], on=1, update=[1])
class Queries(Query["Model"]):
    def __call__(self): return self()
    def own(): return
    def both(self): return self.both().own() or self[1:][nothing]
    def self(self): return super().self().nothing
    def limit(self, *, k=1): return (self := self.limit)
class Bound(Model):
    query_class = Queries
    def use(self) -> Self:
        super().use(nothing=1); super().update(nothing=1); super().__init__(1, nothing=2)
        self(nothing=1); self.update(nothing=1).get(nothing=1); type(self)(nothing=1, *x, **y)
        return self.get_or_create(nothing=1, defaults={"nothing": 1})
    @classmethod
    def of(cls: type[Nothing]) -> Self: return cls(nothing=1).new(nothing=1)
    @classmethod
    def query(cls) -> Self: return cls.query.filter_by(nothing=1)
Bound.query.both().own().filter_by(nothing=1); Bound.query().limit().filter_by(nothing=1)
super().update(nothing=1); (lambda cls: cls(nothing=1))(Bound); Bound.update(Bound, nothing=1)
class Later: ...
class Child(Model): id = relationship(Model)
Child(id=1).query.filter_by(id=1)
def function(db: SQLAlchemy, other: Nothing, *args: Model, **rest: Query[Model]):
    class Local(db.Base, other.Base): id = Column(Integer)
    Local(nothing=1); args[0].update(nothing=1); rest["x"].filter_by(nothing=1)
    return Local
"""


def program(database: str, base: str, body: str) -> str:
    return f"{IMPORTS}{database}\nclass Model({base}):\n    {body}\n{USES}"


def programs() -> list[str]:
    """Each base, database and body at least once, in ever other company."""
    longest = max(len(BASES), len(DATABASES), len(BODIES))
    some = itertools.islice(
        zip(
            itertools.cycle(DATABASES),
            itertools.cycle(BASES),
            itertools.cycle(BODIES),
            strict=False,
        ),
        2 * longest,
    )
    plain = [(DATABASES[0], base, BODIES[0]) for base in BASES]
    plain += [(database, BASES[0], BODIES[0]) for database in DATABASES]
    plain += [(DATABASES[0], BASES[0], body) for body in BODIES]
    return [program(*parts) for parts in [*plain, *some]]


def write(folder: Path, sources: list[str]) -> None:
    package = folder / "odd"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "empty.py").touch()
    (package / "stars.py").write_text("from .program_0 import *\nfrom .program_1 import *\n")
    for number, source in enumerate(sources):
        (package / f"program_{number}.py").write_text(source)


def test_no_program_makes_mypy_fail(tmp_path: Path, seed: Path) -> None:
    sources = programs()
    write(tmp_path, sources)
    output = Checker(tmp_path, seed=seed).run("odd")
    unnoticed = [
        number for number in range(len(sources)) if f"odd/program_{number}.py:" not in output
    ]
    assert unnoticed == [], "mypy is to find the mistakes of each"
