"""The chain behind a query: what to ask, said step by step and never sent.

Every method returns a new object and leaves the old one as it was, so that a query can be kept,
passed on and refined.  Names that `sqlalchemy.orm.Query` has mean what they mean there.
"""

from __future__ import annotations

from typing import Any, Generic, Self

from sqlalchemy import Connection, Select, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import RelationshipDirection, RelationshipProperty
from sqlalchemy.orm.interfaces import ORMOption

from ._names import check_criteria, mapper_of
from ._types import Criterion, T

__all__ = ["Chain"]


class Chain(Generic[T]):
    """A statement about one model that grows by returning new ones."""

    __slots__ = (
        "_distinct",
        "_joined",
        "_latest",
        "_model",
        "_multiplied",
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
        # whether a join gives a record several rows
        self._multiplied = False

    def _with(self, statement: Select[T], **changes: Any) -> Self:
        new = self.__class__.__new__(self.__class__)
        new._model, new._statement = self._model, statement
        new._options = changes.get("options", self._options)
        new._latest = changes.get("latest", self._latest)
        new._joined = changes.get("joined", self._joined)
        new._multiplied = changes.get("multiplied", self._multiplied)
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
        leads_to_one = self._leads_to_one(target if onclause is None else onclause)
        return self._with(
            statement,
            joined=True,
            multiplied=self._multiplied or not leads_to_one,
            latest=_entity(target) or self._latest,
        )

    def _leads_to_one(self, target: Any) -> bool:
        """Whether a join of it adds no row, as a foreign key of the model promises."""
        relationship = getattr(target, "property", None)
        return (
            isinstance(relationship, RelationshipProperty)
            and relationship.direction is RelationshipDirection.MANYTOONE
            and mapper_of(self._model).isa(relationship.parent)
        )

    def options(self, *options: ORMOption) -> Self:
        """Add loader options.

        >>> ada = User.query.options(selectinload(User.posts)).first()
        >>> [post.title for post in ada.posts]
        ['Notes', 'Engines']
        """
        return self._with(self._statement, options=self._options + options)

    def _counted(self) -> Select[int]:
        """The statement that counts the records, each once."""
        rows = self._statement.order_by(None)
        if self._multiplied and not self._sliced:
            key = mapper_of(self._model).primary_key
            rows = rows.with_only_columns(*key, maintain_column_froms=True).distinct()
        elif not self._sliced and not self._distinct:
            return rows.with_only_columns(func.count(), maintain_column_froms=True)
        return select(func.count()).select_from(rows.subquery())


def _entity(target: Any) -> Any:
    """The model or alias behind what `join()` takes; None for a plain table."""
    comparator = getattr(target, "comparator", None)
    if comparator is not None and hasattr(comparator, "entity"):
        return comparator.entity.entity
    return target if hasattr(target, "__mapper__") or hasattr(target, "_aliased_insp") else None
