"""A stub of a module: all that stands in it, without code, and its models with checked keywords.

The source says what is there and how it is annotated; the classes, which are imported, say what is
mapped.  Only a module that declares models, or repositories of them, needs one.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from importlib.util import resolve_name
from pathlib import Path
from types import ModuleType
from typing import Any

import sqlalchemy
from sqlalchemy import orm

from fastapi_sqlalchemy.model import ActiveRecord
from fastapi_sqlalchemy.query import Query
from fastapi_sqlalchemy.repository import Repository

from . import verbs
from .attributes import attributes
from .naming import Names
from .syntax import PLAIN, exported, returns_chain, set_by, sets_plain_values, without_code

__all__ = ["HEADER", "stub_of"]

HEADER = """\
# Written by `fastapi-sqlalchemy stubs`. Change the module, and run that again.
# mypy: ignore-errors
# pyright: reportIncompatibleMethodOverride=false, reportIncompatibleVariableOverride=false
# pyrefly: ignore-errors
"""

_NEVER_SHOWN = (ast.Expr, ast.For, ast.AsyncFor, ast.While, ast.Assert, ast.Delete, ast.Raise)


def stub_of(module: ModuleType) -> str | None:
    """The text of a stub, or None where a module declares nothing that needs one."""
    stub = _Stub(module)
    if not stub.models and not stub.repositories:
        return None
    return stub.text()


class _Stub:
    """The stub of one module."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module
        source = Path(module.__file__).read_text(encoding="utf-8") if module.__file__ else ""
        self.tree = ast.parse(source)
        self.names = Names(module.__name__, set(re.findall(r"\w+", source)))
        own = [
            each
            for each in _classes(vars(module).values())
            if each.__module__ == module.__name__ and _is_reached(each)
        ]
        self.models = {each.__qualname__: each for each in own if _is_mapped(each)}
        self.repositories: dict[str, type[Any]] = {
            each.__qualname__: each
            for each in own
            if issubclass(each, Repository) and _has_stub(getattr(each, "model", None))
        }

    def text(self) -> str:
        """All of it."""
        body = list(self._statements(self.tree.body, prefix=""))
        future = [each for each in body if _is_future(each)]
        parts = [ast.unparse(each) for each in body if not _is_future(each)]
        foreign = {each.model for each in self.repositories.values() if not self._knows(each.model)}
        for model in (*self.models.values(), *sorted(foreign, key=lambda each: each.__name__)):
            parts.append("\n".join(verbs.keywords(model, self.names)))
            if verbs.has_query(model) and model not in foreign:
                parts.append("\n".join(verbs.query_class(model, self.names)))
        head = [*map(ast.unparse, future), *self.names.imports]
        text = "\n".join([*head, *parts])
        text = re.sub(r":\n\s+\.\.\.(?=\n|$)", ": ...", text).replace("\n\n", "\n")
        return f"{self._header()}{text}\n"

    def _header(self) -> str:
        """The header, with what ty is to ignore; one that ignores nothing it calls unused."""
        queries = any(map(verbs.has_query, self.models.values()))
        verbs_of_ours = self.repositories or any(
            issubclass(each, ActiveRecord) for each in self.models.values()
        )
        codes = [
            *(["incompatible-attribute-override"] if queries else []),
            *(["incompatible-method-override"] if verbs_of_ours else []),
        ]
        return HEADER + (f"# ty: ignore[{', '.join(codes)}]\n" if codes else "")

    def _knows(self, model: type[Any]) -> bool:
        """Whether the module of a model has a stub too: it is of the same package."""
        return _outermost(model.__module__) == _outermost(self.module.__name__)

    def _statements(self, body: Iterable[ast.stmt], *, prefix: str) -> Iterator[ast.stmt]:
        for node in body:
            match node:
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    yield without_code(node)
                case ast.ClassDef():
                    yield self._class(node, prefix=prefix)
                case ast.If():
                    if not _is_main(node):
                        node.body = list(self._statements(node.body, prefix=prefix)) or [ast.Pass()]
                        node.orelse = list(self._statements(node.orelse, prefix=prefix))
                        yield node
                case ast.Try():
                    node.body = list(self._statements(node.body, prefix=prefix)) or [ast.Pass()]
                    for handler in node.handlers:
                        handler.body = list(self._statements(handler.body, prefix=prefix)) or [
                            ast.Pass()
                        ]
                    node.orelse = list(self._statements(node.orelse, prefix=prefix))
                    node.finalbody = list(self._statements(node.finalbody, prefix=prefix))
                    yield node
                case ast.With() | ast.For() | ast.While() if not prefix:
                    named = [*set_by(node)]
                    yield from self._statements(
                        [each for each in node.body if not isinstance(each, ast.Assign)],
                        prefix=prefix,
                    )
                    yield from self._declared(named)
                case ast.Assign() if not prefix and sets_plain_values(node):
                    # else a checker takes it for that very value, which it will always have
                    match node:
                        case ast.Assign(targets=[ast.Name() as target]):
                            [declared] = self._declared([target.id])
                            declared.value = node.value
                            yield declared
                        case _:
                            yield from self._declared(set_by(node))
                case ast.ImportFrom(level=level) if level:
                    # the stub may stand where the modules beside this one are not
                    relative = "." * level + (node.module or "")
                    package = self.module.__package__ or ""
                    node.module, node.level = resolve_name(relative, package), 0
                    yield exported(node)
                case ast.ImportFrom() | ast.Import() if not prefix and not _is_future(node):
                    yield exported(node)
                case _ if not isinstance(node, _NEVER_SHOWN):
                    yield node

    def _class(self, node: ast.ClassDef, *, prefix: str) -> ast.ClassDef:
        name = f"{prefix}{node.name}"
        methods = [each for each in node.body if isinstance(each, ast.FunctionDef)]
        declared = {target for each in node.body for target in _targets(each)}
        declared |= self._inherited(name)
        any_ = self.names.of("typing", "Any") if methods else ""
        assigned = list(_assigned_to_self(methods, declared, any_))
        if _is_query(_evaluated(name, self.module)):
            self._tell_chains(node)
        body = [*assigned, *self._statements(node.body, prefix=f"{name}.")]
        lines: list[str] = []
        if (model := self.models.get(name)) is not None:
            body = [self._typed(each, model) for each in body]
            lines = list(verbs.model_verbs(model, self.names))
        elif (repository := self.repositories.get(name)) is not None:
            known = self._knows(repository.model)
            home = repository.model.__module__ if known else self.module.__name__
            lines = list(verbs.repository_verbs(repository, self.names, home=home))
        node.bases = [self._base(each) for each in node.bases]
        added = ast.parse("\n".join(["class _:", "    pass", *lines])).body[0]
        assert isinstance(added, ast.ClassDef)
        node.body = [*body, *added.body[1:]] or [ast.Pass()]
        return node

    def _tell_chains(self, node: ast.ClassDef) -> None:
        """Annotate methods of a query that return it: without code no checker infers that."""
        for each in node.body:
            if isinstance(each, ast.FunctionDef) and returns_chain(each, _is_chain_method):
                each.returns = ast.Name(self.names.of("typing", "Self"))

    def _declared(self, names: Iterable[str]) -> Iterator[ast.AnnAssign]:
        """Variables of the module as declarations: of the type that they are found to have."""
        for name in dict.fromkeys(names):
            kind = type(vars(self.module).get(name))
            written = kind.__name__ if kind in PLAIN else self.names.of("typing", "Any")
            yield ast.AnnAssign(ast.Name(name), ast.Name(written), None, simple=1)

    def _inherited(self, name: str) -> set[str]:
        """What the ancestors of a class declare, whose types it keeps."""
        found: Any = _evaluated(name, self.module)
        if not isinstance(found, type):
            return set()
        ancestors = found.__mro__[1:]
        annotated = (vars(each).get("__annotations__", {}) for each in ancestors)
        return set().union(*map(vars, ancestors), *annotated)

    def _typed(self, node: ast.stmt, model: type[Any]) -> ast.stmt:
        """`name = Column(String)` as `name: Mapped[str | None]`."""
        if not isinstance(node, ast.Assign) or len(node.targets) != 1:
            return node
        [target] = node.targets
        known = {each.name: each for each in attributes(model)}
        if not isinstance(target, ast.Name) or (found := known.get(target.id)) is None:
            return node
        mapped = f"{self.names.of('sqlalchemy.orm', 'Mapped')}[{self.names.type(found.type)}]"
        value = node.value if verbs.is_transformed(model) else None
        annotation = ast.parse(mapped, mode="eval").body
        return ast.AnnAssign(target=target, annotation=annotation, value=value, simple=1)

    def _base(self, node: ast.expr) -> ast.expr:
        """`db.Base` as the class that it is, which mypy knows."""
        if not isinstance(node, ast.Attribute) or node.attr != "Base":
            return node
        found = _evaluated(ast.unparse(node), self.module)
        if not isinstance(found, type):
            return node
        written = self.names.type(found)
        if written == self.names.type(Any):
            written = self.names.of("fastapi_sqlalchemy.base", "Base")
        return ast.parse(written, mode="eval").body


