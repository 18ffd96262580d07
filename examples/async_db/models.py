import os

from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fastapi_sqlalchemy import ModelBase, SQLAlchemy


# A base written out like this one is understood by every type checker.
class Base(ModelBase, DeclarativeBase):
    pass


db = SQLAlchemy(url=os.environ.get("DATABASE_URL", "sqlite:///example.db"), model_class=Base)


class User(Base):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    email: Mapped[str]
