"""`UTCDateTime`: a moment is stored in UTC and comes back with its zone, on every database."""

from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Any, ClassVar

import pytest
from sqlalchemy import Select, func, insert, literal, null, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.schema import CreateTable
from typing_extensions import override

from fastapi_sqlalchemy import ModelBase, SQLAlchemy
from fastapi_sqlalchemy.columns import UTCDateTime, utcnow
from fastapi_sqlalchemy.exceptions import NaiveDatetimeError
from tests.mixins.documents import Visit
from tests.statements import sent
from tests.verbs import Verb

TOKYO = timezone(timedelta(hours=9))
NEW_YORK = timezone(timedelta(hours=-5))
NOON = datetime(2025, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
NAIVE = datetime(2025, 1, 1, 12)  # noqa: DTZ001 - what is to be refused


def loaded_again(verb: Verb, db: SQLAlchemy, visit: Visit) -> Visit:
    with verb.scope(db):
        found = verb(Visit, "get", visit.id)
    assert isinstance(found, Visit)
    return found


@pytest.mark.parametrize("zone", [UTC, TOKYO, NEW_YORK])
def test_a_moment_of_any_zone_comes_back_in_utc(verb: Verb, db: SQLAlchemy, zone: tzinfo) -> None:
    with verb.scope(db):
        visit = verb(Visit, "new", began=NOON.astimezone(zone))
    again = loaded_again(verb, db, visit)
    assert again.began == NOON
    assert again.began.tzinfo is UTC


def test_a_moment_may_be_missing(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        visit = verb(Visit, "new", began=NOON, ended=None)
        assert verb(Visit, "get", ended=None) is visit
    assert loaded_again(verb, db, visit).ended is None


@pytest.mark.parametrize("zone", [UTC, TOKYO, NEW_YORK])
def test_a_comparison_means_the_moment_whatever_its_zone(
    verb: Verb, db: SQLAlchemy, zone: tzinfo
) -> None:
    second = timedelta(seconds=1)
    with verb.scope(db):
        visit = verb(Visit, "new", began=NOON)
        here = NOON.astimezone(zone)
        assert verb(Visit.query.filter_by(began=here), "one") is visit
        assert verb(Visit.query.filter(Visit.began < here + second), "count") == 1
        assert verb(Visit.query.filter(Visit.began < here), "count") == 0
        assert verb(Visit.query.filter(Visit.began > here - second), "count") == 1
        assert verb(Visit.query.filter(Visit.began.in_([here])), "count") == 1
        assert verb(Visit.query.filter(Visit.began.between(here - second, here)), "count") == 1


def test_moments_are_sorted_across_zones(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        late = verb(Visit, "new", began=(NOON + timedelta(hours=1)).astimezone(NEW_YORK))
        early = verb(Visit, "new", began=NOON.astimezone(TOKYO))
        assert verb(Visit.query.order_by(Visit.began), "all") == [early, late]


class Lost(tzinfo):
    """A zone that does not know how far it is from UTC."""

    @override
    def utcoffset(self, moment: datetime | None) -> None:
        return None

    dst = tzname = utcoffset


@pytest.mark.parametrize("value", [NAIVE, date(2025, 1, 1), NAIVE.replace(tzinfo=Lost()), "today"])
def test_what_is_no_moment_is_not_saved(verb: Verb, db: SQLAlchemy, value: Any) -> None:
    with verb.scope(db):
        visit = Visit(began=value)
        with pytest.raises(NaiveDatetimeError):
            verb(visit, "save")
        assert verb(visit, "update", began=NOON).began == NOON
        assert verb(Visit.query, "count") == 1


@pytest.mark.parametrize("value", [NAIVE, date(2025, 1, 1)])
def test_what_is_no_moment_is_not_compared(verb: Verb, db: SQLAlchemy, value: Any) -> None:
    with verb.scope(db), sent() as statements:
        with pytest.raises(NaiveDatetimeError):
            verb(Visit.query.filter(Visit.began > value), "all")
        with pytest.raises(NaiveDatetimeError):
            verb(Visit.query.filter_by(began=value), "count")
        with pytest.raises(NaiveDatetimeError):
            verb(Visit.query.filter(Visit.began.in_([NOON, value])), "count")
    assert statements == []


def test_the_refusal_tells_what_was_found_and_the_way_out_but_no_value() -> None:
    with pytest.raises(NaiveDatetimeError) as caught:
        UTCDateTime().process_bind_param(NAIVE, None)  # type: ignore[arg-type] # no dialect needed
    assert str(caught.value) == (
        "a UTCDateTime expected a datetime with a time zone, found a datetime without one\n\n"
        "`datetime.now(UTC)` has one; `value.replace(tzinfo=...)` says which one is meant."
    )


def test_an_interval_can_be_added_on_the_server(postgres_url: str) -> None:
    db = SQLAlchemy(postgres_url)
    later = literal(NOON, UTCDateTime()) + timedelta(hours=1)
    with db():
        assert db.session.scalar(select(later)) == NOON + timedelta(hours=1)
        age = literal(NOON, UTCDateTime()) - literal(NOON - timedelta(hours=2), UTCDateTime())
        assert db.session.scalar(select(age)) == timedelta(hours=2)
    db.dispose()


def test_the_column_keeps_microseconds_and_the_zone_where_there_is_one() -> None:
    def ddl(url: str) -> str:
        db = SQLAlchemy(url)
        return str(CreateTable(Visit.__table__).compile(db.engine))  # type: ignore[arg-type] # a FromClause to SQLAlchemy

    assert "began TIMESTAMP WITH TIME ZONE NOT NULL" in ddl("postgresql+psycopg://host/name")
    assert "began DATETIME(6) NOT NULL" in ddl("mysql+pymysql://host/name")
    assert "began DATETIME NOT NULL" in ddl("sqlite://")


def test_a_migration_writes_the_type_as_it_is_called() -> None:
    assert repr(UTCDateTime()) == "UTCDateTime()"
    assert isinstance(eval(repr(UTCDateTime()), {"UTCDateTime": UTCDateTime}), UTCDateTime)


def test_a_base_may_use_it_for_every_datetime() -> None:
    class Base(ModelBase, DeclarativeBase):
        type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: UTCDateTime}

    class Row(Base):
        __tablename__ = "rows"

        id: Mapped[int] = mapped_column(primary_key=True)
        at: Mapped[datetime]
        until: Mapped[datetime | None]

    columns = Row.__table__.columns
    assert [type(columns[name].type) for name in ("at", "until")] == [UTCDateTime] * 2


def test_the_type_does_not_keep_a_statement_out_of_the_cache() -> None:
    def key(moment: datetime) -> Any:
        statement: Select[Any] = select(Visit).where(Visit.began == moment)
        return statement._generate_cache_key()

    assert key(NOON) is not None
    assert key(NOON) == key(NOON + timedelta(days=1))


def test_a_value_in_the_sql_text_is_in_utc() -> None:
    statement = select(literal(NOON.astimezone(TOKYO), UTCDateTime()))
    literally = str(statement.compile(compile_kwargs={"literal_binds": True}))
    assert "2025-01-01 12:00:00.123456" in literally


def test_the_servers_time_is_now_and_moves_on(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db), verb.within(lambda: db.transaction()):
        before = datetime.now(UTC) - timedelta(milliseconds=1)
        moments = []
        for _ in range(2):
            visit = verb(Visit(began=NOON, ended=utcnow()), "save")
            moments.append(visit.ended)
            verb.inside(spend_a_millisecond)
        after = datetime.now(UTC) + timedelta(milliseconds=1)
    assert before <= moments[0] < moments[1] <= after


def spend_a_millisecond() -> None:
    started = datetime.now(UTC)
    while datetime.now(UTC) - started < timedelta(milliseconds=2):
        pass


def test_the_servers_time_compares_with_a_bound_one(verb: Verb, db: SQLAlchemy) -> None:
    hour = timedelta(hours=1)
    with verb.scope(db):
        verb(Visit, "new", began=utcnow())
        now = datetime.now(UTC)
        assert verb(Visit.query.filter(Visit.began > now - hour), "count") == 1
        assert verb(Visit.query.filter(Visit.began < (now + hour).astimezone(TOKYO)), "count") == 1
        assert verb(Visit.query.filter(Visit.began <= utcnow()), "count") == 1


def test_rows_that_sqlalchemy_inserts_are_no_different(verb: Verb, db: SQLAlchemy) -> None:
    def add() -> None:
        statement = insert(Visit)
        db.session.execute(statement, [{"began": NOON.astimezone(TOKYO)}, {"began": NOON}])
        with pytest.raises(NaiveDatetimeError):
            db.session.execute(statement, [{"began": NAIVE}])

    with db():
        add()
        moments = db.session.scalars(select(Visit.began).distinct()).all()
        assert moments == [NOON]
        earliest = select(func.min(Visit.began)).where(text("1 = 1"), Visit.ended == null())
        assert db.session.scalar(earliest) == NOON
