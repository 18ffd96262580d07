"""What a column can be beside SQLAlchemy's own types: a moment, the same on every database.

A moment is stored in UTC and comes back with its zone, where SQLite and MariaDB know of none and
would give back a naive value that nobody can compare.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import DateTime, Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Mapped, declared_attr
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine
from typing_extensions import override

from ._types import T
from .exceptions import NaiveDatetimeError

__all__ = ["UTCDateTime", "declared_column", "utcnow"]


class UTCDateTime(TypeDecorator[datetime]):
    """A `datetime` with a time zone, stored in UTC, to the microsecond.

    `TIMESTAMP WITH TIME ZONE` on PostgreSQL, `DATETIME(6)` on MariaDB and MySQL, text in UTC on
    SQLite. What is read is in UTC; what is compared may be in any zone.

    >>> from datetime import UTC, datetime, timedelta, timezone
    >>> from fastapi_sqlalchemy import UTCDateTime
    >>> class Visit(db.Base):
    ...     __tablename__ = "visits"
    ...     id: Mapped[int] = mapped_column(primary_key=True)
    ...     began: Mapped[datetime] = mapped_column(UTCDateTime)
    >>> db.create_all()
    >>> paris = timezone(timedelta(hours=1))
    >>> visit = Visit.new(began=datetime(2025, 1, 1, 12, 30, tzinfo=paris))
    >>> visit.refresh().began
    datetime.datetime(2025, 1, 1, 11, 30, tzinfo=datetime.timezone.utc)
    >>> Visit.query.filter(Visit.began < datetime(2025, 1, 1, 12, tzinfo=UTC)).count()
    1

    For every `Mapped[datetime]` of a base: `type_annotation_map = {datetime: UTCDateTime}` there.

    Raises:
        NaiveDatetimeError: A value without a zone, or a plain date, was saved or compared.
    """

    impl: TypeEngine[Any] | type[TypeEngine[Any]] = DateTime
    cache_ok: bool | None = True

    def __init__(self) -> None:
        super().__init__(timezone=True)

    @override
    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name in ("mysql", "mariadb"):
            from sqlalchemy.dialects import mysql

            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime(timezone=True))

    @override
    def coerce_compared_value(self, op: Any, value: Any) -> TypeEngine[Any]:
        # `began + timedelta(hours=1)`: an interval; anything else has to be a moment
        if isinstance(value, timedelta):
            return self.impl_instance.coerce_compared_value(op, value)
        return self

    @override
    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if not isinstance(value, datetime):
            raise NaiveDatetimeError(type(value).__name__)
        if value.utcoffset() is None:
            raise NaiveDatetimeError
        return value.astimezone(UTC)

    @override
    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)

    def __repr__(self) -> str:
        return "UTCDateTime()"  # what a migration writes down: the constructor takes nothing


class utcnow(FunctionElement[datetime]):  # noqa: N801 - SQL, as `func.now`
    """The server's time when it received the statement, to the microsecond; SQLite's to the ms.

    Unlike `func.now()` it moves on within a transaction, and has the same meaning, precision and
    zone everywhere: usable as a value, a `server_default` and an `onupdate`.

    >>> from datetime import datetime
    >>> from fastapi_sqlalchemy import utcnow
    >>> db.session.scalar(select(utcnow())).tzinfo
    datetime.timezone.utc
    """

    type: TypeEngine[datetime] = UTCDateTime()
    name = "utcnow"
    inherit_cache: bool | None = True


@compiles(utcnow)
def _standard(element: utcnow, compiler: SQLCompiler, **_: Any) -> str:
    return "CURRENT_TIMESTAMP"


@compiles(utcnow, "postgresql")
def _postgresql(element: utcnow, compiler: SQLCompiler, **_: Any) -> str:
    return "statement_timestamp()"


@compiles(utcnow, "mysql")
@compiles(utcnow, "mariadb")
def _mysql(element: utcnow, compiler: SQLCompiler, **_: Any) -> str:
    return "utc_timestamp(6)"


# CURRENT_TIMESTAMP has whole seconds there; as many digits as are bound, for they are compared
# as text
@compiles(utcnow, "sqlite")
def _sqlite(element: utcnow, compiler: SQLCompiler, **_: Any) -> str:
    return "strftime('%Y-%m-%d %H:%M:%f000', 'now')"


def declared_column(make: Callable[[Any], Mapped[T]]) -> declared_attr[T]:
    """A column of every model that has the mixin, also of one that is a dataclass."""
    # from the annotation of what `make` returns SQLAlchemy would make a field, which only a mixin
    # that is a dataclass itself may have
    make.__annotations__ = {}
    return declared_attr(make)
