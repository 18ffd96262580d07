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

        >>> User.get_or_create(id=3, defaults={"name": "Charles"})
        (<User id=3>, True)
        >>> User.get_or_create(id=3, defaults={"name": "Mary"})
        (<User id=3>, False)

        Args:
            defaults: More values for a new record. A function among them is called for its own.
            eq: What to look for, and what a new record has.

        Raises:
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

        >>> User.update_or_create(name="Ada", defaults={"age": 37})
        (<User id=1>, False)
        >>> User.get(1).age
        37
        >>> User.update_or_create(name="Charles", defaults={"age": 44})
        (<User id=3>, True)

        Args:
            defaults: What to set, on a new record too. A function is called for its value.
            eq: What to look for, and what a new record has.

        Raises:
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
