from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

from fastapi_sqlalchemy import DBSessionMiddleware

from .models import User, db

app = FastAPI()

# Opens a session for every request that needs one, and creates missing tables at start-up.
app.add_middleware(DBSessionMiddleware, db=db)


class UserCreate(BaseModel):
    name: str
    email: str


class UserUpdate(BaseModel):
    id: int
    name: str | None = None
    email: str | None = None


# The annotation is the response model: FastAPI shows the columns of `User`, and documents them.
@app.get("/users")
def get_users() -> list[User]:
    users: list[User] = User.query.all()
    return users


@app.post("/add_user")
def add_user(user_data: UserCreate) -> dict[str, str]:
    user = User(**user_data.model_dump())
    user.save()
    return {"message": "User created successfully"}


@app.post("/update_user")
def update_user(user_data: UserUpdate) -> User:
    user: User | None = User.query.filter_by(id=user_data.id).first()
    if user is None:
        raise HTTPException(404, "User not found")
    user.update(**user_data.model_dump(exclude={"id"}, exclude_unset=True))
    return user
