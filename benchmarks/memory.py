"""The memory that a walk over a whole table takes, for tables of growing size.

    python -m benchmarks.memory [rows ...]

Each walk runs in a process of its own, on an SQLite file and on Linux.  `traced` is the peak of
what Python allocated meanwhile (tracemalloc), `resident` how much the process grew; `seconds` is
without the tracing, which makes everything slow.
"""

import json
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import insert, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from fastapi_sqlalchemy import ModelBase, SQLAlchemy

SIZES = (10_000, 100_000, 1_000_000)
TRACED = 100_000
"""Above, tracing would take minutes."""


class Base(ModelBase, DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class User(Base):
    __tablename__ = "benchmark_users"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    email: Mapped[str]


def find_each() -> int:
    return sum(1 for _ in User.query.find_each())


def in_batches() -> int:
    return sum(len(users) for users in User.query.in_batches())


def whole() -> int:
    return len(User.query.all())


def sqlalchemy_stream() -> int:
    with Session(db.engine) as session:
        statement = select(User).execution_options(yield_per=1000)
        return sum(1 for _ in session.scalars(statement))


def sqlalchemy_whole() -> int:
    with Session(db.engine) as session:
        return len(session.scalars(select(User)).all())


WALKS: dict[str, Callable[[], int]] = {
    "find_each": find_each,
    "in_batches": in_batches,
    "all": whole,
    "SQLAlchemy, yield_per": sqlalchemy_stream,
    "SQLAlchemy, all": sqlalchemy_whole,
}


def resident() -> int:
    """The largest size this process had so far, in bytes."""
    # `getrusage` would tell the size of the process that started this one, if that was larger
    status = Path("/proc/self/status").read_text().splitlines()
    [line] = [line for line in status if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def measure(walk: str, *, traced: bool) -> dict[str, float]:
    """What one walk takes, in this process."""
    with db():
        User.query.first()  # what is imported and compiled once is not the walk's
        before = resident()
        if traced:
            tracemalloc.start()
        start = time.perf_counter()
        rows = WALKS[walk]()
        seconds = time.perf_counter() - start
    peak = tracemalloc.get_traced_memory()[1] if traced else 0
    return {"rows": rows, "seconds": seconds, "grown": resident() - before, "peak": peak}


def fill(rows: int) -> None:
    db.create_all()
    with db(), db.transaction():
        for first in range(0, rows, 10_000):
            numbers = range(first, min(first + 10_000, rows))
            values = [{"name": f"user{n}", "email": f"user{n}@example.com"} for n in numbers]
            db.session.execute(insert(User), values)


def in_a_process(url: str, walk: str, *, traced: bool) -> dict[str, float]:
    argv = [sys.executable, "-m", "benchmarks.memory", "--walk", url, walk, str(int(traced))]
    ran = subprocess.run(argv, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(ran.stdout)
    return found


def walks(rows: int) -> dict[str, dict[str, float]]:
    """What each walk takes over a table of so many rows: seconds and bytes."""
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'users.db'}"
        db.init(url)
        fill(rows)
        db.dispose()
        for walk in WALKS:
            found[walk] = in_a_process(url, walk, traced=False)
            assert found[walk]["rows"] == rows
            if rows <= TRACED:
                found[walk]["peak"] = in_a_process(url, walk, traced=True)["peak"]
    return found


def main(sizes: list[int]) -> None:
    print(f"{'walk':24}{'rows':>10}{'seconds':>10}{'resident':>12}{'traced':>12}")
    for rows in sizes:
        for walk, taken in walks(rows).items():
            peak = f"{taken['peak'] / 1e6:.1f} MB" if taken["peak"] else "-"
            grown = f"{taken['grown'] / 1e6:.1f} MB"
            print(f"{walk:24}{rows:>10}{taken['seconds']:>10.2f}{grown:>12}{peak:>12}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--walk"]:
        db.init(sys.argv[2])
        print(json.dumps(measure(sys.argv[3], traced=sys.argv[4] == "1")))
    else:
        main([int(size) for size in sys.argv[1:]] or [*SIZES])
