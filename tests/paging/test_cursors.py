"""Cursors as text: what a client sends is read, or refused; it never reaches the database raw."""

import base64
import json
import math
import pickle
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import IntEnum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import exc

from fastapi_sqlalchemy import SQLAlchemy
from fastapi_sqlalchemy._cursors import Cursor
from fastapi_sqlalchemy.exceptions import InvalidCursorError
from tests.blog import created
from tests.paging import model
from tests.paging.model import VALUES, Box, State, Thing
from tests.verbs import Verb


class Size(IntEnum):
    SMALL = 1


def unfolded(value: Any) -> Any:
    """No database tells the second of two equal hours from the first."""
    return value.replace(fold=0)


ZONES = [UTC, timezone(timedelta(hours=-3, minutes=-30)), None]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
    | st.binary()
    | st.decimals()
    | st.uuids()
    | st.dates()
    | st.times().map(unfolded)
    | st.timedeltas()
    | st.datetimes(timezones=st.sampled_from(ZONES)).map(unfolded)
    | st.sampled_from(State)
    | st.sampled_from(Size)
)
SECRETS = st.none() | st.binary(min_size=1, max_size=80)


def kind_of(value: Any) -> Any:
    return type(value) if isinstance(value, State | Size) else None


def same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, float) and math.isnan(one):
        return math.isnan(other)
    return repr(one) == repr(other)  # tells 0.0 from -0.0, and NaN of a Decimal is itself


@settings(deadline=None)
@given(st.lists(SCALARS, max_size=4), SECRETS, st.booleans())
def test_values_come_back_as_they_were(
    values: list[Any], secret: bytes | None, inclusive: bool
) -> None:
    cursor = Cursor("order", tuple(values), inclusive)
    text = cursor.encode(secret)
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    kinds = [kind_of(value) for value in values]
    found = Cursor.decode(text, order="order", kinds=kinds, secret=secret)
    assert found.inclusive is inclusive
    assert all(same(*pair) for pair in zip(found.values, values, strict=True))


def test_a_value_that_no_cursor_carries_is_named_by_its_type() -> None:
    with pytest.raises(exc.InvalidRequestError, match="found one of complex"):
        Cursor("order", (1j,)).encode(None)


@settings(deadline=None)
@given(st.text() | st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode()), SECRETS)
def test_any_text_is_a_cursor_or_refused(text: str, secret: bytes | None) -> None:
    with pytest.raises(InvalidCursorError):
        Cursor.decode(text, order="order", kinds=[None], secret=secret)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner, max_size=2),
)


@settings(deadline=None)
@given(JSON | st.tuples(st.just("order"), st.lists(JSON), JSON).map(list))
def test_any_payload_is_a_cursor_or_refused(payload: Any) -> None:
    text = base64.urlsafe_b64encode(json.dumps(payload).encode()).decode()
    try:
        cursor = Cursor.decode(text, order="order", kinds=[State], secret=None)
    except InvalidCursorError:
        return
    assert len(cursor.values) == 1
    assert not isinstance(cursor.values[0], list | dict)


FORGED: dict[str, Any] = {
    "deeply nested": "[" * 100_000,
    "a long integer": '["order",[' + "9" * 5000 + "],0]",
    "beyond 64 bits": ["order", [2**63], 0],
    "a NUL": ["order", ["\0"], 0],
    "half a pair": ["order", ["\ud800"], 0],
    "too few": ["order", [], 0],
    "too many": ["order", [1, 2], 0],
    "no list": ["order", 1, 0],
    "no end": ["order", [1]],
    "no tag": ["order", [{}], 0],
    "two tags": ["order", [{"uuid": "1", "date": "2"}], 0],
    "an unknown tag": ["order", [{"code": "1"}], 0],
    "no date": ["order", [{"date": "tomorrow"}], 0],
    "a date that is none": ["order", [{"date": 1}], 0],
    "no number": ["order", [{"decimal": "one"}], 0],
    "a long time": ["order", [{"timedelta": "9" * 100}], 0],
    "an unknown member": ["order", [{"enum": "NONE"}], 0],
}


