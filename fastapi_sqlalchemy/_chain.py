"""The chain behind a query: what to ask, said step by step and never sent.

Every method returns a new object and leaves the old one as it was, so that a query can be kept,
passed on and refined.  Names that `sqlalchemy.orm.Query` has mean what they mean there.
"""

from __future__ import annotations

from typing import Any, Generic, Self

from sqlalchemy import Connection, Select, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm.interfaces import ORMOption

from ._deletion import WITH_DELETED, require_soft
from ._names import check_criteria
from ._types import Criterion, R, T

__all__ = ["Chain"]


class Chain(Generic[T]):
    """A statement about one model that grows by returning new ones."""

    __slots__ = (
        "_distinct",
        "_joined",
        "_latest",
        "_model",
        "_options",
        "_sliced",
        "_statement",
    )

    def __init__(self, model: type[T]) -> None:
        self._model = model
        self._statement: Select[T] = select(model)
        # apart, because a count wants the statement without its eager loads
        self._options: tuple[ORMOption, ...] = ()
        self._latest: Any = model
        self._joined = self._sliced = self._distinct = False

    def _with(self, statement: Select[T], **changes: Any) -> Self:
        new = self.__class__.__new__(self.__class__)
        new._model, new._statement = self._model, statement
        new._options = changes.get("options", self._options)
        new._latest = changes.get("latest", self._latest)
        new._joined = changes.get("joined", self._joined)
        new._sliced = changes.get("sliced", self._sliced)
        new._distinct = changes.get("distinct", self._distinct)
        return new

    @property
    def statement(self) -> Select[T]:
        """The `Select` that `all()` runs."""
        return self._statement.options(*self._options) if self._options else self._statement

    is_select = True

    def __clause_element__(self) -> Select[T]:
        return self.statement

    def _execute_on_connection(self, connection: Connection, *args: Any) -> Any:
        # SQLAlchemy looks for it on what it is to execute
        return self.statement._execute_on_connection(connection, *args)

    def __str__(self) -> str:
        return "\n".join(line.rstrip() for line in str(self.statement).splitlines())

    def __repr__(self) -> str:
        return f"<Query of {self._model.__name__}>"

    def filter_by(self, **eq: Any) -> Self:
        """Keep the records whose attributes equal these values; None means IS NULL.

        After `join()` the names are those of the joined model, as with SQLAlchemy's own query.

        >>> print(User.query.filter_by(name="Ada", age=None))
        SELECT users.id, users.name, users.age
        FROM users
        WHERE users.name = :name_1 AND users.age IS NULL

        Raises:
            UnknownNameError: A keyword is no attribute of the model.
        """
        check_criteria("filter_by", self._latest, eq)
        return self.filter(*(getattr(self._latest, name) == value for name, value in eq.items()))

    def filter(self, *criteria: Criterion) -> Self:
        """Keep the records that fulfil every criterion, such as `User.age > 17`.

        >>> print(User.query.filter(User.age > 17, User.name != "Ada"))
        SELECT users.id, users.name, users.age
        FROM users
        WHERE users.age > :age_1 AND users.name != :name_1
        """
        return self._with(self._statement.where(*criteria))

    def where(self, *criteria: Criterion) -> Self:
        """The same as `filter`."""
        return self.filter(*criteria)

    def order_by(self, *columns: Any) -> Self:
        """Sort by these columns, after those of an earlier call; `None` alone forgets them."""
        return self._with(self._statement.order_by(*columns))

    def limit(self, count: int | None) -> Self:
        """Return at most this many records."""
        return self._with(self._statement.limit(count), sliced=True)

    def offset(self, count: int | None) -> Self:
        """Skip this many records."""
        return self._with(self._statement.offset(count), sliced=True)

    def distinct(self, *columns: Any) -> Self:
        """Send DISTINCT, on PostgreSQL also DISTINCT ON these columns."""
        if columns:
            return self._with(self._statement.ext(distinct_on(*columns)), distinct=True)
        return self._with(self._statement.distinct(), distinct=True)

    def join(self, target: Any, onclause: Any = None, *, isouter: bool = False) -> Self:
        """Join a relationship (`User.posts`), a model or an alias; a record comes once.

        >>> query = User.query.join(User.posts).filter_by(title="Notes")
        >>> print(query)
        SELECT users.id, users.name, users.age
        FROM users JOIN posts ON users.id = posts.author_id
        WHERE posts.title = :title_1
        >>> query.all()
        [<User id=1>]

        Args:
            target: What to join.
            onclause: The condition, where `target` is not a relationship.
            isouter: Whether to keep records that have no match (LEFT OUTER JOIN).
        """
        statement = self._statement.join(target, onclause, isouter=isouter)
        return self._with(statement, joined=True, latest=_entity(target) or self._latest)

    def options(self, *options: ORMOption) -> Self:
        """Add loader options.

        >>> ada = User.query.options(selectinload(User.posts)).first()
        >>> [post.title for post in ada.posts]
        ['Notes', 'Engines']
        """
        return self._with(self._statement, options=self._options + options)

    def with_deleted(self) -> Self:
        """Find deleted records too, of this model and of those that are joined or loaded with it.

        What a record loads later, when a relationship is first read, is a load of its own and
        leaves deleted ones out. It is about models with `SoftDeleteMixin`.

        >>> from fastapi_sqlalchemy import SoftDeleteMixin
        >>> class Letter(SoftDeleteMixin, db.Base):
        ...     __tablename__ = "letters"
        ...     id: Mapped[int] = mapped_column(primary_key=True)
        >>> db.create_all()
        >>> Letter.new().delete()
        >>> Letter.query.count(), Letter.query.with_deleted().count()
        (0, 1)
        """
        return self._with(self._statement.execution_options(**{WITH_DELETED: True}))

    def only_deleted(self) -> Self:
        """Find deleted records only.

        >>> from fastapi_sqlalchemy import SoftDeleteMixin
        >>> class Letter(SoftDeleteMixin, db.Base):
        ...     __tablename__ = "letters"
        ...     id: Mapped[int] = mapped_column(primary_key=True)
        >>> print(Letter.query.only_deleted())
        SELECT letters.id, letters.deleted_at
        FROM letters
        WHERE letters.deleted_at IS NOT NULL

        Raises:
            TypeError: The model has no `SoftDeleteMixin`.
        """
        require_soft("only_deleted", self._model)
        model: Any = self._model
        return self.with_deleted().filter(model.deleted_at.is_not(None))

    def _around(self, statement: Select[R]) -> Select[R]:
        """A statement around this one, with the options that decide what both find."""
        return statement.execution_options(**self._statement.get_execution_options())


def _entity(target: Any) -> Any:
    """The model or alias behind what `join()` takes; None for a plain table."""
    comparator = getattr(target, "comparator", None)
    if comparator is not None and hasattr(comparator, "entity"):
        return comparator.entity.entity
    return target if hasattr(target, "__mapper__") or hasattr(target, "_aliased_insp") else None
