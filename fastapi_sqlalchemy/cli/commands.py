"""The commands, and what they say."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Annotated, NoReturn

import typer
from sqlalchemy import exc, orm

from .modules import HEADER, stub_of

__all__ = ["app"]

app: typer.Typer = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback()
def _commands() -> None:
    """Commands for applications that use fastapi_sqlalchemy."""


@app.command()
def stubs(
    package: Annotated[str, typer.Argument(help="The package or module, as it is imported.")],
    output: Annotated[
        Path | None,
        typer.Option(help="The folder for the stubs; beside the modules unless given."),
    ] = None,
    check: Annotated[  # noqa: FBT002 - typer makes it a flag
        bool, typer.Option("--check", help="Write nothing; fail where a stub is stale.")
    ] = False,
) -> None:
    """Write stubs (`.pyi`) that let type checkers check the keywords of models.

    One for each module that declares models, or repositories of them. The package is imported.
    """
    sys.path[:0] = [str(Path.cwd()), str(Path.cwd() / "src")]
    modules = list(_imported(package))
    try:
        orm.configure_mappers()
    except exc.SQLAlchemyError as error:
        _fail(
            f"expected models that fit together in {package}, found {error}\n"
            "Correct them, or where others declare what they refer to, name a package with both."
        )
    wanted = {
        _place(module, output): text for module in modules if (text := stub_of(module)) is not None
    }
    wanted |= _markers(wanted, output)
    places = {_place(module, output) for module in modules}
    gone = {each for each in places - wanted.keys() if _is_written_by_us(each)}
    stale = sorted(gone | {each for each, text in wanted.items() if _read(each) != text})
    if check:
        for each in stale:
            typer.echo(f"stale: {_shown(each)}", err=True)
        if stale:
            _fail(f"run `fastapi-sqlalchemy stubs {package}` with the same options again")
        return
    for each in stale:
        if each in gone:
            each.unlink()
            typer.echo(f"removed {_shown(each)}")
        else:
            each.parent.mkdir(parents=True, exist_ok=True)
            each.write_text(wanted[each], encoding="utf-8")
            typer.echo(f"wrote {_shown(each)}")
    if not wanted:
        _fail(
            f"expected models in {package}, found none: nothing was written. Only models at the "
            "top of a module, or in a class there, have a stub, and none that a function makes."
        )


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)


def _imported(package: str) -> Iterator[ModuleType]:
    """The package and the modules in it, but programs (`__main__`)."""
    names = [package]
    while names:
        name = names.pop(0)
        try:
            module = importlib.import_module(name)
        except (Exception, SystemExit) as error:  # whatever a module of somebody else raises
            found = f"expected to import {name}, found {type(error).__name__}: {error}"
            _fail(f"{found}\n{_way_out(error, package)}")
        yield module
        inner = pkgutil.iter_modules(getattr(module, "__path__", ()))
        names += [f"{name}.{each.name}" for each in inner if each.name != "__main__"]


def _way_out(error: BaseException, package: str) -> str:
    """What to do about an error that an import raised."""
    if isinstance(error, SyntaxError):
        return f"Correct {_shown(Path(error.filename or package))}, line {error.lineno}."
    if isinstance(error, ModuleNotFoundError):
        outermost = (error.name or "").partition(".")[0]
        if outermost == package.partition(".")[0]:
            return f"Run this in the folder that {outermost} is in, or install it."
        return f"Install {outermost} beside fastapi-sqlalchemy, where this command runs."
    return (
        "Modules are imported as the application imports them, and have to let that happen. Name "
        f"the one that declares the models, such as {package}.models, if only others do not."
    )


def _place(module: ModuleType, output: Path | None) -> Path:
    """Where the stub of a module stands: beside it, or in a partial stub package (PEP 561)."""
    source = Path(module.__file__ or "")
    if output is None:
        return source.with_suffix(".pyi")
    outermost, *inner = module.__name__.split(".")
    if source.stem == "__init__":
        inner.append("__init__")
    if not inner:  # no package, but a module
        return output / f"{outermost}.pyi"
    return output.joinpath(f"{outermost}-stubs", *inner).with_suffix(".pyi")


def _markers(stubs: Iterable[Path], output: Path | None) -> dict[Path, str]:
    """What tells checkers that modules without a stub are to be found where they are."""
    if output is None:
        return {}
    packages = {each.relative_to(output).parts[0] for each in stubs if each.parent != output}
    return {output / each / "py.typed": "partial\n" for each in packages}


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _is_written_by_us(path: Path) -> bool:
    return (_read(path) or "").startswith(HEADER.partition("\n")[0])


def _shown(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
