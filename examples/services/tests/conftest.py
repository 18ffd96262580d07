import os
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal

import httpx
import pytest
from sqlalchemy.orm import Session

from examples.services.app import app
from examples.services.models import Product, db
from examples.services.repositories import Products
from examples.services.services import get_mailer
from fastapi_sqlalchemy import SQLAlchemy


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def database() -> Iterator[SQLAlchemy]:
    """What the fixtures of fastapi_sqlalchemy isolate each test on."""
    db.init(os.environ.get("TEST_DATABASE_URL", "sqlite://"))
    db.create_all()
    yield db
    db.dispose()


class Letters:
    """A mailer that keeps what it is to send."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []

    def send(self, to: str, subject: str) -> None:
        self.sent.append((to, subject))


@pytest.fixture
def letters() -> Iterator[Letters]:
    letters = Letters()
    app.dependency_overrides[get_mailer] = lambda: letters
    yield letters
    app.dependency_overrides.clear()


@pytest.fixture
async def client(db_session: Session, letters: Letters) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        yield client


@pytest.fixture
def pen(db_session: Session) -> Product:
    return Products().create(code="PEN", name="Pen", price=Decimal("2.50"), stock=10)


@pytest.fixture
def ink(db_session: Session) -> Product:
    return Products().create(code="INK", name="Blue ink", price=Decimal("4.00"), stock=1)
