"""Rows that are inserted, or update the row that has their key already, as one statement does.

PostgreSQL and SQLite are told which key that is (`ON CONFLICT`); MariaDB and MySQL take whichever
unique key is violated (`ON DUPLICATE KEY UPDATE`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import Dialect, Index, Insert, Table, UniqueConstraint, literal_column, orm

from ._loaded import expire, load_expired, rows_with
from ._operations import Send
from ._rows import Names, Progress, in_batches, require_size
from ._types import T
from .exceptions import (
    ConflictTargetError,
    RowError,
    SeveralTablesError,
    UpsertUnsupportedError,
)

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

__all__ = ["NameOrNames", "upsert"]

NameOrNames = str | Iterable[Any]


def upsert(
    model: type[T],
    rows: Iterable[Mapping[str, Any]],
    *,
    on: NameOrNames | None,
    update: NameOrNames | None,
    batch: int | None,
    returning: bool,
    progress: Progress | None,
) -> Send[int | list[T]]:
    require_size("upsert", batch)
    names = Names("upsert", model)
    mapper = names.mapper
    if len(mapper.tables) > 1:
        raise SeveralTablesError(
            "upsert",
            model.__name__,
            sorted(str(table) for table in mapper.tables),
            "Use `update_or_create()`, a row at a time.",
        )
    target = _Target(names, on, update)

    def send(session: orm.Session) -> int | list[T]:
        dialect, bind = session.get_bind(mapper).dialect, {"mapper": mapper}
        count, keys = 0, dict[tuple[Any, ...], None]()
        statements: dict[tuple[str, ...], Insert] = {}
        for given, some in in_batches(rows, batch, target.read, progress):
            count += len(some)
            if given not in statements:
                statements[given] = target.statement(dialect, given)
            values = [{target.column[name].key: row[name] for name in row} for row in some]
            if target.takes_rows_whole(dialect):
                session.execute(statements[given].values(values), bind_arguments=bind)
            else:
                session.execute(statements[given], values, bind_arguments=bind)
            if returning:
                keys |= {tuple(row[name] for name in target.names): None for row in some}
        if count:
            # a record of any of these rows may be loaded, and by a key that is written otherwise
            expire(session, mapper, names.columns)
        found = rows_with(session, mapper, target.columns, keys) if returning else []
        load_expired(session, mapper)
        if not returning:
            return count
        order = {key: position for position, key in enumerate(keys)}
        return sorted(found, key=lambda record: order.get(target.key_of(record), len(order)))

    return Send(send)


class _Target:
    """The unique key by which rows are found, and the statement that goes by it.

    Args:
        names: What rows may name.
        on: The key's names, as the caller gave them.
        update: The names to overwrite, as the caller gave them.
    """

    def __init__(
        self, names: Names[Any], on: NameOrNames | None, update: NameOrNames | None
    ) -> None:
        self._rows = names
        self._wanted = None if update is None else frozenset(_listed(update))
        names.check(self._wanted or ())
        mapper = names.mapper
        table = mapper.local_table
        assert isinstance(table, Table)  # a mapper of one table has no other
        self.table = table
        self.column = {name: mapper.column_attrs[name].columns[0] for name in names.columns}
        attribute: dict[Any, str] = {column: name for name, column in self.column.items()}
        primary = tuple(attribute[column] for column in mapper.primary_key)
        self.names = primary if on is None else tuple(_listed(on))
        names.check(self.names)
        self.columns = tuple(self.column[name] for name in self.names)
        self._primary = frozenset(primary)
        self._version: Any = mapper.version_id_col
        uniques = _uniques(mapper, table)
        same = [index for columns, index in uniques if set(columns) == set(self.columns)]
        if not same:
            targets = [[attribute.get(c, str(c.key)) for c in columns] for columns, _ in uniques]
            raise ConflictTargetError(names.model.__name__, self.names, targets)
        self._index = None if None in same else same[0]

    def key_of(self, record: Any) -> tuple[Any, ...]:
        return tuple(getattr(record, name) for name in self.names)

    def read(self, index: int, row: Any) -> tuple[tuple[str, ...], dict[str, Any]]:
        """A row's names and its values.

        Raises:
            RowError: It is no mapping, or lacks a value of the key: NULL is like no other NULL.
            UnknownNameError: It names what is no column.
        """
        given, values = self._rows.read(index, row)
        for name in self.names:
            if values.get(name) is None:
                expected = f"a value of `{name}`, by which a row is found"
                raise RowError("upsert", index, expected, "None" if name in row else "none")
        mapper = self._rows.mapper
        if mapper.polymorphic_identity is not None and mapper.polymorphic_on is not None:
            discriminator = mapper.get_property_by_column(mapper.polymorphic_on).key
            values.setdefault(discriminator, mapper.polymorphic_identity)
        return given, values

    def _overwrites(self, name: str) -> bool:
        if self._wanted is not None:
            return name in self._wanted
        return name not in self._primary and name not in self.names

    def takes_rows_whole(self, dialect: Dialect) -> bool:
        """Whether the rows are to be part of the statement rather than its parameters.

        PyMySQL and aiomysql make one INSERT of many, and leave a parameter behind VALUES as it is.
        """
        return dialect.name in ("mysql", "mariadb") and any(
            not column.onupdate.is_clause_element
            for column in self.table.columns
            if column.onupdate is not None
        )

    def statement(self, dialect: Dialect, given: tuple[str, ...]) -> Insert:
        """The INSERT of rows with these names.

        Raises:
            UpsertUnsupportedError: The dialect has none.
        """
        columns = [self.column[name] for name in given if self._overwrites(name)]
        # each is imported where it serves: a dialect takes longer to import than much else here
        if dialect.name in ("mysql", "mariadb"):
            from sqlalchemy.dialects import mysql

            inserted = mysql.insert(self.table)
            values = {column.key: inserted.inserted[column.key] for column in columns}
            values |= self._updated_by_themselves(values)
            # not IGNORE, which would hide other errors
            nothing = {column.key: column for column in self.table.primary_key}
            return inserted.on_duplicate_key_update(values or nothing)
        statement: postgresql.Insert | sqlite.Insert
        if dialect.name == "postgresql":
            from sqlalchemy.dialects import postgresql

            statement = postgresql.insert(self.table)
        elif dialect.name == "sqlite":
            from sqlalchemy.dialects import sqlite

            statement = sqlite.insert(self.table)
        else:
            raise UpsertUnsupportedError(dialect.name)
        options: Any = {} if self._index is None else self._index.dialect_options[dialect.name]
        target = {"index_elements": self.columns, "index_where": options.get("where")}
        values = {column.key: statement.excluded[column.key] for column in columns}
        if not values:
            return statement.on_conflict_do_nothing(**target)
        values |= self._updated_by_themselves(values)
        return statement.on_conflict_do_update(**target, set_=values)

    def _updated_by_themselves(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """What `onupdate` says of the other columns: SQLAlchemy asks it for an UPDATE only."""
        if not values:
            return {}
        found: dict[str, Any] = {}
        for column in self.table.columns:
            onupdate: Any = column.onupdate
            if onupdate is None or column.key in values:
                continue
            if column is self._version:
                found[column.key] = column + literal_column("1")  # by its name it is of either row
            else:
                found[column.key] = onupdate.arg(None) if onupdate.is_callable else onupdate.arg
        return found


def _listed(names: NameOrNames) -> list[str]:
    if isinstance(names, str):
        return [names]
    if isinstance(names, orm.QueryableAttribute):
        return [str(names.key)]
    return [name if isinstance(name, str) else str(name.key) for name in names]


def _uniques(mapper: orm.Mapper[Any], table: Table) -> list[tuple[tuple[Any, ...], Index | None]]:
    """The columns of each unique key, and the index that it is where it is none of a constraint."""
    return [
        (mapper.primary_key, None),
        *(
            (tuple(constraint.columns), None)
            for constraint in table.constraints
            if isinstance(constraint, UniqueConstraint)
        ),
        *(
            (tuple(index.columns), index)
            for index in table.indexes
            if index.unique and len(index.columns) == len(index.expressions)
        ),
    ]
