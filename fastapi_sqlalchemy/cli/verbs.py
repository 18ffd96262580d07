"""The verbs of a model and of a repository, as a stub writes them: with keywords that are checked.

Keywords are those of a `TypedDict`, which every checker understands: `**eq: Unpack[_UserEqual]` for
what is compared, `**values: Unpack[_UserValues]` for what is set.
"""

from __future__ import annotations

import contextlib
import inspect
import typing
from collections.abc import Iterator
from dataclasses import is_dataclass
from typing import Any

from fastapi_sqlalchemy.model import ActiveRecord
from fastapi_sqlalchemy.repository import Repository

from .attributes import Attribute, attributes
from .naming import Names
from .overrides import EQUAL, VALUES, meaning

__all__ = [
    "has_query",
    "is_transformed",
    "keywords",
    "model_verbs",
    "query_class",
    "repository_verbs",
]

_CRITERIA = "*criteria: {Any}, **eq: {equal}"
_DEFAULTS = "defaults: {Mapping}[str, {Any}] | None = None, **eq: {equal}"

_OF_MODEL = {
    "get": (_CRITERIA, "{Self} | None"),
    "get_one": (_CRITERIA, "{Self}"),
    "get_or_404": (_CRITERIA, "{Self}"),
    "get_all": (_CRITERIA, "list[{Self}]"),
    "count": (_CRITERIA, "int"),
    "exists": (_CRITERIA, "bool"),
    "new": ("**values: {values}", "{Self}"),
    "get_or_create": (_DEFAULTS, "tuple[{Self}, bool]"),
    "update_or_create": (_DEFAULTS, "tuple[{Self}, bool]"),
}
_OF_RECORD = {"update": ("**values: {values}", "{Self}")}
_OF_REPOSITORY = {
    "get_by": ("**eq: {equal}", "{model} | None"),
    "find": (_CRITERIA, "list[{model}]"),
    "count": (_CRITERIA, "int"),
    "exists": (_CRITERIA, "bool"),
    "create": ("**values: {values}", "{model}"),
    "update": ("record_or_ident: {Any}, /, **values: {values}", "{model}"),
    "get_or_create": (_DEFAULTS, "tuple[{model}, bool]"),
    "update_or_create": (_DEFAULTS, "tuple[{model}, bool]"),
}
_OF_QUERY = {
    "filter_by": ("**eq: {equal}", "{Self}"),
    "update": (
        "given: {Mapping}[{Any}, {Any}] | None = ..., /, *, all_rows: bool = ..., **eq: {values}",
        "int",
    ),
}
# What is joined has names of its own, which `filter_by()` takes from then on.
_JOINS = {
    "join": (
        "target: {Any}, onclause: {Any} = None, *, isouter: bool = False, full: bool = False",
        "{query}",
    ),
    "outerjoin": ("target: {Any}, onclause: {Any} = None, *, full: bool = False", "{query}"),
    "select_from": ("*froms: {Any}", "{query}"),
}


def keywords(model: type[Any], names: Names) -> Iterator[str]:
    """The `TypedDict`s of a model: of what can be compared, and of what can be set."""
    known = attributes(model)
    for title, own in (
        (_own_name(model, "Equal"), [each for each in known if each.comparable]),
        (_own_name(model, "Values"), [each for each in known if each.settable]),
    ):
        # without `closed` ty takes a keyword that is none of these
        base = names.of("typing_extensions", "TypedDict")
        yield f"class {title}({base}, total=False, closed=True):"
        yield from (f"    {each.name}: {_written(each, names)}" for each in own)
        yield from (["    pass"] if not own else [])


def _own_name(model: type[Any], what: str) -> str:
    return f"_{model.__qualname__.replace('.', '_')}{what}"


def _written(attribute: Attribute, names: Names) -> str:
    kind = names.type(attribute.type)
    if not attribute.is_column or attribute.type is Any:
        return kind
    return f"{kind} | {names.of('sqlalchemy.sql.elements', 'SQLCoreOperations')}[{kind}]"


def _words(model: type[Any], names: Names, *, home: str, query: str = "") -> dict[str, str]:
    """What stands for the words in a signature; `home` is where the model's `TypedDict`s are."""
    unpack = names.of("typing", "Unpack")
    return {
        "Any": names.of("typing", "Any"),
        "Mapping": names.of("collections.abc", "Mapping"),
        "Self": names.of("typing", "Self"),
        "equal": f"{unpack}[{names.of(home, _own_name(model, 'Equal'))}]",
        "values": f"{unpack}[{names.of(home, _own_name(model, 'Values'))}]",
        "model": names.type(model),
        "query": query,
    }


def model_verbs(model: type[Any], names: Names) -> Iterator[str]:
    """What stands in the class of a model."""
    words = _words(model, names, home=model.__module__)
    if not is_transformed(model) and _is_ours(_as_written(model.__init__)):
        yield "    def __init__(self, **values: {values}) -> None: ...".format_map(words)
    if has_query(model):
        query = _own_name(model, "Query")
        yield f"    query: {names.of('typing', 'ClassVar')}[{query}]"
    if issubclass(model, ActiveRecord):
        yield from _methods(model, _OF_MODEL, words, names, first="cls", model=model)
        yield from _methods(model, _OF_RECORD, words, names, first="self", model=model)


