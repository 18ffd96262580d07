"""The verbs of a model: what a class can be asked, and what a record can do.

A model gets them from `db.Base`, from `ModelBase` beside or above its declarative base, or from
both.  They act in the scope around them: outside a transaction `save()` commits at once, within
one it flushes and the end of the transaction commits.

In the examples `with echo():` prints the statements as they are sent to SQLite, without the
transaction's beginning and end; where values stand in them is `?`.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Any, ClassVar, Protocol, Self, TypeVar, overload

from sqlalchemy import event, exc, inspect, orm

from . import _records
from ._lifecycle import refuse_coroutines
from ._names import check_arguments, check_values, key_names, refuse_hidden_verbs
from ._plans.attributes import read_at_once
from ._plans.comparisons import compare_faster
from ._plans.filling import filled, shorten
from ._types import T
from .creating import CreatingVerbs
from .query import Query, query_of
from .schemas import SchemaVerbs
from .scope import scopes_of
from .writing import WritingVerbs

__all__ = ["ActiveRecord", "ModelBase"]


Q_co = TypeVar("Q_co", covariant=True)

# To pyright no `list[Self]` may override another: https://github.com/microsoft/pyright/issues/10409
M = TypeVar("M", bound="ActiveRecord")


class _HasQueryClass(Protocol[Q_co]):
    @property
    def query_class(self) -> type[Q_co]: ...


class _QueryOf:
    """`User.query`: a new `Query[User]`, or one of the model's `query_class`."""

    @overload
    def __get__(self, instance: object, owner: _HasQueryClass[Q_co]) -> Q_co: ...

    @overload
    def __get__(self, instance: object, owner: type[T]) -> Query[T]: ...

    def __get__(self, instance: object, owner: Any) -> Any:
        try:
            return query_of(owner)
        except exc.ArgumentError as error:  # for `hasattr()` of an abstract base it is none
            raise AttributeError(f"{owner.__name__} has no table, and so no query") from error


