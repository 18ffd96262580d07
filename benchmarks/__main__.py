"""`python -m benchmarks`: runs the benchmarks, and writes their page with `--write`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
from sqlalchemy import URL, make_url

from benchmarks import imports, memory, report, requests
from benchmarks.contestants import BY_NAME as ENTRY
from benchmarks.contestants import KINDS, MODES, RAW
from benchmarks.plot import svg
from benchmarks.report import Results
from benchmarks.run import measure
from benchmarks.store import databases
from benchmarks.tasks import BY_NAME as TASK
from benchmarks.tasks import Mode

PARTS = ("tasks", "memory", "imports", "requests")
SERVER = "postgresql://postgres@127.0.0.1:5432/postgres"
DOCS = Path(__file__).parent.parent / "docs"
PAGE, DATA = DOCS / "performance-benchmarks.md", DOCS / "performance-benchmarks.json"
ROWS, QUICK_ROWS = 100_000, 20_000


def _names(known: Sequence[str]) -> Callable[..., list[str]]:
    def split(_: click.Context, parameter: click.Parameter, value: str | None) -> list[str]:
        names = [name.strip() for name in value.split(",")] if value else list(known)
        unknown = [name for name in names if name not in known]
        if unknown:
            raise click.BadParameter(f"found {', '.join(unknown)}, expected {', '.join(known)}")
        return names

    return split


def _chosen(option: str, known: Sequence[str], what: str) -> Callable[[Any], Any]:
    text = f"{what}, with commas: {', '.join(known)}. All unless given."
    return click.option(option, callback=_names(known), metavar="NAMES", help=text)


@click.command()
@_chosen("--only", PARTS, "Parts to run")
@_chosen("--tasks", tuple(TASK), "Tasks")
@_chosen("--database", KINDS, "Kinds of database")
@_chosen("--mode", MODES, "Blocking, awaited or both")
@_chosen("--contestants", tuple(ENTRY), "Libraries; the raw driver always takes part")
@click.option("--quick", is_flag=True, help="Few rounds: whether all works, not what it takes.")
@click.option("--write", is_flag=True, help=f"Write docs/{PAGE.name}, its plots and its data.")
@click.option(
    "--postgres",
    default=lambda: os.environ.get("TEST_POSTGRES_URL", SERVER),
    show_default=SERVER,
    help="A server on which databases may be made.",
)
def main(
    only: list[str],
    tasks: list[str],
    database: list[str],
    mode: list[Mode],
    contestants: list[str],
    *,
    quick: bool,
    write: bool,
    postgres: str,
) -> None:
    """Compare this library with others, and with the raw driver."""
    results = _saved()
    results.environment = report.environment()
    server = make_url(postgres).set(drivername="postgresql")
    if "tasks" in only:
        if RAW not in contestants:
            contestants = [RAW, *contestants]
        for each in mode:
            for kind in database:
                _run_table(results, kind, each, contestants, tasks, server, quick=quick)
                if write:  # a long run that is broken off leaves what it has found
                    _write(results)
    if "memory" in only:
        results.memory = memory.walks(QUICK_ROWS if quick else ROWS)
        click.echo(report.memory_part(results.memory))
    if "imports" in only:
        results.imports = imports.seconds(3 if quick else imports.ROUNDS)
        click.echo(report.imports_part(results.imports))
    if "requests" in only:
        _run_requests(results, server, database, quick=quick)
    if write:
        _write(results)


def _saved() -> Results:
    return Results.from_json(json.loads(DATA.read_text())) if DATA.exists() else Results()


def _run_table(
    results: Results,
    kind: str,
    mode: Mode,
    contestants: list[str],
    tasks: list[str],
    server: URL,
    *,
    quick: bool,
) -> None:
    with databases(server, f"p{os.getpid()}") as made:
        table = measure(
            [ENTRY[name] for name in contestants],
            [TASK[name] for name in tasks],
            kind,
            mode,
            made,
            quick=quick,
            progress=lambda line: click.echo(line, err=True),
        )
    results.add(table)
    click.echo(report.text(table))


def _run_requests(results: Results, server: URL, kinds: list[str], *, quick: bool) -> None:
    rounds = 3 if quick else requests.ROUNDS
    with databases(server, f"r{os.getpid()}") as made:
        urls = []
        if "postgresql" in kinds:
            url = make_url(made.make("postgresql", "requests"))
            url = url.set(drivername="postgresql+psycopg")
            urls.append(url.render_as_string(hide_password=False))
        results.requests = [vars(each) for each in requests.figures(*urls, rounds=rounds)]
    click.echo(report.requests_part(results.requests))


def _write(results: Results) -> None:
    PAGE.write_text(report.page(results))
    DATA.write_text(json.dumps(results.as_json(), indent=1) + "\n")
    for mode in MODES:
        tables = [table for table in results.tables if table.mode == mode]
        if tables:
            (DOCS / report.plot_name(tables[0])).write_text(svg(tables))


if __name__ == "__main__":
    main()
