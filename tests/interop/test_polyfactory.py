"""polyfactory builds our records, and persists them with the session of the scope."""

import contextlib
import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from polyfactory import Use
from polyfactory.factories.sqlalchemy_factory import (
    SQLAlchemyFactory,
    SQLAlchemyPersistenceMethod,
)
from sqlalchemy import inspect, select

from fastapi_sqlalchemy import SQLAlchemy
from tests.interop.stock import Product, State, Supplier
from tests.verbs import Verb


class SupplierFactory(SQLAlchemyFactory[Supplier]):
    __set_primary_key__ = False
    __set_relationships__ = False

    # a random text may be as short as one that is there already
    name = Use(lambda numbers: f"Supplier {next(numbers)}", itertools.count())


class ProductFactory(SQLAlchemyFactory[Product]):
    __set_primary_key__ = False
    __set_foreign_keys__ = False

    deleted_at = None
    supplier = SupplierFactory


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """Give the factories back without a session."""
    yield
    for factory in (SupplierFactory, ProductFactory):
        factory.__session__ = factory.__async_session__ = None
        factory.__persistence_method__ = SQLAlchemyPersistenceMethod.COMMIT


def persisting(db: SQLAlchemy, verb: Verb, **how: Any) -> type[ProductFactory]:
    """The factory, with the session of the scope: a function finds it when it is needed."""
    if verb.blocking:
        ProductFactory.__session__ = lambda **_: db.session
    else:
        ProductFactory.__async_session__ = lambda **_: db.async_session
    return ProductFactory


def create(verb: Verb, factory: type[ProductFactory], **values: Any) -> Product:
    name = "create_sync" if verb.blocking else "create_async"
    product: Product = verb.inside(lambda: getattr(factory, name)(**values))
    return product


def stored(db: SQLAlchemy) -> list[str]:
    with db.engine.connect() as connection:
        return list(connection.scalars(select(Product.code).order_by(Product.id)))


def test_it_builds_records_by_the_types_of_their_columns() -> None:
    product = ProductFactory.build(code="P1")
    assert isinstance(product.supplier, Supplier)
    assert isinstance(product.state, State)
    assert product.price == round(product.price, 2)
    assert product.code == "P1"
    assert inspect(product).transient


def test_a_built_record_is_saved_as_any_other(db: SQLAlchemy, verb: Verb) -> None:
    with verb.scope(db):
        product = verb(ProductFactory.build(code="p1"), "save")
        assert product.id is not None
    assert stored(db) == ["P1"]


def test_it_persists_records_with_the_session_of_the_scope(db: SQLAlchemy, verb: Verb) -> None:
    factory = persisting(db, verb)
    with verb.scope(db):
        product = create(verb, factory, code="p1")
        assert stored(db) == ["P1"]
        assert verb(Product, "get", product.id) is product
        batch = "create_batch_sync" if verb.blocking else "create_batch_async"
        verb.inside(lambda: getattr(factory, batch)(3))
        assert verb(Product.query, "count") == 4


def test_where_it_only_flushes_a_transaction_decides(db: SQLAlchemy, verb: Verb) -> None:
    factory = persisting(db, verb)
    factory.__persistence_method__ = SQLAlchemyPersistenceMethod.FLUSH
    with verb.scope(db):
        with contextlib.suppress(LookupError), verb.within(db.transaction):
            create(verb, factory)
            raise LookupError
        with verb.within(db.transaction):
            create(verb, factory, code="P1")
    assert stored(db) == ["P1"]


def test_it_persists_records_with_sessions_of_its_own(db: SQLAlchemy, verb: Verb) -> None:
    if verb.blocking:
        ProductFactory.__session__ = db.sessionmaker()
    else:
        ProductFactory.__async_session__ = db.async_sessionmaker()
    product = create(verb, ProductFactory, code="p1")
    assert (product.code, stored(db)) == ("P1", ["P1"])


def test_what_it_persists_in_a_test_is_rolled_back(db: SQLAlchemy, verb: Verb) -> None:
    factory = persisting(db, verb)
    with verb.within(db.testing), verb.scope(db):
        create(verb, factory)
        assert verb(Product.query, "count") == 1
    assert stored(db) == []
