"""Every error and warning this package raises.

Each one inherits the builtin or SQLAlchemy class that its caller would catch already, keeps its
facts as attributes, survives pickling, and never contains a bound value: values may be secrets.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, TypeVar, cast

from sqlalchemy import exc

__all__ = [
    "BlockingCallWarning",
    "CheckViolation",
    "ConcurrencyError",
    "FastAPISQLAlchemyError",
    "ForeignKeyViolation",
    "HeldConnectionWarning",
    "IntegrityError",
    "InvalidCursorError",
    "InvalidPageError",
    "LateCommitWarning",
    "MissingDriverError",
    "MissingSessionError",
    "MultipleRecordsFoundError",
    "NotNullViolation",
    "RecordNotFoundError",
    "ReservedNameError",
    "RolledBackError",
    "SessionClosedError",
    "SessionNotInitialisedError",
    "SyncInAsyncError",
    "TransactionOptionError",
    "UniqueViolation",
    "UnknownNameError",
    "answer",
    "answered",
]

E = TypeVar("E", bound="FastAPISQLAlchemyError")


class FastAPISQLAlchemyError(Exception):
    """The ancestor of every error here."""

    def __reduce__(self) -> tuple[Any, ...]:
        # the message and the facts, not the arguments of __init__: those differ per class
        return (_rebuild, (type(self), self.args, self.__dict__.copy()))


def _rebuild(
    kind: type[FastAPISQLAlchemyError], args: tuple[Any, ...], facts: dict[str, Any]
) -> FastAPISQLAlchemyError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(facts)
    return error


_answers: dict[type[FastAPISQLAlchemyError], type[FastAPISQLAlchemyError]] = {}


def answer(kind: type[E], by: type[E]) -> None:
    """Have an error raised as a class of its own, which a floor above knows how to answer."""
    _answers[kind] = by


def answered(kind: type[E]) -> type[E]:
    """The class to raise for a kind of error: itself, unless something above answers it."""
    return cast("type[E]", _answers.get(kind, kind))


class MissingSessionError(FastAPISQLAlchemyError, RuntimeError):
    """This code runs outside every scope: there is no session it could use."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(
            message
            or "No session found: this code runs neither in a request served through "
            "DBSessionMiddleware for this database nor in a `with db():` block.\n\n"
            "In an application, add `app.add_middleware(DBSessionMiddleware, db=db)`. Anywhere "
            "else open a block: `with db():`, or `async with db():` in async code. A thread you "
            "start yourself does not inherit the request: open a block of its own there."
        )


class SessionClosedError(MissingSessionError):
    """The session's scope has ended, but something started within it still wants it."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(
            message
            or "This session has ended with the request or the `with db():` block it belonged to, "
            "but something that outlived it still wants it.\n\n"
            "Open a scope of its own there: `async with db():`, or `with db():`."
        )


class SessionNotInitialisedError(FastAPISQLAlchemyError, RuntimeError):
    """The database object knows of no database yet."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(
            message
            or "This database has no URL yet.\n\n"
            "Give it one, `SQLAlchemy(url=...)` or `db.init(url=...)`. The global `db` gets its "
            "own from `DBSessionMiddleware(db_url=...)`, which Starlette makes when the "
            "application starts: call `db.init(url=...)` to use it earlier."
        )


class SyncInAsyncError(FastAPISQLAlchemyError, RuntimeError):
    """A blocking call on the event loop, where only an awaited one can work."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(
            message
            or "A blocking call on the event loop, where this scope's session is served by an "
            "asyncio driver.\n\n"
            "Await the twin: `await User.query.aall()`, `await user.asave()`, and load "
            "relationships eagerly. `await db.run(function)` runs a blocking function, lazy loads "
            "included."
        )


class ConcurrencyError(FastAPISQLAlchemyError, RuntimeError):
    """Two tasks of one scope would have mixed their transactions."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(
            message
            or "Another task of this scope has a transaction block open on the session both "
            "share, which would swallow what this task does.\n\n"
            "Give the task a session of its own: `async with db():`, or `with db():` in a thread. "
            "A dependency that opens a block around its `yield` has to be `async def`: a `def` one "
            "runs in a context of its own."
        )


class TransactionOptionError(FastAPISQLAlchemyError, exc.InvalidRequestError):
    """An option of `db.transaction()` that cannot be honoured here. `option` is its name."""

    def __init__(self, option: str, needs: str) -> None:
        self.option = option
        super().__init__(f"`{option}` of db.transaction() needs {needs}.")


