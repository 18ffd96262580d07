"""What a record shows of itself: `to_dict()`, `dict(record)`, `repr(record)`."""

from collections.abc import Iterator

import pytest
from fastapi.encoders import jsonable_encoder
from sqlalchemy import String, text
from sqlalchemy.orm import DeclarativeBase, Mapped, defer, mapped_column

from fastapi_sqlalchemy import ModelBase, SQLAlchemy
from tests.blog import Post, User, created
from tests.statements import sent, verbs_of
from tests.verbs import Verb


class Base(ModelBase, DeclarativeBase):
    pass


hotel = SQLAlchemy(model_class=Base)


class Room(Base):
    """A key of two columns, an attribute with another name than its column, a deferred one."""

    __tablename__ = "rooms"

    floor: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    guest: Mapped[str | None] = mapped_column("guest_name", String(100))
    notes: Mapped[str | None] = mapped_column(String(100), deferred=True)
    stars: Mapped[int] = mapped_column(server_default=text("3"))


@pytest.fixture
def rooms(url: str) -> Iterator[SQLAlchemy]:
    with created(hotel, url) as database:
        yield database


def test_to_dict_has_the_columns_of_a_saved_record(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        user = verb(User, "new", email="ada@x", name="Ada")
        assert verb.inside(user.to_dict) == {"id": user.id, "email": "ada@x", "name": "Ada"}


def test_to_dict_of_a_new_record_has_none_for_what_is_not_set() -> None:
    assert User(email="ada@x").to_dict() == {"id": None, "email": "ada@x", "name": None}


def test_to_dict_names_attributes_rather_than_columns() -> None:
    room = Room(floor=1, number=2, guest="Ada", notes="quiet", stars=4)
    assert room.to_dict() == {
        "floor": 1,
        "number": 2,
        "guest": "Ada",
        "notes": "quiet",
        "stars": 4,
    }


def test_to_dict_shows_changes_that_are_not_saved(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        user = verb(User, "new", email="ada@x")
        user.name = "Ada"
        assert verb.inside(user.to_dict)["name"] == "Ada"


def test_to_dict_has_no_relationships(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        post = verb(Post, "new", title="On engines", author=User(email="ada@x"))
        assert sorted(verb.inside(post.to_dict)) == ["author_id", "edits", "id", "state", "title"]


def test_to_dict_is_a_copy(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        user = verb(User, "new", email="ada@x")
        verb.inside(user.to_dict)["email"] = "eve@x"
        assert user.email == "ada@x"


def test_to_dict_of_a_record_just_saved_has_none_for_what_was_not_given(
    verb: Verb, db: SQLAlchemy
) -> None:
    with verb.scope(db):
        user = verb(User, "new", email="ada@x")
        with sent() as statements:
            assert verb.inside(user.to_dict) == {"id": user.id, "email": "ada@x", "name": None}
    assert statements == []
    assert user.to_dict() == {"id": user.id, "email": "ada@x", "name": None}


def test_to_dict_of_a_record_just_saved_leaves_a_deferred_column_out(
    verb: Verb, rooms: SQLAlchemy
) -> None:
    with verb.scope(rooms):
        room = verb(Room, "new", floor=1, number=2)
        with sent() as statements:
            assert "notes" not in verb.inside(room.to_dict)
    assert statements == []


def test_to_dict_leaves_a_deferred_column_where_it_is(verb: Verb, rooms: SQLAlchemy) -> None:
    with verb.scope(rooms):
        verb(Room, "new", floor=1, number=2, notes="quiet")
    with verb.scope(rooms):
        room = verb(Room.query, "one")
        with sent() as statements:
            shown = verb.inside(room.to_dict)
    assert shown == {"floor": 1, "number": 2, "guest": None, "stars": 3}
    assert statements == []


def test_to_dict_has_a_deferred_column_that_was_loaded(verb: Verb, rooms: SQLAlchemy) -> None:
    with verb.scope(rooms):
        verb(Room, "new", floor=1, number=2, notes="quiet")
    with verb.scope(rooms):
        room = verb(verb(Room.query, "one"), "refresh", "notes")
        assert verb.inside(room.to_dict)["notes"] == "quiet"


def test_to_dict_loads_what_expired(db: SQLAlchemy) -> None:
    with db():
        user = User.new(email="ada@x")
        db.session.expire(user)
        with sent() as statements:
            assert user.to_dict()["email"] == "ada@x"
    assert verbs_of(statements) == ["SELECT"]


def test_to_dict_of_a_record_whose_scope_has_ended_sends_nothing(
    verb: Verb, rooms: SQLAlchemy
) -> None:
    with verb.scope(rooms):
        verb(Room, "new", floor=1, number=2, guest="Ada")
    with verb.scope(rooms):
        room = verb(Room.query.options(defer(Room.guest)), "one")
    with sent() as statements:
        assert room.to_dict() == {"floor": 1, "number": 2, "stars": 3}
    assert statements == []


def test_dict_of_a_record_is_its_to_dict(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        user = verb(User, "new", email="ada@x")
        assert verb.inside(dict, user) == verb.inside(user.to_dict)


def test_fastapi_encodes_a_record_as_its_columns(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        user = verb(User, "new", email="ada@x", name="Ada")
        assert verb.inside(jsonable_encoder, user) == {
            "id": user.id,
            "email": "ada@x",
            "name": "Ada",
        }


def test_repr_names_the_model_and_the_key(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        user = verb(User, "new", email="ada@x")
        assert verb.inside(repr, user) == f"<User id={user.id}>"


def test_repr_names_every_column_of_the_key(verb: Verb, rooms: SQLAlchemy) -> None:
    with verb.scope(rooms):
        room = verb(Room, "new", floor=1, number=2)
        assert verb.inside(repr, room) == "<Room floor=1 number=2>"


def test_repr_of_a_new_record_says_so() -> None:
    assert repr(User(email="ada@x")) == "<User (not saved)>"


def test_repr_shows_no_value_beside_the_key(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        user = verb(User, "new", email="secret@x")
        assert "secret" not in verb.inside(repr, user)


def test_repr_of_an_expired_record_sends_nothing(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        user = verb(User, "new", email="ada@x")
        key = user.id
        verb.inside(lambda: db.session.expire(user))
        with sent() as statements:
            assert verb.inside(repr, user) == f"<User id={key}>"
    assert statements == []


def test_repr_of_a_record_whose_scope_has_ended_sends_nothing(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        user = verb(User, "new", email="ada@x")
        verb.inside(lambda: db.session.expire(user))
    with sent() as statements:
        assert repr(user).startswith("<User id=")
    assert statements == []


def test_repr_of_a_deleted_record_still_names_it(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        user = verb(User, "new", email="ada@x")
        verb(user, "delete")
        assert repr(user) == f"<User id={user.id}>"
