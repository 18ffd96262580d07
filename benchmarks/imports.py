"""What importing the package takes, against SQLAlchemy's ORM and Starlette, which it stands on.

    python -m benchmarks.imports

Each import runs in an interpreter of its own, in turns; what an empty one takes is taken off.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys

ROUNDS = 15
NOTHING = "pass"
BELOW = "import sqlalchemy.orm, starlette.applications"
IMPORTS = {
    "SQLAlchemy's ORM and Starlette": BELOW,
    "fastapi_sqlalchemy": "import fastapi_sqlalchemy",
    "the same after SQLAlchemy's ORM and Starlette": f"{BELOW}; import fastapi_sqlalchemy",
    "FastAPI": "import fastapi",
}


def seconds(rounds: int = ROUNDS) -> dict[str, float]:
    """Median seconds of each import."""
    taken: dict[str, list[float]] = {code: [] for code in (NOTHING, *IMPORTS.values())}
    for number in range(-1, rounds):  # the first writes byte code
        for code, times in taken.items():
            start = _computed()
            subprocess.run([sys.executable, "-c", code], check=True)
            if number >= 0:
                times.append(_computed() - start)
    empty = statistics.median(taken[NOTHING])
    return {name: statistics.median(taken[code]) - empty for name, code in IMPORTS.items()}


def _computed() -> float:
    """Seconds of the processor that ended children have had: an import waits for nobody."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    for name, taken in seconds().items():
        print(f"{name:48} {1e3 * taken:6.0f} ms")


if __name__ == "__main__":
    main()
