"""What is noted of a class for others: its table, its foreign keys, the names it gives to others.

It is kept with the class in mypy's cache, where the class is no longer read as source.
"""

from __future__ import annotations

from typing import Any, Final

from mypy.nodes import (
    AssignmentStmt,
    CallExpr,
    CastExpr,
    ClassDef,
    Decorator,
    MemberExpr,
    NameExpr,
    StrExpr,
    TypeInfo,
)
from mypy.semanal import SemanticAnalyzer

from ._fullnames import DECLARATIVE, METADATA
from ._lookup import Names, argument, dotted, positional, statements, truth
from ._naming import Naming, may_be_of, name_of, naming_by, naming_of

__all__ = ["backrefs_of", "declares_nullable", "is_abstract", "keys_to", "note_tables"]

_NAME: Final = "__tablename__"
_FOREIGN_KEY: Final = "ForeignKey"


def note_tables(cls: ClassDef, api: SemanticAnalyzer) -> None:
    """Note the table of a class, where its columns refer to, and the backrefs it makes."""
    keys: list[list[Any]] = []
    backrefs: list[str] = []
    table, naming = None, None
    # as it is written: for a database built on a class both become bases of each of its models
    bases = (Names(api).symbol_of(expr) for expr in cls.base_type_exprs)
    abstract = any(base is not None and base.fullname in DECLARATIVE for base in bases)
    for statement in statements(cls.defs.body):
        if isinstance(statement, Decorator) and statement.func.name == _NAME:
            naming = naming_by(statement.func)
        if not isinstance(statement, AssignmentStmt):
            continue
        target, value = statement.lvalues[0], statement.rvalue
        if isinstance(value, CastExpr):
            value = value.expr
        if isinstance(value, CallExpr):
            backrefs += _backrefs(value)
            keys += [[name, declares_nullable(value)] for name in _referred(value)]
        elif isinstance(target, NameExpr) and target.name == _NAME:
            table = value.value if isinstance(value, StrExpr) else None
            naming = naming_of(value) if table is None else None
        elif isinstance(target, NameExpr) and target.name == "__abstract__":
            abstract = truth(value) is not False
    noted = {"table": table, "keys": keys, "backrefs": backrefs, "abstract": abstract}
    kept: dict[str, Any] = {key: value for key, value in noted.items() if value}
    if naming is not None:
        kept["naming"] = naming
    if kept:
        cls.info.metadata.setdefault(METADATA, {}).update(kept)


def _referred(call: CallExpr) -> list[str]:
    """The tables, or with a dot before them the classes, that a column refers to."""
    found = []
    for value in positional(call):
        parts = dotted(value.callee) if isinstance(value, CallExpr) else None
        if parts is None or parts[-1] != _FOREIGN_KEY:
            continue
        assert isinstance(value, CallExpr)
        column = value.args[0] if value.args else None
        if isinstance(column, StrExpr):
            found.append(column.value.rpartition(".")[0])
        elif isinstance(column, MemberExpr) and (owner := dotted(column.expr)):
            found.append(f".{owner[-1]}")
    return found


def _backrefs(call: CallExpr) -> list[str]:
    value = argument(call, "backref")
    if isinstance(value, CallExpr) and value.args:
        value = value.args[0]
    return [value.value] if isinstance(value, StrExpr) else []


def declares_nullable(call: CallExpr) -> bool:
    """Whether a column that is made by this call may be NULL."""
    nullable = argument(call, "nullable")
    if nullable is not None:
        return truth(nullable) is not False
    key = argument(call, "primary_key")
    if key is not None and truth(key) is not False:
        return False
    # a column that counts by itself is NOT NULL
    made = [dotted(value.callee) for value in positional(call) if isinstance(value, CallExpr)]
    return not any(parts is not None and parts[-1] == "Identity" for parts in made)


def _noted(info: TypeInfo, key: str) -> Any:
    return info.metadata.get(METADATA, {}).get(key)


def keys_to(info: TypeInfo, target: TypeInfo) -> list[bool]:
    """Whether each of the foreign keys from one class to another may be NULL."""
    names = {f".{each.name}" for each in target.mro}
    return [
        nullable
        for each in info.mro
        for name, nullable in _noted(each, "keys") or ()
        if name in names or _is_table_of(name, target)
    ]


def _is_table_of(table: str, info: TypeInfo) -> bool:
    """Whether a table, perhaps with its schema before it, is that of a class or its parents."""
    return any(
        name in (table, table.rpartition(".")[2])
        if isinstance(name := _table_of(each), str)
        else name and may_be_of(table.rpartition(".")[2], each.name)
        for each in info.mro
        if any(each.has_base(base) for base in DECLARATIVE)
    )


def _table_of(info: TypeInfo) -> str | bool:
    """The name of the table of a class, or whether it has one of a name that is not known."""
    for owner in info.mro:
        naming: Naming | None = _noted(owner, "naming")
        if (table := _noted(owner, "table")) is not None:
            return str(table)
        if naming is not None:
            return name_of(naming, info.name) or True
    return False


def is_abstract(info: TypeInfo) -> bool:
    """Whether a class is there to derive models from, and is none itself."""
    return bool(_noted(info, "abstract"))


def backrefs_of(info: TypeInfo) -> list[str]:
    """The names that relationships of a class give to attributes of other classes."""
    backrefs: list[str] = _noted(info, "backrefs") or []
    return backrefs