def _classes(found: Iterable[Any], seen: set[type] | None = None) -> Iterator[type[Any]]:
    """Classes, and the classes within them."""
    seen = set() if seen is None else seen
    for each in found:
        if isinstance(each, type) and each not in seen:
            seen.add(each)
            yield each
            inner = [
                i for i in vars(each).values() if getattr(i, "__module__", 0) == each.__module__
            ]
            yield from _classes(inner, seen)


def _is_reached(kind: type[Any]) -> bool:
    """Whether a class has a name that an import can reach: one of a function has none."""
    return _evaluated(kind.__qualname__, sys.modules.get(kind.__module__)) is kind


def _has_stub(model: Any) -> bool:
    return _is_mapped(model) and _is_reached(model)


def _is_query(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Query)


def _is_chain_method(name: str) -> bool:
    """Whether a method of every query returns a query of the same class."""
    method = getattr(Query, name, None)
    return callable(method) and inspect.signature(method).return_annotation == "Self"


def _is_mapped(model: Any) -> bool:
    return isinstance(model, type) and isinstance(
        sqlalchemy.inspect(model, raiseerr=False), orm.Mapper
    )


def _evaluated(dotted: str, module: ModuleType | None) -> Any:
    found: Any = module
    for name in dotted.split("."):
        found = getattr(found, name, None)
    return found