@pytest.mark.parametrize("payload", FORGED.values(), ids=FORGED)
@pytest.mark.parametrize("signed", [False, True])
def test_a_damaged_cursor_is_refused_without_a_cause(payload: Any, signed: bool) -> None:
    raw = (payload if isinstance(payload, str) else json.dumps(payload)).encode()
    secret = b"secret" if signed else None
    text = base64.urlsafe_b64encode(b"\0" * 32 * signed + raw).decode()
    with pytest.raises(InvalidCursorError) as caught:
        Cursor.decode(text, order="order", kinds=[State], secret=secret)
    assert caught.value.reason == ("one with a wrong signature" if signed else "a damaged one")
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    "text", ["", "a", "é", " ", "====", "ab\n", 1, b"x", True, ["x"]], ids=repr
)
def test_what_is_no_cursor_is_refused(text: Any) -> None:
    with pytest.raises(InvalidCursorError):
        Cursor.decode(text, order="order", kinds=[], secret=None)


def test_a_cursor_of_another_order_is_refused_whatever_its_values() -> None:
    text = Cursor("one", (State.NEW, 1)).encode(None)
    with pytest.raises(InvalidCursorError, match="one of another order"):
        Cursor.decode(text, order="another", kinds=[None], secret=None)


def test_a_change_of_any_letter_of_a_signed_cursor_is_refused() -> None:
    text = Cursor("order", (1,)).encode(b"secret")
    for position, letter in enumerate(text):
        changed = text[:position] + ("A" if letter != "A" else "B") + text[position + 1 :]
        with pytest.raises(InvalidCursorError):
            Cursor.decode(changed, order="order", kinds=[None], secret=b"secret")


def test_a_refused_cursor_survives_pickling_as_an_answer() -> None:
    with pytest.raises(InvalidCursorError) as caught:
        Cursor.decode("", order="order", kinds=[], secret=None)
    again: Any = pickle.loads(pickle.dumps(caught.value))
    assert (again.status_code, again.reason) == (422, caught.value.reason)


@pytest.fixture
def things(db: SQLAlchemy) -> None:
    with db(commit_on_exit=True):
        for n in range(4):
            Thing.new(**{name: value(n) for name, value in VALUES.items()})


FOREIGN: dict[str, Any] = {
    "another column": Thing.query.order_by(Thing.rank),
    "the other direction": Thing.query.order_by(Thing.name.desc()),
    "NULL elsewhere": Thing.query.order_by(Thing.name.nulls_first()),
    "one column more": Thing.query.order_by(Thing.name, Thing.rank),
    "an expression of it": Thing.query.order_by(Thing.name + "a"),
    "another model": Box.query.order_by(Box.label),
}


