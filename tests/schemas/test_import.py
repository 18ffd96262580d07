"""Pydantic is imported by who asks for a schema, and by nobody else."""

from tests.interpreter import Python

USE = """
import sys
import fastapi_sqlalchemy
from sqlalchemy.orm import Mapped, mapped_column

db = fastapi_sqlalchemy.SQLAlchemy("sqlite://")

class User(db.Base):
    __tablename__ = "users"
    __guarded__ = {"name"}
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]

db.create_all()
with db():
    user = User.new_from({"name": "Ada"})
    user.update_from({"name": "Grace"})
    fastapi_sqlalchemy.Repository(User).create_from({})
    assert User.query.for_schema(User).count() == 2

found = [name for name in sys.modules if name.partition(".")[0].startswith("pydantic")]
assert not found, found
"""


def test_the_package_is_imported_and_used_without_pydantic(python: Python) -> None:
    python(USE)


def test_where_pydantic_is_not_installed_a_schema_names_it(python: Python) -> None:
    code = (
        USE
        + """
sys.modules["pydantic"] = None
try:
    User.schema()
except ImportError as error:
    assert "pydantic" in str(error), error
else:
    raise SystemExit("nothing was raised")
"""
    )
    python(code)
