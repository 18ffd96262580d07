"""The verbs of a repository that write a record, or several as one.

What they do is decided where a model's are (`_records`, `_creation`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Generic

from . import _creation, _records
from ._operations import Operation, Runner
from ._types import T, Values

__all__ = ["StoringVerbs"]


class StoringVerbs(Generic[T]):
    """Verbs of every repository."""

    model: type[T]
    _runner: Runner

    def add(self, record: T) -> T:
        """Insert a record, or send what has changed of it: `record.save()` for any mapped class.

        >>> with echo():
        ...     Repository(User).add(User(name="Charles"))
        INSERT INTO users (name, age) VALUES (?, ?)
        <User id=3>

        Raises:
            IntegrityError: The database refused the record (`sqlalchemy.exc`).
            TypeError: It is a record of another model.
        """
        return self._runner.run(self._save(record))

    async def aadd(self, record: T) -> T:
        """Awaitable twin of `add`."""
        return await self._runner.arun(self._save(record))

    def _save(self, record: T) -> Operation[T]:
        return _records.save(_records.checked(self.model, record), commit=None)

    def add_all(self, records: Iterable[T]) -> list[T]:
        """Insert records, or send what has changed of them: all of them or none.

        >>> with echo():
        ...     Repository(User).add_all([User(name="Charles"), User(name="Mary")])
        INSERT INTO users (name, age) VALUES (?, ?) RETURNING id
        INSERT INTO users (name, age) VALUES (?, ?) RETURNING id
        [<User id=3>, <User id=4>]

        Raises:
            IntegrityError: The database refused one of them (`sqlalchemy.exc`); none is saved.
            TypeError: One is a record of another model.
        """
        return self._runner.run(_records.save_all(self.model, records))

    async def aadd_all(self, records: Iterable[T]) -> list[T]:
        """Awaitable twin of `add_all`."""
        return await self._runner.arun(_records.save_all(self.model, records))

    def create(self, **values: Any) -> T:
        """Make a record and insert it.

        >>> with echo():
        ...     Repository(User).create(name="Charles")
        INSERT INTO users (name, age) VALUES (?, ?)
        <User id=3>

        Raises:
            IntegrityError: The database refused the record (`sqlalchemy.exc`).
            UnknownNameError: A keyword is no attribute of the model; nothing was sent.
        """
        return self._runner.run(_records.create(self.model, values))

    async def acreate(self, **values: Any) -> T:
        """Awaitable twin of `create`."""
        return await self._runner.arun(_records.create(self.model, values))

    def create_from(self, values: Values) -> T:
        """Make a record of what a schema holds and insert it.

        >>> body = User.schema(body=True)(name="Charles")
        >>> with echo():
        ...     Repository(User).create_from(body)
        INSERT INTO users (name, age) VALUES (?, ?)
        <User id=3>

        Args:
            values: An instance of any Pydantic model, or a mapping. What is guarded is left out.

        Raises:
            IntegrityError: The database refused the record (`sqlalchemy.exc`).
            TypeError: It is neither, or has a relationship.
            UnknownNameError: It has a name that is no attribute of the model; nothing was sent.
        """
        return self._runner.run(_records.make_from("create_from", self.model, values))

    async def acreate_from(self, values: Values) -> T:
        """Awaitable twin of `create_from`."""
        return await self._runner.arun(_records.make_from("create_from", self.model, values))

    def update(self, record_or_ident: Any, /, **values: Any) -> T:
        """Set attributes of a record and save it.

        >>> with echo():
        ...     Repository(User).update(1, age=37)
        SELECT users.id, users.name, users.age FROM users WHERE users.id = ?
        UPDATE users SET age=? WHERE users.id = ?
        <User id=1>

        Args:
            record_or_ident: A record, or its primary key as for `get`.
            values: What to set.

        Raises:
            IntegrityError: The database refused the change (`sqlalchemy.exc`).
            RecordNotFoundError: There is no record with this key.
            TypeError: It is a record of another model.
            UnknownNameError: A keyword is no attribute of the model; nothing was set or sent.
        """
        return self._runner.run(_records.update_one(self.model, record_or_ident, values))

    async def aupdate(self, record_or_ident: Any, /, **values: Any) -> T:
        """Awaitable twin of `update`."""
        return await self._runner.arun(_records.update_one(self.model, record_or_ident, values))

    def update_from(
        self, record_or_ident: Any, /, values: Values, *, exclude_unset: bool = True
    ) -> T:
        """Set attributes of a record to what a schema holds and save it.

        >>> changes = User.schema(partial=True)(age=37)
        >>> with echo():
        ...     Repository(User).update_from(1, changes)
        SELECT users.id, users.name, users.age FROM users WHERE users.id = ?
        UPDATE users SET age=? WHERE users.id = ?
        <User id=1>

        Args:
            record_or_ident: A record, or its primary key as for `get`.
            values: An instance of any Pydantic model, or a mapping. What is guarded is left out,
                and so is the primary key: the record stays the one that it is.
            exclude_unset: Leave alone what the instance was not given. Without, what it was not
                given is set to the default of its field, if that has one.

        Raises:
            IntegrityError: The database refused the change (`sqlalchemy.exc`).
            RecordNotFoundError: There is no record with this key.
            TypeError: The values are neither or have a relationship, or the record is another
                model's.
            UnknownNameError: There is a name that is no attribute of the model.
        """
        return self._runner.run(
            _records.update_one_from(
                self.model, record_or_ident, values, exclude_unset=exclude_unset
            )
        )

    async def aupdate_from(
        self, record_or_ident: Any, /, values: Values, *, exclude_unset: bool = True
    ) -> T:
        """Awaitable twin of `update_from`."""
        return await self._runner.arun(
            _records.update_one_from(
                self.model, record_or_ident, values, exclude_unset=exclude_unset
            )
        )

    def delete(self, record_or_ident: Any, /) -> None:
        """Delete the row of a record; one that is soft-deletable is hidden.

        >>> with echo():
        ...     Repository(User).delete(2)
        SELECT users.id, users.name, users.age FROM users WHERE users.id = ?
        SELECT posts.id, posts.title, posts.author_id FROM posts WHERE ? = posts.author_id
        DELETE FROM users WHERE users.id = ?

        Args:
            record_or_ident: A record, or its primary key as for `get`.

        Raises:
            IntegrityError: Other rows refer to it (`sqlalchemy.exc`).
            InvalidRequestError: It is a record that has no row, or belongs to another session.
            RecordNotFoundError: There is no record with this key.
            TypeError: It is a record of another model.
        """
        self._runner.run(_records.delete_one(self.model, record_or_ident))

    async def adelete(self, record_or_ident: Any, /) -> None:
        """Awaitable twin of `delete`."""
        await self._runner.arun(_records.delete_one(self.model, record_or_ident))

    def get_or_create(self, defaults: Mapping[str, Any] | None = None, **eq: Any) -> tuple[T, bool]:
        """The record with these values, made if there is none; and whether it was made.

        Of several that ask at the same time one makes it and the others get it, where a unique
        constraint covers the names that are looked for.

        >>> with echo():
        ...     Repository(User).get_or_create(id=3, defaults={"name": "Charles"})
        SELECT users.id, users.name, users.age FROM users WHERE users.id = ?
        INSERT INTO users (id, name, age) VALUES (?, ?, ?)
        (<User id=3>, True)

        Args:
            defaults: More values for a new record. A function among them is called for its own.
            eq: What to look for, and what a new record has.

        Raises:
            UnknownNameError: A name is no attribute of the model; nothing was sent.
            MultipleRecordsFoundError: Several have these values.
            IntegrityError: The database refused the record for another reason than that it is
                there (`sqlalchemy.exc`).
        """
        return self._runner.run(_creation.get_or_create(self.model, defaults, eq))

    async def aget_or_create(
        self, defaults: Mapping[str, Any] | None = None, **eq: Any
    ) -> tuple[T, bool]:
        """Awaitable twin of `get_or_create`."""
        return await self._runner.arun(_creation.get_or_create(self.model, defaults, eq))

    def update_or_create(
        self, defaults: Mapping[str, Any] | None = None, **eq: Any
    ) -> tuple[T, bool]:
        """The record with these values, changed or made; and whether it was made.

        >>> with echo():
        ...     Repository(User).update_or_create(name="Ada", defaults={"age": 37})
        SELECT users.id, users.name, users.age FROM users WHERE users.name = ?
        SELECT users.id, users.name, users.age FROM users WHERE users.name = ?
        UPDATE users SET age=? WHERE users.id = ?
        (<User id=1>, False)

        Args:
            defaults: What to set, on a new record too. A function is called for its value.
            eq: What to look for, and what a new record has.

        Raises:
            UnknownNameError: A name is no attribute of the model; nothing was sent.
            MultipleRecordsFoundError: Several have these values.
            IntegrityError: The database refused the values (`sqlalchemy.exc`).
        """
        return self._runner.run(_creation.update_or_create(self.model, defaults, eq))

    async def aupdate_or_create(
        self, defaults: Mapping[str, Any] | None = None, **eq: Any
    ) -> tuple[T, bool]:
        """Awaitable twin of `update_or_create`."""
        return await self._runner.arun(_creation.update_or_create(self.model, defaults, eq))
