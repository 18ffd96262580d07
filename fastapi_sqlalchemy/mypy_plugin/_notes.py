"""What is noted of a method, in a symbol beside it.

The body of a method is there while its module is analysed, and never in mypy's cache.  What other
modules have to know of it is kept in a symbol, which the cache has; and the daemon, which compares
symbols and no metadata, checks again what depended on one that changed.
"""

from __future__ import annotations

from mypy.nodes import MDEF, ClassDef, SymbolTableNode, TypeInfo, Var
from mypy.semanal import SemanticAnalyzer
from mypy.types import LiteralType, get_proper_type

__all__ = ["forget", "note", "noted"]


def note(api: SemanticAnalyzer, cls: ClassDef, method: str, subject: str, text: str) -> None:
    """Keep a text about a method of a class."""
    fallback = api.named_type_or_none("builtins.str")
    if fallback is None:
        return
    beside = Var(_beside(method, subject), LiteralType(text, fallback))
    beside.info = cls.info
    beside._fullname = f"{cls.info.fullname}.{beside.name}"
    cls.info.names[beside.name] = SymbolTableNode(
        MDEF, beside, module_public=False, plugin_generated=True
    )


def noted(owner: TypeInfo, method: str, subject: str) -> str | None:
    """The text that was kept about a method of a class."""
    symbol = owner.names.get(_beside(method, subject))
    typ = get_proper_type(symbol.node.type) if symbol and isinstance(symbol.node, Var) else None
    if not isinstance(typ, LiteralType):
        return None
    return typ.value if isinstance(typ.value, str) else None


def forget(cls: ClassDef, subject: str) -> None:
    """Drop what an earlier pass kept."""
    for name in [name for name in cls.info.names if name.endswith(f"@{subject}")]:
        del cls.info.names[name]


def _beside(method: str, subject: str) -> str:
    # private, so that the definitions of two bases are never compared, and no name of a program
    return f"__{method}@{subject}"
