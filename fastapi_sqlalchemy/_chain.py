"""The chain behind a query: what to ask, said step by step and never sent.

Every method returns a new object and leaves the old one as it was, so that a query can be kept,
passed on and refined.  Names that `sqlalchemy.orm.Query` has mean what they mean there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar

from sqlalchemy import Connection, Select, func, orm, select
from sqlalchemy.orm import RelationshipDirection, RelationshipProperty
from sqlalchemy.orm.interfaces import ORMOption
from sqlalchemy.sql import visitors
from sqlalchemy.sql.expression import ColumnClause

from ._deletion import WITH_DELETED, SoftDeletable, require_soft
from ._names import check_criteria, column_named, mapper_of
from ._operations import Runner
from ._plans.asking import compose
from ._plans.steps import Attributes, Clauses, Equal, Limit, Offset, Step, are_expressions
from ._types import AnySelect, Criterion, T
from .exceptions import InvalidSliceError
from .scope import scopes_of

__all__ = ["Chain"]

C = TypeVar("C", bound="Chain[Any]")
S = TypeVar("S", bound=AnySelect)


class Chain(Generic[T]):
    """A statement about one model that grows by returning new ones; `T` is what a row becomes."""

    __slots__ = (
        "_distinct",
        "_given",
        "_grouped",
        "_joined",
        "_latest",
        "_limit",
        "_locked",
        "_made",
        "_model",
        "_multiplied",
        "_offset",
        "_options",
        "_sliced",
        "_steps",
    )

    def __init__(self, model: type[Any]) -> None:
        self._model = model
        self._made: AnySelect | None = None
        # what was called so far, from which the statement is made when it is needed; None where
        # it was made already and then changed
        self._steps: tuple[Step, ...] | None = ()
        mapper: orm.Mapper[Any] | None = getattr(model, "__mapper__", None)
        if mapper is None or mapper.class_ is not model:  # an alias, or nothing one could ask
            self._statement = select(model)
        # apart, because a count wants the statement without its eager loads
        self._options: tuple[ORMOption, ...] = ()
        self._latest: Any = model
        self._limit: int | None = None
        self._offset: int | None = None
        self._joined = self._sliced = self._distinct = self._grouped = self._locked = False
        # whether a join gives a record several rows
        self._multiplied = False
        self._given: Runner | None = None

    def _with(self, statement: AnySelect, **changes: Any) -> Self:
        return self._become(type(self), statement, **changes)

    def _become(self, kind: type[C], statement: AnySelect, **changes: Any) -> C:
        new = self._copy(kind)
        new._made, new._steps = statement, None
        for name, value in changes.items():
            setattr(new, f"_{name}", value)
        return new

    def _copy(self, kind: type[C]) -> C:
        new = kind.__new__(kind)
        new._model, new._given, new._options = self._model, self._given, self._options
        new._made, new._steps = self._made, self._steps
        new._latest, new._limit, new._offset = self._latest, self._limit, self._offset
        new._joined, new._multiplied, new._locked = self._joined, self._multiplied, self._locked
        new._sliced, new._distinct, new._grouped = self._sliced, self._distinct, self._grouped
        if kind.__dictoffset__:  # what a class of the user's keeps
            new.__dict__.update(getattr(self, "__dict__", ()))
        return new

    def _stepped(self, kind: type[C], step: Step) -> C:
        """The same, with one more call, which is not made yet."""
        assert self._steps is not None
        new = self._copy(kind)
        new._made, new._steps = None, (*self._steps, step)
        return new

    @property
    def _statement(self) -> AnySelect:
        """The statement without its loader options."""
        if self._made is None:
            assert self._steps is not None
            self._made, _ = compose(self._model, self._steps)
        return self._made

    @_statement.setter
    def _statement(self, statement: AnySelect) -> None:
        self._made, self._steps = statement, None

    def _run_by(self, runner: Runner) -> Self:
        """The same, asked of a session that is not that of the model's scope."""
        new = self._copy(type(self))
        new._given = runner
        return new

    @property
    def _runner(self) -> Runner:
        return scopes_of(self._model) if self._given is None else self._given

    @property
    def statement(self) -> AnySelect:
        """The `Select` that `all()` runs."""
        return self._statement.options(*self._options) if self._options else self._statement

    is_select = True

    def __clause_element__(self) -> AnySelect:
        return self.statement

    def _statement_20(self) -> AnySelect:
        # what fastapi-pagination asks whatever else than a statement it is given
        return self.statement

    def _execute_on_connection(self, connection: Connection, *args: Any) -> Any:
        # SQLAlchemy looks for it on what it is to execute
        return self.statement._execute_on_connection(connection, *args)

    def __str__(self) -> str:
        return "\n".join(line.rstrip() for line in str(self.statement).splitlines())

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._model.__name__}>"

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
        if not eq:
            return self
        if self._steps is not None and (step := Equal.of(self._latest, eq)) is not None:
            return self._stepped(type(self), step)
        check_criteria("filter_by", self._latest, eq)
        return self.filter(*(getattr(self._latest, name) == value for name, value in eq.items()))

    def filter(self, *criteria: Criterion) -> Self:
        """Keep the records that fulfil every criterion, such as `User.age > 17`.

        >>> print(User.query.filter(User.age > 17, User.name != "Ada"))
        SELECT users.id, users.name, users.age
        FROM users
        WHERE users.age > :age_1 AND users.name != :name_1
        """
        if not criteria:
            return self
        if self._steps is not None and are_expressions(criteria):
            return self._stepped(type(self), Clauses(Select.where, criteria, self._steps))
        return self._with(self._statement.where(*criteria))

    def where(self, *criteria: Criterion) -> Self:
        """The same as `filter`.

        >>> print(User.query.where(User.age > 17))
        SELECT users.id, users.name, users.age
        FROM users
        WHERE users.age > :age_1
        """
        return self.filter(*criteria)

    def order_by(self, *columns: Any) -> Self:
        """Sort by these columns, after those of an earlier call; `None` alone forgets them.

        The name of an attribute may stand for a column. It may come from outside: a name that the
        model does not have, or that begins with an underscore, is refused.

        >>> print(User.query.order_by("name", User.id.desc()))
        SELECT users.id, users.name, users.age
        FROM users ORDER BY users.name, users.id DESC

        Raises:
            UnknownNameError: A string names no column.
        """
        resolved = self._resolve("order_by", columns)
        if self._steps is not None:
            if Attributes.takes(resolved):
                return self._stepped(type(self), Attributes(Select.order_by, resolved))
            if are_expressions(resolved):
                return self._stepped(type(self), Clauses(Select.order_by, resolved, self._steps))
        return self._with(self._statement.order_by(*resolved))

    def reset_order(self) -> Self:
        """Forget every `order_by()` so far.

        >>> print(User.query.order_by(User.name).reset_order())
        SELECT users.id, users.name, users.age
        FROM users
        """
        return self._with(self._statement.order_by(None))

    def group_by(self, column: Any, *columns: Any) -> Self:
        """Send GROUP BY; `None` alone forgets it. Names may stand for columns as in `order_by`.

        >>> print(User.query.with_entities(User.age, func.count()).group_by(User.age))
        SELECT users.age, count(*) AS count_1
        FROM users GROUP BY users.age

        Raises:
            UnknownNameError: A string names no column.
        """
        statement = self._statement.group_by(*self._resolve("group_by", (column, *columns)))
        return self._with(statement, grouped=column is not None)

    def having(self, *criteria: Criterion) -> Self:
        """Keep the groups that fulfil every criterion.

        >>> ages = User.query.with_entities(User.age).group_by(User.age)
        >>> print(ages.having(func.count() > 1))
        SELECT users.age
        FROM users GROUP BY users.age
        HAVING count(*) > :count_1
        """
        return self._with(self._statement.having(*criteria), grouped=True)

    def _resolve(self, verb: str, columns: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(
            column_named(verb, (self._model, self._latest), self._statement, column)
            if isinstance(column, str)
            else column
            for column in columns
        )

    def limit(self, count: int | None) -> Self:
        """Return at most this many; `None` forgets the limit.

        >>> print(User.query.limit(10))
        SELECT users.id, users.name, users.age
        FROM users
        LIMIT :param_1
        """
        return self._limited(count)

    def _limited(self, count: int | None) -> Self:
        if self._steps is not None and type(count) is int:
            new = self._stepped(type(self), Limit(count))
            new._sliced, new._limit = True, count
            return new
        return self._with(
            self._statement.limit(count),
            sliced=count is not None or self._offset is not None,
            limit=count,
        )

    def offset(self, count: int | None) -> Self:
        """Skip this many; `None` and 0 forget it.

        >>> print(User.query.limit(10).offset(20))
        SELECT users.id, users.name, users.age
        FROM users
        LIMIT :param_1 OFFSET :param_2
        """
        return self._skipping(None if count == 0 else count)

    def _skipping(self, skipped: int | None) -> Self:
        if self._steps is not None and type(skipped) is int:
            new = self._stepped(type(self), Offset(skipped))
            new._sliced, new._offset = True, skipped
            return new
        return self._with(
            self._statement.offset(skipped),
            sliced=skipped is not None or self._limit is not None,
            offset=skipped,
        )

    def _slice(self, wanted: slice) -> Self:
        """`query[a:b]`: a part of what the query has so far, as of a list."""
        start, stop = wanted.start or 0, wanted.stop
        if wanted.step is not None or not all(_is_position(n) for n in (start, stop)):
            parts = [wanted.start, stop, *([] if wanted.step is None else [wanted.step])]
            raise InvalidSliceError(":".join("" if n is None else str(n) for n in parts))
        rest = None if self._limit is None else max(self._limit - start, 0)
        count = rest if stop is None else max(stop - start, 0)
        if rest is not None and count is not None:
            count = min(count, rest)
        new = self.offset((self._offset or 0) + start) if start else self
        return new if count is None else new.limit(count)

    def distinct(self, *columns: Any) -> Self:
        """Send DISTINCT, or DISTINCT ON these columns, which only PostgreSQL has.

        >>> print(User.query.with_entities(User.age).distinct())
        SELECT DISTINCT users.age
        FROM users
        """
        if columns:
            from sqlalchemy.dialects.postgresql import distinct_on

            return self._with(self._statement.ext(distinct_on(*columns)), distinct=True)
        return self._with(self._statement.distinct(), distinct=True)

    def join(
        self, target: Any, onclause: Any = None, *, isouter: bool = False, full: bool = False
    ) -> Self:
        """Join a relationship (`User.posts`), a model or an alias; a record comes once.

        >>> print(User.query.join(User.posts).filter_by(title="Notes"))
        SELECT users.id, users.name, users.age
        FROM users JOIN posts ON users.id = posts.author_id
        WHERE posts.title = :title_1

        Args:
            target: What to join.
            onclause: The condition, where `target` is not a relationship.
            isouter: Whether to keep records that have no match (LEFT OUTER JOIN).
            full: Whether to keep both sides where there is no match (FULL OUTER JOIN).
        """
        statement = self._statement.join(target, onclause, isouter=isouter, full=full)
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

    def outerjoin(self, target: Any, onclause: Any = None, *, full: bool = False) -> Self:
        """Join as `join(..., isouter=True)` does: records without a match stay.

        >>> print(User.query.outerjoin(User.posts).filter(Post.id.is_(None)))
        SELECT users.id, users.name, users.age
        FROM users LEFT OUTER JOIN posts ON users.id = posts.author_id
        WHERE posts.id IS NULL

        Args:
            target: What to join.
            onclause: The condition, where `target` is not a relationship.
            full: Whether to keep both sides where there is no match (FULL OUTER JOIN).
        """
        return self.join(target, onclause, isouter=True, full=full)

    def select_from(self, *froms: Any) -> Self:
        """Say what FROM begins with, such as a model to join from.

        >>> print(User.query.select_from(Post).join(Post.author).filter_by(name="Ada"))
        SELECT users.id, users.name, users.age
        FROM posts JOIN users ON users.id = posts.author_id
        WHERE users.name = :name_1
        """
        statement = self._statement.select_from(*froms)
        latest = self._latest if self._joined else _entity(froms[0]) if froms else None
        return self._with(statement, joined=True, multiplied=True, latest=latest or self._latest)

    def with_for_update(
        self,
        *,
        nowait: bool = False,
        read: bool = False,
        of: Any = None,
        skip_locked: bool = False,
        key_share: bool = False,
    ) -> Self:
        """Lock the rows until the transaction ends (FOR UPDATE); SQLite has no such thing.

        Records that the session has already are read anew: what is locked is what you see.

        >>> print(User.query.filter_by(id=1).with_for_update())
        SELECT users.id, users.name, users.age
        FROM users
        WHERE users.id = :id_1 FOR UPDATE

        Args:
            nowait: Raise where a row is locked already, rather than wait.
            read: Let others read the rows (FOR SHARE).
            of: The models or columns whose rows to lock, where several are joined; PostgreSQL
                wants it beside an outer join, such as an eager load makes.
            skip_locked: Leave rows out that are locked already.
            key_share: Let others refer to the rows, on PostgreSQL (FOR NO KEY UPDATE).
        """
        statement = self._statement.with_for_update(
            nowait=nowait, read=read, of=of, skip_locked=skip_locked, key_share=key_share
        )
        # what the session knew of a record may be older than the lock
        return self._with(statement.execution_options(populate_existing=True), locked=True)

    def execution_options(self, **options: Any) -> Self:
        """Set SQLAlchemy's execution options for the statement, such as `populate_existing`.

        >>> ada = User.get(1)
        >>> with echo():  # although the session has the record
        ...     User.query.execution_options(populate_existing=True).get(1)
        SELECT users.id, users.name, users.age FROM users WHERE users.id = ?
        <User id=1>
        """
        return self._with(self._statement.execution_options(**options))

    def when(
        self,
        condition: object,
        then: Callable[[Self], Self],
        otherwise: Callable[[Self], Self] | None = None,
    ) -> Self:
        """Refine the query by a function where a condition is true.

        >>> name = None
        >>> print(User.query.when(name, lambda query: query.filter_by(name=name)))
        SELECT users.id, users.name, users.age
        FROM users

        Args:
            condition: Anything that is true or false.
            then: Returns the refined query.
            otherwise: The same, where the condition is false; without it nothing is added.
        """
        if condition:
            return then(self)
        return self if otherwise is None else otherwise(self)

    def options(self, *options: ORMOption) -> Self:
        """Add loader options.

        >>> with echo():
        ...     User.query.options(selectinload(User.posts)).all()
        SELECT users.id, users.name, users.age FROM users
        SELECT posts.author_id, posts.id, posts.title FROM posts WHERE posts.author_id IN (?, ?)
        [<User id=1>, <User id=2>]
        """
        new = self._copy(type(self))
        new._options = self._options + options
        return new

    def with_deleted(self) -> Self:
        """Find deleted records too, of this model and of those that are joined or loaded with it.

        What a record loads later, when a relationship is first read, is a load of its own and
        leaves deleted ones out. It is about models with `SoftDeleteMixin`.

        >>> with echo():
        ...     Letter.query.all()
        ...     Letter.query.with_deleted().all()
        SELECT letters.id, letters.deleted_at FROM letters WHERE letters.deleted_at IS NULL
        [<Letter id=1>]
        SELECT letters.id, letters.deleted_at FROM letters
        [<Letter id=1>, <Letter id=2>]
        """
        return self._with(self._statement.execution_options(**{WITH_DELETED: True}))

    def only_deleted(self) -> Self:
        """Find deleted records only.

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

    def _finds_deleted(self) -> bool:
        return bool(self._statement.get_execution_options().get(WITH_DELETED))

    def _alive(self) -> Self:
        """Without deleted records by a criterion, where SQLAlchemy's events do not add it."""
        if self._finds_deleted() or not issubclass(self._model, SoftDeletable):
            return self
        model: Any = self._model
        return self._with(self._statement.where(model.deleted_at.is_(None)))

    def _repeats(self) -> bool:
        """Whether a record may come in several rows."""
        return self._multiplied

    def _counted(self) -> Select[int]:
        """The statement that counts what this one finds."""
        return self._count_of(self._statement.order_by(None))

    def _count_of(self, rows: AnySelect) -> Select[int]:
        return self._around(select(func.count()).select_from(rows.subquery()))

    def _has_own_criteria(self) -> bool:
        """Whether no criterion is about another table, for all that can be told at a glance."""
        if self._steps is not None and not any(isinstance(s, Clauses) for s in self._steps):
            return True
        where = self._statement.whereclause
        own = frozenset(mapper_of(self._model).tables)
        parts = () if where is None else visitors.iterate(where)
        return all(each.table in own for each in parts if isinstance(each, ColumnClause))

    def _is_of_one_table(self) -> bool:
        """Whether it is known, without the statement, that FROM is the model's table."""
        mapper = mapper_of(self._model)
        if self._joined or mapper.class_ is not self._model:
            return False
        one = mapper.inherits is None and mapper.polymorphic_on is None
        return one and self._has_own_criteria() and mapper.persist_selectable is mapper.local_table

    def _around(self, statement: S) -> S:
        """A statement around this one, with the execution options of this one."""
        return statement.execution_options(**self._statement.get_execution_options())


def _is_position(value: object) -> bool:
    return value is None or (isinstance(value, int) and value >= 0)


def _entity(target: Any) -> Any:
    """The model or alias behind what `join()` takes; None for a plain table."""
    comparator = getattr(target, "comparator", None)
    if comparator is not None and hasattr(comparator, "entity"):
        return comparator.entity.entity
    return target if hasattr(target, "__mapper__") or hasattr(target, "_aliased_insp") else None
