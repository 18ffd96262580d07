"""Many rows in one transaction, read as they come and sent in batches.

Rows are consumed once and lazily: what was sent is forgotten before the next batch is read, so
that a generator of millions needs the memory of one batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from typing import Any, Final, Generic, NamedTuple, TypeAlias, TypeVar, cast

from sqlalchemy import Column, insert, orm

from ._loaded import load_expired
from ._names import is_sql, key_names, mapper_of
from ._operations import Send
from ._plans.inserting import inserted
from ._plans.plain import PLAIN
from ._plans.rows import left_to_insert
from ._types import T
from .exceptions import RowError, UnknownNameError
from .session import Session

__all__ = ["Names", "Progress", "in_batches", "insert_many", "require_size"]

Progress: TypeAlias = Callable[[int, int | None], object]
"""Is told how many rows were sent, and of how many where that is known."""

BATCH: Final = 1000
"""Rows in one batch; SQLAlchemy splits what has more parameters than the driver takes."""

K = TypeVar("K")
"""What the rows of one batch have in common."""

I = TypeVar("I")  # noqa: E741 - an item
"""What a row is sent as."""


class Names(Generic[T]):
    """What a row of a model may name: the attributes of its columns.

    Args:
        verb: Who asks, for messages.
        model: The model.
        composites: Whether those are names too, as they are to the unit of work.
    """

    def __init__(self, verb: str, model: type[T], *, composites: bool = False) -> None:
        self.verb, self.model = verb, model
        self.mapper: orm.Mapper[T] = mapper_of(model)
        self.columns = frozenset(
            name
            for name, attribute in self.mapper.column_attrs.items()
            if isinstance(attribute.columns[0], Column)
        )
        self._known = self.columns | set(self.mapper.composites.keys() if composites else ())
        self._seen: set[tuple[Any, ...]] = set()
        self._keys = key_names(self.mapper)

    def check(self, names: Iterable[str], row: int | None = None) -> None:
        """Refuse what is no column.

        Raises:
            UnknownNameError: The first of them.
        """
        for name in names:
            if name not in self._known:
                model = self.model.__name__
                known = self._known
                raise UnknownNameError(self.verb, model, str(name), known, kind="columns", row=row)

    def read(self, index: int, row: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """A row's names and its values; a key that is None is one for the database to give.

        Raises:
            RowError: It is no mapping.
            UnknownNameError: It names what is no column.
        """
        if type(row) is not dict and not isinstance(row, Mapping):
            expected = f"mappings of names of {self.model.__name__} to values"
            raise RowError(self.verb, index, expected, f"a {type(row).__name__}")
        values = dict(row)
        if not {*map(type, values.values())} <= PLAIN and any(map(is_sql, values.values())):
            raise RowError(self.verb, index, "values, which SQL is not", "an SQL expression")
        for key in self._keys:
            if key in values and values[key] is None:
                del values[key]
        names = tuple(values)
        if names not in self._seen:
            self.check(names, index)
            self._seen.add(names)
        return names, values


def in_batches(
    rows: Iterable[Any],
    size: int | None,
    read: Callable[[int, Any], tuple[K, I]],
    progress: Progress | None,
) -> Iterator[tuple[K, list[I]]]:
    """Rows that follow each other and are of one kind, so many at a time.

    Args:
        rows: What the caller gave.
        size: How many at most.
        read: Gives the kind of a row, and what it is sent as.
        progress: Called when a batch was taken and the next one is asked for.
    """
    total = len(rows) if isinstance(rows, Sized) else None
    size, done = size or BATCH, 0
    kind: K | None = None
    batch: list[I] = []
    for index, row in enumerate(rows):
        found, item = read(index, row)
        if batch and (len(batch) == size or found != kind):
            done += len(batch)
            yield cast("K", kind), batch
            batch = []
            if progress is not None:
                progress(done, total)
        kind = found
        batch.append(item)
    if batch:
        done += len(batch)
        yield cast("K", kind), batch
        if progress is not None:
            progress(done, total)


def require_size(verb: str, batch: int | None) -> None:
    """Refuse a batch of nothing."""
    if batch is not None and batch < 1:
        raise ValueError(f"{verb}() expected a batch of 1 row or more, found {batch}")


def insert_many(
    model: type[T],
    rows: Iterable[Mapping[str, Any] | T],
    *,
    batch: int | None,
    returning: bool,
    progress: Progress | None,
) -> Send[int | list[T]]:
    require_size("insert_many", batch)
    names = Names("insert_many", model, composites=True)

    def send(session: orm.Session) -> int | list[T]:
        count, records = 0, list[T]()
        for batch_of in _batches_of(names, rows, batch, progress):
            some = batch_of.rows
            if batch_of.are_records:
                _save(session, names.mapper, some)
            elif returning:
                some = _inserted(session, names.mapper, batch_of.checked(names, count))
            elif left := left_to_insert(session, names.mapper, some):
                left = batch_of.checked(names, count) if left is some else left
                session.execute(insert(model), left, execution_options=_AS_GIVEN)
            count += len(some)
            if returning:
                records += some
        return records if returning else count

    return Send(send)


class _Batch(NamedTuple):
    """Rows that are sent together."""

    rows: list[Any]
    are_records: bool
    are_checked: bool = True
    """Whether each of them was looked at."""

    def checked(self, names: Names[Any], first: int) -> list[dict[str, Any]]:
        """Its mappings, with values for columns and no more.

        Args:
            names: What they may name.
            first: The index of the first among all rows.
        """
        if self.are_checked:
            return self.rows
        return [names.read(index, row)[1] for index, row in enumerate(self.rows, first)]


def _batches_of(
    names: Names[T],
    rows: Iterable[Mapping[str, Any] | T],
    size: int | None,
    progress: Progress | None,
) -> Iterator[_Batch]:
    """What `in_batches` gives, without a look at every row of a list whose rows are all alike."""
    model, size = names.model, size or BATCH

    def read(index: int, row: Any) -> tuple[bool, Any]:
        if isinstance(row, model):
            return True, row
        return False, names.read(index, row)[1]

    kinds: set[type] = {*map(type, rows)} if isinstance(rows, list) else set()
    if isinstance(rows, list) and kinds in ({dict}, {model}):
        for start in range(0, len(rows), size):
            batch = rows[start : start + size]
            yield _Batch(batch, are_records=kinds == {model}, are_checked=False)
            if progress is not None:
                progress(start + len(batch), len(rows))
    else:
        for are_records, batch in in_batches(rows, size, read, progress):
            yield _Batch(batch, are_records)


_AS_GIVEN: Final = {"render_nulls": True}
"""None is NULL; what is left out is for defaults."""


def _inserted(session: orm.Session, mapper: orm.Mapper[T], rows: list[dict[str, Any]]) -> list[T]:
    """Insert rows, and the records they are now, in the same order."""
    # a dialect knows what its server can do once it is connected
    if session.connection({"mapper": mapper}).dialect.insert_returning:
        statement = insert(mapper.class_).returning(mapper.class_, sort_by_parameter_order=True)
        found = list(session.scalars(statement, rows, execution_options=_AS_GIVEN).unique())
        if isinstance(session, Session):
            session.account_for_inserted(found, rows)
        return found
    records = [_made(mapper, row) for row in rows]
    _save(session, mapper, records)
    return records


def _made(mapper: orm.Mapper[T], row: Mapping[str, Any]) -> T:
    # past the constructor, which need not take every column: that of a dataclass does not
    record: T = mapper.class_manager.new_instance()
    for name, value in row.items():
        setattr(record, name, value)
    return record


def _save(session: orm.Session, mapper: orm.Mapper[T], records: list[T]) -> None:
    if inserted(session, mapper, records):
        return
    session.add_all(records)
    if isinstance(session, Session):
        session.flush_on_the_way()
    else:
        session.flush()
    load_expired(session, mapper)
