"""What keywords a verb takes: names of its model, also where a program has overridden the verb."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum, auto
from typing import Final, NamedTuple

from mypy.checker import TypeChecker
from mypy.nodes import Decorator, FuncDef, TypeInfo
from mypy.types import AnyType, CallableType, Instance, Type, get_proper_type

from ._forwarding import Forwarded, forwarded_by
from ._fullnames import ACTIVE_RECORD, LIBRARIES, QUERY, REPOSITORY
from ._keywords import Keywords, assigned, compared, set_values
from ._queries import is_asked_by_ours
from ._sqltypes import unknown

__all__ = ["CONSTRUCTOR", "KINDS", "OF", "VERBS", "Method", "Taken", "method_of"]

CONSTRUCTOR: Final = "__init__"


class Meaning(Enum):
    """What the keywords of a verb are for."""

    COMPARED = auto()
    CONSTRUCTED = auto()
    SET = auto()


def _twins(verbs: Mapping[str, Meaning]) -> dict[str, Meaning]:
    return {**verbs, **{f"a{name}": meaning for name, meaning in verbs.items()}}


_OF_MODELS: Final = _twins(
    {
        "get": Meaning.COMPARED,
        "get_all": Meaning.COMPARED,
        "get_one": Meaning.COMPARED,
        "get_or_404": Meaning.COMPARED,
        "count": Meaning.COMPARED,
        "exists": Meaning.COMPARED,
        "get_or_create": Meaning.COMPARED,
        "update_or_create": Meaning.COMPARED,
        "new": Meaning.CONSTRUCTED,
        "update": Meaning.SET,
    }
)
_OF_QUERIES: Final = _twins({"update": Meaning.COMPARED}) | {"filter_by": Meaning.COMPARED}
_OF_REPOSITORIES: Final = _twins(
    {
        "get_by": Meaning.COMPARED,
        "find": Meaning.COMPARED,
        "count": Meaning.COMPARED,
        "exists": Meaning.COMPARED,
        "get_or_create": Meaning.COMPARED,
        "update_or_create": Meaning.COMPARED,
        "create": Meaning.CONSTRUCTED,
        "update": Meaning.SET,
    }
)
OF: Final = {ACTIVE_RECORD: _OF_MODELS, QUERY: _OF_QUERIES, REPOSITORY: _OF_REPOSITORIES}
"""The verbs with keywords, by the class that has them."""

KINDS: Final = tuple(OF)
"""The classes that have verbs with keywords."""

VERBS: Final = frozenset(name for verbs in OF.values() for name in verbs)
"""The names that a verb with keywords can have."""


class Method(NamedTuple):
    """A function of a class, and the class that defines it."""

    owner: TypeInfo
    function: FuncDef

    @property
    def is_ours(self) -> bool:
        return self.owner.fullname.startswith(LIBRARIES)

    def names(self) -> dict[str, Type]:
        """The keywords that the function names itself."""
        function = self.function
        signature = get_proper_type(function.type)
        types: list[Type] = [unknown()] * len(function.arg_names)
        if isinstance(signature, CallableType) and len(signature.arg_types) == len(types):
            types = signature.arg_types
        named = zip(function.arg_names[1:], function.arg_kinds[1:], types[1:], strict=True)
        return {name: typ for name, kind, typ in named if name and not kind.is_star()}


class Taken:
    """The keywords that the verbs of one class take.

    Args:
        checker: mypy's.
        owner: The class that has the verbs.
        model: The model that they are about.
        kind: Which of ours the class derives from; the first is a model itself.
    """

    def __init__(self, checker: TypeChecker, owner: Instance, model: Instance, kind: str) -> None:
        self._checker, self.owner, self.model, self.kind = checker, owner, model, kind
        self._asked: set[tuple[str, str]] = set()

    def by(self, verb: str, owners: Sequence[TypeInfo] | None = None) -> Keywords | None:
        """Those of a verb, as the first of some classes has it; None where some are unknown."""
        return self._by(self.owner.type.mro if owners is None else owners, verb)

    def constructed(self) -> Keywords | None:
        """Those of the constructor of the model; None where not all of them are known."""
        if self.kind != ACTIVE_RECORD:
            return Taken(self._checker, self.model, self.model, ACTIVE_RECORD).constructed()
        method = method_of(self.model.type.mro, CONSTRUCTOR)
        if method is None:
            return None
        if method.is_ours:
            return set_values(self.model)
        if not any(kind.is_star() for kind in method.function.arg_kinds):
            return method.names()
        return self._by(self.model.type.mro, CONSTRUCTOR)

    def _by(self, owners: Iterable[TypeInfo], verb: str) -> Keywords | None:
        method = method_of(owners, verb)
        if method is None:
            return None
        if method.is_ours:
            return self._by_ours(verb)
        forwarded = forwarded_by(method.owner, verb)
        place = (method.owner.fullname, verb)
        if forwarded is None or place in self._asked:
            return None
        self._asked.add(place)
        found = self._forwarded(forwarded, method.owner)
        self._asked.discard(place)
        return None if found is None else {**found, **method.names()}

    def _by_ours(self, verb: str) -> Keywords | None:
        if verb == CONSTRUCTOR:
            return set_values(self.model)
        match OF[self.kind].get(verb):
            case Meaning.COMPARED:
                return compared(self.model)
            case Meaning.SET:
                return set_values(self.model)
            case Meaning.CONSTRUCTED:
                return self.constructed()
        return None

    def _forwarded(self, forwarded: Forwarded, owner: TypeInfo) -> Keywords | None:
        """What all takes that a method hands its keywords to."""
        found: list[Keywords | None] = []
        is_model = self.kind == ACTIVE_RECORD
        if forwarded.constructs:
            found.append(self.constructed() if is_model else None)
        if forwarded.sets:
            found.append(assigned(self.model) if is_model else None)
        mro = self.owner.type.mro
        for verb in forwarded.queried:
            asks = verb in _OF_QUERIES and is_asked_by_ours(self._checker, mro, verb)
            found.append(compared(self.model) if asks else None)
        for verb in forwarded.verbs:
            makes = verb == "model" and self.kind == REPOSITORY
            found.append(self.constructed() if makes else self._by(mro, verb))
        above = mro[mro.index(owner) + 1 :]
        found += [self._by(above, verb) for verb in forwarded.inherited]
        known = [each for each in found if each is not None]
        if len(known) < len(found):
            return None
        return _merged(known) | {name: unknown() for name in forwarded.own}


def method_of(owners: Iterable[TypeInfo], name: str) -> Method | None:
    """The method of this name, of the first class that has one; None for what is no function."""
    for owner in owners:
        if name in owner.names:
            node = owner.names[name].node
            if isinstance(node, Decorator):
                node = node.func
            return Method(owner, node) if isinstance(node, FuncDef) else None
    return None


def _merged(found: Iterable[Keywords]) -> dict[str, Type]:
    """The names of all; of a type only where each has the same."""
    merged: dict[str, Type] = {}
    for keywords in found:
        for name, typ in keywords.items():
            known = merged.setdefault(name, typ)
            if not isinstance(get_proper_type(known), AnyType) and known != typ:
                merged[name] = unknown()
    return merged
