"""Names of attributes: a misspelt one is refused, and so is one that would hide a verb."""

import types
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    column_property,
    declared_attr,
    mapped_column,
    registry,
    relationship,
    synonym,
)

from fastapi_sqlalchemy import ModelBase, Query, SQLAlchemy
from fastapi_sqlalchemy.exceptions import ReservedNameError, UnknownNameError
from tests.blog import Post, User, created
from tests.statements import sent
from tests.verbs import Verb


def test_new_refuses_a_misspelt_name_before_anything_is_sent(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db), sent() as statements, pytest.raises(UnknownNameError):
        verb(User, "new", email="ada@x", nmae="Ada")
    assert statements == []


def test_update_refuses_a_misspelt_name_before_anything_is_sent(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        user = verb(User, "new", email="ada@x")
        with sent() as statements, pytest.raises(UnknownNameError):
            verb(user, "update", name="Ada", emial="lovelace@x")
    assert statements == []


def test_update_with_a_misspelt_name_sets_nothing(verb: Verb, db: SQLAlchemy) -> None:
    with verb.scope(db):
        user = verb(User, "new", email="ada@x")
        with pytest.raises(UnknownNameError):
            verb(user, "update", name="Ada", emial="lovelace@x")
        assert user.name is None
        assert not hasattr(user, "emial")


def test_the_constructor_refuses_a_misspelt_name() -> None:
    with pytest.raises(UnknownNameError):
        User(nmae="Ada")  # type: ignore[call-arg]  # the mistake


@pytest.mark.parametrize("caught_by", [AttributeError, TypeError, InvalidRequestError])
def test_an_unknown_name_is_what_a_caller_catches_already(caught_by: type[Exception]) -> None:
    with pytest.raises(caught_by):
        User(nmae="Ada")  # type: ignore[call-arg]  # the mistake


def test_an_unknown_name_tells_the_model_the_name_and_the_closest_one() -> None:
    with pytest.raises(UnknownNameError) as caught:
        User(nmae="Ada")  # type: ignore[call-arg]  # the mistake
    error = caught.value
    assert (error.model, error.unknown, error.closest) == ("User", "nmae", "name")
    assert str(error) == (
        "User() expected attributes of User, found `nmae`, which it does not have.\n\n"
        "Did you mean `name`?"
    )


def test_an_unknown_name_like_no_other_tells_which_there_are() -> None:
    with pytest.raises(UnknownNameError) as caught:
        User(zzz="Ada")  # type: ignore[call-arg]  # the mistake
    assert caught.value.closest is None
    assert str(caught.value).endswith("It has: email, id, name, posts.")


def test_an_unknown_name_does_not_tell_the_value() -> None:
    with pytest.raises(UnknownNameError) as caught:
        User(pasword="correct horse")  # type: ignore[call-arg]  # the mistake
    assert "correct horse" not in str(caught.value)


@pytest.mark.parametrize("name", ["save", "query", "metadata", "registry", "to_dict"])
def test_what_is_no_attribute_of_the_table_is_an_unknown_name(name: str) -> None:
    with pytest.raises(UnknownNameError):
        User(**{name: 1})


def test_a_relationship_is_a_known_name() -> None:
    user = User(email="ada@x")
    assert Post(title="On engines", author=user).author is user


class Base(ModelBase, DeclarativeBase):
    pass


shop = SQLAlchemy(model_class=Base)


class Article(Base):
    """Attributes that are no columns."""

    __tablename__ = "articles"

    id: Mapped[int] = mapped_column(primary_key=True)
    cents: Mapped[int]
    price_in_cents: Mapped[int] = synonym("cents")
    note: str = ""

    @hybrid_property
    def euros(self) -> float:
        return self.cents / 100

    @euros.inplace.setter
    def _euros(self, euros: float) -> None:
        self.cents = round(euros * 100)

    @property
    def cents_as_text(self) -> str:
        return str(self.cents)

    @cents_as_text.setter
    def cents_as_text(self, text: str) -> None:
        self.cents = int(text)


@pytest.mark.parametrize(
    "values",
    [{"euros": 2.5}, {"price_in_cents": 250}, {"cents_as_text": "250"}, {"cents": 250}],
    ids=lambda values: next(iter(values)),
)
def test_hybrids_synonyms_and_properties_are_known_names(values: dict[str, Any]) -> None:
    assert Article(**values).cents == 250


def test_a_default_of_the_class_is_a_known_name() -> None:
    assert Article(note="fragile").note == "fragile"


class Entry(Base):
    """Columns named like what a model has: none of them hides a verb."""

    __tablename__ = "entries"

    id: Mapped[int] = mapped_column(primary_key=True)
    query: Mapped[str] = mapped_column(String(100))  # type: ignore[assignment]  # the claim
    session: Mapped[str] = mapped_column(String(100))
    db: Mapped[str] = mapped_column(String(100))


def test_columns_may_be_called_query_session_and_db(verb: Verb, url: str) -> None:
    with created(shop, url), verb.scope(shop):
        entry = verb(Entry, "new", query="q", session="s", db="d")
        assert (entry.query, entry.session, entry.db) == ("q", "s", "d")
        verb(entry, "update", query="other", session="s2")
        with verb.scope(shop):
            assert verb(Entry, "get", query="other", session="s2", db="d").id == entry.id
            assert [entry.id for entry in verb(Entry, "get_all")] == [entry.id]
            assert verb(Query(Entry).filter(Entry.query == "other"), "count") == 1


VERBS = sorted(name for name in dir(ModelBase) if not name.startswith("_") and name != "query")


def declare(name: str, bases: tuple[type, ...], body: dict[str, Any]) -> type[Any]:
    return types.new_class(name, bases, exec_body=lambda namespace: namespace.update(body))


def empty_base() -> type[Any]:
    return declare("Base", (ModelBase, DeclarativeBase), {})


def model(*bases: type[Any], **body: Any) -> type[Any]:
    key = mapped_column(Integer, primary_key=True)
    return declare("Bad", bases or (empty_base(),), {"__tablename__": "bad", "id": key, **body})


def by_mapped_column(name: str) -> type[Any]:
    return model(**{name: mapped_column(Integer)})


def by_column(name: str) -> type[Any]:
    return model(**{name: Column(Integer)})


def by_annotation(name: str) -> type[Any]:
    return model(__annotations__={name: Mapped[int]})


def by_annotation_in_words(name: str) -> type[Any]:
    return model(__annotations__={name: "Mapped[int]"})


def by_annotation_of_a_collection(name: str) -> type[Any]:
    return model(__annotations__={name: "WriteOnlyMapped[Bad]"})


def by_annotated_mapped_column(name: str) -> type[Any]:
    return model(**{name: mapped_column(Integer), "__annotations__": {name: Mapped[int]}})


def by_relationship(name: str) -> type[Any]:
    return model(**{name: relationship("Bad"), "bad_id": Column(ForeignKey("bad.id"))})


def by_column_property(name: str) -> type[Any]:
    return model(**{name: column_property(Column("x", Integer))})


def by_synonym(name: str) -> type[Any]:
    return model(**{name: synonym("id")})


def by_mixin(name: str) -> type[Any]:
    return model(declare("Mixin", (), {name: mapped_column(Integer)}), empty_base())


def by_column_of_a_mixin(name: str) -> type[Any]:
    return model(declare("Mixin", (), {name: Column(Integer)}), empty_base())


def by_annotation_of_a_mixin(name: str) -> type[Any]:
    return model(declare("Mixin", (), {"__annotations__": {name: Mapped[int]}}), empty_base())


def by_declared_attr_of_a_mixin(name: str) -> type[Any]:
    attribute = declared_attr(lambda cls: mapped_column(Integer))
    return model(declare("Mixin", (), {name: attribute}), empty_base())


def by_abstract_base(name: str) -> type[Any]:
    body = {"__abstract__": True, name: mapped_column(Integer)}
    return model(declare("Above", (empty_base(),), body))


def by_table(name: str) -> type[Any]:
    base = empty_base()
    key = Column("id", Integer, primary_key=True)
    return declare(
        "Bad", (base,), {"__table__": Table("bad", base.metadata, key, Column(name, Integer))}
    )


def by_imperative_mapping(name: str) -> type[Any]:
    bad = declare("Bad", (ModelBase,), {})
    columns = Column("id", Integer, primary_key=True), Column(name, Integer)
    registry().map_imperatively(bad, Table("bad", MetaData(), *columns))
    return bad


FORMS = [
    by_mapped_column,
    by_annotated_mapped_column,
    by_column,
    by_annotation,
    by_annotation_in_words,
    by_annotation_of_a_collection,
    by_relationship,
    by_column_property,
    by_synonym,
    by_mixin,
    by_column_of_a_mixin,
    by_annotation_of_a_mixin,
    by_declared_attr_of_a_mixin,
    by_abstract_base,
    by_table,
    by_imperative_mapping,
]


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_is_a_reserved_name(name: str) -> None:
    with pytest.raises(ReservedNameError):
        by_column(name)


@pytest.mark.parametrize("name", ["get", "save", "new", "delete", "update"])
@pytest.mark.parametrize("form", FORMS)
def test_an_attribute_that_would_hide_a_verb_is_refused_however_it_is_declared(
    form: Callable[[str], type[Any]], name: str
) -> None:
    with pytest.raises(ReservedNameError) as caught:
        form(name)
    assert caught.value.name == name


def test_a_reserved_name_is_refused_with_the_way_out() -> None:
    with pytest.raises(ReservedNameError) as caught:
        by_column("get")
    assert (caught.value.model, caught.value.name) == ("Bad", "get")
    assert str(caught.value) == (
        "Bad.get would hide the verb `get()` that every model has.\n\n"
        "Name the attribute otherwise and keep the column's name: "
        '`get_ = mapped_column("get", ...)`.'
    )


def test_a_reserved_name_is_a_type_error() -> None:
    with pytest.raises(TypeError):
        by_column("save")


def test_a_refused_model_leaves_no_table_behind() -> None:
    base = empty_base()
    with pytest.raises(ReservedNameError):
        model(base, save=Column(Integer))
    assert base.metadata.tables == {}


class Setting(Base):
    """The way out of the refusal."""

    __tablename__ = "settings"

    id: Mapped[int] = mapped_column(primary_key=True)
    get_: Mapped[str] = mapped_column("get", String(100))


def test_a_column_named_like_a_verb_may_have_another_attribute(verb: Verb, url: str) -> None:
    with created(shop, url), verb.scope(shop):
        setting = verb(Setting, "new", get_="x")
        assert verb(Setting, "get", get_="x") is setting


class Account(Base):
    __tablename__ = "accounts"

    id: Mapped[int] = mapped_column(primary_key=True)
    saves: int = 0

    def save(self, *, commit: bool | None = None) -> "Account":
        self.saves += 1
        return super().save(commit=commit)

    async def asave(self, *, commit: bool | None = None) -> "Account":
        self.saves += 1
        return await super().asave(commit=commit)


def test_a_method_may_override_a_verb(verb: Verb, url: str) -> None:
    with created(shop, url), verb.scope(shop):
        account = verb(Account(), "save")
        assert account.saves == 1
        assert verb(Account, "get", account.id) is account


def test_new_saves_through_an_overridden_save(verb: Verb, url: str) -> None:
    with created(shop, url), verb.scope(shop):
        assert verb(Account, "new").saves == 1