def _outermost(module: str) -> str:
    return module.partition(".")[0]


def _is_future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def _is_main(node: ast.If) -> bool:
    return "__main__" in ast.unparse(node.test)


def _targets(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name
        case ast.Assign(targets=targets):
            yield from (each.id for each in targets if isinstance(each, ast.Name))
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            yield name


def _assigned_to_self(
    methods: Iterable[ast.FunctionDef], known: set[str], unknown: str
) -> Iterator[ast.stmt]:
    """The attributes that methods set, as declarations: the code that sets them is left out."""
    for method in methods:
        given = {each.arg: each.annotation for each in method.args.args + method.args.kwonlyargs}
        for node in ast.walk(method):
            kind: ast.expr | None = None
            match node:
                case ast.AnnAssign(target=ast.Attribute(value=ast.Name(id="self"), attr=name)):
                    kind = node.annotation
                case ast.Assign(targets=[ast.Attribute(value=ast.Name(id="self"), attr=name)]):
                    value = node.value
                    kind = given.get(value.id) if isinstance(value, ast.Name) else None
                case _:
                    continue
            if name not in known:
                known.add(name)
                kind = kind or ast.parse(unknown, mode="eval").body
                yield ast.AnnAssign(target=ast.Name(name), annotation=kind, value=None, simple=1)
