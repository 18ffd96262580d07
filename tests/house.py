"""The floors of the house, and what a source file breaks of them.

An import may go down or stay on its floor, also under `TYPE_CHECKING` and inside a function: a
cycle that is only drawn for a type checker is still a cycle for whoever reads the module.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PACKAGE = "fastapi_sqlalchemy"

FLOORS = {
    "exceptions": 0,
    "_caller": 0,
    "_cleanup": 0,
    "_ping": 0,
    "_shield": 0,
    "_types": 0,
    "_workers": 0,
    "autocommit": 0,
    "columns": 0,
    "hooks": 0,
    "keys": 0,
    "pool": 0,
    "sqlite": 0,
    "_deletion": 1,
    "_guarding": 1,
    "_held": 1,
    "_shown": 1,
    "_loaded": 1,
    "_arguments": 1,
    "_comparing": 1,
    "_cursors": 1,
    "_keyset": 1,
    "_ground": 1,
    "_loss": 1,
    "_names": 1,
    "_turns": 1,
    "drivers": 1,
    "_one_connection": 1,
    "_operations": 1,
    "_plans": 1,
    "_parts": 1,
    "_restore": 1,
    "_stale": 1,
    "_strict": 1,
    "engines": 1,
    "isolation": 1,
    "pagination": 1,
    "tables": 1,
    "violations": 1,
    "_async_session": 2,
    "_carried": 2,
    "_given": 2,
    "_home": 2,
    "_likeness": 2,
    "_isolated": 2,
    "_sessions": 2,
    "_injection": 2,
    "_unit": 2,
    "block": 2,
    "scope": 2,
    "session": 2,
    "transaction": 2,
    "_aggregates": 3,
    "_chain": 3,
    "_lifecycle": 3,
    "_needs": 3,
    "_received": 3,
    "loading": 3,
    "_changes": 3,
    "_creation": 3,
    "_eager": 3,
    "_explain": 3,
    "_found": 3,
    "_planned": 3,
    "_reading": 3,
    "_records": 3,
    "_rows": 3,
    "_upsert": 3,
    "bulk": 3,
    "_slices": 3,
    "batches": 3,
    "paging": 3,
    "query": 3,
    "rows": 3,
    "_annotated": 4,
    "_fields": 4,
    "_schemas": 4,
    "_selection": 4,
    "base": 4,
    "mixins": 4,
    "creating": 4,
    "model": 4,
    "repository": 4,
    "schemas": 4,
    "storing": 4,
    "storing_rows": 4,
    "writing": 4,
    "_ddl": 5,
    "database": 5,
    "_answers": 6,
    "_exchange": 6,
    "_injected": 6,
    "_handled": 6,
    "_late": 6,
    "_tables": 6,
    "dependencies": 6,
    "handlers": 6,
    "middleware": 6,
    # Hands out names of all floors, and is therefore above them.
    "__init__": 7,
}
WEB_FLOOR = 6
FASTAPI_MODULE = "dependencies"
PYDANTIC = frozenset({"pydantic", "pydantic_core"})
PYDANTIC_MODULES = frozenset({"_annotated", "_fields", "_parts", "_schemas", "_types", "schemas"})
"""Those that may import it: where a function begins, or for type checkers alone."""
BESIDE = frozenset({"testing", "pytest_plugin", "mypy_plugin", "cli"})


class Import(NamedTuple):
    """One imported module, as the parts of its full name, and the line that imports it."""

    name: tuple[str, ...]
    line: int


def imports(source: str, module: str, *, package: bool = False) -> Iterator[Import]:
    """All that a module of the package imports, wherever in the file.

    Args:
        source: its text.
        module: its name below the package, such as `model` or `mypy_plugin.hooks`.
        package: whether it is the `__init__` of that name.
    """
    here = (PACKAGE, *(part for part in module.split(".") if part != "__init__"))
    if not package and module != "__init__":
        here = here[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(tuple(alias.name.split(".")), node.lineno)
        elif isinstance(node, ast.ImportFrom):
            start = here[: len(here) - node.level + 1] if node.level else ()
            base = (*start, *(node.module.split(".") if node.module else ()))
            if base == (PACKAGE,):
                # `from . import model` names a module, `from . import db` what __init__ holds.
                for alias in node.names:
                    known = alias.name in FLOORS or alias.name in BESIDE
                    yield Import((*base, alias.name) if known else base, node.lineno)
            else:
                yield Import(base, node.lineno)


def broken_rules(source: str, module: str, *, package: bool = False) -> list[str]:
    """What one module breaks, a sentence each."""
    own = module.partition(".")[0]
    floor = FLOORS.get(own)
    if floor is None and own not in BESIDE:
        return [f"{module} has no floor"]
    return [
        f"{module}:{line}: {broken}"
        for name, line in imports(source, module, package=package)
        if (broken := _broken_by(own, floor, name))
    ]


def _broken_by(own: str, floor: int | None, name: tuple[str, ...]) -> str | None:
    if name[0] == "fastapi" and own != FASTAPI_MODULE:
        return f"fastapi is imported in {FASTAPI_MODULE} only"
    if name[0] in PYDANTIC and own not in PYDANTIC_MODULES:
        return f"pydantic is imported in {', '.join(sorted(PYDANTIC_MODULES))} only"
    if name[0] == "starlette" and floor is not None and floor < WEB_FLOOR:
        return f"starlette is not known below floor {WEB_FLOOR}"
    if name[0] != PACKAGE:
        return None
    target = name[1] if len(name) > 1 else "__init__"
    if target == own:
        return None
    if target in BESIDE:
        return f"nothing imports {target}, which stands beside the house"
    if target not in FLOORS:
        return f"{target} has no floor"
    if floor is not None and FLOORS[target] > floor:
        return f"climbs from floor {floor} to {target} on floor {FLOORS[target]}"
    return None


def broken_face(source: str) -> list[str]:
    """What `__init__` breaks: it only imports, and names what it hands out, sorted."""
    broken: list[str] = []
    handed_out: set[str] = set()
    constants: dict[str, object] = {}
    for node in ast.parse(source).body:
        match node:
            case ast.Expr(value=ast.Constant(value=str())):
                pass
            case ast.ImportFrom() | ast.Import():
                handed_out |= {alias.asname or alias.name for alias in node.names}
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ) if name in {"__all__", "__version__"}:
                constants[name] = ast.literal_eval(value)
            case _:
                broken.append(f"__init__:{node.lineno}: only imports, __all__ and __version__")
    public = constants.get("__all__")
    if not isinstance(public, list | tuple):
        broken.append("__init__ has no __all__")
        public = ()
    if not isinstance(constants.get("__version__"), str):
        broken.append("__init__ has no __version__")
    if list(public) != sorted(public):
        broken.append("__all__ is not sorted")
    if missing := sorted(handed_out - set(public)):
        broken.append(f"__all__ lacks {', '.join(missing)}")
    if unknown := sorted(set(public) - handed_out - {"__version__"}):
        broken.append(f"__all__ names what is not imported: {', '.join(unknown)}")
    return broken


def modules(folder: Path) -> Iterator[tuple[str, Path]]:
    """The modules of the package, by their names below it."""
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        name = parts if len(parts) == 1 or parts[-1] != "__init__" else parts[:-1]
        yield ".".join(name), path
