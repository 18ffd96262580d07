"""Every error and warning this package raises.

Each one inherits the builtin or SQLAlchemy class that its caller would catch already, keeps its
facts as attributes, survives pickling, and never contains a bound value: values may be secrets.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeVar, cast

from sqlalchemy import exc
from sqlalchemy.orm import exc as orm_exc

__all__ = [
    "BlockingCallWarning",
    "CheckViolation",
    "ConcurrencyError",
    "ConflictTargetError",
    "DataError",
    "FastAPISQLAlchemyError",
    "ForeignKeyViolation",
    "GuardedNameError",
    "HeldConnectionWarning",
    "IntegrityError",
    "InvalidCursorError",
    "InvalidPageError",
    "InvalidSliceError",
    "IsolationError",
    "IsolationTimeoutError",
    "LateCommitWarning",
    "LazyLoadError",
    "MissingCriterionError",
    "MissingDriverError",
    "MissingModelError",
    "MissingSessionError",
    "MultipleRecordsFoundError",
    "NaiveDatetimeError",
    "NotAColumnError",
    "NotARelationshipError",
    "NotLoadedError",
    "NotNullViolation",
    "QueryCountError",
    "RecordNotFoundError",
    "ReservedNameError",
    "RolledBackError",
    "RowError",
    "SchemaNameError",
    "SchemaTypeError",
    "SessionClosedError",
    "SessionKindError",
    "SessionNotInitialisedError",
    "SeveralTablesError",
    "StaleRecordError",
    "SyncInAsyncError",
    "TransactionOptionError",
    "UniqueViolation",
    "UnknownNameError",
    "UpsertUnsupportedError",
    "ValueOfAnotherTableError",
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


class SessionKindError(FastAPISQLAlchemyError, TypeError):
    """A repository's own session is of the other kind: blocking for an awaited verb, or awaited.

    `awaited` tells whether the verb was.
    """

    def __init__(self, *, awaited: bool) -> None:
        self.awaited = awaited
        verb = "an awaited verb" if awaited else "a blocking verb"
        expected, found = (
            ("an AsyncSession", "a Session")
            if awaited
            else (
                "a Session",
                "an AsyncSession",
            )
        )
        way_out = "blocking verb, `get()`" if awaited else "awaitable twin, `await aget()`"
        super().__init__(
            f"{verb} of a repository expected {expected}, found {found}.\n\n"
            f"Call the {way_out}, or give the repository {expected}. Without a session of its own "
            "it uses that of the scope, which serves both."
        )


class ConcurrencyError(FastAPISQLAlchemyError, RuntimeError):
    """Two tasks of one scope would have mixed their transactions."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(
            message
            or "Another task of this scope has a transaction block open on the session both "
            "share, which would swallow what this task does.\n\n"
            "Give the task a session of its own: `async with db():`, or `with db():` in a thread."
        )


class IsolationError(FastAPISQLAlchemyError, exc.InvalidRequestError):
    """Within `db.testing()`: what cannot be done on one connection that is rolled back."""

    def __init__(self, message: str) -> None:
        super().__init__(message)


class IsolationTimeoutError(IsolationError, exc.TimeoutError):
    """Within `db.testing()`: a statement waited too long for a transaction that did not end.

    `held_at` is the line at which that one began to write.
    """

    timeout: float
    held_at: str

    def __init__(self, timeout: float, held_at: str) -> None:
        super().__init__(
            "expected the one connection of `db.testing()` to be free, found it held by a "
            f"transaction for {timeout:g} seconds\n\n"
            f"It began to write at {held_at}\n\n"
            "Commit or roll back there before something else asks the database: to another "
            "transaction its rows are not there yet. `db.testing(timeout=...)` waits longer."
        )
        self.timeout, self.held_at = timeout, held_at


class QueryCountError(FastAPISQLAlchemyError, AssertionError):
    """A block sent more statements than expected, or fewer.

    `statements` are those it sent, as pairs of the statement and the line that sent it.
    """

    expected: str
    statements: list[tuple[str, str]]

    def __init__(self, expected: str, statements: Sequence[tuple[str, str]]) -> None:
        listed = "\n\n".join(
            f"{number}. {place}\n{statement}"
            for number, (statement, place) in enumerate(statements, 1)
        )
        repeated = len(set(statements)) < len(statements)
        super().__init__(
            f"expected {expected}, found {len(statements)}"
            + (f"\n\n{listed}" if listed else "")
            + ("\n\n" + _REPEATED if repeated else "")
        )
        self.expected, self.statements = expected, list(statements)


