"""Whether a lone read is a transaction, as the server tells: BEGIN comes before what it begins.

By psycopg, whose statement without parameters is one message: its parts would begin one by one.
"""

import pytest
from sqlalchemy import func

from tests.blog import User, created, db
from tests.verbs import Verb

IS_ALONE = func.transaction_timestamp() == func.statement_timestamp()


@pytest.mark.parametrize("autocommit_reads", [True, False])
def test_a_lone_read_is_a_transaction_where_that_is_asked_for(
    verb: Verb, postgres_url: str, *, autocommit_reads: bool
) -> None:
    with created(db, postgres_url, autocommit_reads=autocommit_reads), verb.scope(db):
        verb(User, "new", email="ada@example.com")
        for _ in range(3):  # as SQLAlchemy sends it, and as a plan does
            assert verb(User.query.with_entities(IS_ALONE), "scalar") is autocommit_reads
            assert not verb.inside(lambda: db.session.in_transaction())


def test_reads_of_a_transaction_are_not_alone(verb: Verb, postgres_url: str) -> None:
    with created(db, postgres_url), verb.scope(db), verb.within(db.transaction):
        verb(User, "new", email="ada@example.com")
        assert verb(User.query.with_entities(IS_ALONE), "scalar") is False