class RolledBackError(FastAPISQLAlchemyError, exc.InvalidRequestError):
    """A block could not commit: a block within it without a savepoint had failed."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(
            message
            or "This transaction was rolled back: a block within it, opened with "
            "`savepoint=False`, failed, and the exception was caught in between.\n\n"
            "Let the exception pass, or give the inner block a savepoint."
        )


class MissingDriverError(FastAPISQLAlchemyError, ImportError):
    """A package that this kind of access needs is not installed.

    `package` is its name on the package index, `extra` the extra of this project that brings it.
    """

    def __init__(self, needed_by: str, *, package: str, extra: str | None = None) -> None:
        self.package, self.extra = package, extra
        install = f"pip install {package}"
        if extra is not None:
            install += f"`, or `pip install 'fastapi-sqlalchemy[{extra}]'"
        super().__init__(
            f"{needed_by} needs the package `{package}`, which is not installed.\n\n`{install}`."
        )


class UnknownNameError(FastAPISQLAlchemyError, exc.InvalidRequestError, AttributeError, TypeError):
    """A keyword that is no attribute of the model.

    `model` is the model's name, `unknown` the keyword, `closest` the likeliest right one or None.
    It is what SQLAlchemy raises for `filter_by()`, what Python raises for an attribute and what
    it raises for an argument.
    """

    def __init__(self, verb: str, model: str, unknown: str, known: Iterable[str]) -> None:
        known = sorted(known)
        matches = difflib.get_close_matches(unknown, known, n=1)
        self.model, self.unknown = model, unknown
        self.closest = matches[0] if matches else None
        hint = f"Did you mean `{self.closest}`?" if matches else f"It has: {', '.join(known)}."
        super().__init__(
            f"{verb}() expected attributes of {model}, found `{unknown}`, which it does not have."
            f"\n\n{hint}"
        )


class ReservedNameError(FastAPISQLAlchemyError, TypeError):
    """A column or relationship would hide a verb of the model.

    `model` is the model's name, `name` that of the attribute.
    """

    def __init__(self, model: str, name: str) -> None:
        self.model, self.name = model, name
        super().__init__(
            f"{model}.{name} would hide the verb `{name}()` that every model has.\n\n"
            f"Name the attribute otherwise and keep the column's name: "
            f'`{name}_ = mapped_column("{name}", ...)`.'
        )


class _UnexpectedCount(FastAPISQLAlchemyError, exc.InvalidRequestError):
    found = ""

    def __init__(self, model: str, statement: str) -> None:
        self.model, self.statement = model, statement
        super().__init__(f"expected one {model}, found {self.found}\n\n{statement}\n\n{self.hint}")

    hint = ""


class RecordNotFoundError(_UnexpectedCount, exc.NoResultFound):
    """No record matches. `model` is its name, `statement` the SQL without its values."""

    found = "none"
    hint = "Use `one_or_none()` where absence is a normal outcome."


class MultipleRecordsFoundError(_UnexpectedCount, exc.MultipleResultsFound):
    """Several records match. `model` is its name, `statement` the SQL without its values."""

    found = "several"
    hint = "Narrow the query, or use `first()` with an `order_by()` where any will do."


class InvalidPageError(FastAPISQLAlchemyError, ValueError):
    """A page number or size that no page can have. `name` is that of the argument."""

    def __init__(self, name: str, *, needs: str, found: str) -> None:
        self.name = name
        super().__init__(
            f"expected `{name}` to be {needs}, found {found}\n\n"
            "A value that comes from a client can be checked before: "
            f"`{name}: Annotated[int, Query(ge=1, le=100)]` in a FastAPI route."
        )


class InvalidCursorError(FastAPISQLAlchemyError, ValueError):
    """A cursor that this query did not give out. `reason` says what is wrong with it."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"expected a cursor that this query gave out, found {reason}\n\n"
            "Take it from `next` or `previous` of a page with the same order, unchanged, or begin "
            "again without one."
        )


class IntegrityError(FastAPISQLAlchemyError, exc.IntegrityError):
    """The database refused a change that would break a constraint.

    `constraint`, `table` and `columns` are what the driver tells of it: a name or None, a name or
    None, a tuple of names. `statement` is the SQL and `orig` the driver's error, as in SQLAlchemy.
    """

    expected = "every constraint to hold"
    found = "one violated"
    way_out = "Catch `fastapi_sqlalchemy.exceptions.IntegrityError` where this is a normal outcome."

    def __init__(
        self,
        error: exc.DBAPIError,
        constraint: str | None,
        table: str | None,
        columns: Iterable[str],
    ) -> None:
        exc.IntegrityError.__init__(
            self,
            error.statement,
            error.params,
            error.orig or error,
            hide_parameters=True,
            connection_invalidated=error.connection_invalidated,
            code=error.code,
            ismulti=error.ismulti,
        )
        self.constraint, self.table, self.columns = constraint, table, tuple(columns)
        self.args = (str(self),)  # the driver's own text, that of the cause, holds values

    @property
    def where(self) -> str:
        """Table and columns, as far as they are known: `users (email)`."""
        columns = ", ".join(self.columns)
        if self.table and columns:
            return f"{self.table} ({columns})"
        return self.table or columns

    def __str__(self) -> str:
        where = f" in {self.where}" if self.where else ""
        name = f" ({self.constraint})" if self.constraint else ""
        found = f"expected {self.expected}{where}, found {self.found}{name}"
        # a constraint that is checked by COMMIT has no statement to show
        return "\n\n".join(filter(None, (found, self.statement, self.way_out)))


class UniqueViolation(IntegrityError):
    """A value that must be unique is there already. SQLSTATE 23505."""

    expected = "unique values"
    found = "one that is there already"
    way_out = (
        "Catch `fastapi_sqlalchemy.exceptions.UniqueViolation` where this is a normal outcome: "
        "the session can be used on."
    )


class ForeignKeyViolation(IntegrityError):
    """A row refers to one that is not there, or is referred to and cannot go. SQLSTATE 23503."""

    expected = "every reference to lead to a row"
    found = "one that would not"
    way_out = "Save the row that is referred to first, and delete it last."


class NotNullViolation(IntegrityError):
    """A column that must have a value has none. SQLSTATE 23502."""

    expected = "a value"
    found = "NULL"
    way_out = "Set the attribute, give the column a default, or make it nullable."


class CheckViolation(IntegrityError):
    """A row does not pass a CHECK constraint. SQLSTATE 23514."""

    expected = "every check to pass"
    found = "one that failed"
    way_out = "The constraint says which values are allowed."


class BlockingCallWarning(RuntimeWarning):
    """A blocking verb ran on the event loop, which served nobody else meanwhile."""


class HeldConnectionWarning(RuntimeWarning):
    """A connection was held for longer than `SQLAlchemy(hold_warning=...)` allows."""


class LateCommitWarning(RuntimeWarning):
    """A response started while a transaction was open that nothing has committed yet."""
