"""The verbs of a model for a record that may be there already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from . import _creation
from .scope import scopes_of

__all__ = ["CreatingVerbs"]


class CreatingVerbs:
    """Class verbs of every model."""

    @classmethod
    def get_or_create(
        cls, defaults: Mapping[str, Any] | None = None, **eq: Any
    ) -> tuple[Self, bool]:
        """The record with these values, made if there is none; and whether it was made.

        Of several that ask at the same time one makes it and the others get it, where a unique
        constraint covers the names that are looked for. Without one they may all make it.

        >>> with echo():
        ...     User.get_or_create(id=3, defaults={"name": "Charles"})
        SELECT users.id, users.name, users.age FROM users WHERE users.id = ?
        INSERT INTO users (id, name, age) VALUES (?, ?, ?)
        (<User id=3>, True)

        Args:
            defaults: More values for a new record. A function among them is called for its own.
            eq: What to look for, and what a new record has.

        Raises:
            TypeError: Nothing is to be looked for.
            UnknownNameError: A name is no attribute of the model; nothing was sent.
            MultipleRecordsFoundError: Several have these values.
            IntegrityError: The database refused the record for another reason than that it is
                there (`sqlalchemy.exc`). On PostgreSQL also a `UniqueViolation` in a transaction of
                REPEATABLE READ or SERIALIZABLE that cannot see the record: it began before.
        """
        return scopes_of(cls).run(_creation.get_or_create(cls, defaults, eq))

    @classmethod
    async def aget_or_create(
        cls, defaults: Mapping[str, Any] | None = None, **eq: Any
    ) -> tuple[Self, bool]:
        """Awaitable twin of `get_or_create`."""
        return await scopes_of(cls).arun(_creation.get_or_create(cls, defaults, eq))

    @classmethod
    def update_or_create(
        cls, defaults: Mapping[str, Any] | None = None, **eq: Any
    ) -> tuple[Self, bool]:
        """The record with these values, changed or made; and whether it was made.

        A record that is there is locked, loaded and changed (`SELECT ... FOR UPDATE`), so that
        nothing is lost between, and what is returned is what the row has. As for
        `get_or_create`, a unique constraint has to cover the names that are looked for.

        >>> with echo():  # SQLite locks the database, and has no FOR UPDATE
        ...     User.update_or_create(name="Ada", defaults={"age": 37})
        SELECT users.id, users.name, users.age FROM users WHERE users.name = ?
        SELECT users.id, users.name, users.age FROM users WHERE users.name = ?
        UPDATE users SET age=? WHERE users.id = ?
        (<User id=1>, False)

        Args:
            defaults: What to set, on a new record too. A function is called for its value.
            eq: What to look for, and what a new record has.

        Raises:
            TypeError: Nothing is to be looked for.
            UnknownNameError: A name is no attribute of the model; nothing was sent.
            MultipleRecordsFoundError: Several have these values.
            IntegrityError: The database refused the values (`sqlalchemy.exc`).
            OperationalError: Two transactions of more than this verb wait for each other
                (`sqlalchemy.exc`): `db.transaction(retries=...)` repeats them.
        """
        return scopes_of(cls).run(_creation.update_or_create(cls, defaults, eq))

    @classmethod
    async def aupdate_or_create(
        cls, defaults: Mapping[str, Any] | None = None, **eq: Any
    ) -> tuple[Self, bool]:
        """Awaitable twin of `update_or_create`."""
        return await scopes_of(cls).arun(_creation.update_or_create(cls, defaults, eq))