@pytest.mark.parametrize("query", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.usefixtures("things")
def test_a_cursor_of_another_query_is_refused(verb: Verb, db: SQLAlchemy, query: Any) -> None:
    with verb.scope(db):
        page = verb(Thing.query.order_by(Thing.name), "cursor_paginate", 1)
        with pytest.raises(InvalidCursorError, match="one of another order"):
            verb(query, "cursor_paginate", 1, after=page.next)


@pytest.mark.usefixtures("things")
def test_two_expressions_that_differ_in_a_value_alone_are_two_orders(
    verb: Verb, db: SQLAlchemy
) -> None:
    with verb.scope(db):
        page = verb(Thing.query.order_by(Thing.rank % 2), "cursor_paginate", 1)
        with pytest.raises(InvalidCursorError, match="one of another order"):
            verb(Thing.query.order_by(Thing.rank % 3), "cursor_paginate", 1, after=page.next)


@pytest.mark.usefixtures("things")
def test_a_criterion_may_change_between_two_pages(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        page = verb(Thing.query, "cursor_paginate", 1)
        query = Thing.query.filter(Thing.id > 2)
        assert [t.id for t in verb(query, "cursor_paginate", 1, after=page.next)] == [3]


STRANGE: list[Any] = [
    None, True, 0, -(2**63), 2**63 - 1, 1.5, math.inf, math.nan, "", "x", "n", b"", b"\xff",
    Decimal("1e400"), Decimal("NaN"), Decimal("Infinity"), date.min, date.max, datetime.min,  # noqa: DTZ901 - a client may send it
    datetime.max,  # noqa: DTZ901 - see above
    datetime(1, 1, 1, tzinfo=ZONES[1]), time.max, timedelta.max, timedelta.min,
    UUID(int=0), State.AGED,
]  # fmt: skip


@pytest.mark.parametrize("column", list(VALUES))
@pytest.mark.usefixtures("things")
def test_a_forged_value_gives_a_page_or_is_refused(verb: Verb, db: SQLAlchemy, column: str) -> None:
    # no secret: whoever read one cursor can write another
    query = Thing.query.order_by(getattr(Thing, column))
    with verb.scope(db):
        page = verb(query, "cursor_paginate", 1)
        order = json.loads(base64.urlsafe_b64decode(page.next + "==="))[0]
        for value in STRANGE:
            if isinstance(value, bytes) and db.engine.name != "sqlite" and column == "raw":
                continue  # see test_every_kind_of_value_is_sorted_by
            forged = Cursor(order, (value, 1)).encode(None)
            with suppress(InvalidCursorError):
                assert len(verb(query, "cursor_paginate", 1, after=forged)) <= 1
        assert verb(Thing.query, "count") == 4, "the session is still of use"


@pytest.fixture
def signing() -> Iterator[SQLAlchemy]:
    with created(model.db, "sqlite://", cursor_secret="secret") as database:
        with database(commit_on_exit=True):
            for label in "abc":
                Box.new(label=label)
        yield database


def test_a_signed_cursor_is_read_by_every_process_with_the_secret(
    verb: Verb, signing: SQLAlchemy
) -> None:
    with verb.scope(signing):
        page = verb(Box.query, "cursor_paginate", 1)
        assert [b.label for b in verb(Box.query, "cursor_paginate", 1, after=page.next)] == ["b"]
        order = json.loads(base64.urlsafe_b64decode(page.next + "===")[32:])[0]
        again = Cursor(order, (1,)).encode(b"secret")
        assert again == page.next


def test_a_cursor_that_was_not_signed_is_refused(verb: Verb, signing: SQLAlchemy) -> None:
    with verb.scope(signing):
        page = verb(Box.query, "cursor_paginate", 1)
        payload = base64.urlsafe_b64decode(page.next + "===")[32:]
        unsigned = base64.urlsafe_b64encode(payload).decode()
        with pytest.raises(InvalidCursorError, match="wrong signature"):
            verb(Box.query, "cursor_paginate", 1, after=unsigned)


def test_a_cursor_of_another_secret_is_refused(verb: Verb, signing: SQLAlchemy) -> None:
    with verb.scope(signing):
        page = verb(Box.query, "cursor_paginate", 1)
    with (
        created(model.db, "sqlite://", cursor_secret=b"another"),
        verb.scope(signing),
        pytest.raises(InvalidCursorError, match="wrong signature"),
    ):
        verb(Box.query, "cursor_paginate", 1, after=page.next)


def test_both_ends_at_once_are_refused(verb: Verb, signing: SQLAlchemy) -> None:
    with verb.scope(signing):
        page = verb(Box.query, "cursor_paginate", 1)
        with pytest.raises(InvalidCursorError, match="found two"):
            verb(Box.query, "cursor_paginate", 1, after=page.next, before=page.next)


@pytest.mark.parametrize("secret", ["", b""], ids=repr)
def test_an_empty_secret_is_refused(secret: Any) -> None:
    with pytest.raises(ValueError, match="cursors can be forged"):
        SQLAlchemy(cursor_secret=secret)


def test_a_secret_that_is_no_text_is_refused() -> None:
    with pytest.raises(TypeError, match="cursor_secret expected str or bytes, found int"):
        SQLAlchemy(cursor_secret=5)  # type: ignore[arg-type]  # the mistake


def test_the_secret_is_not_shown(signing: SQLAlchemy) -> None:
    assert "secret" not in repr(signing)


@pytest.mark.parametrize("db", ["postgresql"], indirect=True)
@pytest.mark.usefixtures("things")
def test_a_change_that_is_refused_is_not_blamed_on_the_cursor(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db, commit_on_exit=True):
        page = verb(Thing.query, "cursor_paginate", 1)

        def spoil() -> None:
            db.session.add(Box(label="x" * 60))

        async def aspoil() -> None:
            db.async_session.add(Box(label="x" * 60))

        verb.inside(spoil if verb.blocking else aspoil)
        with pytest.raises(exc.DataError):
            verb(Thing.query, "cursor_paginate", 1, after=page.next)
        verb.inside(lambda: (db.session if verb.blocking else db.async_session).rollback())
