from sqlalchemy import Column, DateTime, Integer, String, func

from fastapi_sqlalchemy import SQLAlchemy

db = SQLAlchemy(url="sqlite:///example.db")


class User(db.Base):
    __tablename__ = "users"

    id = Column(Integer, primary_key=True)
    name = Column(String)
    email = Column(String)


class UserCount(db.Base):
    __tablename__ = "user_counts"

    id = Column(Integer, primary_key=True)
    number = Column(Integer, nullable=False)
    counted_at = Column(DateTime, server_default=func.now(), nullable=False)
