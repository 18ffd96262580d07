"""A cache of the libraries, made once for all the processes of a test run."""

import fcntl
from pathlib import Path

import pytest

from tests.mypy_plugin.checking import LIBRARIES, Checker


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A folder that the processes of one test run have in common."""
    folder = tmp_path_factory.getbasetemp()
    folder = folder.parent if hasattr(request.config, "workerinput") else folder
    shared = folder / "mypy_plugin"
    shared.mkdir(exist_ok=True)
    return shared


@pytest.fixture(scope="session")
def seed(shared: Path) -> Path:
    """A folder with mypy's cache of the libraries that the programs import."""
    seed = shared / "seed"
    with (shared / "seed.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not seed.exists():
            seed.mkdir()
            (seed / "libraries.py").write_text(LIBRARIES)
            Checker(seed).run("libraries.py")
    return seed
