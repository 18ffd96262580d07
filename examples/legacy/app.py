from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

from fastapi_sqlalchemy import DBSessionMiddleware, db

from .models import User

app = FastAPI()

app.add_middleware(DBSessionMiddleware, db_url="sqlite:///example.db")


class UserCreate(BaseModel):
    name: str
    email: str


class UserUpdate(BaseModel):
    id: int
    name: str | None = None
    email: str | None = None


# `db.session` is SQLAlchemy's own `Session`: what it is told to commit it commits, and no more.
@app.get("/users", response_model=None)
def get_users() -> list[User]:
    return db.session.query(User).all()


@app.post("/add_user")
def add_user(user_data: UserCreate) -> dict[str, str]:
    db.session.add(User(**user_data.model_dump()))
    db.session.commit()
    return {"message": "User created successfully"}


@app.post("/update_user", response_model=None)
def update_user(user_data: UserUpdate) -> User:
    user = db.session.query(User).filter_by(id=user_data.id).first()
    if user is None:
        raise HTTPException(404, "User not found")
    for name, value in user_data.model_dump(exclude={"id"}, exclude_unset=True).items():
        setattr(user, name, value)
    db.session.commit()
    return user