class ActiveRecord(CreatingVerbs, WritingVerbs, SchemaVerbs):
    """The verbs that `ModelBase` and every `db.Base` share."""

    __verbs_of__: ClassVar[type[ActiveRecord]]
    query: _QueryOf = _QueryOf()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        refuse_hidden_verbs(cls, ActiveRecord)
        refuse_coroutines(cls)
        super().__init_subclass__(**kwargs)

    def __init__(self, **values: Any) -> None:
        """Make a record from attributes by keyword; it needs no session yet.

        Raises:
            UnknownNameError: A keyword is no attribute of the model.
        """
        if filled(self, values):
            return
        check_values(type(self).__name__, type(self), values)
        for name, value in values.items():
            setattr(self, name, value)

    @classmethod
    def new(cls, **values: Any) -> Self:
        """Make a record and save it.

        >>> with echo():
        ...     User.new(name="Charles")
        INSERT INTO users (name, age) VALUES (?, ?)
        <User id=3>

        Raises:
            UnknownNameError: A keyword is no attribute of the model; nothing was sent.
            IntegrityError: The database refused the record (`sqlalchemy.exc`).
        """
        check_arguments("new", cls, values)
        return cls(**values).save()

    @classmethod
    async def anew(cls, **values: Any) -> Self:
        """Awaitable twin of `new`."""
        check_arguments("new", cls, values)
        return await cls(**values).asave()

    @classmethod
    def get(cls, *criteria: Any, **eq: Any) -> Self | None:
        """The record with this primary key, or the first that fulfils every criterion, or None.

        >>> with echo():
        ...     User.get(1)
        ...     User.get(User.age > 40, name="Grace")
        SELECT users.id, users.name, users.age FROM users WHERE users.id = ?
        <User id=1>
        SELECT users.id, users.name, users.age FROM users
        WHERE users.age > ? AND users.name = ? LIMIT ? OFFSET ?
        <User id=2>

        A key of two columns is a tuple in their order, `Membership.get((1, 2))`. Nothing is sent
        for a key whose record the session has already.

        Raises:
            TypeError: Nothing was asked for, or a key together with something else.
            UnknownNameError: A keyword is no attribute of the model.
            InvalidRequestError: The key has too few or too many columns.
        """
        return scopes_of(cls).run(_records.find(cls, criteria, eq))

    @classmethod
    async def aget(cls, *criteria: Any, **eq: Any) -> Self | None:
        """Awaitable twin of `get`."""
        return await scopes_of(cls).arun(_records.find(cls, criteria, eq))

    @classmethod
    def get_all(cls: type[M], *criteria: Any, **eq: Any) -> list[M]:  # noqa: PYI019 - see M
        """Every record that fulfils every criterion; without one, every record.

        >>> with echo():
        ...     User.get_all(User.age > 17, name="Grace")
        SELECT users.id, users.name, users.age FROM users WHERE users.age > ? AND users.name = ?
        [<User id=2>]

        Raises:
            TypeError: A primary key was given: `get()` takes one.
            UnknownNameError: A keyword is no attribute of the model.
        """
        return _records.matching("get_all", cls, criteria, eq).all()

    @classmethod
    async def aget_all(cls: type[M], *criteria: Any, **eq: Any) -> list[M]:  # noqa: PYI019 - see M
        """Awaitable twin of `get_all`."""
        return await _records.matching("get_all", cls, criteria, eq).aall()

    @classmethod
    def get_one(cls, *criteria: Any, **eq: Any) -> Self:
        """The same as `get`, where absence is an error.

        >>> with echo():
        ...     User.get_one(1)
        SELECT users.id, users.name, users.age FROM users WHERE users.id = ?
        <User id=1>

        Raises:
            RecordNotFoundError: There is none.
            TypeError: Nothing was asked for, or a key together with something else.
            UnknownNameError: A keyword is no attribute of the model.
            InvalidRequestError: The key has too few or too many columns.
        """
        return scopes_of(cls).run(_records.find_one(cls, criteria, eq))

    @classmethod
    async def aget_one(cls, *criteria: Any, **eq: Any) -> Self:
        """Awaitable twin of `get_one`."""
        return await scopes_of(cls).arun(_records.find_one(cls, criteria, eq))

    @classmethod
    def get_or_404(cls, *criteria: Any, **eq: Any) -> Self:
        """The same as `get`, where absence is an HTTP answer 404: "User not found".

        >>> with echo():
        ...     User.get_or_404(1)
        SELECT users.id, users.name, users.age FROM users WHERE users.id = ?
        <User id=1>

        Raises:
            RecordNotFoundError: There is none. It is a Starlette `HTTPException` as well.
            TypeError: Nothing was asked for, or a key together with something else.
            UnknownNameError: A keyword is no attribute of the model.
            InvalidRequestError: The key has too few or too many columns.
        """
        return scopes_of(cls).run(_records.find_or_404(cls, criteria, eq))

    @classmethod
    async def aget_or_404(cls, *criteria: Any, **eq: Any) -> Self:
        """Awaitable twin of `get_or_404`."""
        return await scopes_of(cls).arun(_records.find_or_404(cls, criteria, eq))

    @classmethod
    def count(cls, *criteria: Any, **eq: Any) -> int:
        """How many records fulfil every criterion; without one, how many there are.

        >>> with echo():
        ...     User.count(User.age > 17, name="Ada")
        SELECT count(*) AS count_1 FROM users WHERE users.age > ? AND users.name = ?
        1

        Raises:
            TypeError: A primary key was given: `get()` takes one.
            UnknownNameError: A keyword is no attribute of the model.
        """
        return _records.matching("count", cls, criteria, eq).count()

    @classmethod
    async def acount(cls, *criteria: Any, **eq: Any) -> int:
        """Awaitable twin of `count`."""
        return await _records.matching("count", cls, criteria, eq).acount()

    @classmethod
    def exists(cls, *criteria: Any, **eq: Any) -> bool:
        """Whether any record fulfils every criterion; without one, whether there is any.

        >>> with echo():
        ...     User.exists(name="Charles")
        SELECT EXISTS (SELECT 1 FROM users WHERE users.name = ?) AS anon_1
        False

        Raises:
            TypeError: A primary key was given: `get()` takes one.
            UnknownNameError: A keyword is no attribute of the model.
        """
        return _records.matching("exists", cls, criteria, eq).exists()

    @classmethod
    async def aexists(cls, *criteria: Any, **eq: Any) -> bool:
        """Awaitable twin of `exists`."""
        return await _records.matching("exists", cls, criteria, eq).aexists()

    def save(self, *, commit: bool | None = None) -> Self:
        """Insert the record, or send what has changed of it.

        What else has changed in the session is sent too.

        >>> with echo():
        ...     User(name="Charles").save()
        INSERT INTO users (name, age) VALUES (?, ?)
        <User id=3>

        Args:
            commit: True to commit, False to flush only. None, the default, commits unless a
                transaction around this code does that: a `db.transaction()` block, or a scope
                that commits on exit.

        Returns:
            The record itself, with what the database gave it: its key and its defaults.

        Raises:
            IntegrityError: The database refused the record (`sqlalchemy.exc`). The record and the
                session are as before, and can be used.
            StaleRecordError: The row is gone, or was changed by somebody else (`VersionedMixin`).
            InvalidRequestError: The record belongs to another session, or was deleted.
        """
        return scopes_of(type(self)).run(_records.save(self, commit=commit))

    async def asave(self, *, commit: bool | None = None) -> Self:
        """Awaitable twin of `save`."""
        return await scopes_of(type(self)).arun(_records.save(self, commit=commit))

    def update(self, **values: Any) -> Self:
        """Set attributes and save.

        >>> ada = User.get(1)
        >>> with echo():
        ...     ada.update(age=37).age
        UPDATE users SET age=? WHERE users.id = ?
        37

        Raises:
            UnknownNameError: A keyword is no attribute of the model; nothing was set or sent.
            IntegrityError, StaleRecordError, InvalidRequestError: As for `save`; nothing was set.
        """
        return scopes_of(type(self)).run(_records.update(self, values))

    async def aupdate(self, **values: Any) -> Self:
        """Awaitable twin of `update`."""
        return await scopes_of(type(self)).arun(_records.update(self, values))

    def delete(self) -> None:
        """Delete the record's row.

        >>> note = Post.get(1)
        >>> with echo():
        ...     note.delete()
        DELETE FROM posts WHERE posts.id = ?

        Raises:
            IntegrityError: Other rows need this one (`sqlalchemy.exc`).
            StaleRecordError: The row was changed by somebody else (`VersionedMixin`).
            InvalidRequestError: The record has none, or belongs to another session.
        """
        scopes_of(type(self)).run(_records.delete(self))

    async def adelete(self) -> None:
        """Awaitable twin of `delete`."""
        await scopes_of(type(self)).arun(_records.delete(self))

    def refresh(self, *attributes: str) -> Self:
        """Load the record again, dropping changes that were not saved.

        >>> ada = User.get(1)
        >>> ada.name = "Lovelace"
        >>> with echo():
        ...     ada.refresh().name
        SELECT users.id, users.name, users.age FROM users WHERE users.id = ?
        'Ada'

        Args:
            attributes: Names of what to load; without one, every column.

        Raises:
            InvalidRequestError: The row is gone, or there never was one, or the record belongs to
                another session.
        """
        return scopes_of(type(self)).run(_records.refresh(self, attributes))

    async def arefresh(self, *attributes: str) -> Self:
        """Awaitable twin of `refresh`."""
        return await scopes_of(type(self)).arun(_records.refresh(self, attributes))

    def to_dict(self) -> dict[str, Any]:
        """The values of the columns by attribute name, deferred ones only where loaded.

        Sends nothing, except to load what a commit has expired (`expire_on_commit=True`).

        >>> User.get(1).to_dict()
        {'id': 1, 'name': 'Ada', 'age': 36}
        """
        state: orm.InstanceState[Any] = inspect(self, raiseerr=True)
        unloaded = state.unloaded if state.has_identity else frozenset()
        mapped = state.mapper.column_attrs
        return {a.key: getattr(self, a.key) for a in mapped if not _is_left_out(a, state, unloaded)}

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        """`dict(record)` is `to_dict()`: it makes a record JSON for FastAPI."""
        return iter(self.to_dict().items())

    def __repr__(self) -> str:
        """The key, from what is loaded: a `repr()` runs no SQL and shows no other value."""
        state: orm.InstanceState[Any] = inspect(self, raiseerr=True)
        if state.identity is None:
            return f"<{type(self).__name__} (not saved)>"
        values = zip(key_names(state.mapper), state.identity, strict=True)
        pairs = (f"{name}={value!r}" for name, value in values)
        return f"<{type(self).__name__} {' '.join(pairs)}>"


