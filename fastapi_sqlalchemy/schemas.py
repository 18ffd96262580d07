"""What Pydantic and FastAPI are told of a model: its schemas, and records made of what they bring.

A model stands in a route as it is, `-> User`, `-> Page[User]` or `user: Annotated[User, Body()]`;
`User.schema(...)` is for what differs from that.  Pydantic is imported when the first of them is
asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self

from sqlalchemy import inspect

from . import _annotated, _records, _schemas
from ._types import T, Values
from .scope import scopes_of

if TYPE_CHECKING:
    from pydantic import BaseModel, GetCoreSchemaHandler
    from pydantic_core import CoreSchema

    _Schema = BaseModel
else:  # Pydantic is imported when somebody asks for a schema

    class _Schema:
        pass


__all__ = ["Changes", "SchemaVerbs"]


class Changes(_Schema, Generic[T]):
    """`Changes[User]`: what a client may change of a record, `User.schema(partial=True)` as a type.

    >>> from fastapi_sqlalchemy import Changes
    >>> Changes[User](age=37).model_dump(exclude_unset=True)
    {'age': 37}

    A type checker takes no call for an annotation, but this: `changes: Changes[User]` in a route is
    a body for `user.update_from(changes)`.

    Raises:
        TypeError: It stands around something that is no model.
        SchemaTypeError: Pydantic does not know the type of an attribute.
    """

    if TYPE_CHECKING:
        # the fields are the model's, which no checker can be told
        def __getattr__(self, name: str) -> Any: ...
    else:

        def __class_getitem__(cls, model: type[Any]) -> type[BaseModel]:
            if not isinstance(model, type) or inspect(model, raiseerr=False) is None:
                found = model.__name__ if isinstance(model, type) else repr(model)
                raise TypeError(f"Changes[...] expected a model, found {found}")
            return _schemas.schema_of(model, purpose="update")


class SchemaVerbs:
    """Class and record verbs of every model."""

    __guarded__: ClassVar[AbstractSet[str]] = frozenset()
    """Names of attributes that nothing sets that comes from outside: a request body, a schema."""

    @classmethod
    def schema(
        cls,
        *,
        include: Iterable[str] | None = None,
        exclude: Iterable[str] | None = None,
        body: bool = False,
        partial: bool = False,
        name: str | None = None,
        with_: Mapping[Any, type[BaseModel]] | Iterable[Any] = (),
    ) -> type[BaseModel]:
        """A Pydantic model of the columns, the same class for the same arguments.

        >>> User.schema(exclude={"age"}).model_validate(User.get(1))
        UserWithoutAge(id=1, name='Ada')
        >>> User.schema(partial=True)(age=37).model_dump(exclude_unset=True)
        {'age': 37}

        A record is shown as it is loaded; what is not loaded is an error, and is never loaded by
        the schema. `Query.for_schema()` loads what one shows.

        Args:
            include: These attributes alone; hybrids, properties, composites and deferred columns
                are shown only so.
            exclude: All but these.
            body: Have what a client sends for a new record: no guarded and no generated columns.
            partial: Have what a client may change, of which it may leave out anything: a `body`
                without the primary key.
            name: The name, which OpenAPI shows. By default one that says what is special about it,
                such as `UserCreate`, `UserUpdate` or `UserWithPosts`.
            with_: Relationships to show, as for `Query.eager()`; or a dict of them with a schema
                for each.

        Raises:
            UnknownNameError: `include` or `exclude` names what the model does not have.
            NotARelationshipError: `with_` has what is none, or begins where nothing leads to.
            SchemaNameError: Another schema has the name.
            SchemaTypeError: Pydantic does not know the type of an attribute.
        """
        purpose: _schemas.Purpose = "update" if partial else "create" if body else "show"
        return _schemas.schema_of(
            cls, purpose=purpose, include=include, exclude=exclude, name=name, with_=with_
        )

    @classmethod
    def new_from(cls, values: Values) -> Self:
        """Make a record of what a schema holds and save it.

        >>> body = User.schema(body=True)(name="Charles")
        >>> with echo():
        ...     User.new_from(body)
        INSERT INTO users (name, age) VALUES (?, ?)
        <User id=3>

        Args:
            values: An instance of any Pydantic model, or a mapping. What is guarded is left out.

        Raises:
            UnknownNameError: It has a name that is no attribute of the model; nothing was sent.
            TypeError: It is neither, or has a relationship.
            IntegrityError: The database refused the record (`sqlalchemy.exc`).
        """
        return scopes_of(cls).run(_records.make_from("new_from", cls, values))

    @classmethod
    async def anew_from(cls, values: Values) -> Self:
        """Awaitable twin of `new_from`."""
        return await scopes_of(cls).arun(_records.make_from("new_from", cls, values))

    def update_from(self, values: Values, *, exclude_unset: bool = True) -> Self:
        """Set attributes to what a schema holds and save.

        >>> changes = User.schema(partial=True)(age=37)
        >>> ada = User.get(1)
        >>> with echo():
        ...     ada.update_from(changes).age
        UPDATE users SET age=? WHERE users.id = ?
        37

        Args:
            values: An instance of any Pydantic model, or a mapping. What is guarded is left out,
                and so is the primary key: the record stays the one that it is.
            exclude_unset: Leave alone what the instance was not given. Without, what it was not
                given is set to the default of its field, if that has one.

        Raises:
            UnknownNameError: It has a name that is no attribute of the model; nothing was sent.
            TypeError: It is neither, or has a relationship.
            IntegrityError, StaleRecordError, InvalidRequestError: As for `save`; nothing was set.
        """
        return scopes_of(type(self)).run(
            _records.update_from(self, values, exclude_unset=exclude_unset)
        )

    async def aupdate_from(self, values: Values, *, exclude_unset: bool = True) -> Self:
        """Awaitable twin of `update_from`."""
        return await scopes_of(type(self)).arun(
            _records.update_from(self, values, exclude_unset=exclude_unset)
        )

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return _annotated.core_schema_of(cls, handler)