def query_class(model: type[Any], names: Names) -> Iterator[str]:
    """The class of the queries of a model, which is there for checkers alone."""
    kind: Any = type(model.query)
    base = names.of(kind.__module__, kind.__qualname__)
    # one of the application's own may be about any model, or about this one
    base += f"[{names.type(model)}]" if kind.__parameters__ else ""
    words = _words(model, names, home=model.__module__, query=base)
    yield f"class {_own_name(model, 'Query')}({base}):"
    yield from _methods(kind, _OF_QUERY, words, names, first="self", model=model)
    yield from _methods(kind, _JOINS, words, names, first="self", model=model)


def repository_verbs(kind: type[Any], names: Names, *, home: str) -> Iterator[str]:
    """What stands in the class of a repository of one model.

    Args:
        kind: Its class.
        names: Those of the stub.
        home: The module in whose stub the `TypedDict`s of the model are.
    """
    model: type[Any] = kind.model
    words = _words(model, names, home=home)
    if has_query(model) and home == model.__module__ and kind.query is Repository.query:
        yield "    @property"
        yield f"    def query(self) -> {names.of(home, _own_name(model, 'Query'))}: ..."
    yield from _methods(kind, _OF_REPOSITORY, words, names, first="self", model=model)


def has_query(model: type[Any]) -> bool:
    """Whether `Model.query` is ours, and no column of that name."""
    found = inspect.getattr_static(model, "query", None)
    return found is vars(ActiveRecord)["query"]


def is_transformed(model: type[Any]) -> bool:
    """Whether checkers make the constructor themselves, from what the class declares."""
    marked = any("__dataclass_transform__" in vars(each) for each in model.__mro__)
    return marked or is_dataclass(model)


def _methods(
    kind: type[Any],
    verbs: dict[str, tuple[str, str]],
    words: dict[str, str],
    names: Names,
    *,
    first: str,
    model: type[Any],
) -> Iterator[str]:
    """The verbs of a class, and their twins, as far as they are ours or hand their keywords on."""
    for verb, (takes, gives) in verbs.items():
        for name in (verb, f"a{verb}"):
            found = getattr(kind, name, None)
            if found is None:
                continue
            own, given, is_async = takes, gives, name != verb
            if not _is_ours(found):
                meant = meaning(found, _meanings(verbs))
                overridden = _overridden(found, meant, names, gives, model)
                if overridden is None or inspect.ismethod(found) is not (first == "cls"):
                    continue
                (own, given), is_async = overridden, inspect.iscoroutinefunction(found)
            if first == "cls":
                yield "    @classmethod"
            prefix = "async " if is_async else ""
            yield f"    {prefix}def {name}({first}, {own}) -> {given}: ...".format_map(words)


def _meanings(verbs: dict[str, tuple[str, str]]) -> dict[str, str]:
    """What the keywords of verbs and of their twins are."""
    return {
        name: EQUAL if "{equal}" in takes else VALUES
        for verb, (takes, _) in verbs.items()
        for name in (verb, f"a{verb}")
        if "{equal}" in takes or "{values}" in takes
    }


def _overridden(
    function: Any, meant: str | None, names: Names, gives: str, model: type[Any]
) -> tuple[str, str] | None:
    """What a verb of the application's own takes and gives, if its keywords are the model's."""
    signature = inspect.signature(function)
    own = list(signature.parameters.values())[inspect.isfunction(function) :]
    if meant is None or own[-1].annotation not in (own[-1].empty, Any, object, "Any", "object"):
        return None
    if {each.name for each in own} & {each.name for each in attributes(model)}:
        return None  # it would be in the `TypedDict` too
    parameters = [*_parameters(own[:-1], function, names), f"**{own[-1].name}: {{{meant}}}"]
    if signature.return_annotation is not signature.empty:
        gives = names.type(_hints(function).get("return", Any))
    elif len(own) > 1:  # it may be another verb than ours
        gives = names.type(Any)
    return ", ".join(parameters), gives


def _parameters(given: list[inspect.Parameter], function: Any, names: Names) -> Iterator[str]:
    """Parameters as they are written; of their defaults only that there is one."""
    hints = _hints(function)
    kinds = [each.kind for each in given]
    for index, each in enumerate(given):
        is_named = each.kind is each.KEYWORD_ONLY
        if is_named and not {each.VAR_POSITIONAL, each.kind} & set(kinds[:index]):
            yield "*"
        star = "*" if each.kind is each.VAR_POSITIONAL else ""
        default = "" if each.default is each.empty else " = ..."
        yield f"{star}{each.name}: {names.type(hints.get(each.name, Any))}{default}"
        if each.kind is each.POSITIONAL_ONLY and kinds[index + 1 : index + 2] != [each.kind]:
            yield "/"


def _hints(function: Any) -> dict[str, Any]:
    """The types of a function's parameters, where they can be evaluated."""
    with contextlib.suppress(NameError, TypeError, AttributeError, SyntaxError):
        return typing.get_type_hints(function)
    return {}


def _as_written(constructor: Any) -> Any:
    """A constructor without what SQLAlchemy wraps around each, its ancestors' too."""
    while (original := getattr(constructor, "_sa_original_init", None)) is not None:
        constructor = original
    return constructor


def _is_ours(function: Any) -> bool:
    home: str = getattr(function, "__module__", "")
    return home.startswith(("fastapi_sqlalchemy.", "sqlalchemy.orm."))
