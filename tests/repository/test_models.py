"""Which model a repository is about: read from its type argument, given, or refused."""

from abc import ABC, abstractmethod
from typing import Any, ForwardRef, Generic, TypeVar

import pytest
from sqlalchemy.orm import DeclarativeBase
from typing_extensions import TypeVar as TypeVarWithDefault

from fastapi_sqlalchemy import Query, Repository
from fastapi_sqlalchemy.exceptions import MissingModelError
from tests.blog import Post, User
from tests.repository.plain import Author, Base, Book

T = TypeVar("T")
Extra = TypeVar("Extra")
Mapped = TypeVar("Mapped", bound=DeclarativeBase)
AnAuthor = TypeVar("AnAuthor", bound=Author)
Default = TypeVarWithDefault("Default", default=Author)


class Users(Repository[User]):
    pass


class Audited(Repository[T]):
    """Between a repository and its model."""


class Tagged(Repository[Mapped], Generic[Extra, Mapped]):
    """Its model is the second of two arguments."""


class TaggedByText(Tagged[str, Mapped]):
    pass


class Auditing:
    """No repository."""


class Bound(Repository[AnAuthor]):
    pass


class Defaulting(Repository[Default]):
    pass


class Special(Author):
    pass


class Specials(Bound[Special]):
    pass


class Named(Repository["Author"]):
    pass


class Overriding(Repository[Any]):
    model = Author


class Narrowed(Users):
    model = Post  # type: ignore[assignment]  # a type checker knows better


class Further(Narrowed):
    pass


class AuditedAuthors(Audited[Author]):
    pass


class TaggedAuthors(TaggedByText[Author]):
    pass


class AuthorsAmongOthers(Auditing, Audited[Author]):
    pass


class Unbracketed(Bound):  # type: ignore[type-arg]  # as in code that nobody checks
    pass


class Bracketed(Repository[Author], Generic[T]):
    """Generic in something else."""


@pytest.mark.parametrize(
    ("kind", "model"),
    [
        (Users, User),
        (AuditedAuthors, Author),
        (TaggedAuthors, Author),
        (AuthorsAmongOthers, Author),
        (Bound, Author),
        (Unbracketed, Author),
        (Specials, Special),
        (Defaulting, Author),
        (Named, Author),
        (Overriding, Author),
        (Narrowed, Post),
        (Further, Post),
        (Bracketed, Author),
    ],
)
def test_a_class_knows_its_model(kind: type[Repository[Any]], model: type) -> None:
    assert kind().model is model


def test_a_class_that_knows_its_model_tells_it() -> None:
    assert Users.model is User  # type: ignore[misc]  # mypy takes it for one of an instance
    assert AuditedAuthors.model is Author  # type: ignore[misc]


def test_a_repository_is_made_of_a_model() -> None:
    users = Repository(User)
    assert users.model is User
    assert repr(users) == "<Repository of User>"
    assert isinstance(users.query, Query)


def test_a_generic_class_is_made_of_a_model() -> None:
    assert Audited(Author).model is Author
    assert repr(Audited(Author)) == "<Audited of Author>"


def test_a_model_that_is_given_goes_before_that_of_the_class() -> None:
    assert Bound(Special).model is Special


def test_what_a_class_does_not_know_is_refused_when_it_is_defined() -> None:
    with pytest.raises(MissingModelError, match=r"class Nobodys\(Repository\[User\]\)") as caught:

        class Nobodys(Repository):  # type: ignore[type-arg]
            pass

    assert caught.value.repository == "Nobodys"


def test_a_type_argument_that_is_no_class_is_refused() -> None:
    with pytest.raises(MissingModelError):

        class Anything(Repository[Any]):
            pass


def test_a_name_that_its_module_does_not_have_is_refused() -> None:
    with pytest.raises(MissingModelError):

        class Late(Repository["NotYet"]):  # type: ignore[name-defined]
            pass


def test_brackets_that_were_left_out_of_a_generic_class_are_told() -> None:
    with pytest.raises(MissingModelError):

        class Somebodys(Audited):  # type: ignore[type-arg]
            pass


def test_an_abstract_class_needs_no_model() -> None:
    class Abstract(Repository[Any], ABC):
        @abstractmethod
        def visible(self) -> Query[Any]: ...

    class Visible(Abstract):
        model = Author

        def visible(self) -> Query[Author]:
            return self.query

    assert Visible().model is Author


@pytest.mark.parametrize("kind", [Repository, Audited, TaggedByText])
def test_a_class_without_a_model_cannot_be_made(kind: type[Repository[Any]]) -> None:
    with pytest.raises(MissingModelError, match=kind.__name__):
        kind()


@pytest.mark.parametrize("wrong", [Base, Auditing, 1, ForwardRef("Author")], ids=str)
def test_what_is_not_mapped_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="expected a mapped class, found"):
        Repository(wrong)


def test_a_database_and_a_session_are_one_too_many() -> None:
    class Database:
        scopes: Any = None

    with pytest.raises(TypeError, match="one of `session` and `db`"):
        Repository(Book, session=object(), db=Database())  # type: ignore[arg-type]