def _is_left_out(
    attribute: orm.ColumnProperty[Any], state: orm.InstanceState[Any], unloaded: AbstractSet[str]
) -> bool:
    """Whether a value is not here: deferred, or expired where nothing can load it any more."""
    key = attribute.key
    if key not in unloaded:
        return False
    if key in state.expired_attributes:
        return state.session is None
    return attribute.deferred or key in state.callables  # else it is None: no INSERT named it


@event.listens_for(ActiveRecord, "after_mapper_constructed", propagate=True)
def _delete_what_is_gone(mapper: orm.Mapper[Any], model: type[ActiveRecord]) -> None:
    if mapper.version_id_col is None:  # else it matters who was first
        mapper.confirm_deleted_rows = False


@event.listens_for(ActiveRecord, "after_mapper_constructed", propagate=True)
def _make_at_once(mapper: orm.Mapper[Any], _: type[ActiveRecord]) -> None:
    shorten(mapper, ActiveRecord.__init__)


event.listen(ActiveRecord, "attribute_instrument", read_at_once, propagate=True)
event.listen(ActiveRecord, "attribute_instrument", compare_faster, propagate=True)


ActiveRecord.__verbs_of__ = ActiveRecord


class ModelBase(ActiveRecord):
    """The ancestor to write out: `class Base(ModelBase, DeclarativeBase)`.

    Beside a database's own base it may stand too, `class User(ModelBase, db.Base)`, and it is the
    one to extend: `class BaseModel(ModelBase)` with methods that every model shall have.
    """
