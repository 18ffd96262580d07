"""What the mypy plugin costs: a program of 200 models, checked with it and without.

    python -m benchmarks.mypy_plugin [--rounds 5]

The models have ten columns each, half of them annotated, and functions that query and make their
records.  The two runs take turns.  Each begins with a cache of the libraries ("warm", as where a
program was changed) or with none ("cold", as in CI).  Counted is the processor's time; what is
printed is the median of each, and the ratio.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

MODULES, MODELS = 20, 10
CONFIG = "[mypy]\nstrict = true\n"
PLUGIN = "plugins = fastapi_sqlalchemy.mypy_plugin\n"

BASES = """\
from sqlalchemy.orm import DeclarativeBase
from fastapi_sqlalchemy import ModelBase, SQLAlchemy
class Base(ModelBase, DeclarativeBase): ...
db = SQLAlchemy("sqlite://", model_class=Base)
"""
IMPORTS = """\
from datetime import datetime
from decimal import Decimal
from sqlalchemy import Column, DateTime, ForeignKey, Integer, Numeric, String
from sqlalchemy.orm import Mapped, mapped_column, relationship
from fastapi_sqlalchemy import Repository
from bases import Base
"""
MODEL = """
class Model{n}(Base):
    __tablename__ = "models_{n}"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))
    email: Mapped[str | None]
    price: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    created: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    title = Column(String(100), nullable=False)
    note = Column(String)
    amount = Column(Integer)
    seen = Column(DateTime)
    parent_id = Column(Integer, ForeignKey("models_{n}.id"))
    parent: Mapped["Model{n} | None"] = relationship(remote_side=[id])

    def __repr__(self) -> str:
        return f"Model{n}({{self.name!r}}, {{self.title!r}})"

def find_{n}(name: str, number: int) -> list[Model{n}]:
    query = Model{n}.query.filter_by(name=name)
    if number:
        query = query.filter(Model{n}.id > number).order_by(Model{n}.created)
    return query.filter_by(email=None).all()

def make_{n}(name: str) -> Model{n}:
    record = Model{n}(name=name, price=Decimal(1), created=datetime.now())
    record.update(name=name, email=None)
    found, made = Model{n}.get_or_create(name=name)
    return found if made else record.save()

async def service_{n}(users: Repository[Model{n}], name: str) -> Model{n} | None:
    await users.acreate(name=name, price=Decimal(2))
    if await Model{n}.aexists(name=name) or users.count(Model{n}.id > 1, name=name):
        return await users.aget_by(name=name)
    return await Model{n}.aget(name=name)
"""


def write(folder: Path, *, plugin: bool) -> None:
    folder.mkdir()
    (folder / "mypy.ini").write_text(CONFIG + (PLUGIN if plugin else ""))
    (folder / "bases.py").write_text(BASES)
    for module in range(MODULES):
        numbers = range(module * MODELS, (module + 1) * MODELS)
        source = IMPORTS + "".join(MODEL.format(n=n) for n in numbers)
        (folder / f"models_{module}.py").write_text(source)


def check(folder: Path, *files: str) -> float:
    """The seconds of processor time that mypy takes."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mypy", *files],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert "Success" in output, output[:500]
    return usage.ru_utime + usage.ru_stime


def measure(folder: Path, libraries: Path | None) -> float:
    cache = folder / ".mypy_cache"
    shutil.rmtree(cache, ignore_errors=True)
    if libraries is not None:
        shutil.copytree(libraries, cache)
    return check(folder, ".")


def main() -> None:
    parser = argparse.ArgumentParser(description="What the mypy plugin costs.")
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as temporary:
        folders = {plugin: Path(temporary) / f"plugin-{plugin}" for plugin in (False, True)}
        libraries: dict[bool, Path] = {}
        for plugin, folder in folders.items():
            write(folder, plugin=plugin)
            check(folder, "bases.py")
            libraries[plugin] = folder.with_suffix(".cache")
            shutil.copytree(folder / ".mypy_cache", libraries[plugin])
        print(f"{MODULES * MODELS} models, {rounds} rounds, seconds of processor time\n")
        print("libraries    without    with    ratio")
        for name, seeds in (("warm", libraries), ("cold", None)):
            times: dict[bool, list[float]] = {False: [], True: []}
            for _ in range(rounds):
                for plugin, folder in folders.items():
                    seed = None if seeds is None else seeds[plugin]
                    times[plugin].append(measure(folder, seed))
            without, with_it = (statistics.median(times[plugin]) for plugin in (False, True))
            print(f"{name:9}    {without:7.2f} {with_it:7.2f} {with_it / without:8.2f}")


if __name__ == "__main__":
    main()
