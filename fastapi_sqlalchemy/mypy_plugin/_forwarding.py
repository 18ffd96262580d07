"""Where a verb of one's own takes its keywords: `def get(cls, **kwargs)`, which asks with them.

A verb that overrides ours, with `**kwargs`, may be called with any name.  Its body says what they
are names of: those that it hands on to a query, a constructor, a verb, or sets on the record, are
names of the model.  Where it does anything else with them, nothing is known of them.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple

from mypy.nodes import (
    ARG_STAR2,
    AssignmentStmt,
    CallExpr,
    ClassDef,
    ComparisonExpr,
    Expression,
    ExpressionStmt,
    ForStmt,
    FuncDef,
    FuncItem,
    IfStmt,
    IndexExpr,
    MemberExpr,
    NameExpr,
    Statement,
    StrExpr,
    SuperExpr,
    TupleExpr,
    TypeInfo,
    UnaryExpr,
)
from mypy.semanal import SemanticAnalyzer

from ._chains import KEEPING
from ._lookup import methods, statements
from ._notes import forget, note, noted
from ._parts import expressions_of

__all__ = ["Forwarded", "forwarded_by", "note_forwarding"]

_SUBJECT: Final = "keywords"
_DECORATORS: Final = frozenset({"classmethod", "override"})
"""Those that leave a method what it is written as."""

_SHOWING: Final = frozenset({"debug", "error", "info", "len", "print", "repr", "str", "warning"})
"""Functions, and methods of loggers, that take nothing out of a dictionary."""

_LISTING: Final = frozenset({"list", "sorted"})
"""Functions that give its names, which are only shown where such a function shows them."""

_CONSTRUCTOR: Final = "constructor"
_QUERY: Final = "query"
_RECORD: Final = "record"


class Forwarded(NamedTuple):
    """What a method does with the keywords that it does not name.

    Args:
        constructs: Whether it calls the constructor with them.
        sets: Whether it sets attributes of these names.
        queried: The methods of a query that it calls with them.
        verbs: Its own verbs that it calls with them.
        inherited: The methods of its ancestors that it calls with them.
        own: The names that it reads itself.
    """

    constructs: bool
    sets: bool
    queried: list[str]
    verbs: list[str]
    inherited: list[str]
    own: list[str]


def note_forwarding(cls: ClassDef, api: SemanticAnalyzer, names: Collection[str]) -> None:
    """Note of the methods of these names in a class where they hand their keywords on to."""
    forget(cls, _SUBJECT)
    if cls.info.is_protocol or cls.info.is_enum:
        return
    seen: set[str] = set()
    for name, function, decorators in methods(cls):
        if name not in names:
            continue
        twice = name in seen  # which of them counts is for mypy to say
        seen.add(name)
        destinations: list[str] = []
        if decorators <= _DECORATORS and not twice:
            destinations = _destinations(function, is_class="classmethod" in decorators)
        note(api, cls, name, _SUBJECT, " ".join(destinations))


def forwarded_by(owner: TypeInfo, method: str) -> Forwarded | None:
    """What was noted of a method of a class; None where nothing is known of its keywords."""
    text = noted(owner, method, _SUBJECT)
    if not text:
        return None
    parts = [part.partition(":")[::2] for part in text.split()]

    def named(kind: str) -> list[str]:
        return [name for each, name in parts if each == kind]

    return Forwarded(
        constructs=(_CONSTRUCTOR, "") in parts,
        sets=(_RECORD, "") in parts,
        queried=named(_QUERY),
        verbs=named("verb"),
        inherited=named("super"),
        own=named("own"),
    )


def _destinations(function: FuncDef, *, is_class: bool) -> list[str]:
    """Where the keywords of a method go; nowhere if it does anything else with them."""
    if ARG_STAR2 not in function.arg_kinds or len(function.arg_names) < 2:
        return []
    keywords = function.arg_names[function.arg_kinds.index(ARG_STAR2)]
    first = function.arg_names[0]
    if keywords is None or first is None:
        return []
    reader = _Reader(first, keywords, is_class=is_class)
    reader.read(function.body.body)
    forwards = any(not each.startswith("own:") for each in reader.found)
    return sorted(reader.found) if reader.is_plain and forwards else []


class _Reader:
    """Reads the body of a method.

    Args:
        first: What it calls its class or record.
        keywords: What it calls its keywords.
        is_class: Whether `first` is the class.
    """

    def __init__(self, first: str, keywords: str, *, is_class: bool) -> None:
        self._first, self._keywords, self._of_class = first, keywords, is_class
        self._records: set[str] = set() if is_class else {first}
        self.found: set[str] = set()
        self.is_plain = True
        """Whether nothing else is done with the keywords."""

    def read(self, body: list[Statement]) -> None:
        """Read the statements of a block, and of those within."""
        set_by_loops: set[Statement] = set()
        for statement in statements(body, scopes=True):
            if statement in set_by_loops:
                continue
            if isinstance(statement, ForStmt) and self._sets_each(statement):
                self._goes_to(_RECORD)
                set_by_loops.update(statement.body.body)
            elif isinstance(statement, IfStmt):
                for test in statement.expr:
                    self._tests(test)
            else:
                self._parts(statement)
            if isinstance(statement, AssignmentStmt):
                self._assigns(statement)

    def _tests(self, test: Expression) -> None:
        bare = test.expr if isinstance(test, UnaryExpr) and test.op == "not" else test
        if not self._is_keywords(bare):  # `if kwargs:`
            self._read(test)

    def _parts(self, node: Statement | Expression) -> None:
        parts = expressions_of(node)
        if parts is None or (
            isinstance(node, FuncItem) and {self._keywords, self._first} & set(node.arg_names)
        ):
            self.is_plain = False
        for part in parts or ():
            self._read(part)

    def _read(self, expr: Expression) -> None:
        match expr:
            case NameExpr() if self._is_keywords(expr):
                self.is_plain = False
            case IndexExpr(base=base, index=name) if self._is_keywords(base):
                self._reads(name)
            case ComparisonExpr(operators=["in" | "not in"], operands=[name, within]) if (
                self._is_keywords(within)
            ):
                self._reads(name)
            case CallExpr():
                self._calls(expr)
            case _:
                self._parts(expr)

    def _calls(self, call: CallExpr) -> None:
        match call.callee:
            case MemberExpr(name="get" | "pop" | "setdefault", expr=read) if (
                self._is_keywords(read) and call.args
            ):
                self._reads(call.args[0])
            case _:
                self._read(call.callee)
        shows = isinstance(call.callee, NameExpr | MemberExpr) and call.callee.name in _SHOWING
        for value, kind in zip(call.args, call.arg_kinds, strict=True):
            if kind == ARG_STAR2 and self._is_keywords(value):
                self._goes_to(self._destination(call.callee))
            elif not (shows and self._lists(value)):
                self._read(value)

    def _lists(self, value: Expression) -> bool:
        """It is the keywords, or a list of their names."""
        match value:
            case CallExpr(callee=NameExpr(name=name), args=[of]) if name in _LISTING:
                return self._is_keywords(of)
        return self._is_keywords(value)

    def _assigns(self, statement: AssignmentStmt) -> None:
        targets = {each.name for each in statement.lvalues if isinstance(each, NameExpr)}
        value = statement.rvalue
        if isinstance(value, CallExpr) and self._is_class(value.callee):
            self._records |= targets
        elif targets & {self._first, *self._records}:
            self.is_plain = False

    def _is_keywords(self, expr: Expression) -> bool:
        return isinstance(expr, NameExpr) and expr.name == self._keywords

    def _reads(self, name: Expression) -> None:
        word = name.value if isinstance(name, StrExpr) and name.value.isidentifier() else None
        self._goes_to(None if word is None else f"own:{word}")

    def _goes_to(self, destination: str | None) -> None:
        if destination is None:
            self.is_plain = False
        else:
            self.found.add(destination)

    def _destination(self, callee: Expression) -> str | None:
        """What a callable that is given the keywords is to the model."""
        if self._is_class(callee):
            return _CONSTRUCTOR
        if isinstance(callee, SuperExpr):
            return None if callee.call.args else f"super:{callee.name}"
        if not isinstance(callee, MemberExpr):
            return None
        if self._is_first(callee.expr) or self._is_class(callee.expr):
            return f"verb:{callee.name}"
        return f"{_QUERY}:{callee.name}" if self._is_chain(callee.expr) else None

    def _is_first(self, expr: Expression) -> bool:
        return isinstance(expr, NameExpr) and expr.name == self._first

    def _is_class(self, expr: Expression) -> bool:
        """`cls`, or for a record `type(self)` and `self.__class__`."""
        if isinstance(expr, MemberExpr):
            return expr.name == "__class__" and self._is_first(expr.expr)
        if isinstance(expr, CallExpr):
            is_type = isinstance(expr.callee, NameExpr) and expr.callee.name == "type"
            return is_type and len(expr.args) == 1 and self._is_first(expr.args[0])
        return self._of_class and self._is_first(expr)

    def _is_chain(self, expr: Expression) -> bool:
        """`cls.query`, and what is still about this model."""
        while isinstance(expr, CallExpr) and isinstance(expr.callee, MemberExpr):
            if expr.callee.name not in KEEPING:
                return False
            expr = expr.callee.expr
        if not isinstance(expr, MemberExpr) or expr.name != "query":
            return False
        return self._is_first(expr.expr) or self._is_class(expr.expr)

    def _sets_each(self, loop: ForStmt) -> bool:
        """`for name, value in kwargs.items(): setattr(self, name, value)`."""
        match loop.expr, loop.index, loop.body.body:
            case (
                CallExpr(callee=MemberExpr(name="items", expr=expr), args=[]),
                TupleExpr(items=[NameExpr(name=name), NameExpr(name=value)]),
                [ExpressionStmt(expr=CallExpr(callee=NameExpr(name="setattr"), args=args))],
            ) if self._is_keywords(expr) and loop.else_body is None:
                match args:
                    case [NameExpr(name=record), NameExpr(name=given), NameExpr(name=last)]:
                        return (given, last) == (name, value) and record in self._records
        return False
