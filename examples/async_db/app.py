from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, ConfigDict

from fastapi_sqlalchemy import DBSessionMiddleware

from .models import User, db

app = FastAPI()

app.add_middleware(DBSessionMiddleware, db=db)


class UserCreate(BaseModel):
    name: str
    email: str


class UserUpdate(BaseModel):
    id: int
    name: str = ""
    email: str = ""


# What a response shows, also in /docs; `from_attributes` reads it from a record.
class UserRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    email: str


@app.get("/users", response_model=list[UserRead])
async def get_users() -> list[User]:
    return await User.query.aall()


@app.post("/add_user")
async def add_user(user_data: UserCreate) -> dict[str, str]:
    user = User(**user_data.model_dump())
    await user.asave()
    return {"message": "User created successfully"}


@app.post("/update_user", response_model=UserRead)
async def update_user(user_data: UserUpdate) -> User:
    user = await User.query.filter_by(id=user_data.id).afirst()
    if user is None:
        raise HTTPException(404, "User not found")
    return await user.aupdate(**user_data.model_dump(exclude={"id"}, exclude_unset=True))