_REPEATED: Final = (
    "The same statement was sent again from the same line: load what a loop needs in one go, with "
    "`.options(selectinload(User.posts))` or `where(Post.id.in_(ids))`."
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

    package: str
    extra: str | None

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

    `verb` is what it was given to, `model` the model's name, `unknown` the keyword, `closest` the
    likeliest right one or None, `row` the index of the row it stands in, where there are rows.
    It is what SQLAlchemy raises for `filter_by()`, what Python raises for an attribute and what
    it raises for an argument.
    """

    verb: str
    model: str
    unknown: str
    row: int | None
    closest: str | None

    def __init__(
        self,
        verb: str,
        model: str,
        unknown: str,
        known: Iterable[str],
        *,
        kind: str = "attributes",
        row: int | None = None,
    ) -> None:
        known = sorted(known)
        matches = difflib.get_close_matches(unknown, known, n=1)
        self.verb, self.model, self.unknown, self.row = verb, model, unknown, row
        self.closest = matches[0] if matches else None
        hint = f"Did you mean `{self.closest}`?" if matches else f"It has: {', '.join(known)}."
        where = "" if row is None else f" in row {row}"
        lacking = "which it does not have" if kind == "attributes" else "which is none of them"
        super().__init__(
            f"{verb}() expected {kind} of {model}{where}, found `{unknown}`, {lacking}.\n\n{hint}"
        )


class GuardedNameError(FastAPISQLAlchemyError, TypeError):
    """`__guarded__` holds a name that is no attribute: what it means to guard is open.

    `model` is the name of the class, `unknown` the name, `closest` the likeliest right one or None.
    """

    model: str
    unknown: str
    closest: str | None

    def __init__(self, model: str, unknown: str, known: Iterable[str]) -> None:
        known = sorted(known)
        matches = difflib.get_close_matches(unknown, known, n=1)
        self.model, self.unknown = model, unknown
        self.closest = matches[0] if matches else None
        hint = f"Did you mean `{self.closest}`?" if matches else f"It has: {', '.join(known)}."
        super().__init__(
            f"{model}.__guarded__ expected names of attributes, found `{unknown}`, which is none."
            f"\n\n{hint}"
        )


class SchemaTypeError(FastAPISQLAlchemyError, TypeError):
    """An attribute of a model has a type that Pydantic knows nothing of.

    `model` is the model's name, `attribute` that of the attribute, `found` the type or None.
    """

    model: str
    attribute: str
    found: str | None

    def __init__(self, model: str, attribute: str, found: str | None) -> None:
        self.model, self.attribute, self.found = model, attribute, found
        shown = "none that its annotation or its column tells" if found is None else f"`{found}`"
        super().__init__(
            f"expected {model}.{attribute} to have a type that Pydantic knows, found {shown}.\n\n"
            f"Say the type, `{attribute}: Mapped[...]`, teach it to Pydantic "
            "(`__get_pydantic_core_schema__`), or leave the attribute out: "
            f'`{model}.schema(exclude={{"{attribute}"}})`, and `response_model=` of a route.'
        )


class SchemaNameError(FastAPISQLAlchemyError, ValueError):
    """Two schemas that differ were to have one name, which OpenAPI could not tell apart.

    `model` is the model's name, `name` that of the schema.
    """

    model: str
    name: str

    def __init__(self, model: str, name: str) -> None:
        self.model, self.name = model, name
        super().__init__(
            f"{model}.schema() expected a name that no other schema has, found `{name}`, which "
            "is taken by one with other fields.\n\n"
            f"Name this one: `{model}.schema(..., name=...)`."
        )


class NotLoadedError(FastAPISQLAlchemyError, exc.InvalidRequestError):
    """A schema was to show what its record has not loaded: showing sends no SQL.

    `model` is the model's name, `attribute` that of the attribute.
    """

    model: str
    attribute: str

    def __init__(
        self, model: str, attribute: str, *, expired: bool = False, base: str | None = None
    ) -> None:
        self.model, self.attribute = model, attribute
        found = "expired" if expired else "not"
        way_out = "Load it with the query: `.for_schema(schema)` loads what a schema shows."
        if base is not None:
            found = f"not, by a query of {base}"
            way_out = (
                f"Ask `{model}.query`, or for records of all classes "
                f"`.options(selectin_polymorphic({base}, [{model}]))`, of `sqlalchemy.orm`."
            )
        elif expired:
            way_out = (
                "Load it again after the commit: `record.refresh()`, or `await record.arefresh()`."
            )
        super().__init__(
            f"expected {model}.{attribute} to be loaded, found that it is {found}, and a schema "
            f"sends no SQL.\n\n{way_out}"
        )


class RowError(FastAPISQLAlchemyError, TypeError, ValueError):
    """A row of `insert_many()` or `upsert()` is not one. `row` is its index."""

    def __init__(self, verb: str, row: int, expected: str, found: str) -> None:
        self.row = row
        super().__init__(f"{verb}() expected {expected}, found {found} in row {row}; nothing stays")


class MissingCriterionError(FastAPISQLAlchemyError, exc.InvalidRequestError):
    """`update()` or `delete()` of a query would change every row.

    `verb` is the one of the two, `model` the model's name.
    """

    verb: str
    model: str

    def __init__(self, verb: str, model: str) -> None:
        self.verb, self.model = verb, model
        super().__init__(
            f"{verb}() expected a query of {model} with a criterion or a limit, found one that "
            "means every row.\n\n"
            f"Narrow it with `filter_by()` or `where()`, or say `{verb}(..., all_rows=True)`."
        )


class SeveralTablesError(FastAPISQLAlchemyError, exc.InvalidRequestError):
    """One statement cannot change what stands in several tables (joined-table inheritance).

    `model` is the model's name, `tables` are those it would take.
    """

    model: str
    tables: tuple[str, ...]

    def __init__(self, verb: str, model: str, tables: Iterable[str], way_out: str) -> None:
        self.model, self.tables = model, tuple(tables)
        super().__init__(
            f"{verb}() expected the rows of one table, found those of {model}: "
            f"{', '.join(self.tables)}.\n\n{way_out}"
        )


class ValueOfAnotherTableError(FastAPISQLAlchemyError, exc.InvalidRequestError):
    """A value of `Query.update()` is SQL that reads a table which the UPDATE does not change.

    `model` is the model's name, `name` the attribute to be set, `table` what its value reads.
    """

    model: str
    name: str
    table: str

    def __init__(self, model: str, name: str, table: str) -> None:
        self.model, self.name, self.table = model, name, table
        super().__init__(
            f"update() expected a value for {model}.{name} from the row that is changed, found one "
            f"that reads `{table}`, which the UPDATE would join with every row.\n\n"
            "Let a subquery find it: `select(Other.value).where(Other.id == "
            f"{model}.other_id).scalar_subquery()`."
        )


class ConflictTargetError(FastAPISQLAlchemyError, exc.InvalidRequestError, ValueError):
    """`upsert(on=...)` names what no unique constraint covers, so that nothing can conflict.

    `model` is the model's name, `found` the names given, `targets` those that could be given.
    """

    model: str
    found: tuple[str, ...]
    targets: tuple[tuple[str, ...], ...]

    def __init__(self, model: str, found: Iterable[str], targets: Iterable[Iterable[str]]) -> None:
        self.model, self.found = model, tuple(found)
        self.targets = tuple(tuple(names) for names in targets)
        could = "; ".join(", ".join(names) for names in self.targets)
        super().__init__(
            f"upsert() expected the names of a primary key, unique constraint or unique index of "
            f"{model}, found ({', '.join(self.found)}).\n\nIt has: {could}."
        )


class UpsertUnsupportedError(FastAPISQLAlchemyError, NotImplementedError):
    """The database has no upsert that is known here. `dialect` is SQLAlchemy's name of it."""

    def __init__(self, dialect: str) -> None:
        self.dialect = dialect
        super().__init__(
            "upsert() expected PostgreSQL, SQLite, MariaDB or MySQL, found the dialect "
            f"`{dialect}`.\n\nUse `update_or_create()`, a row at a time."
        )


class MissingModelError(FastAPISQLAlchemyError, TypeError):
    """A repository does not say which model it is about. `repository` is the name of its class."""

    def __init__(self, repository: str) -> None:
        self.repository = repository
        super().__init__(
            f"{repository} expected a model, found nothing that names one.\n\n"
            f"Name it in brackets, `class {repository}(Repository[User])`, or as `model = User` in "
            "the class. A class that leaves it to others is generic, `Repository[T]`, or has `ABC` "
            "among its bases. Without a class of its own: `Repository(User)`."
        )


class ReservedNameError(FastAPISQLAlchemyError, TypeError):
    """A column or relationship would hide a verb of the model.

    `model` is the model's name, `name` that of the attribute.
    """

    model: str
    name: str

    def __init__(self, model: str, name: str) -> None:
        self.model, self.name = model, name
        super().__init__(
            f"{model}.{name} would hide the verb `{name}()` that every model has.\n\n"
            f"Name the attribute otherwise and keep the column's name: "
            f'`{name}_ = mapped_column("{name}", ...)`.'
        )


class NotAColumnError(FastAPISQLAlchemyError, exc.ArgumentError, TypeError):
    """Something that has no value in a row, such as a string or a relationship.

    `model` is the model's name, `found` what was given, `closest` the likeliest attribute.
    """

    model: str
    found: str
    closest: str

    def __init__(self, verb: str, model: str, found: str, known: Iterable[str]) -> None:
        known = sorted(known)
        name = found.strip("'").rpartition(".")[2]
        self.model, self.found = model, found
        self.closest = (difflib.get_close_matches(name, known, n=1) or known)[0]
        super().__init__(
            f"{verb}() expected a column or an expression, found {found}.\n\n"
            f"A column is written as the attribute of its model: `{model}.{self.closest}`."
        )


class NotARelationshipError(FastAPISQLAlchemyError, exc.ArgumentError, TypeError):
    """`eager()` or `schema()` was given what is no relationship, or leads on from nowhere.

    `model` is the model's name, `found` what was given.
    """

    model: str
    found: str

    def __init__(
        self, model: str, found: str, known: Iterable[str], *, verb: str = "eager"
    ) -> None:
        self.model, self.found = model, found
        shown = ", ".join(f"`{model}.{name}`" for name in sorted(known)) or "none"
        super().__init__(
            f"{verb}() expected relationships of {model}, or of a model that a relationship before "
            f"them leads to, found {found}.\n\nThe relationships of {model}: {shown}."
        )


class InvalidSliceError(FastAPISQLAlchemyError, IndexError):
    """A query was sliced by what SQL cannot say. `found` is the slice or the index."""

    def __init__(self, found: str) -> None:
        self.found = found
        super().__init__(
            f"expected an index or a slice of whole numbers from 0 on, found `{found}`.\n\n"
            "SQL counts rows from the first one only: turn the order round, or slice the list "
            "that `all()` returns."
        )


class LazyLoadError(FastAPISQLAlchemyError, exc.InvalidRequestError):
    """A record of a `strict()` query was asked for what the query had not loaded.

    `model` is the model's name, `attribute` that of the attribute, `option` what would load it.
    """

    model: str
    attribute: str
    option: str

    def __init__(self, model: str, attribute: str, option: str) -> None:
        self.model, self.attribute, self.option = model, attribute, option
        super().__init__(
            f"expected {model}.{attribute} to be loaded, found that it is not, and the query that "
            f"loaded the record is `strict()`.\n\nLoad it there: `.options({option})`."
        )


class _UnexpectedCount(FastAPISQLAlchemyError, exc.InvalidRequestError):
    model: str
    statement: str
    found = ""

    def __init__(self, model: str, statement: str, way_out: str) -> None:
        self.model, self.statement = model, statement
        super().__init__(f"expected one {model}, found {self.found}\n\n{statement}\n\n{way_out}")


class RecordNotFoundError(_UnexpectedCount, exc.NoResultFound):
    """No record matches. `model` is its name, `statement` the SQL without its values.

    `instead` names the verb that returns None, and `description` is what to tell a client.
    """

    instead: str
    description: str

    found = "none"

    def __init__(
        self,
        model: str,
        statement: str,
        *,
        instead: str = "one_or_none",
        description: str | None = None,
    ) -> None:
        self.instead, self.description = instead, description or f"{model} not found"
        super().__init__(model, statement, f"Use `{instead}()` where absence is a normal outcome.")


class MultipleRecordsFoundError(_UnexpectedCount, exc.MultipleResultsFound):
    """Several records match. `model` is its name, `statement` the SQL without its values."""

    found = "several"

    def __init__(self, model: str, statement: str) -> None:
        super().__init__(
            model,
            statement,
            "Narrow the query, or use `first()` with an `order_by()` where any will do.",
        )


class StaleRecordError(FastAPISQLAlchemyError, orm_exc.StaleDataError):
    """The row was changed or deleted by somebody else since this session read it.

    `model` is the model's name, `keys` are the names of its key columns, `expected` and `matched`
    the numbers of rows, None where they are not known.
    """

    model: str
    keys: tuple[str, ...]
    expected: int | None
    matched: int | None

    def __init__(
        self,
        model: str,
        columns: Iterable[str],
        *,
        expected: int | None = None,
        matched: int | None = None,
    ) -> None:
        self.model, self.keys = model, tuple(columns)
        self.expected, self.matched = expected, matched
        counts = "" if expected is None else f" ({expected} expected, {matched} matched)"
        super().__init__(
            f"expected the row of {model} ({', '.join(self.keys)}) as it was read, found it "
            f"changed or deleted by somebody else{counts}\n\n"
            "Nothing was written. `refresh()` the record, apply the change again and save, or tell "
            "the user: 409 Conflict."
        )


class NaiveDatetimeError(FastAPISQLAlchemyError, ValueError, exc.DontWrapMixin):
    """A value for a `UTCDateTime` that is no moment: without a time zone it could be any.

    `found` is what it was: "a datetime without one", or the name of another type.
    """

    def __init__(self, found: str = "a datetime without one") -> None:
        self.found = found
        super().__init__(
            f"a UTCDateTime expected a datetime with a time zone, found {found}\n\n"
            "`datetime.now(UTC)` has one; `value.replace(tzinfo=...)` says which one is meant."
        )


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


def _told_by(error: exc.DBAPIError) -> dict[str, Any]:
    """What SQLAlchemy's error was made with, but that it shows no parameters."""
    return {
        "statement": error.statement,
        "params": error.params,
        "orig": error.orig or error,
        "hide_parameters": True,
        "connection_invalidated": error.connection_invalidated,
        "code": error.code,
        "ismulti": error.ismulti,
    }


class DataError(FastAPISQLAlchemyError, exc.DataError):
    """A value is one that its column cannot hold: too long, too large, or of another kind.

    `statement` is the SQL and `orig` the driver's error, as in SQLAlchemy. A column type that
    refuses a value by itself raises SQLAlchemy's `StatementError`, before the database is asked.
    """

    args: tuple[Any, ...]

    def __init__(self, error: exc.DBAPIError) -> None:
        exc.DataError.__init__(self, **_told_by(error))
        self.args = (str(self),)  # the driver's own text, that of the cause, holds values

    def __str__(self) -> str:
        expected = "expected values that their columns can hold, found one that is too long, too"
        way_out = "Check what comes from outside before: a schema of Pydantic's has limits for it."
        found = f"{expected} large or of another kind"
        return "\n\n".join(filter(None, (found, self.statement, way_out)))


class IntegrityError(FastAPISQLAlchemyError, exc.IntegrityError):
    """The database refused a change that would break a constraint.

    `constraint`, `table` and `columns` are what the driver tells of it: a name or None, a name or
    None, a tuple of names. `statement` is the SQL and `orig` the driver's error, as in SQLAlchemy.
    """

    constraint: str | None
    table: str | None
    columns: tuple[str, ...]
    args: tuple[Any, ...]

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
        exc.IntegrityError.__init__(self, **_told_by(error))
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
