from sqlalchemy import Column, Integer, String

from fastapi_sqlalchemy import SQLAlchemy

users_db = SQLAlchemy(url="sqlite:///users.db")
posts_db = SQLAlchemy(url="sqlite:///posts.db")


# A model finds its session through the base it derives from.
class User(users_db.Base):
    __tablename__ = "users"

    id = Column(Integer, primary_key=True)
    name = Column(String)
    email = Column(String)


class Post(posts_db.Base):
    __tablename__ = "posts"

    id = Column(Integer, primary_key=True)
    # No foreign key: the users are in another database.
    user_id = Column(Integer, index=True)
    title = Column(String)
    content = Column(String)
