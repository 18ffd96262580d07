"""Whose row it was that a flush did not find as it was read.

SQLAlchemy tells the table and how many rows matched, which is all that the database said.
"""

from __future__ import annotations

import re
from typing import Final

from sqlalchemy import orm
from sqlalchemy.orm.exc import StaleDataError

from ._names import key_names
from .exceptions import StaleRecordError

__all__ = ["typed"]

_SAID: Final = re.compile(
    r"statement on table '(?P<table>.+)' expected to \w+ (?P<expected>\d+) row\(s\); "
    r"(?P<matched>\d+) were matched"
)


def typed(error: StaleDataError, session: orm.Session) -> StaleDataError:
    """The same error with the model's name, where it is about the row of a record."""
    said = _SAID.search(str(error))
    if said is None or isinstance(error, StaleRecordError):
        return error
    mappers = {
        state.mapper
        for state in session.identity_map.all_states()
        if said["table"] in [getattr(table, "description", None) for table in state.mapper.tables]
    }
    if not mappers:  # of a relationship's table of pairs
        return error
    mapper = mappers.pop() if len(mappers) == 1 else mappers.pop().base_mapper
    return StaleRecordError(
        mapper.class_.__name__,
        key_names(mapper),
        expected=int(said["expected"]),
        matched=int(said["matched"]),
    )
