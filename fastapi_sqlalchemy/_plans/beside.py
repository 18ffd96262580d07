"""What is loaded beside records, by one more statement for each relationship: `selectinload()`.

It is what `sqlalchemy.orm.strategies` does for `selectinload()` and `lazy="selectin"`, with its own
account of how a relationship is found by the keys of many records.  The records of both ends are
models that a plan can load; other loaders, and what is refined (`and_()`, `of_type()`, a join on
the way), are SQLAlchemy's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from sqlalchemy import BindParameter, Dialect, bindparam, orm, select, util
from sqlalchemy.orm.collections import InstrumentedList
from sqlalchemy.orm.strategy_options import _AttributeStrategyLoad

from . import mappings
from .loaders import Load, loader_of, processors_of
from .refusing import Refused
from .statements import Statement

__all__ = ["Branch", "branches_of", "follow", "key_of"]

_SELECTIN: Final = (("lazy", "selectin"),)

_NOBODY: Final = (None,)

AT_ONCE: Final = 500
"""Keys in one statement, as many as SQLAlchemy takes."""

Path = tuple["orm.RelationshipProperty[Any]", ...]
"""The relationships that lead from the records of a query to others."""


def key_of(options: Iterable[Any]) -> Any:
    """What loader options have in common that one plan serves; None is not known."""
    keys = []
    for each in options:
        known = each._generate_cache_key() if type(each) is orm.Load else None
        if known is None or known.bindparams:
            return None
        keys.append(known.key)
    return tuple(keys)


class _Tree:
    """The relationships that a query loads beside its records.

    Args:
        mapper: That of the records.
        options: Its loader options.
        dialect: For which database.
    """

    def __init__(self, mapper: orm.Mapper[Any], options: Sequence[Any], dialect: Dialect) -> None:
        self._root, self._dialect, self._options = mapper, dialect, tuple(options)
        self._chosen = {self._path_of(each) for option in options for each in _parts(option)}

    def grown(self) -> list[Branch]:
        found = list(self._branches(self._root, (), self._root._path_registry))
        if self._chosen:
            raise Refused("the query has loader options for what is not loaded beside it")
        return found

    def _path_of(self, part: Any) -> Path:
        """Where a part of an option leads."""
        plain = (
            type(part) is _AttributeStrategyLoad
            and part.strategy == _SELECTIN
            and not any(part.local_opts.values())
            and not (part._extra_criteria or part._of_type or part._path_with_polymorphic_path)
        )
        path: tuple[Any, ...] = part.path.path  # by turns a mapper and a relationship of it
        mappers, relationships = path[::2], path[1::2]
        if (
            not plain
            or mappers[0] is not self._root
            or not all(isinstance(each, orm.Mapper) for each in mappers)
            or not all(isinstance(each, orm.RelationshipProperty) for each in relationships)
        ):
            raise Refused("the query has loader options other than `selectinload()`")
        return tuple(relationships)

    def _branches(self, mapper: orm.Mapper[Any], path: Path, place: Any) -> Iterator[Branch]:
        """Those of the records that a path leads to.

        Args:
            mapper: Theirs.
            path: The path.
            place: The same, as SQLAlchemy has it.
        """
        # in the order of SQLAlchemy: who is met first decides what a record keeps of its path
        for relation in mapper._prop_set:
            if not isinstance(relation, orm.RelationshipProperty):
                continue
            here = (*path, relation)
            if here in self._chosen:
                self._chosen.remove(here)
            elif relation.lazy != "selectin":
                continue
            elif relation.join_depth is not None:
                raise Refused(f"the relationship `{relation.key}` is loaded to a depth of its own")
            elif relation.mapper in (self._root, *(each.mapper for each in path)):
                continue  # it would go round and round
            reached = place[relation] + relation.mapper._path_registry
            branch = Branch(relation, self._dialect, self._options, reached)
            branch.branches = list(self._branches(relation.mapper, here, reached))
            yield branch


def _parts(option: Any) -> Sequence[Any]:
    if type(option) is not orm.Load:
        return ()  # criteria that hide rows, which a statement has in itself
    if option.additional_source_entities:
        raise Refused("the query has loader options other than `selectinload()`")
    parts: Sequence[Any] = option.context
    return parts


def branches_of(mapper: orm.Mapper[Any], options: Sequence[Any], dialect: Dialect) -> list[Branch]:
    """What a query loads beside its records.

    Args:
        mapper: That of the records.
        options: The options of the query.
        dialect: For which database.

    Raises:
        Refused: SQLAlchemy has to load some of it.
    """
    return _Tree(mapper, options, dialect).grown()


def follow(session: Any, branches: Iterable[Branch], records: Iterable[Any]) -> None:
    """Load what branches lead to from these records, one level after the other as SQLAlchemy does.

    Raises:
        Refused: SQLAlchemy has to.
    """
    level = [(branch, records) for branch in branches]
    while level:
        deeper: list[tuple[Branch, Iterable[Any]]] = []
        for branch, some in level:
            reached = branch.follow(session, some)
            deeper += [(each, reached) for each in branch.branches]
        level = deeper


class Branch:
    """A relationship, and the statement that finds what it leads to from many records.

    Args:
        relation: It.
        dialect: For which database.
        options: Those of the query, which the records keep for what they load later.
        path: How they are reached, as SQLAlchemy has it.

    Raises:
        Refused: It takes more than that statement.
    """

    branches: list[Branch]
    """What is loaded beside the records it leads to."""

    def __init__(
        self,
        relation: orm.RelationshipProperty[Any],
        dialect: Dialect,
        options: tuple[Any, ...],
        path: Any,
    ) -> None:
        self.relation, self.mapper = relation, relation.mapper
        self._options, self._path, self._dialect = options, path, dialect
        if (obstacle := mappings.obstacle(self.mapper)) is not None:
            raise Refused(f"`{relation.key}` leads to another model: {obstacle}")
        strategy: Any = relation._get_strategy(_SELECTIN)
        self._name = str(strategy)
        query: Any = strategy._query_info
        populated = relation.parent.class_manager[relation.key].impl.supports_population
        if query.load_with_join or relation.entity is not self.mapper or not populated:
            raise Refused(f"`{relation.key}` takes a join, or is written only")
        if query.load_only_child and relation.uselist:
            raise Refused(f"`{relation.key}` is a list of one")
        if query.n_pk > 1:
            raise Refused(f"`{relation.key}` is found by a key of several columns")
        self._reference: str | None = None
        if query.load_only_child:
            (column,) = query.child_lookup_cols
            self._reference = relation.parent.get_property_by_column(column).key
        self._statement = self._composed(query)
        self._load: Load | None = None
        self._process: Callable[[Any], Any] | None = None

    def _composed(self, query: Any) -> Statement:
        keys: BindParameter[Any] = bindparam("primary_keys")
        model = self.mapper.class_
        statement = select(*query.pk_cols, model).select_from(model)
        statement = statement.where(query.in_expr.in_(keys))
        hiding = [each for each in self._options if type(each) is not orm.Load]
        statement = statement.options(*hiding).order_by(*(self.relation.order_by or ()))
        return Statement(statement, self._dialect, [keys], ([],))

    def mappers(self) -> Iterator[orm.Mapper[Any]]:
        """Those of all that is loaded from here on."""
        yield self.mapper
        for branch in self.branches:
            yield from branch.mappers()

    def follow(self, session: Any, records: Iterable[Any]) -> list[Any]:
        """Load what the relationship leads to from these records, and tell what that is.

        Raises:
            Refused: SQLAlchemy has to.
        """
        owners = [each for each in records if each is not None]
        reached: list[Any] = []
        if self._reference is None:
            self._follow_back(session, owners, reached)
        else:
            self._follow_references(session, owners, self._reference, reached)
        return reached

    def _follow_references(
        self, session: Any, owners: list[Any], reference: str, reached: list[Any]
    ) -> None:
        """By what the records hold: the keys of others."""
        wanted: dict[Any, list[Any]] = {}
        for owner in owners:
            if reference not in owner.__dict__:
                raise Refused("a record lacks its reference")
            wanted.setdefault(owner.__dict__[reference], []).append(owner)
        nobody = wanted.pop(None, [])
        for keys in _chunks([*wanted]):
            found = self._found(session, keys, reached)
            for key in keys:
                (other,) = found.get(key, _NOBODY)
                for owner in wanted[key]:
                    self._set(owner, other)
        for owner in nobody:
            self._set(owner, None)

    def _follow_back(self, session: Any, owners: list[Any], reached: list[Any]) -> None:
        """By what others hold: the keys of the records."""
        many = self.relation.uselist
        for some in _chunks(owners):
            keys = [owner._sa_instance_state.key[1][0] for owner in some]
            found = self._found(session, keys, reached)
            for key, owner in zip(keys, some, strict=True):
                others = found.get(key, ())
                if many:
                    self._set(owner, others)
                    continue
                if len(others) > 1 and self.relation.key not in owner.__dict__:
                    util.warn(
                        "Multiple rows returned with uselist=False for eagerly-loaded attribute "
                        f"'{self._name}' "
                    )
                self._set(owner, others[0] if others else None)

    def _set(self, owner: Any, value: Any) -> None:
        """Have a record hold what was loaded for it, unless it holds something already."""
        key, present = self.relation.key, owner.__dict__
        if key in present:
            return
        state = owner._sa_instance_state
        impl = state.manager[key].impl
        plain = getattr(impl, "collection_factory", None) is InstrumentedList
        if not plain or "_pending_mutations" in state.__dict__:
            impl.set_committed_value(state, present, value)
            return
        # the same, but for an appender that is called for each
        _, others = impl._initialize_collection(state)
        list.extend(others, value)
        present[key] = others
        state._commit(present, [key])
        assert key not in state._pending_mutations  # asked as there, for it leaves a trace

    def _found(self, session: Any, keys: list[Any], reached: list[Any]) -> dict[Any, list[Any]]:
        """What is there, by the keys it was looked for."""
        describe = self._load is None
        answer = session._plans.ask(session, self._statement, lambda: (keys,), describe=describe)
        if answer is None:
            raise Refused("SQLAlchemy has to ask")
        rows, description = answer
        if (load := self._load) is None:
            load = self._load = self._new_load(description or ())
        records = load(rows, session)
        if len(records) != len(rows):
            raise Refused("a record came twice")
        reached += records
        process = self._process
        found: dict[Any, list[Any]] = defaultdict(list)
        for row, record in zip(rows, records, strict=True):
            found[row[0] if process is None else process(row[0])].append(record)
        return found

    def _new_load(self, description: Sequence[Any]) -> Load:
        compiled = self._statement.compiled
        processors = processors_of(compiled, self._dialect, description)
        self._process = processors[0]
        return loader_of(self.mapper, compiled, processors, options=self._options, path=self._path)


def _chunks(items: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(items), AT_ONCE):
        yield items[start : start + AT_ONCE]
