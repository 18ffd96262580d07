"""The plugin's face to mypy: which of its questions is answered by which module."""

from __future__ import annotations

from collections.abc import Callable

from mypy.nodes import TypeInfo
from mypy.plugin import (
    AttributeContext,
    ClassDefContext,
    DynamicClassDefContext,
    FunctionContext,
    FunctionSigContext,
    MethodContext,
    MethodSigContext,
    Plugin,
)
from mypy.semanal import SemanticAnalyzer
from mypy.types import FunctionLike, Type

from ._bases import complete_bases, is_declarative
from ._chains import note_chains
from ._columns import declare_columns
from ._databases import given_base, note_database
from ._displays import WRITING
from ._forwarding import note_forwarding
from ._fullnames import ACTIVE_RECORD, DATABASE, LIBRARIES, METADATA
from ._late import late_constructor, late_super, late_verb, verb_in
from ._queries import query_attribute
from ._tables import note_tables
from ._taken import CONSTRUCTOR, KINDS, VERBS
from ._verbs import constructor, verb

__all__ = ["FastAPISQLAlchemyPlugin"]


class FastAPISQLAlchemyPlugin(Plugin):
    """Understands models, queries and repositories of fastapi_sqlalchemy."""

    def get_dynamic_class_hook(
        self, fullname: str
    ) -> Callable[[DynamicClassDefContext], None] | None:
        """`db = SQLAlchemy(...)`."""
        info = self._class(fullname)
        return note_database(info) if info is not None and info.has_base(DATABASE) else None

    def get_customize_class_mro_hook(
        self, fullname: str
    ) -> Callable[[ClassDefContext], None] | None:
        """`class User(db.Base)`, before its body is analysed."""
        return None if fullname.startswith(LIBRARIES) else self._prepare_class

    def get_method_signature_hook(
        self, fullname: str
    ) -> Callable[[MethodSigContext], FunctionLike] | None:
        """`User.get(name="Ada")`: mypy asks with the class of what the method is called on."""
        owner, _, name = fullname.rpartition(".")
        if name not in VERBS and name not in WRITING:
            return None
        info = self._class(owner)
        return verb if info is not None and any(map(info.has_base, KINDS)) else None

    def get_function_signature_hook(
        self, fullname: str
    ) -> Callable[[FunctionSigContext], FunctionLike] | None:
        """`User(name="Ada")`."""
        info = self._class(fullname)
        return None if info is None or not is_declarative(info) else constructor(info)

    def get_method_hook(self, fullname: str) -> Callable[[MethodContext], Type] | None:
        """`self.update(name="Ada")` where `self` is `Self`."""
        return None if "." in fullname or verb_in(fullname) is None else late_verb

    def get_function_hook(self, fullname: str) -> Callable[[FunctionContext], Type] | None:
        """`super().update(name="Ada")`, and `cls(name="Ada")`."""
        if "." not in fullname:
            return None if verb_in(fullname) is None else late_super
        info = self._class(fullname)
        return None if info is None or not is_declarative(info) else late_constructor

    def get_class_attribute_hook(self, fullname: str) -> Callable[[AttributeContext], Type] | None:
        """`User.query`."""
        owner, _, name = fullname.rpartition(".")
        if name != "query":
            return None
        info = self._class(owner)
        return query_attribute if info is not None and info.has_base(ACTIVE_RECORD) else None

    def get_attribute_hook(self, fullname: str) -> Callable[[AttributeContext], Type] | None:
        """`db.Base` as a value."""
        return given_base if fullname == f"{DATABASE}.Base" else None

    def _class(self, fullname: str) -> TypeInfo | None:
        symbol = self.lookup_fully_qualified(fullname)
        node = None if symbol is None else symbol.node
        return node if isinstance(node, TypeInfo) and node.mro else None

    def _prepare_class(self, context: ClassDefContext) -> None:
        api = context.api
        assert isinstance(api, SemanticAnalyzer)
        context.cls.info.metadata.pop(METADATA, None)  # of an earlier pass
        complete_bases(context.cls, api)
        note_tables(context.cls, api)
        declare_columns(context.cls, api)
        note_chains(context.cls, api)
        note_forwarding(context.cls, api, {*VERBS, CONSTRUCTOR})
        # of the plugins mypy asks the first that answers, and this one answers for any class
        plugins: list[Plugin] = getattr(api.plugin, "_plugins", [self])
        for other in plugins[plugins.index(self) + 1 :]:
            if (hook := other.get_customize_class_mro_hook(context.cls.fullname)) is not None:
                hook(context)
                return
