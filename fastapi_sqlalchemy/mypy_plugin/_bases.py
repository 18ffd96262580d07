"""Bases that mypy does not know: `class User(db.Base)`, for whatever is named `db`.

mypy finds a base class by its name and gives up on an attribute of a variable.  The class goes on
with a base of type Any, until its method resolution order is to be known: there the right base
takes that place, and what mypy said of it is withdrawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mypy.errorcodes import MISC, NAME_DEFINED, VALID_TYPE
from mypy.errors import ErrorInfo
from mypy.mro import MroError, calculate_mro
from mypy.nodes import ClassDef, Expression, MemberExpr, NameExpr, TypeInfo, Var
from mypy.semanal import SemanticAnalyzer
from mypy.server.trigger import make_trigger
from mypy.types import Instance

from ._databases import MODEL_CLASS, QUERY_CLASS, names_of, option_of
from ._fullnames import ACTIVE_RECORD, DATABASE, DECLARATIVE, METADATA
from ._lookup import Names, class_of, dotted

__all__ = ["complete_bases", "is_declarative"]

_CODES: Final = frozenset(code.code for code in (MISC, NAME_DEFINED, VALID_TYPE))


def complete_bases(cls: ClassDef, api: SemanticAnalyzer) -> None:
    """Give a class those of its bases that only the plugin understands."""
    if not cls.info.fallback_to_any:
        return
    found = {
        index: bases
        for index, expr in enumerate(cls.base_type_exprs)
        if isinstance(expr, MemberExpr | NameExpr) and (bases := _bases(api, cls.info, expr))
    }
    if not found:
        return
    _replace(api, cls, found)
    for index in found:
        _withdraw(api, cls.base_type_exprs[index], others=cls.info.fallback_to_any)


def _bases(api: SemanticAnalyzer, info: TypeInfo, expr: Expression) -> list[Instance]:
    """What an expression gives a class to derive from; nothing where mypy knows better."""
    names = Names(api)
    node = names.symbol_of(expr)
    if isinstance(node, TypeInfo):
        return []
    base = class_of(names.type_of(expr))
    if base is None or not is_declarative(base.type) or info in base.type.mro:
        return []
    if isinstance(node, Var) and node.fullname != node.name:
        api.add_plugin_dependency(make_trigger(node.fullname))
    database = _database(names, expr, node)
    if database is None:
        return [base]
    if database.fullname != database.name:
        for name in names_of(database):
            api.add_plugin_dependency(make_trigger(name))
    if (query_class := option_of(api.modules, database, QUERY_CLASS, api.locals)) is not None:
        info.metadata.setdefault(METADATA, {})[QUERY_CLASS] = query_class.type.fullname
    model_class = option_of(api.modules, database, MODEL_CLASS, api.locals)
    if model_class is None or not is_declarative(model_class.type):
        return [base]
    if info in model_class.type.mro:  # its own ancestor
        return []
    if any(model_class.type.has_base(name) for name in DECLARATIVE):
        return [model_class]
    declarative = api.named_type_or_none(DECLARATIVE[0])
    return [model_class] if declarative is None else [model_class, declarative]


def is_declarative(info: TypeInfo) -> bool:
    """Whether models can derive from a class, or it is one."""
    return info.has_base(ACTIVE_RECORD) or any(info.has_base(name) for name in DECLARATIVE)


def _database(names: Names, expr: Expression, node: object) -> Var | None:
    """The variable whose attribute the base is."""
    value = names.value_of(node) if isinstance(node, Var) and not node.info else None
    if isinstance(value, MemberExpr):
        expr = value  # `Base = db.Base`
    if not isinstance(expr, MemberExpr):
        return None
    var = names.symbol_of(expr.expr)
    typ = names.type_of(expr.expr)
    if isinstance(var, Var) and isinstance(typ, Instance) and typ.type.has_base(DATABASE):
        return var
    return None


def _replace(api: SemanticAnalyzer, cls: ClassDef, found: dict[int, list[Instance]]) -> None:
    info = cls.info
    known = [base for base in info.bases if base.type.fullname != "builtins.object"]
    others = len(cls.base_type_exprs) - len(found)
    if others == len(known):  # each of the others is a class, in this order
        rest = iter(known)
        bases = [
            base
            for index in range(len(cls.base_type_exprs))
            for base in (found[index] if index in found else [next(rest)])
        ]
    else:  # one of them is Any, and stays it
        bases = known + [base for each in found.values() for base in each]
    info.bases = list(_needed(bases))
    info.fallback_to_any = others != len(known)
    info.mro = []
    try:
        calculate_mro(info, api.object_type)
    except MroError:
        api.fail(f'Cannot determine consistent method resolution order (MRO) for "{cls.name}"', cls)
        api.set_dummy_mro(info)


def _needed(bases: list[Instance]) -> Iterator[Instance]:
    """The bases without those that others derive from, as the metaclass of `db.Base` has them."""
    for index, base in enumerate(bases):
        others = [each.type for each in bases if each.type is not base.type]
        first = all(each.type is not base.type for each in bases[:index])
        if first and not any(other.has_base(base.type.fullname) for other in others):
            yield base


def _withdraw(api: SemanticAnalyzer, expr: Expression, *, others: bool) -> None:
    """Take back what mypy has said of a base; `others` if of other bases of the class too."""
    parts = dotted(expr)
    assert parts is not None
    name, last = ".".join(parts), parts[-1]
    messages = {
        f'Name "{name}" is not defined',
        f'Class cannot subclass "{last}" (has type "Any")',
        f'Invalid base class "{name}"',
    }
    errors, file = api.errors, api.errors.file
    reported = errors.error_info_map.get(file, [])

    def is_about_it(error: ErrorInfo) -> bool:
        if (error.line, error.column) != (expr.line, expr.column):
            return False
        return error.message in messages or error.code is VALID_TYPE or error.severity == "note"

    kept = [error for error in reported if not is_about_it(error)]
    if kept:
        errors.error_info_map[file] = kept
    else:
        errors.error_info_map.pop(file, None)
    for error in reported:
        if error.only_once and error not in kept:
            errors.only_once_messages.discard(error.message)
    used = errors.used_ignored_lines.get(file, {})
    if expr.line in used and not others:  # what is said of the body comes later
        used[expr.line] = [code for code in used[expr.line] if code not in _CODES]
