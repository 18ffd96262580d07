from sqlalchemy import Column, Integer, String

from fastapi_sqlalchemy import SQLAlchemy

db = SQLAlchemy(url="sqlite:///example.db")


# mypy knows no base class that is an attribute of a variable; examples/async_db has one it knows
class User(db.Base):  # type: ignore[name-defined,misc]
    __tablename__ = "users"

    id = Column(Integer, primary_key=True)
    name = Column(String)
    email = Column(String)

    def __repr__(self) -> str:
        return f"User(id={self.id}, name='{self.name}', email='{self.email}')"
