"""What a query loads beside and instead of the columns of its records."""

from __future__ import annotations

from typing import Any, Self

from sqlalchemy import orm

from ._chain import Chain
from ._eager import loaders
from ._needs import loaders_for
from ._strict import STRICT
from ._types import T

__all__ = ["Loading"]


class Loading(Chain[T]):
    """Chain methods of queries that find records."""

    __slots__ = ()

    def eager(self, *relationships: orm.QueryableAttribute[Any]) -> Self:
        """Load relationships with the records: collections by SELECT IN, others by a join.

        A relationship begins at the model, or else at what one before it leads to.

        >>> with echo():
        ...     Post.query.filter_by(id=1).eager(Post.author, User.posts).one()
        SELECT posts.id, posts.title, posts.author_id, users_1.id AS id_1, users_1.name, users_1.age
        FROM posts LEFT OUTER JOIN users AS users_1 ON users_1.id = posts.author_id
        WHERE posts.id = ?
        SELECT posts.author_id, posts.id, posts.title FROM posts WHERE posts.author_id IN (?)
        <Post id=1>

        For anything else there are `options()` and SQLAlchemy's loaders.

        Args:
            relationships: Attributes such as `User.posts`, `User.posts.and_(...)`.

        Raises:
            NotARelationshipError: One is none, or begins at a model that nothing leads to.
        """
        return self.options(*loaders(self._model, relationships))

    def strict(self) -> Self:
        """Refuse what would be loaded later, record by record: relationships, deferred columns.

        As with SQLAlchemy's `raiseload(..., sql_only=True)`, what the session has needs no load.

        >>> with echo():
        ...     ada = User.query.strict().first()
        SELECT users.id, users.name, users.age FROM users LIMIT ? OFFSET ?
        >>> ada.posts
        Traceback (most recent call last):
        fastapi_sqlalchemy.exceptions.LazyLoadError: expected User.posts to be loaded, ...

        Records that the session had before stay as they were loaded. A session of SQLAlchemy's
        own, which knows nothing of it, goes on loading.
        """
        return self.options(STRICT)

    def for_schema(self, schema: type[Any]) -> Self:
        """Load what a Pydantic model reads of the records, and refuse to load more, as `strict()`.

        The columns that it needs come with the records; each relationship is one more statement,
        however many records there are.

        >>> Titled = User.schema(include={"name"}, with_=[User.posts])
        >>> with echo():
        ...     ada = User.query.for_schema(Titled).first()
        SELECT users.id, users.name FROM users LIMIT ? OFFSET ?
        SELECT posts.author_id, posts.id, posts.title FROM posts WHERE posts.author_id IN (?)
        >>> Titled.model_validate(ada).posts[0].title
        'Notes'

        A schema that was written by hand does as well (`from_attributes=True`). Its fields stand
        for attributes of their name or alias, its nested models for relationships. Where it reads a
        property or a hybrid of the model, every column is loaded.

        Args:
            schema: A Pydantic model; or a mapped class, as it stands in a response.

        Raises:
            UnknownNameError: A required field is no attribute of the model.
            TypeError: It is no such class, or leads back to itself over several relationships.
        """
        return self.options(*loaders_for(self._model, schema), STRICT)
