"""Cursors: where in an order a page ended, as text that a client can keep and send back.

What comes back is not trusted.  A cursor names the order it belongs to and holds typed values;
with a secret it is signed (RFC 2104, SHA-256), and without one it can say no more than from which
values on to read.  Its values are encoded, not encrypted.
"""

from __future__ import annotations

import base64
import enum
import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy.exc import InvalidRequestError

from .exceptions import InvalidCursorError, answered

__all__ = ["Cursor", "fingerprint"]

_PURPOSE: Final = b"fastapi_sqlalchemy.cursor\0"
_SIGNATURE: Final = hashlib.sha256().digest_size
_TICK: Final = timedelta(microseconds=1)
_INTEGERS: Final = range(-(2**63), 2**63)

_Write = Callable[[Any], str]
_Read = Callable[[str], Any]

# a datetime is a date: the first kind that fits is taken
_KINDS: tuple[tuple[type[Any], str, _Write, _Read], ...] = (
    (datetime, "datetime", datetime.isoformat, datetime.fromisoformat),
    (date, "date", date.isoformat, date.fromisoformat),
    (time, "time", time.isoformat, time.fromisoformat),
    (timedelta, "timedelta", lambda value: str(value // _TICK), lambda text: int(text) * _TICK),
    (UUID, "uuid", str, UUID),
    (Decimal, "decimal", str, Decimal),
    (bytes, "bytes", bytes.hex, bytes.fromhex),
)
_READ: Final = {tag: read for _, tag, _, read in _KINDS}


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in an order.

    Args:
        order: The fingerprint of that order.
        values: What it sorts by, at that place.
        inclusive: Whether the record at that place is one of those meant.
    """

    order: str
    values: tuple[Any, ...]
    inclusive: bool = False

    def encode(self, secret: bytes | None) -> str:
        """The cursor as text of letters, digits, `-` and `_`.

        Raises:
            InvalidRequestError: It holds a value that no cursor can carry.
        """
        facts = [self.order, [_written(value) for value in self.values], int(self.inclusive)]
        payload = json.dumps(facts, separators=(",", ":")).encode()
        text = base64.urlsafe_b64encode(_signature(secret, payload) + payload)
        return text.rstrip(b"=").decode()

    @classmethod
    def decode(
        cls,
        text: object,
        *,
        order: str,
        kinds: Sequence[type[enum.Enum] | None],
        secret: bytes | None,
    ) -> Cursor:
        """The cursor behind a text.

        Args:
            text: What a client sent.
            order: The fingerprint of the order it has to belong to.
            kinds: The enumeration of each value that is one.
            secret: What it was signed with.

        Raises:
            InvalidCursorError: It is damaged, forged, or belongs to another order.
        """
        if not isinstance(text, str):
            raise answered(InvalidCursorError)(f"a {type(text).__name__}")
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except ValueError:
            raise answered(InvalidCursorError)("a damaged one") from None
        payload = raw[_SIGNATURE if secret else 0 :]
        if not hmac.compare_digest(raw[: len(raw) - len(payload)], _signature(secret, payload)):
            raise answered(InvalidCursorError)("one with a wrong signature")
        try:
            found, values, inclusive = json.loads(payload)
            # checked first, because the values of another order are of other kinds
            if found != order:
                raise answered(InvalidCursorError)("one of another order")
            pairs = zip(values, kinds, strict=True)
            return cls(order, tuple(_read(*pair) for pair in pairs), bool(inclusive))
        except InvalidCursorError:
            raise
        except (
            ArithmeticError,
            AttributeError,
            LookupError,
            RecursionError,
            TypeError,
            ValueError,
        ):
            raise answered(InvalidCursorError)("a damaged one") from None


def fingerprint(parts: Sequence[str]) -> str:
    """A short text that differs where the parts differ."""
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=9).hexdigest()


def _signature(secret: bytes | None, payload: bytes) -> bytes:
    return hmac.digest(secret, _PURPOSE + payload, "sha256") if secret else b""


def _written(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return {"enum": value.name}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    for kind, tag, write, _ in _KINDS:
        if isinstance(value, kind):
            return {tag: write(value)}
    raise InvalidRequestError(
        f"expected an order by values that a cursor can carry, found one of {type(value).__name__}"
        "\n\nSort by numbers, texts, dates, times, UUIDs, bytes or enumerations."
    )


def _read(value: Any, kind: type[enum.Enum] | None) -> Any:
    if isinstance(value, dict):
        ((tag, text),) = value.items()
        return kind[text] if tag == "enum" and kind is not None else _READ[tag](text)
    if isinstance(value, int) and value not in _INTEGERS:
        raise ValueError("an integer that no database takes")
    if isinstance(value, str):
        value.encode()  # half a surrogate pair is no text
        if "\0" in value:
            raise ValueError("a character that PostgreSQL refuses")
    if isinstance(value, list):
        raise TypeError("a list")
    return value
